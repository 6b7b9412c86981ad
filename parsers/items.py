"""What a text was read as: items, their problems, and the reading that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(StrEnum):
    """What becomes of one report or command."""

    REPORT = "report"
    DRAFT = "draft"
    COMMAND = "command"
    QUESTION = "question"
    REJECTED = "rejected"
    CHAT = "chat"


class Reason(StrEnum):
    """Why a value could not be taken."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    UNCLEAR = "unclear"
    OUT_OF_RANGE = "out_of_range"
    IMPOSSIBLE = "impossible"
    CONTRADICTION = "contradiction"
    CHECK_DIGIT = "check_digit"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one field could not be read; the wording of the reply is not decided here."""

    field: str
    given: str
    reason: Reason
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One report or command of a text, or the text as chat."""

    outcome: Outcome
    code: str | None
    fields: Mapping[str, int | str]
    missing: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    urgency: str | None = None
    flags: tuple[str, ...] = ()
    ask: str | None = None
    """The key of the reply it wants, where the outcome alone does not say it."""

    def as_json(self) -> dict[str, Any]:
        """Return what `timpora parse --json` prints of it."""
        return {
            "outcome": self.outcome.value,
            "code": self.code,
            "fields": dict(self.fields),
            "missing": list(self.missing),
            "problems": [
                {
                    "field": problem.field,
                    "given": problem.given,
                    "reason": problem.reason.value,
                    "options": list(problem.options),
                }
                for problem in self.problems
            ],
            "urgency": self.urgency,
            "flags": sorted(self.flags),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """All items of a text, and the text as it may be kept: documents covered."""

    items: tuple[Item, ...]
    text: str
