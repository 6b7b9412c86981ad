from datetime import datetime

import pytest
from support.sms import NOW, WITA, items, only, problems

MONTHS = {
    "NIHIL": 11,
    "nihil;": 11,
    "NiHiL.": 11,
    '"NIHIL"': 11,
    "nhl bln juni": 6,
    "Selamat pagi pak, NIHIL. bulan ini aman": 11,
    "aman": 11,
    "kosong": 11,
    "NIHIL bln 6": 6,
    "NIHIL bulan lalu": 10,
    "NIHIL desember": 12,
    "NIHIL tgl 25/11": 11,
    "NIHIL Desa Fatumnasi": 11,
    "WNA nihil, PMI nihil": 11,
    "NIHIL bulan ini tidak ada orang asing dan calo": 11,
    "NIHIL oktober 2026": 10,
    "Laporan bulan oktober: NIHIL": 10,
    "lapor pak nihil": 11,
}


@pytest.mark.parametrize("text", MONTHS)
def test_nothing_to_report_stands_with_a_month(text):
    item = only(text)

    assert (item.outcome, item.code, item.urgency) == ("report", "NIHIL", "info")
    assert item.fields["month"] == MONTHS[text]


@pytest.mark.parametrize(
    ("day", "month"), [(1, 10), (5, 10), (6, 11)], ids=["first", "fifth", "sixth"]
)
def test_in_the_first_five_days_the_month_before_is_meant(day, month):
    assert only("NIHIL", NOW.replace(day=day)).fields["month"] == month


def test_in_january_the_month_before_is_december():
    assert only("NIHIL", datetime(2027, 1, 3, 8, 0, tzinfo=WITA)).fields["month"] == 12


QUESTIONS = [
    "NIHIL WNA 2 AUS",
    "NIHIL 3",
    "NIHIL123",
    "NIHIK",
    "NIHIL tapi ada bule",
    "kami aman pak",
    "bulan ini sonde ada org asing deng calo",
    "tidak ada wna dan pmi bulan ini",
    "WNA tidak ada, PMI tidak ada",
    "WNA nihil",
    "WNA Belanda 2 wisata\nNIHIL",
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_contradiction_or_a_guess_is_asked_about(text):
    item = only(text)

    assert (item.outcome, item.code, item.ask) == ("question", "NIHIL", "ERR_NIHIL_TANYA")


def test_a_recruiter_beside_nihil_is_reported_and_nihil_stays_in_the_note():
    item = only("NIHIL PMI 3 org ke Malaysia besok")

    assert (item.outcome, item.code) == ("report", "PMI")
    assert item.fields["note"] == "NIHIL"


def test_a_month_that_does_not_exist_is_asked_about():
    item = only("NIHIL bulan 13")

    assert item.outcome == "question"
    assert problems(item) == [("month", "13", "out_of_range")]


@pytest.mark.parametrize("text", ["NIHILWATI lahir", "Pak camat besok rapat jam brp"])
def test_other_words_are_chat(text):
    assert [one.outcome for one in items(text)] == ["chat"]
