"""The words and numbers of a cleaned text, each with what stood before it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class TokenKind(StrEnum):
    """What a token looks like, before anybody asks what it means."""

    WORD = "word"
    NUMBER = "number"
    RANGE = "range"
    DECIMAL = "decimal"
    ODD = "odd"
    DATE = "date"
    PHONE = "phone"
    MASK = "mask"
    NOTHING = "nothing"


class Token(NamedTuple):
    """One word or number. `gap` is all that stands between it and the token before."""

    kind: TokenKind
    text: str
    start: int
    end: int
    gap: str


# Tried in this order at each place. No alternative can match the same text in two ways, so the
# time is linear in the length of the text.
_TOKEN = re.compile(
    # Most words can be nothing else; those that begin with o, l or i may be numbers (`l2`).
    r"(?P<plain>[^\W\d_oli][^\W\d_']*)"
    r"|(?P<mask>\(no ditutup\))"
    r"|(?P<date>(?<!\d)(?:\d{4}-\d\d?-\d\d?|\d\d?(?:/\d\d?/|-\d\d?-|\.\d\d?\.)(?:\d{4}|\d\d)"
    r"|\d\d?/\d\d?)(?![\d/]))"
    r"|(?P<phone>(?<![\w+])(?:(?:\+\d|0|62|8[1-9])\d{8,13}(?!\d)|"
    r"(?:\+\d\d|0\d|62)[ ]?\d{1,3}(?:[ .\-]\d{3,5}){1,3}(?!\d)))"
    r"|(?P<odd>[\d]*\ue000[\d\ue000]*)"
    r"|(?P<range>\d+-\d[\d\-]*)"
    r"|(?P<decimal>\d+[.,]\d[\d.,]*+(?!/\d))"  # `7,28/11` is 7 and a date
    r"|(?P<number>(?<![^\W_])[oli]{0,4}\d[oli\d]{0,30}(?![^\W_])|\d+)"
    r"|(?P<word>[^\W\d_][^\W\d_']*|\?)"
    r"|(?P<nothing>(?<=[#;*])[ ]?-(?=[ ]?(?:[#;*]|$)))",
)
_LOOKS_LIKE_DIGIT = str.maketrans("oli", "011")
_MEN = re.compile(r"(\d{1,3})l(?![^\W_])")
_WOMEN = re.compile(r"(?<![^\W_])\d{1,3}p(?:r|rp)?(?![^\W_])")
_HARD = frozenset('#*,;:/!\n\r.()"?|=+&')
_ABBREVIATION = 3
_FIELD = frozenset("#*;\n\r")


_KINDS: Mapping[str | None, TokenKind] = {kind.value: kind for kind in TokenKind}


def tokenise(text: str) -> list[Token]:
    """Cut a cleaned text into tokens."""
    tokens: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        start, stop = match.span()
        if match.lastgroup == "plain":
            # A named tuple's own constructor costs twice as much, and every text passes here.
            tokens.append(
                tuple.__new__(Token, (TokenKind.WORD, match[0], start, stop, text[end:start]))
            )
            end = stop
            continue
        kind = _KINDS[match.lastgroup]
        word = match[0]
        if kind is TokenKind.NUMBER:
            if word[-1] == "l" and _MEN.fullmatch(word) and _WOMEN.search(text):
                # `2L 1P`: men and women, not 21.
                tokens.append(Token(kind, word[:-1], start, stop - 1, text[end:start]))
                kind, word, start, end = TokenKind.WORD, "l", stop - 1, stop - 1
            else:
                word = word.translate(_LOOKS_LIKE_DIGIT)
        elif kind is TokenKind.WORD and "'" in word:
            word = word.replace("'", "")
        elif kind is TokenKind.DECIMAL:
            word = word.rstrip(".,")
            stop = start + len(word)
        tokens.append(Token(kind, word, start, stop, text[end:start]))
        end = stop
    return tokens


def is_hard(gap: str) -> bool:
    """Tell whether a gap parts two fields rather than two words."""
    return not _HARD.isdisjoint(gap)


def is_field_border(gap: str) -> bool:
    """Tell whether a gap is one of the marks that people put between fields on purpose."""
    return not _FIELD.isdisjoint(gap)


def is_new_line(gap: str) -> bool:
    """Tell whether a gap begins a new line."""
    return "\n" in gap or "\r" in gap


def ends_what_is_said(before: str, gap: str) -> bool:
    """Tell whether no phrase reaches across a gap: `sore. Ini guide` is no `sore ini`.

    A short word before the full stop is an abbreviation, as in `St. Lucia`.
    """
    return is_new_line(gap) or (gap == ". " and len(before) > _ABBREVIATION)


def ends_line_number(gap: str) -> bool:
    """Tell the mark behind the number of a line: `1. WNA ...`, `2) PMI ...`."""
    return gap.strip() in (".", ")")


def is_minus(gap: str) -> bool:
    """Tell whether the hyphen that ends a gap is a minus: after a blank or at a field's start."""
    return gap.endswith("-") and len(gap) > 1 and (gap[-2].isspace() or gap[-2] in "#*;:,/")
