"""A text cut into pieces: words and phrases with all they can mean, and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from parsers.tokens import TokenKind, is_field_border, is_hard, is_new_line, tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.tokens import Token
    from parsers.vocabulary import Senses, Vocabulary


CODE = "code"
COURTESY = "courtesy"
NOTE = "note"
"""What a piece can become besides a field."""

_PLAIN_GAPS = frozenset([" ", ""])
_NO_SENSES: Senses = {}
_PLAIN = (False, False, False)
_MOST_GAPS = 256


@dataclass(slots=True)
class Piece:
    """One word, phrase or number of a text, and in time what it was read as."""

    kind: TokenKind
    text: str
    start: int
    end: int
    gap: str
    senses: Senses
    is_number: bool
    """Written in digits."""
    is_after_border: bool
    """A separator, not only a blank, stands before it."""
    begins_field: bool
    """A mark that people put between fields stands before it."""
    begins_line: bool
    marks: tuple[str, ...]
    """What it can mean as a small word: `goal`, `from`, `not` (words/marks.csv)."""
    became: str | None = None
    """The field or part of the grammar it was read as; None while nobody has taken it."""

    def copy(self) -> Piece:
        """Return one to try a reading on; `dataclasses.replace` takes six times as long."""
        return Piece(
            self.kind, self.text, self.start, self.end, self.gap, self.senses, self.is_number,
            self.is_after_border, self.begins_field, self.begins_line, self.marks, self.became,
        )  # fmt: skip

    def has(self, domain: str, value: str = "") -> bool:
        """Tell whether it can mean this: a domain, or one value of it."""
        values = self.senses.get(domain)
        return values is not None and (not value or value in values)

    def value(self, domain: str) -> str:
        """Return the first value it has in a domain."""
        return self.senses[domain][0]

    @property
    def is_unknown_word(self) -> bool:
        """Tell whether it is a word that no data file knows."""
        return self.kind is TokenKind.WORD and not self.senses


def cut(text: str, vocabulary: Vocabulary) -> list[Piece]:
    """Cut a cleaned text into pieces, the longest known phrase first."""
    return pieces_of(vocabulary.mended(tokenise(text)), vocabulary)


@lru_cache(_MOST_GAPS)
def _borders(gap: str) -> tuple[bool, bool, bool]:
    return is_hard(gap), is_field_border(gap), is_new_line(gap)


def pieces_of(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Piece]:
    """Join tokens to the longest phrases that the vocabulary knows."""
    pieces: list[Piece] = []
    alone = vocabulary.alone()
    at, count = 0, len(tokens)
    while at < count:
        kind, words, start, end, gap = tokens[at]
        length, senses = 1, alone.get(words, _NO_SENSES)
        if senses is None:  # it may begin a phrase
            length, senses = vocabulary.longest(tokens, at)
            if length > 1:
                end = tokens[at + length - 1].end
                words = " ".join(token.text for token in tokens[at : at + length])
        is_number = kind is not TokenKind.WORD and kind is not TokenKind.MASK
        hard, field, line = _PLAIN if gap in _PLAIN_GAPS else _borders(gap)
        marks = senses.get("marks", ())
        pieces.append(
            Piece(kind, words, start, end, gap, senses, is_number, hard, field, line, marks)
        )
        at += length or 1
    return pieces
