import pytest
from support.sms import items, only, problems

REPORTS = {
    "PERGI 104277": {"ref": "104277"},
    "pergi 104 277": {"ref": "104277"},
    "PERGI.104277": {"ref": "104277"},
    "pergi no 104277 pak": {"ref": "104277"},
    "R PERGI 104277": {"ref": "104277"},
    "PERGI#Australia#2#ke Kupang": {"country": "AU", "count": 2, "destination": "Kupang"},
    "PERGI.Italia.3": {"country": "IT", "count": 3},
    "pergi bule italia 3 org": {"country": "IT", "count": 3},
    "PERGI#tidak tahu#2": {"country": "XX", "count": 2},
    "keluar 2 org italia": {"country": "IT", "count": 2},
    "tamu bule italia 3 org su pulang kmrin ke soe": {
        "country": "IT", "count": 3, "event_date": "2026-11-24",
    },
    "WNA belanda 2 org sdh pergi ke bali": {"country": "NL", "count": 2, "destination": "Bali"},
    "turis jerman 2 su pigi pulang": {"country": "DE", "count": 2},
    "tamu pulang jepang 1 org": {"country": "JP", "count": 1},
}  # fmt: skip


@pytest.mark.parametrize("text", REPORTS)
def test_a_departure_by_number_or_by_who_it_was(text):
    item = only(text)

    assert (item.outcome, item.code, item.missing, item.problems) == ("report", "PERGI", (), ())
    fields = {name: value for name, value in item.fields.items() if name != "note"}
    assert fields == REPORTS[text]
    assert item.urgency == "info"


@pytest.mark.parametrize("text", ["PERGI 104278", "PERGI 10427", "PERGI 1042771", "PERGI 1042"])
def test_a_number_that_is_none_is_refused(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("rejected", "PERGI", "ERR_NOMOR")
    assert [(field, reason) for field, _, reason, *_ in problems(item)] == [("ref", "check_digit")]


DRAFTS = {
    "PERGI": ("country", "count"),
    "PERGI pak": ("country", "count"),
    "PERGI Italia": ("count",),
    "keluar 2 org": ("country",),
}


@pytest.mark.parametrize("text", DRAFTS)
def test_what_lacks_is_asked(text):
    item = only(text)

    assert (item.outcome, item.code, item.missing) == ("draft", "PERGI", DRAFTS[text])


@pytest.mark.parametrize(
    "text",
    [
        "pergi ke pasar",
        "pergi 2 hari",
        "pindah rumah",
        "keluar negeri dulu",
        "sy pergi ke soe besok",
    ],
)
def test_everyday_going_is_chat(text):
    assert only(text).outcome == "chat"


@pytest.mark.parametrize(
    "text",
    [
        "WNA belanda 2 wisata mau pulang besok",
        "WNA belanda 2 org wisata blm pulang",
        "turis belanda 2 org su jalan jalan ke pantai",
    ],
)
def test_a_guest_who_has_not_left_is_an_arrival(text):
    assert {item.code for item in items(text)} == {"WNA"}


def test_nobody_left_is_a_question():
    item = only("PERGI#Australia#0")

    assert (item.outcome, item.ask) == ("question", "ERR_NIHIL_TANYA")
