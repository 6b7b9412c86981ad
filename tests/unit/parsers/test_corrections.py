"""`salah, 3 org` says what is right; a code alone makes the text before it a report."""

import pytest
from support.sms import LANGUAGE, NOW, items, only

from parsers.answering import agrees, read_correction
from parsers.reading import read_under

CORRECTIONS = {
    "salah, 3 org": {"count": 3},
    "maaf salah pak, 3 org": {"count": 3},
    "bukan, selandia baru": {"country": "NZ"},
    "bukan 2 tapi 3 org": {"count": 3},
    "ralat: jerman 4 org kerja": {"country": "DE", "count": 4, "purpose": "kerja"},
    "yg benar belanda": {"country": "NL"},
    "salah": {},
    "salah orangnya lain": {},
    "salah, 300 org": {},
    "salah 2 jerman 3 belanda": {},
}


@pytest.mark.parametrize("text", CORRECTIONS)
def test_what_a_correction_says(text):
    assert read_correction(text, LANGUAGE, "WNA", now=NOW) == CORRECTIONS[text]


@pytest.mark.parametrize("text", ["3 org", "jalan salah satu rusak", "terima kasih", ""])
def test_what_is_no_correction(text):
    assert read_correction(text, LANGUAGE, "WNA", now=NOW) is None


@pytest.mark.parametrize("text", ["ya", "iya pak", "betul", "Ya betul bpk"])
def test_a_yes(text):
    assert agrees(text, LANGUAGE)


@pytest.mark.parametrize("text", ["pak", "", "ya 2 org", "tidak", "2"])
def test_what_is_no_yes(text):
    assert not agrees(text, LANGUAGE)


UNDER = {
    ("WNNA 2 aus wisata", "WNA"): {"country": "AU", "count": 2, "purpose": "wisata"},
    ("WNAaustralia 2 wisata", "WNA"): {"country": "AU", "count": 2, "purpose": "wisata"},
    ("2 aus wisata", "WNA"): {"country": "AU", "count": 2, "purpose": "wisata"},
    ("PM 3 batam besok", "PMI"): {
        "count": 3, "destination": "Batam", "event_date": "2026-11-26",
    },
    ("bulan oktober sonde ada org asing", "NIHIL"): {"month": 10},
    ("NIHIK bulan 9", "NIHIL"): {"month": 9},
    ("saya sakit pak", "DARURAT"): {"kind": "sakit"},
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), UNDER)
def test_a_code_alone_reads_the_text_before_it(text, code):
    (item,) = read_under(text, code, LANGUAGE, now=NOW).items

    assert item.code == code
    fields = {name: value for name, value in item.fields.items() if name != "note"}
    assert fields == UNDER[text, code]


def test_a_line_with_a_misspelt_code_is_named_and_stays_out_of_its_neighbour():
    first, second = items("WNA 2 aus wisata\nPM 3 batam besok")

    assert (first.code, first.fields["count"], first.outcome) == ("WNA", 2, "report")
    assert (second.outcome, second.code) == ("rejected", None)
    assert second.problems[0].given == "PM"


def test_prose_before_a_report_stays_with_it():
    item = only("Dari kades Oinlasi untuk bapak\nWNA 2 aus wisata")

    assert (item.code, item.fields["count"]) == ("WNA", 2)
