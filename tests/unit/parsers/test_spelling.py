"""Slips in small words are mended before they are read; names, codes and countries are let be."""

import pytest
from support.sms import LANGUAGE, only

from parsers.pieces import cut

MENDED = {
    "oorg": ["org"],
    "ora ng": ["orang"],
    "orangg": ["orang"],
    "kmrin": ["kmrin"],
    "3 haro": ["3", "hari"],
    "su pulag": ["su", "pulang"],
    "pimalaysia": ["pi", "malaysia"],
    "kebali": ["ke", "bali"],
    "gerejaebenhaezer": ["gereja", "ebenhaezer"],
    "bulan apirl": ["bulan", "april"],
}


@pytest.mark.parametrize("text", MENDED)
def test_a_slip_in_a_small_word_is_mended(text):
    assert [piece.text for piece in cut(text, LANGUAGE.words)] == MENDED[text]


LET_BE = [
    "belnda",  # a country is repaired by its own kind, which asks when it is not sure
    "wnna",  # a misspelt code is none
    "toto",  # one letter from a purpose and from a shop
    "nabu",  # one letter from Wednesday: a name
    "musa",  # one letter from the day after tomorrow: a name
    "jemaat",
]


@pytest.mark.parametrize("word", LET_BE)
def test_other_words_are_let_be(word):
    assert [piece.text for piece in cut(f"xqz {word}", LANGUAGE.words)][1] == word


def test_a_name_behind_a_title_is_no_misspelt_word():
    item = only("WNA belanda 2 wisata di rumah bpk Rabus Lusi Kapalu")

    assert item.fields["place"] == "rumah bpk rabus lusi kapalu"
    assert "event_date" not in item.fields


def test_what_was_typed_stays_as_typed():
    item = only("WNA 2 ogr belnda wista, kemarn hujn deras skali")

    assert item.fields["event_date"] == "2026-11-24"
    assert "hujn deras skali" in item.fields["note"]
