"""Texts that a hasty reader stores with a wrong value: each has its right one here.

A row gives the text, then each item: its code, its fields without the note, and what is asked.
"""

import pytest
from support.sms import items

SLIPS = {
    # A misspelt emergency is none the less one.
    "mninggal 1 turis belanda di penginapan fatumnasi": [
        (
            "DARURAT",
            {"country": "NL", "count": 1, "kind": "meninggal", "place": "penginapan fatumnasi"},
            "",
        )
    ],
    "KECELKAAN#turis Prancis 2 org#jalan ke kolbano": [
        (
            "DARURAT",
            {"country": "FR", "count": 2, "kind": "kecelakaan", "place": "jalan ke kolbano"},
            "",
        )
    ],
    # So is a misspelt leave.
    "turis jepang 2 org sdah pulang": [("PERGI", {"country": "JP", "count": 2}, "")],
    "turis brasil 2 org su pigi pulng kmrn sore": [
        ("PERGI", {"country": "BR", "count": 2, "event_date": "2026-11-24"}, "")
    ],
    # A misspelt code makes no part of the report after it of its own report.
    "WN#Jerman#2#wisata\nPMI#1#Taiwan#lusa": [
        (None, {}, "code"),
        ("PMI", {"count": 1, "destination": "Taiwan", "event_date": "2026-11-27"}, ""),
    ],
    "WNA#Jerman#2#wisata\nPI#1#Taiwan#lusa": [
        ("WNA", {"country": "DE", "count": 2, "purpose": "wisata"}, ""),
        (None, {}, "code"),
    ],
    "WN jepang 2 org wisata. PERGI jerman 1 org": [
        (None, {}, "code"),
        ("PERGI", {"country": "DE", "count": 1}, ""),
    ],
    "tik 2 org ke tarakan besok\ngawat kebakaran di dusun 5": [
        (None, {}, "code"),
        ("DARURAT", {"kind": "bencana", "place": "dusun 5"}, ""),
    ],
    "PRGI 453792": [("PERGI", {"ref": "453792"}, "")],
    # A name, a false paper and a clerk's word are no countries.
    "WNA#Jernan#2#wisata#rmh bpk Israel Tefa": [
        (
            "WNA",
            {"country": "DE", "count": 2, "purpose": "wisata", "place": "rmh bpk israel tefa"},
            "",
        )
    ],
    "curiga ada yg bikin kts palsu di rumah RT 7": [("CURIGA", {"place": "rumah rt 7"}, "")],
    "curiga ada yg tamupng nona2 di rumah rt 3": [("CURIGA", {"place": "rumah rt 3"}, "")],
    "kecelakaan motor, 4 org luak, gereja ebenhaezer": [
        ("DARURAT", {"kind": "kecelakaan", "count": 4, "place": "gereja ebenhaezer"}, "")
    ],
    "pmi sbntr ml 3 org pi kupang": [("PMI", {"count": 3, "destination": "Kupang"}, "event_date")],
    "pmi 30 org ke mblasia lusa": [
        ("PMI", {"count": 30, "destination": "Malaysia", "event_date": "2026-11-27"}, "")
    ],
    # Two nationalities stay two where one is misspelt, and the last goal counts where it is.
    "WNA 2 jepang 3 tagwan wisata": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata"}, ""),
        ("WNA", {"country": "TW", "count": 3, "purpose": "wisata"}, ""),
    ],
    "PMI 2 org ke jakarta trus ke malaysis, lusa": [
        ("PMI", {"count": 2, "destination": "Malaysia", "event_date": "2026-11-27"}, "")
    ],
    # A number behind a word that nobody knows is no count of people.
    "CURIGA#ada tamu asing foto2#RT 05 fusun 1#Cina": [
        ("CURIGA", {"country": "CN", "place": "rt 05 fusun 1"}, "")
    ],
    "hilang 1 anak umur 12 thdi pasar kapan": [
        ("DARURAT", {"count": 1, "kind": "hilang", "place": "pasar kapan"}, "")
    ],
    "pmi dua pulhu org ke sulawesi besok": [
        ("PMI", {"count": 20, "destination": "Sulawesi", "event_date": "2026-11-26"}, "")
    ],
    "pmi 25 org ke medan tadi m alam su jalan": [
        ("PMI", {"count": 25, "destination": "Medan", "event_date": "2026-11-24"}, "")
    ],
    "wna kepulaan solomon 2 org sekolah di smk": [
        ("WNA", {"country": "SB", "count": 2, "purpose": "sekolah", "place": "smk"}, "")
    ],
    "WNA bule 2 org wisata, sonde tau dr negara mana": [
        ("WNA", {"country": "XX", "count": 2, "purpose": "wisata"}, "")
    ],
    "WNA#jepang#todak tahu#wisata": [("WNA", {"country": "JP", "purpose": "wisata"}, "")],
    # A country misspelt behind PERGI, and a line or sentence whose code cannot be read, stay apart.
    "WNA jepang 2 org wisata. PERGI jeman 1 org": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata"}, ""),
        ("PERGI", {"country": "DE", "count": 1}, ""),
    ],
    "DARURAT#sakit#kantor desa\npi 6 org ke singapura besok naik kapal": [
        ("DARURAT", {"kind": "sakit", "place": "kantor desa"}, ""),
        (None, {}, "code"),
    ],
    "WNA jerman 2 wisata boti 1 hari; PI 3 org malaysia besok": [
        ("WNA", {"country": "DE", "count": 2, "purpose": "wisata", "days": 1}, ""),
        (None, {}, "code"),
    ],
    "pm 4 org ke kalimantan tgl 30 kapal, calo kasih uang 2 juta per org": [
        (
            "PMI",
            {
                "count": 4,
                "destination": "Kalimantan",
                "event_date": "2026-11-30",
                "transport": "kapal",
            },
            "",
        )
    ],
    # One `tidak tahu` that lost a letter names no country.
    "WNA#dk tau#1#tdk tau": [("WNA", {"country": "XX", "count": 1, "purpose": "tidak_tahu"}, "")],
    "WNA#TDK AU#3#TDK TAU": [("WNA", {"country": "XX", "count": 3, "purpose": "tidak_tahu"}, "")],
    # `bukan X tapi Y`, with a slip in `bukan`.
    "PMI bukn batam tapi medan, 2 org, besok": [
        ("PMI", {"count": 2, "destination": "Medan", "event_date": "2026-11-26"}, "")
    ],
    # Halves of a name and codes of two letters are no other country.
    "pmi 5 org ke sur abya bsk": [
        ("PMI", {"count": 5, "destination": "Surabaya", "event_date": "2026-11-26"}, "")
    ],
    "cpmi 1 org ke je dah bsk": [
        ("PMI", {"count": 1, "destination": "Arab Saudi", "event_date": "2026-11-26"}, "")
    ],
    "pmi 2 org mo pi bm lusa": [("PMI", {"count": 2, "event_date": "2026-11-27"}, "destination")],
    "pmi 2 org ke tiawan usa": [("PMI", {"count": 2, "destination": "Taiwan"}, "event_date")],
    "calo bawa 3 anak MP ke kupang skrg": [
        ("PMI", {"count": 3, "destination": "Kupang", "event_date": "2026-11-25"}, "")
    ],
    "WNA#bule#3#wisata#mh RT 11": [
        ("WNA", {"country": "XX", "count": 3, "purpose": "wisata", "place": "rt 11"}, "")
    ],
    "WNA#bile#3#wisata#rmh RT 11": [
        ("WNA", {"count": 3, "purpose": "wisata", "place": "rmh rt 11"}, "country")
    ],
    # What is no day.
    "WNA#Austria#1#wisata#rumah bsk guru Sae": [
        ("WNA", {"country": "AT", "count": 1, "purpose": "wisata", "place": "rumah"}, "")
    ],
    "Slmt pagi bsk, ijin lapor WNA asal denmark 7 orang, tujuan penelitian": [
        ("WNA", {"country": "DK", "count": 7, "purpose": "penelitian"}, "")
    ],
    "WNA Papua Nugini 2 org pelayanan di jmaat Efata": [
        ("WNA", {"country": "PG", "count": 2, "purpose": "rohani", "place": "jmaat efata"}, "")
    ],
    "darurat longsor di dusun 1 jaan putus": [
        ("DARURAT", {"kind": "bencana", "place": "dusun 1 jaan putus"}, "")
    ],
    "pmi 15 org ke kamboja tadi makam su jalan": [
        ("PMI", {"count": 15, "destination": "Kamboja", "event_date": "2026-11-24"}, "")
    ],
    "pmi 3 org ke riau tgl 30 dea naik bus": [
        ("PMI", {"count": 3, "destination": "Riau", "transport": "bus"}, "event_date")
    ],
    # What is no count.
    "wna italia 2 lk 1 rp liburan": [("WNA", {"country": "IT", "purpose": "wisata"}, "count")],
    "wna italia 2 kl 1 pr liburan": [("WNA", {"country": "IT", "purpose": "wisata"}, "count")],
    "tolong pak darurat anak perempuan 14 t hilang di kebun dusun 3": [
        ("DARURAT", {"kind": "hilang", "place": "kebun dusun 3"}, "")
    ],
    "pmi 1 anak kelas3 smp mau dibawa ke surabaya lusa": [
        ("PMI", {"count": 1, "destination": "Surabaya", "event_date": "2026-11-27"}, "")
    ],
    # A misspelt country counts for an emergency only where it is said of people.
    "SOS jebun kopi kebakaran": [("DARURAT", {"kind": "bencana"}, "place")],
    "Turis pulag, Spanyol 2 orang": [("PERGI", {"country": "ES", "count": 2}, "")],
    "PERGI Amerika 6 orang, naik oto ke Kupang lalu kf Surabaya": [
        ("PERGI", {"country": "US", "count": 6, "destination": "Surabaya"}, "")
    ],
    "wna sayu keluarga 5 org dari swedia liburan 2 minggu": [
        ("WNA", {"country": "SE", "count": 5, "purpose": "wisata", "days": 14}, "")
    ],
    # A slip in `no` is no country; what misspells a country is looked at before another country.
    "PERGI Np 120779. Trims": [("PERGI", {"ref": "120779"}, "")],
    "PERGI turis Iatlia 6 org, kemarin. Ini guide yang antar orang Australia dulu.": [
        ("PERGI", {"country": "IT", "count": 6, "event_date": "2026-11-24"}, "")
    ],
    "Wna erman 2 org datang dr dili naik motor, wisata ke Kolbano, rencana 1 mlm": [
        ("WNA", {"country": "DE", "count": 2, "purpose": "wisata", "days": 1}, "")
    ],
    "WNA 2 org datang dari jerman, wisata, bawa mobil irlandya": [
        ("WNA", {"country": "DE", "count": 2, "purpose": "wisata"}, "")
    ],
    "bule spayoll dua org jln2": [("WNA", {"count": 2, "purpose": "wisata"}, "country")],
    "PMI, 6 org, kupang dulu baru Malaysua, tgl 3 des, oto": [
        (
            "PMI",
            {"count": 6, "destination": "Malaysia", "event_date": "2026-12-03", "transport": "oto"},
            "",
        )
    ],
    "PMI 1 orang ke Timor Leste besok kerja di tolo": [
        ("PMI", {"count": 1, "destination": "Timor Leste", "event_date": "2026-11-26"}, "")
    ],
    "wna prancis 2l 3pr jln2": [("WNA", {"country": "FR", "count": 5, "purpose": "wisata"}, "")],
    "WNA Korsel 1 lai2 1 prp, kerja di embung": [
        ("WNA", {"country": "KR", "purpose": "kerja", "place": "embung"}, "count")
    ],
    "cgr 1 bule foto2 tower di bukit dusun 2": [(None, {}, "")],
    "1. WoA Belanda 2 wisata\n2. PMI 3 Malaysia besok": [
        ("WNA", {"country": "NL", "purpose": "wisata"}, "count"),
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, ""),
    ],
    "NIHIL bulam 8": [("NIHIL", {"month": 8}, "")],
}

WORDS = {
    "WNA belanda 2L 1P wisata": [("WNA", {"country": "NL", "count": 3, "purpose": "wisata"}, "")],
    "PMI 2L 3P malaysia besok": [
        ("PMI", {"count": 5, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    "WNA belanda 2 dewasa 2 anak wisata": [
        ("WNA", {"country": "NL", "count": 4, "purpose": "wisata"}, "")
    ],
    "WNA belanda 1 keluarga wisata": [("WNA", {"country": "NL", "purpose": "wisata"}, "count")],
    "PMI nona 2 org umur 16 dan 17 ke malaysia besok": [
        ("PMI", {"count": 2, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    "WNA 2 aus wisata pukul 14:30": [
        ("WNA", {"country": "AU", "count": 2, "purpose": "wisata"}, "")
    ],
    "WNA 2/3 AUS wisata": [("WNA", {"country": "AU", "purpose": "wisata"}, "count")],
    "DARURAT hilang dr rmh 2 hr": [("DARURAT", {"kind": "hilang", "place": "rmh"}, "")],
    "DARURAT kecelakaan km 12": [("DARURAT", {"kind": "kecelakaan", "place": "km 12"}, "")],
    "DARURAT kecelakaan jalan ke kolbano": [
        ("DARURAT", {"kind": "kecelakaan", "place": "jalan ke kolbano"}, "")
    ],
    # `bukan X tapi Y` is Y, whatever it is.
    "PMI 3 bukan ke Batam tapi Malaysia besok": [
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    "PMI bukan besok tapi lusa 3 malaysia": [
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-27"}, "")
    ],
    "CURIGA bukan di pasar tapi di kali org cina": [
        ("CURIGA", {"country": "CN", "place": "kali"}, "")
    ],
    "WNA bukan dari jerman tapi dari belanda 2 wisata": [
        ("WNA", {"country": "NL", "count": 2, "purpose": "wisata"}, "")
    ],
    # Two goals are asked about, the next stop of a journey is the goal.
    "PMI 3 besok ke batam atau malaysia": [
        ("PMI", {"count": 3, "event_date": "2026-11-26"}, "destination")
    ],
    "PMI 3 besok ke nunukan lalu malaysia": [
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    "WNA 2 di kali toko, wisata jepang": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata", "place": "kali toko"}, "")
    ],
    "WNA 2 orang di malaysia wisata": [
        ("WNA", {"count": 2, "purpose": "wisata", "place": "malaysia"}, "country")
    ],
    "WNA nihil PMI 3 malaysia besok": [
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    "ass wr wb pak, ijin lapor turis belanda 2 org wisata": [
        ("WNA", {"country": "NL", "count": 2, "purpose": "wisata"}, "")
    ],
    "NIHIL bulan september dan oktober": [("NIHIL", {}, "month")],
    "NIHIL bulan 10 2026": [("NIHIL", {"month": 10}, "")],
    "PERGI 2": [("PERGI", {"count": 2}, "country")],
    "BANTU BERHENTI": [("BANTU", {}, "")],
    # An emergency inside a sentence about a guest is one; a lost passport is not a lost guest.
    "tadi pagi kecelakaan motor turis Prancis 1 org di jembatan Noelmina": [
        (
            "DARURAT",
            {
                "kind": "kecelakaan",
                "country": "FR",
                "count": 1,
                "place": "jembatan noelmina",
                "event_date": "2026-11-25",
            },
            "",
        )
    ],
    "turis jerman 1 org hilang di gunung": [
        ("DARURAT", {"kind": "hilang", "country": "DE", "count": 1, "place": "gunung"}, "")
    ],
    "turis jerman hilang paspor 1 org wisata": [
        ("WNA", {"country": "DE", "count": 1, "purpose": "wisata"}, "")
    ],
    "turis jepang 2 org wisata tidak ada kecelakaan": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata"}, "")
    ],
    "turis prancis 2 org wisata di kali mati": [
        ("WNA", {"country": "FR", "count": 2, "purpose": "wisata", "place": "kali mati"}, "")
    ],
    "WNA 1 jerman wisata kecelakaan motor": [
        ("WNA", {"country": "DE", "count": 1, "purpose": "wisata"}, "")
    ],
    # Who went home has left, unless a day to come is named.
    "turis jepang 2 org pulang": [("PERGI", {"country": "JP", "count": 2}, "")],
    "WNA jepang 2 org pulang kmrn": [
        ("PERGI", {"country": "JP", "count": 2, "event_date": "2026-11-24"}, "")
    ],
    "turis jepang 2 org pulang besok": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata"}, "")
    ],
    "turis jepang 2 org mau pulang": [
        ("WNA", {"country": "JP", "count": 2, "purpose": "wisata"}, "")
    ],
    # Two goals side by side are asked about; a route has its goal at the end.
    "PMI 3 malaysia singapura besok": [
        ("PMI", {"count": 3, "event_date": "2026-11-26"}, "destination")
    ],
    "PMI#lusa#usa#bali#4 orang": [("PMI", {"count": 4, "event_date": "2026-11-27"}, "destination")],
    "PMI 3 org nunukan-tawau besok": [
        ("PMI", {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, "")
    ],
    # The day on which a recruiter came is no departure.
    "calo datang kmrn, mau bawa 4 org ke Surabaya": [
        ("PMI", {"count": 4, "destination": "Surabaya"}, "event_date")
    ],
    "WNA 2 aus sosial mengajar di sdn 2": [
        ("WNA", {"country": "AU", "count": 2, "purpose": "sosial", "place": "sdn 2"}, "")
    ],
    "tambah 2 org lagi": [("TAMBAH", {}, "ref")],
    "maaf salah kirim": [("BATAL", {}, "ref")],
    "batalkan laporan 104277": [("BATAL", {"ref": "104277"}, "")],
}


@pytest.mark.parametrize(("text", "right"), [*SLIPS.items(), *WORDS.items()])
def test_what_was_once_read_wrong_is_read_right(text, right):
    read = [
        (
            item.code,
            {name: value for name, value in item.fields.items() if name != "note"},
            " ".join([*(problem.field for problem in item.problems), *item.missing]),
        )
        for item in items(text)
    ]

    assert read == right


QUESTIONS = {
    "Hiang turis jepang 1 org di pantai kolbano td sore": "ERR_DARURAT_TANYA",
    "kosong bulan desmbr": "ERR_BULAN",
    "mati lampu di desa": "ERR_DARURAT_TANYA",
    "mati lampu kemarin": "ERR_DARURAT_TANYA",
    "sudah pulang": "ERR_RANCU",
    "su berangkat": "ERR_RANCU",
    "tidak ada laporan": "ERR_NIHIL_TANYA",
    "PERGI 0": "ERR_NIHIL_TANYA",
}


@pytest.mark.parametrize(("text", "ask"), QUESTIONS.items())
def test_what_may_be_two_things_is_asked(text, ask):
    (item,) = items(text)

    assert item.outcome == "question"
    assert item.ask == ask


@pytest.mark.parametrize(
    "text", ["PMI 3 org umur 15-17 th malaysia 20/12", "PMI 2 umur 20 dan 16 malaysia 20/12"]
)
def test_one_age_below_eighteen_among_several_makes_it_urgent(text):
    (item,) = items(text)

    assert "minor" in item.flags
    assert item.urgency == "mendesak"


@pytest.mark.parametrize("sign", ["±5", "+-5", "+/- 5", "~5"])
def test_a_sign_for_about_is_told(sign):
    (item,) = items(f"WNA belanda {sign} org wisata")

    assert item.fields["count"] == 5
    assert "approximate" in item.flags


def test_a_word_that_a_known_word_is_near_to_never_stops_the_reading():
    # A known word for a place before it, and what is left of it is no word at all.
    for text in ("curiga di kamarang", "PMI 2 org ke pasargan", "WNA#rumahnia#2#wisata"):
        assert items(text)


@pytest.mark.parametrize("text", ["👍", "🙏🙏", "👌🏽", " ☺️ "])
def test_a_picture_alone_is_thanks(text):
    (item,) = items(text)

    assert (item.outcome, item.ask) == ("chat", None)
