import pytest
from support.sms import only, problems

REPORTS = {
    "PMI#3#Malaysia#minggu depan#ada PL dr Kupang tawar kerja kebun sawit, kasih uang sirih pinang":
        ({"count": 3, "destination": "Malaysia"}, ("event_date",), "biasa"),
    "pmi skrg 2 nona umur 16 th mau jalan ke batam naik oto ke kupang, tdk ada surat desa":
        ({"count": 2, "destination": "Batam", "transport": "oto", "event_date": "2026-11-25"},
         (), "mendesak"),
    "Bapa tolong su ada calo bawa 5 org pi kalimantan naik kapal siguntang mlm ini":
        ({"count": 5, "destination": "Kalimantan", "transport": "kapal",
          "event_date": "2026-11-25"}, (), "mendesak"),
    "tki banyak org ke malaysia besok":
        ({"destination": "Malaysia", "event_date": "2026-11-26"}, ("count",), "mendesak"),
    "R PMI#2#Batam#besok":
        ({"count": 2, "destination": "Batam", "event_date": "2026-11-26"}, (), "mendesak"),
    "PMI 3 ke Malaysia lewat Nunukan besok": ({"destination": "Malaysia"}, (), "mendesak"),
    "PMI 2 ke kupang besok": ({"destination": "Kupang"}, (), "mendesak"),
    "PMI 2 tarakan lusa": ({"destination": "Tarakan", "event_date": "2026-11-27"}, (), "biasa"),
    "PMI 2 ke jambi lusa": ({"destination": "Jambi"}, (), "biasa"),
    "PMI 2 ke jepang lusa": ({"destination": "Jepang"}, (), "biasa"),
    "PMI 2 ke hongkong lusa": ({"destination": "Hong Kong"}, (), "biasa"),
    "PMI 2 ke saudi naik pick up lusa":
        ({"destination": "Arab Saudi", "transport": "oto"}, (), "biasa"),
    "PMI 2 ke malasya naik bis lusa":
        ({"destination": "Malaysia", "transport": "bus"}, (), "biasa"),
    "PMI 3 malaysia sdh berangkat kmrn": ({"event_date": "2026-11-24"}, (), "mendesak"),
    "PMI 3 malaysia sdh berangkat tgl 1/11": ({"event_date": "2026-11-01"}, (), "mendesak"),
    "PMI 3 malaysia dlm perjalanan": ({"count": 3}, ("event_date",), "mendesak"),
    "PMI 3 malaysia tgl 20/12": ({"event_date": "2026-12-20"}, (), "biasa"),
    "PMI 3 malaysia 3 jan": ({"event_date": "2027-01-03"}, (), "biasa"),
    "PMI 3 malaysia malam ini": ({"event_date": "2026-11-25"}, (), "mendesak"),
    "PIM 3 Malaysia besok": ({"count": 3}, (), "mendesak"),
    "PMI3 MYS": ({"count": 3, "destination": "Malaysia"}, ("event_date",), "biasa"),
    "pl bawa 3 org ke malaysia": ({"count": 3}, ("event_date",), "biasa"),
    "ada calo bawa 5 org ke batam besok": ({"count": 5, "destination": "Batam"}, (), "mendesak"),
}  # fmt: skip


@pytest.mark.parametrize("text", REPORTS)
def test_a_report_is_taken_whatever_is_missing(text):
    fields, missing, urgency = REPORTS[text]
    item = only(text)

    assert (item.outcome, item.code) == ("report", "PMI")
    assert {**item.fields, **fields} == dict(item.fields)
    assert (item.missing, item.problems, item.urgency) == (missing, (), urgency)


PROBLEMS = {
    "PMI -1 MYS": ("count", "-1", "out_of_range"),
    "PMI 0 malaysia besok": ("count", "0", "out_of_range"),
    "PMI 2-3 malaysia besok": ("count", "2-3", "unclear"),
    "PMI 3 malaysia tgl 1/3": ("event_date", "1/3", "unclear"),
    "PMI 3 malaysia tgl 30/02": ("event_date", "30/02", "impossible"),
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_a_problem_never_holds_the_report_back(text):
    item = only(text)

    assert item.outcome == "report"
    assert problems(item) == [PROBLEMS[text]]


MINORS = {
    "PMI 3 anak ke batam lusa": True,
    "PMI 3 org di bawah umur ke batam lusa": True,
    "PMI 2 nona umur 16 th ke batam lusa": True,
    "PMI 2 nona 17 thn ke batam lusa": True,
    "PMI 2 org umur 25 th ke batam lusa": False,
    "PMI 3 org tidak ada anak ke batam lusa": False,
}


@pytest.mark.parametrize("text", MINORS)
def test_a_minor_makes_it_urgent(text):
    item = only(text)

    assert ("minor" in item.flags) is MINORS[text]
    assert item.urgency == ("mendesak" if MINORS[text] else "biasa")


def test_the_note_is_one_piece_with_its_punctuation():
    item = only("PMI 3 MYS calo janji gaji 5 juta! #2 orang tua: Ibu Contoh")

    assert item.fields["count"] == 3
    assert item.fields["note"] == "calo janji gaji 5 juta! #2 orang tua: Ibu Contoh"


def test_zeros_in_an_address_and_a_phone_number_are_kept():
    note = only("PMI 3 MYS DUSUN 007 HP 081200000123").fields["note"]

    assert note == "DUSUN 007 HP 081200000123"


def test_the_code_alone_is_a_draft():
    assert only("PMI").outcome == "draft"


def test_an_official_is_flagged():
    assert "about_official" in only("PMI 3 malaysia besok dibawa oknum aparat").flags


@pytest.mark.parametrize("text", ["donor darah PMI", "PMII rapat jam 7", "besok donor PMI Kupang"])
def test_the_red_cross_is_no_report(text):
    assert only(text).outcome == "chat"
