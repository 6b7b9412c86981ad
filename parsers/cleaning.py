"""What a text becomes before it is stored, and before it is matched."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

ODD_NUMBER = "\ue000"
"""Stands for a superscript, a fraction or a circled digit: a number nobody can be sure of."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_STRAIGHT = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "`": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-",
    "\u2212": "-", "\u2022": "#", "\u00b7": "#", "\u25cf": "#",
}  # fmt: skip
_MOST_REMEMBERED = 4096
_INVISIBLE_SPACERS = frozenset("\u3164\u115f\u1160\u2800")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text as it is matched, and where each of its characters stood in the original."""

    text: str
    origins: tuple[int, ...] | None
    """None when every character kept its place."""

    def origin(self, position: int) -> int:
        """Return the place in the original of one place in the cleaned text."""
        return position if self.origins is None else self.origins[position]

    def upto(self, position: int) -> Cleaned:
        """Return what stands before one place."""
        origins = None if self.origins is None else self.origins[: position + 1]
        return Cleaned(self.text[:position], origins)


def storable(text: str) -> str:
    """Return what a database can hold: NUL is GSM 03.38's at sign, a lone surrogate U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _SURROGATE.sub("\ufffd", text.replace("\x00", "@"))


def clean(text: str) -> str:
    """Return the text as it is matched: one case, plain digits and quotes, nothing invisible."""
    return cleaned(text).text


def cleaned(text: str) -> Cleaned:
    """Clean a text and remember where everything stood."""
    if text.isascii():
        return Cleaned(text.lower(), None)
    out: list[str] = []
    origins: list[int] = []
    for position, character in enumerate(text):
        for plain in _matched(character):
            out.append(plain)
            origins.append(position)
    origins.append(len(text))
    return Cleaned("".join(out), tuple(origins))


def fold(text: str) -> str:
    """Fold a text for "the same message again": case, form and look-alikes, every letter kept."""
    if text.isascii():
        return text.lower()
    straight = "".join(_STRAIGHT.get(c, c) for c in storable(text) if not _is_invisible(c))
    numbers_kept = "".join(
        c if unicodedata.category(c) == "No" else _digit_or(unicodedata.normalize("NFKC", c))
        for c in unicodedata.normalize("NFC", straight)
    )
    return numbers_kept.casefold()


@lru_cache(_MOST_REMEMBERED)
def _matched(character: str) -> str:
    if character.isascii():
        return character.lower()
    straight = _STRAIGHT.get(character)
    if straight is not None:
        return straight
    if _is_invisible(character):
        return ""
    if unicodedata.category(character) == "No":
        return ODD_NUMBER
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    if len(decomposed) == 1 and not decomposed.isdecimal():
        return "" if unicodedata.combining(decomposed) else decomposed
    return "".join(_digit_or(c) for c in decomposed if not unicodedata.combining(c))


def _digit_or(text: str) -> str:
    if len(text) == 1 and not text.isdecimal():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or character in _INVISIBLE_SPACERS
