import pytest
from support.sms import items, only, problems

REPORTS = {
    "WNA#Australia#2#wisata#homestay Bpk Anin Fatumnasi#3 hari": {
        "country": "AU", "count": 2, "purpose": "wisata",
        "place": "homestay bpk anin fatumnasi", "days": 3,
    },
    "wna timor leste 1 org kunjung keluarga di rmh bpk yosep rt 03 dr kmrin": {
        "country": "TL", "count": 1, "purpose": "keluarga",
        "place": "rmh bpk yosep rt 03", "event_date": "2026-11-24",
    },
    "Slmt pagi bpk, ijin lapor ada tamu bule blanda 4 org (2 lk 2 pr) su datang td pagi, "
    "jln2 liat rumah bulat, nginap di rmh bapak desa": {
        "country": "NL", "count": 4, "purpose": "wisata",
        "place": "rmh bapak desa", "event_date": "2026-11-25",
    },
    "WNA.cina.dua org.beli tanah.dusun 2": {
        "country": "CN", "count": 2, "purpose": "bisnis", "place": "dusun 2",
    },
    "wna, Astralia, 1, wst, pantai": {
        "country": "AU", "count": 1, "purpose": "wisata", "place": "pantai",
    },
    "WNA#sonde tau#1#son tau#gereja": {
        "country": "XX", "count": 1, "purpose": "tidak_tahu", "place": "gereja",
    },
    "WNA#Belanda#2#wisata": {"country": "NL", "count": 2, "purpose": "wisata"},
    "WNA#Belanda#2#wisata#rumah RT 3": {"country": "NL", "count": 2, "place": "rumah rt 3"},
    "WNA: negara Belanda jumlah 2 tujuan wisata tempat homestay": {
        "country": "NL", "count": 2, "purpose": "wisata", "place": "homestay",
    },
    "WNA Fiji 1 rohani gereja Soe": {"country": "FJ", "count": 1, "place": "gereja soe"},
    "bule belanda 2 org wisata": {"country": "NL", "count": 2, "purpose": "wisata"},
    "turis 2 org jerman": {"country": "DE", "count": 2, "purpose": "wisata"},
    "WNA AS 2 wisata": {"country": "US"},
    "WNA eropa 2 wisata": {"country": "XX"},
    "WNA bukan Jerman tapi Belanda 2 wisata": {"country": "NL"},
    "WNA Belanda 2 org wisata ke Kupang lewat Australia": {"country": "NL"},
    "WNA Belnda 2 wisata": {"country": "NL"},
    "WNA timor lest 2 keluarga": {"country": "TL"},
    "WNA 2 org korea slatan kerja": {"country": "KR", "count": 2},
    "WNA 2 org papua nugni kerja": {"country": "PG", "count": 2},
    "WNA tdk tau negara 2 org wisata": {"country": "XX", "count": 2, "purpose": "wisata"},
    "WNA belgia jumlah tidak tahu wisata": {"country": "BE", "purpose": "wisata"},
    "WNA l belgia wisata": {"count": 1},
    "WNA Belanda 2 wisata 1 minggu": {"days": 7},
    "WNA Belanda 2 wisata 1 bulan": {"days": 30},
    "WNA Belanda 2 wisata 3 malam": {"days": 3},
    "WNA belanda 2 org wisata rt 02/rw 05 desa oinlasi": {"place": "rt 02/rw 05 desa oinlasi"},
    "WNA Belanda 2 wisata rumah 5": {"count": 2, "place": "rumah 5"},
    "WNA semalam Belanda 2 wisata": {"event_date": "2026-11-24"},
    "WNA td malam Belanda 2 wisata": {"event_date": "2026-11-24"},
    "WNA Belanda 2 wisata 5/11": {"event_date": "2026-11-05"},
    "WNA Belanda 2 wisata 3 agt": {"event_date": "2026-08-03"},
    "WNA Belanda 2 wisata tgl 24 nov 2026": {"event_date": "2026-11-24"},
    "WNA Belanda 2 wisata tgl 3112": {"event_date": "2025-12-31"},
    "Lapor pak, di desa kami ada 3 orang turis Jerman, menginap di homestay Lopo, 2 malam": {
        "country": "DE", "count": 3, "purpose": "wisata", "place": "homestay lopo", "days": 2,
    },
    "WNA#?#2#?": {"country": "XX", "count": 2, "purpose": "tidak_tahu"},
    "WNA#Belanda#2#-#rumah": {"purpose": "tidak_tahu", "place": "rumah"},
    "WMA Belanda 2 wisata": {"country": "NL", "count": 2},
    "WNA/Belanda/2/wisata": {"country": "NL", "count": 2, "purpose": "wisata"},
}  # fmt: skip


@pytest.mark.parametrize("text", REPORTS)
def test_a_whole_report_is_read(text):
    item = only(text)

    assert (item.outcome, item.code, item.missing, item.problems) == ("report", "WNA", (), ())
    assert {**item.fields, **REPORTS[text]} == dict(item.fields)
    assert item.urgency == "biasa"


COUNTS = {
    "WNA belanda suami istri jalan2": 2,
    "WNA belanda sendiri wisata": 1,
    "WNA belanda berdua wisata": 2,
    "WNA belanda bertiga wisata": 3,
    "WNA belanda dua puluh lima org wisata": 25,
    "WNA belanda dua belas org wisata": 12,
    "WNA belanda 2 lk 1 pr wisata": 3,
    "WNA belanda 4 org (2 lk 2 pr) wisata": 4,
    "WNA belanda 3 org (1 anak) wisata": 3,
    "WNA Belanda l0 wisata": 10,
    "WNA#Belanda#O2#wisata": 2,
    "WNA#Belanda#l#wisata": 1,
    "WNA Belanda wisata umur 16 th 2 org": 2,
    "WNA Belanda wisata 2 mgg 3 org": 3,
    "WNA Belanda wisata hp 081234567890 2 org": 2,
    "WNA Belanda 2 wisata jam 8 pagi": 2,
    "WNA Belanda 2 wisata bayar 5 juta": 2,
    "WNA Belanda 2 wisata km 12": 2,
    "WNA Belanda bukan 3 tapi 2 org wisata": 2,
}


@pytest.mark.parametrize("text", COUNTS)
def test_people_are_told_from_other_numbers(text):
    assert only(text).fields["count"] == COUNTS[text]


BAD_COUNTS = {
    "WNA -2 AUS wisata": ("count", "-2", "out_of_range"),
    "WNA#-2#Belanda#wisata": ("count", "-2", "out_of_range"),
    "WNA 2-3 Belanda wisata": ("count", "2-3", "unclear"),
    "WNA 2,5 Belanda wisata": ("count", "2,5", "unclear"),
    "WNA 1.000 Belanda wisata": ("count", "1.000", "unclear"),
    "WNA Belanda 201 wisata": ("count", "201", "out_of_range"),
    "WNA 9999999999 Belanda wisata": ("count", "9999999999", "out_of_range"),
    "WNA 2 3 AUS wisata": ("count", "2 3", "contradiction"),
    "WNA Belanda \u00b2 wisata": ("count", "\u00b2", "unclear"),
    "WNA Belanda \u2461 wisata": ("count", "\u2461", "unclear"),
}


@pytest.mark.parametrize("text", BAD_COUNTS)
def test_a_count_that_is_not_sure_is_a_problem_never_a_guess(text):
    item = only(text)

    assert item.outcome == "draft"
    assert problems(item) == [BAD_COUNTS[text]]
    assert "count" not in item.fields
    assert "count" not in item.missing


MISSING = {
    "WNA": ("country", "count", "purpose"),
    "wna   ": ("country", "count", "purpose"),
    "WNA#2#wisata#homestay": ("country",),
    "WNA#Belanda#2##rumah RT 3": ("purpose",),
    "WNA#Belanda#rombongan#wisata#pantai Kolbano": ("count",),
    "WNA Belanda bbrp org wisata": ("count",),
    "WNA Belanda 10 org": ("purpose",),
    "info pak ada bule 2 org": ("purpose",),
    "WNA#2#tidak tahu": ("country",),
}


@pytest.mark.parametrize("text", MISSING)
def test_only_what_is_wanted_and_not_there_is_missing(text):
    item = only(text)

    assert (item.outcome, item.missing, item.problems) == ("draft", MISSING[text], ())


COUNTRY_PROBLEMS = {
    "WNA#Austrila#1#wisata#Soe": ("country", "Austrila", "ambiguous", "AT", "AU"),
    "WNA#Korea#1#kerja#tambang": ("country", "Korea", "ambiguous", "KR", "KP"),
    "WNA arab 1 kerja": ("country", "arab", "ambiguous", "SA", "AE"),
    "WNA#Kasongo#1#wisata#pantai": ("country", "Kasongo", "unknown"),
    "WNA 2 Belanda dan Jerman wisata": ("country", "Belanda Jerman", "ambiguous", "NL", "DE"),
}


@pytest.mark.parametrize("text", COUNTRY_PROBLEMS)
def test_a_country_is_asked_for_rather_than_guessed(text):
    item = only(text)

    assert item.outcome == "draft"
    assert problems(item) == [COUNTRY_PROBLEMS[text]]
    assert "country" not in item.missing


@pytest.mark.parametrize("text", ["WNA 2 sudah wisata", "WNA 2 aman", "WNA 2 jalan", "WNA 2 kali"])
def test_an_ordinary_word_is_never_repaired_to_a_country(text):
    assert only(text).missing[0] == "country"


def test_an_impossible_date_is_a_problem_and_never_today():
    for text, given in {
        "WNA 2 AUS wisata tgl 30/02/2026": "30/02/2026",
        "WNA 2 AUS wisata tgl 29/02": "29/02",
        "WNA 2 AUS wisata tgl 31 april": "31 april",
    }.items():
        item = only(text)
        assert item.outcome == "draft"
        assert problems(item) == [("event_date", given, "impossible")]


def test_time_already_passed_is_not_a_stay():
    item = only("WNA Belanda 2 wisata sdh 5 hari")

    assert "days" not in item.fields
    assert item.fields["note"] == "sdh 5 hari"


def test_nobody_is_a_question_that_offers_nihil():
    item = only("WNA 0 AUS WISATA")

    assert (item.outcome, item.code, item.ask) == ("question", "WNA", "ERR_NIHIL_TANYA")
    assert problems(item) == [("count", "0", "out_of_range")]


@pytest.mark.parametrize(
    "text", ["WNA#Indonesia#2#kerja#kos", "WNA WNI 2 kerja", "wna 2 IDN kerja"]
)
def test_our_own_citizens_are_refused(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("rejected", "WNA", "ERR_WNI")


def test_two_nationalities_with_their_own_counts_are_two_reports():
    for text in (
        "WNA Belanda 2 Jerman 3 wisata",
        "WNA 2 Belanda 3 Jerman wisata",
        "WNA Belanda 2 org wisata dgn 3 org Jerman",
    ):
        found = items(text)
        assert [(one.fields["country"], one.fields["count"]) for one in found] == [
            ("NL", 2),
            ("DE", 3),
        ]
        assert all(one.fields["purpose"] == "wisata" for one in found)


def test_a_roughly_told_number_is_flagged():
    item = only("WNA belanda sekitar 5 org wisata")

    assert item.fields["count"] == 5
    assert item.flags == ("approximate",)


def test_a_quiet_mark_and_a_repeat_mark_are_flags():
    assert only("R WNA#Belanda#2#wisata").flags == ("quiet",)
    assert only("WNA Belanda 2 org wisata .2").flags == ("repeat",)
    assert only("WNA Belanda 2 org wisata .2").fields["count"] == 2


def test_a_passport_is_covered_and_flagged():
    item = only("WNA#Jerman#1#riset#kantor desa#paspor C01X00T47")

    assert item.flags == ("masked_document",)
    assert item.fields == {
        "country": "DE", "count": 1, "purpose": "penelitian", "place": "kantor desa",
    }  # fmt: skip
    assert only("WNA#Jerman#1#riset#paspor (no ditutup)").flags == ("masked_document",)


def test_what_is_left_over_is_a_note_as_typed():
    item = only("WNA X 2 AUS WISATA")

    assert item.fields["note"] == "X"
    assert item.flags == ("extra_text",)
    assert only("WNA#Belanda#2#wisata terima kasih").flags == ()


def test_text_beyond_what_is_looked_at_stays_in_the_note():
    item = only("WNA Belanda 2 wisata " + "kata " * 500)

    assert item.fields["count"] == 2
    assert item.fields["note"].count("kata") == 500
