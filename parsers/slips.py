"""Misspelt codes: which words may be one, and which are too short to be anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidfuzz.distance import DamerauLevenshtein

from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.language import Language
    from parsers.pieces import Piece

ONE_EDIT_FROM = 5
"""A code of so many letters may have any one edit; a shorter one a keypad slip or a swap."""

_SCRAP = 3
_SHORTEST_MISREAD = 2
_PHONE_KEYS = ("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz")
_SMALL = frozenset(["marks", "ordinary", "filler"])
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def is_slip_of(typed: str, code: str, *, loosely: bool = False) -> bool:
    """One edit for a long code; for a short one a neighbouring key or a swap."""
    if typed == code:
        return False
    if loosely or len(code) >= ONE_EDIT_FROM:
        return DamerauLevenshtein.distance(typed, code, score_cutoff=1) <= 1
    if len(typed) != len(code):
        return False
    wrong = [i for i in range(len(code)) if typed[i] != code[i]]
    if len(wrong) == 1:
        return _are_neighbours(typed[wrong[0]], code[wrong[0]])
    swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1  # noqa: PLR2004
    return swapped and typed[wrong[0]] == code[wrong[1]] and typed[wrong[1]] == code[wrong[0]]


def _are_neighbours(one: str, other: str) -> bool:
    if any(one in key and other in key for key in _PHONE_KEYS):
        return True
    return any(
        one in row and other in row and abs(row.index(one) - row.index(other)) == 1
        for row in _KEYBOARD
    )


def is_scrap(piece: Piece, language: Language) -> bool:
    """Tell a misspelt `pak` and the like: too short to carry anything, and near no code."""
    is_short = piece.is_unknown_word and len(piece.text) <= _SCRAP
    return is_short and not is_near_code(piece, language)


def is_near_code(piece: Piece, language: Language, *, is_set_apart: bool = False) -> bool:
    """Tell a word that may be a misspelt report code, more loosely than to take it for one.

    Set apart by the mark between fields (`PI#1#Taiwan`) it may be a small word by itself, too.
    """
    is_small = piece.kind is TokenKind.WORD and piece.senses.keys() <= _SMALL
    return (
        (piece.is_unknown_word or (is_set_apart and is_small))
        and len(piece.text) >= _SHORTEST_MISREAD
        and any(
            DamerauLevenshtein.distance(piece.text, code.lower(), score_cutoff=1) <= 1
            for code in language.forms
        )
    )


def is_near_month(piece: Piece, language: Language) -> bool:
    """Tell a short word that may be a misspelt month: `NIHIL ei`."""
    return any(
        DamerauLevenshtein.distance(piece.text, month, score_cutoff=1) <= 1
        for month in language.words.spellings("months")
    )


def is_near_month_word(text: str) -> bool:
    """See `bn 10`: a word before a number that may be `bulan` or `bln`."""
    return any(
        DamerauLevenshtein.distance(text, word, score_cutoff=1) <= 1 for word in ("bulan", "bln")
    )
