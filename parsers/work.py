"""One report in the making: the pieces of its text, and what has been read from them so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parsers.items import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from datetime import date, datetime

    from parsers.amounts import Amount
    from parsers.cleaning import Cleaned
    from parsers.form import Form
    from parsers.items import Reason
    from parsers.language import Language
    from parsers.pieces import Piece

_LEADS = frozenset(["goal", "from", "at", "by"])


MOST_REPAIRS = 40
"""So many strange words of a report are tried as misspelt ones; each costs some 30 microseconds.
A text with more of them is no report that a person typed."""


@dataclass(slots=True)
class Work:
    """What the field kinds share: each takes pieces and puts down a value or a problem."""

    original: str
    cleaned: Cleaned
    pieces: list[Piece]
    language: Language
    form: Form
    now: datetime
    amounts: list[Amount]
    told_apart: AbstractSet[int]
    """Pieces where a number begins that is no part of a place."""
    domains: AbstractSet[str]
    """All domains of its words: a kind whose words are not among them need not look."""
    marks: AbstractSet[str]
    """All small words in it, by what they mean."""
    has_strange_words: bool
    fields: dict[str, int | str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    """Wanted fields that the sender said are not known and that have no value for it."""
    begun: bool = False
    """The departure was said to have happened."""
    is_zero: bool = False
    is_own_citizen: bool = False
    repairs_left: int = MOST_REPAIRS
    inside_places: frozenset[int] | None = None
    """Pieces that belong to a place, once somebody has asked for them."""
    shares: list[tuple[str, int]] = field(default_factory=list)
    """Countries with a count each: the report becomes one item for each of them."""

    @property
    def today(self) -> date:
        """Return the village's date."""
        return self.now.date()

    def given(self, first: int, last: int | None = None) -> str:
        """Return pieces as the sender typed them."""
        start = self.pieces[first].start
        end = self.pieces[first if last is None else last].end
        return self.original[self.cleaned.origin(start) : self.cleaned.origin(end)]

    def typed(self, first: int, last: int) -> str:
        """Return pieces in one case with single blanks, as a place is kept."""
        start, end = self.pieces[first].start, self.pieces[last].end
        return " ".join(self.cleaned.text[start:end].split())

    def take(self, name: str, *indexes: int) -> None:
        """Mark pieces as read into a field, with the little words that lead to the first."""
        for index in indexes:
            if self.pieces[index].became is None:
                self.pieces[index].became = name
        if indexes:
            self._take_label(name, min(indexes))

    def _take_label(self, name: str, index: int) -> None:
        """Take `negara:` before a country, `dari` or `ke` before a place."""
        while index > 0:
            before = self.pieces[index - 1]
            if before.became is not None or self.pieces[index].begins_line:
                return
            if _LEADS.isdisjoint(before.marks) and not before.has("labels", name):
                return
            before.became = name
            index -= 1

    def report_problem(
        self, name: str, given: str, reason: Reason, options: tuple[str, ...] = ()
    ) -> None:
        """Put down why a field could not be read; the first problem of a field stands."""
        if not self.has_problem(name):
            self.problems.append(Problem(name, given, reason, options))

    def is_settled(self, name: str) -> bool:
        """Tell whether a field has a value, a problem, or is said to be unknown."""
        if self.shares and name in (self.name_of("country"), self.name_of("count")):
            return True
        return name in self.fields or name in self.unknown or self.has_problem(name)

    def has_problem(self, name: str) -> bool:
        """Tell whether a field was there and could not be read."""
        return any(problem.field == name for problem in self.problems)

    def near(self, typed: str, domain: str, *, is_field: bool = False) -> tuple[str, ...]:
        """Return the values of a domain that a misspelt word may mean.

        A field of its own stands where such a value is looked for, so another word that is as near
        does not matter.
        """
        if self.repairs_left == 0:
            return ()
        self.repairs_left -= 1
        return self.language.words.near(typed, domain, is_field=is_field)

    def name_of(self, kind: str) -> str:
        """Return the form's name for its field of a kind; the kind's own where it has none."""
        return next((one.name for one in self.form.fields if one.kind == kind), kind)

    def free(self) -> Iterator[tuple[int, Piece]]:
        """Yield the pieces that nobody has taken yet."""
        for index, piece in enumerate(self.pieces):
            if piece.became is None:
                yield index, piece

    def before(self, index: int) -> Piece | None:
        """Return the piece before one on the same line."""
        if index == 0 or self.pieces[index].begins_line:
            return None
        return self.pieces[index - 1]

    def after(self, index: int) -> Piece | None:
        """Return the piece after one on the same line."""
        if index + 1 >= len(self.pieces) or self.pieces[index + 1].begins_line:
            return None
        return self.pieces[index + 1]
