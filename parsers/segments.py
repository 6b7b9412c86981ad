"""How many SMS a text costs, and what we may echo of one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

import gsm0338  # noqa: F401  # registers the codec, which knows the alphabet

_CODEC: Final = "gsm03.38"
_ESCAPE: Final = 0x1B
_BASIC = frozenset(bytes([code]).decode(_CODEC) for code in range(128) if code != _ESCAPE)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM7 = _BASIC | _EXTENDED

_GSM7_SINGLE, _GSM7_PART = 160, 153
_UCS2_SINGLE, _UCS2_PART = 70, 67
_LAST_BMP = 0xFFFF

_PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "`": "'", "\u00b4": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-",
    "\u2212": "-", "\u2026": "...", "\u2022": "-", "\u00a0": " ", "\t": " ", "\x00": "@",
    "[": "(", "]": ")", "{": "(", "}": ")", "\\": "/", "|": "/", "~": "-", "^": "'",
    "\u20ac": "EUR", "\u00d7": "x", "\u00b0": " ", "\f": " ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """A text's encoding, its length in that encoding, and the SMS it takes."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def measure(text: str) -> Measure:
    """Measure a text as a phone network would cut it."""
    if _GSM7.issuperset(text):
        costs = [1] * len(text)
        if not is_plain_gsm7(text):
            costs = [2 if character in _EXTENDED else 1 for character in text]
        return Measure("GSM-7", sum(costs), _parts(costs, _GSM7_SINGLE, _GSM7_PART))
    costs = [2 if ord(character) > _LAST_BMP else 1 for character in text]
    return Measure("UCS-2", sum(costs), _parts(costs, _UCS2_SINGLE, _UCS2_PART))


def _parts(costs: list[int], single: int, part: int) -> int:
    """Fill parts greedily: a pair never stands half in one part and half in the next."""
    if sum(costs) <= single:
        return 1
    parts, room = 1, part
    for cost in costs:
        if cost > room:
            parts, room = parts + 1, part
        room -= cost
    return parts


def is_plain_gsm7(text: str) -> bool:
    """Tell whether every character costs one unit of GSM-7."""
    return _BASIC.issuperset(text)


def to_gsm7(text: str) -> str:
    """Return the text in basic GSM-7, what has no plain likeness as a question mark."""
    if text.isascii() and is_plain_gsm7(text):
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character in _BASIC:
        return character
    known = _PLAIN.get(character)
    if known is not None:
        return known
    category = unicodedata.category(character)
    if category in ("Cf", "Mn"):
        return ""
    if category == "No":
        return "?"  # a superscript 2 shown as 2 would hide what is wrong with it
    likeness = "".join(
        _PLAIN.get(c, c)
        for c in unicodedata.normalize("NFKD", character)
        if not unicodedata.combining(c)
    )
    return likeness if likeness and is_plain_gsm7(likeness) else "?"


def shorten(text: str, limit: int = 10) -> str:
    """Return at most `limit` characters of a sender's word, with dots where it was cut."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else one_line[:limit].rstrip() + "..."
