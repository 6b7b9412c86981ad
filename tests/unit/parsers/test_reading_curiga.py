import pytest
from support.sms import only, problems

REPORTS = {
    "CURIGA#Cina#ambil batu mangan di kali#dusun 2": {"country": "CN", "place": "dusun 2"},
    "curiga org asing bagi2 brosur agama di rmh warga dusun III, sonde tau dr negara mana": {
        "country": "XX", "place": "rmh warga dusun iii",
    },
    "Lapor crg 1 org bangladesh mau urus ktp di desa, sdh 2 mgg tinggal di kos": {
        "country": "BD", "count": 1, "place": "kos",
    },
    "curiga tiap malam2 ada oto DH 1234 CX muat orang di pantai kolbano": {
        "place": "pantai kolbano",
    },
    "ada turis mencurigakan di hutan": {"place": "hutan"},
}  # fmt: skip


@pytest.mark.parametrize("text", REPORTS)
def test_what_looks_wrong_is_stored_at_once(text):
    item = only(text)

    assert (item.outcome, item.code, item.urgency) == ("report", "CURIGA", "sedang")
    fields = {name: value for name, value in item.fields.items() if name != "note"}
    assert fields == REPORTS[text]


def test_what_they_do_stays_in_the_note():
    assert only("CURIGA#Cina#ambil batu mangan di kali#dusun 2").fields["note"] == (
        "ambil batu mangan di kali"
    )


def test_a_place_that_lacks_is_asked_and_the_report_is_in():
    item = only("curiga 3 org cina, sonde tau dong bikin apa")

    assert (item.outcome, item.missing) == ("report", ("place",))


def test_the_code_alone_is_a_draft():
    item = only("CURIGA")

    assert (item.outcome, item.missing) == ("draft", ("place",))


def test_a_count_that_is_none_is_told_and_nothing_is_held_back():
    item = only("CURIGA 300 org cina di dusun 2")

    assert (item.outcome, "count" in item.fields) == ("report", False)
    assert problems(item) == [("count", "300", "out_of_range")]


def test_ones_own_people_are_no_foreigners():
    item = only("curiga 2 org wni bawa senjata di pasar")

    assert (item.outcome, "country" in item.fields) == ("report", False)


@pytest.mark.parametrize("text", ["kegiatan posyandu besok", "giat gotong royong hari sabtu"])
def test_everyday_doings_are_chat(text):
    assert only(text).outcome == "chat"
