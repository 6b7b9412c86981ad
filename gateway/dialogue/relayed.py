"""What is new in what a provider relays: all input so far, or the last one alone. Pure.

Africa's Talking sends all inputs of a session joined by `*`; a user who keys a star cannot be told
from a new input by splitting. So what was heard before is remembered, by its length and a keyed
hash alone (it holds a PIN), and the new input is what follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.providers.base import KeyPress

#: More inputs at once than any person dials; the rest is left out.
_MOST_INPUTS = 20


class News(Enum):
    """What a request brings."""

    START = auto()
    """A session begins, or begins anew; there may be inputs, from a dial with a path."""
    INPUT = auto()
    """One more input, perhaps empty."""
    REPEAT = auto()
    """Nothing: the same request again, or an older one that comes late."""


@dataclass(frozen=True, slots=True)
class Before:
    """All that was heard in a session so far, as it is kept."""

    length: int
    digest: str
    earlier: tuple[str, ...] = ()
    """The digests of what was heard at the steps before."""
    age: timedelta = timedelta.max
    """How long ago that was."""


#: Nobody reads a screen and keys the same again so soon; a provider that tries again may.
_TOO_SOON = timedelta(seconds=2)


def read(
    press: KeyPress, before: Before | None, digest: Callable[[str], str]
) -> tuple[News, tuple[str, ...]]:
    """Say what a request brings, and the inputs in it."""
    said = press.relayed
    if before is None or press.begins or (press.is_cumulative and not said):
        # One input out of a session that we do not know means nothing, least of all a PIN.
        is_whole = press.is_cumulative or press.begins
        return News.START, _parts(said) if is_whole else ()
    if not press.is_cumulative:
        # The last input alone: a repeated request looks like the same key once more, but for time.
        is_repeat = bool(said) and digest(said) == before.digest and before.age < _TOO_SOON
        return (News.REPEAT, ()) if is_repeat else (News.INPUT, (said,))
    known = {before.digest, *before.earlier}
    follows = said[before.length : before.length + 1] == "*"
    if before.length == 0:
        return News.INPUT, (said,)
    if follows and digest(said[: before.length]) == before.digest:
        return News.INPUT, (said[before.length + 1 :],)
    # Neither what we know nor a continuation of it: a session id that is used again.
    return (News.REPEAT, ()) if digest(said) in known else (News.START, _parts(said))


def _parts(said: str) -> tuple[str, ...]:
    return tuple(said.split("*")[:_MOST_INPUTS]) if said else ()
