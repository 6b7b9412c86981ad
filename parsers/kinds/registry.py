"""All field kinds by name. To add one: write a module with `read`, and list it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parsers.kinds import (
    count,
    country,
    day,
    destination,
    duration,
    month,
    place,
    purpose,
    ref,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from parsers.form import Field
    from parsers.work import Work

    Reader = Callable[[Work, Field], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind reads. Kinds with a lower rank read first, so that a value goes where it fits."""

    rank: int
    read: Reader
    last_resort: Reader | None = None
    """Called when the field is still wanted after `tidak tahu` has been given out."""
    value_when_unknown: str | None = None
    """What is kept when the sender says that it is not known; None keeps the field absent."""
    answer: Reader | None = None
    """Reads an answer to the question for this field when its words alone say nothing."""


UNKNOWN_RANK = 60
"""`tidak tahu` is given to a field after these kinds have read."""

KINDS: Mapping[str, Kind] = {
    "ref": Kind(5, ref.read),
    "day": Kind(10, day.read),
    "month": Kind(11, month.read),
    "duration": Kind(20, duration.read),
    "country": Kind(30, country.read, country.name_unknown_word, "XX"),
    "purpose": Kind(40, purpose.read, purpose.read_double_meaning, "tidak_tahu"),
    "destination": Kind(41, destination.read),
    "word": Kind(42, word.read),
    "count": Kind(50, count.read),
    "place": Kind(70, place.read, answer=place.read_whole),
}
