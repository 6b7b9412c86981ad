import pytest
from support.sms import only

REPORTS = {
    "DARURAT#kecelakaan#turis Jerman 1 org#jalan ke pantai Kolbano": {
        "kind": "kecelakaan", "country": "DE", "count": 1, "place": "jalan ke pantai kolbano",
    },
    "mohon bantu pak, jenazah pmi warga kami dr malaysia su tiba di kupang, tdk ada oto": {
        "kind": "meninggal",
    },
    "hilang 1 anak umur 12 th di pasar": {"kind": "hilang", "place": "pasar", "count": 1},
    "SOS kebakaran rumah RT 10": {"kind": "bencana", "place": "rumah rt 10"},
    "darurat longsor di dusun 6, 5 rumah rusak": {"kind": "bencana", "place": "dusun 6"},
    "DARURAT\nsakit\n1 org Australia\nrumah bapak desa": {
        "kind": "sakit", "country": "AU", "count": 1, "place": "rumah bapak desa",
    },
    "darurat anak yg hilang su ketemu di dusun 3": {"kind": "ditemukan", "place": "dusun 3"},
    "darurat diancam calo di rumah RT 4": {"kind": "ancaman", "place": "rumah rt 4"},
    "PMI hilang di malaysia 2 org": {"kind": "hilang", "count": 2},
    "DARUART#sakit#dusun 2": {"kind": "sakit", "place": "dusun 2"},
    "darurat kecelakan di dusun 4": {"kind": "kecelakaan", "place": "dusun 4"},
}  # fmt: skip


@pytest.mark.parametrize("text", REPORTS)
def test_an_emergency_is_stored_at_once(text):
    item = only(text)

    assert (item.outcome, item.code, item.urgency) == ("report", "DARURAT", "mendesak")
    assert {**item.fields, **REPORTS[text]} == dict(item.fields)


def test_the_code_alone_is_an_alarm():
    item = only("DARURAT")

    assert (item.outcome, item.missing) == ("report", ("kind", "place"))


def test_an_own_dead_from_abroad_is_no_foreigner():
    assert "country" not in only("jenazah pmi dr malaysia su tiba di dusun 2").fields


def test_a_child_among_them_is_flagged():
    assert "minor" in only("darurat anak pr 15 th hilang dr rmh").flags


@pytest.mark.parametrize("text", ["saya sakit pak", "mati lampu", "hilang sapi 2 ekor", "gawat"])
def test_an_everyday_word_is_asked_about(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("question", "DARURAT", "ERR_DARURAT_TANYA")


@pytest.mark.parametrize(
    "text", ["lampu darurat mati", "pintu darurat rusak", "hp saya mati pak", "posko darurat"]
)
def test_other_emergencies_are_chat(text):
    assert only(text).outcome == "chat"
