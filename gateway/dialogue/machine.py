"""The dialogue machine: from a key to the next state of a menu tree. Pure: it looks nothing up.

A tree is data: states by name. Four kinds of state wait for a key (Menu, Listing, Page, Entry), one
is passed through while something is done (Passage), and one is the end (Ending). What a state shows
beside its own texts is asked for elsewhere and comes as `Content`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

T = TypeVar("T")

#: Goes back, on every screen; the screens where a key is chosen show `0` for it, which an entry
#: must leave alone: there it is a value.
BACK = "99"
BACK_TOO = "0"
MORE = "88"
BY_SMS = "77"
#: Never the key of an option: ours above, and those by which operators turn pages of their own.
RESERVED = frozenset({BACK, BACK_TOO, MORE, BY_SMS, "98", "00"})
#: Who goes in circles goes back so many steps.
_LONGEST_TRAIL = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a menu."""

    label: str
    goes_to: str
    for_roles: frozenset[str] = frozenset()
    """Which officers see it; empty: all."""
    by_ussd_only: bool = False


@dataclass(frozen=True, slots=True)
class Menu:
    """Choices that are always the same."""

    title: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Choices that are found when asked for."""

    title: str
    asks: str
    empty: str
    kept_as: str
    leads_to: tuple[str, ...]
    """Where an option may lead: the first, unless the option itself names another of these."""
    can_be_texted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Lines to read."""

    title: str
    asks: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to key in."""

    title: str
    shape: str
    """A regular expression that the whole input must fit."""
    wrong: str
    leads_to: tuple[str, ...]
    kept_as: str = ""
    check: str = ""
    """What must be found out before it leads on; the input itself is then kept nowhere."""
    can_go_back: bool = True


@dataclass(frozen=True, slots=True)
class Passage:
    """Something is done once, and the dialogue goes on to where that leads."""

    does: str
    leads_to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """The last screen."""

    text: str


State = Menu | Listing | Page | Entry | Passage | Ending
Tree = Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Audience:
    """For whom screens are made."""

    role: str
    is_ussd: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a listing: what it stands for, what is shown, perhaps where it leads."""

    value: str
    label: str
    goes_to: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What was found for a state: options, or lines to read, and values for its title."""

    options: tuple[Option, ...] = ()
    lines: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """A state on the way back."""

    at: str
    page: int
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where an officer's dialogue stands."""

    at: str
    page: int = 0
    pages: int = 1
    """How many there were when they were last shown."""
    meanings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What the keys of a listing stood for when it was shown, and where they lead."""
    answers: Mapping[str, str] = field(default_factory=dict)
    trail: tuple[Stop, ...] = ()
    slip: str = ""
    """The key of the line of error that is shown first."""

    def as_json(self) -> dict[str, Any]:
        """Return what a row keeps beside the state's name."""
        return {
            "page": self.page,
            "pages": self.pages,
            "meanings": {key: list(meaning) for key, meaning in self.meanings.items()},
            "answers": dict(self.answers),
            "trail": [[stop.at, stop.page, dict(stop.answers)] for stop in self.trail],
            "slip": self.slip,
        }


def from_json(at: str, place: Mapping[str, Any]) -> Dialogue:
    """Read back what `as_json` gave."""
    return Dialogue(
        at=at,
        page=place["page"],
        pages=place["pages"],
        meanings={key: (value, to) for key, (value, to) in place["meanings"].items()},
        answers=place["answers"],
        trail=tuple(Stop(at, page, answers) for at, page, answers in place["trail"]),
        slip=place["slip"],
    )


@dataclass(frozen=True, slots=True)
class Check:
    """Something that only others can find out about an input."""

    name: str
    given: str = field(repr=False)


def hear(tree: Tree, audience: Audience, dialogue: Dialogue, key: str) -> Dialogue | Check:
    """Take one input; an empty one changes nothing, a wrong one shows the same screen again."""
    key = key.strip()
    state = tree[dialogue.at]
    if not key or isinstance(state, Ending | Passage):
        return replace(dialogue, slip="")
    if isinstance(state, Entry):
        return _enter(state, dialogue, key)
    if key in {BACK, BACK_TOO}:
        return _back(dialogue)
    if key == MORE and dialogue.page + 1 < dialogue.pages:
        return replace(dialogue, page=dialogue.page + 1, slip="")
    return _choose(state, audience, dialogue, key) or stay(dialogue, WRONG_KEY)


def _choose(
    state: Menu | Listing | Page, audience: Audience, dialogue: Dialogue, key: str
) -> Dialogue | None:
    if isinstance(state, Menu):
        choices = dict(keyed(visible(state, audience)))
        return go(dialogue, choices[key].goes_to) if key in choices else None
    if isinstance(state, Listing):
        if key in dialogue.meanings:
            value, goes_to = dialogue.meanings[key]
            return go(dialogue, goes_to or state.leads_to[0], {state.kept_as: value})
        if key == BY_SMS and state.can_be_texted and audience.is_ussd and dialogue.meanings:
            return go(dialogue, TEXT_LIST)
    return None


#: The states that the machine itself leads to; every tree has them.
START = "login"
START_BY_SMS = "login_by_sms"
MAIN = "main"
GOODBYE = "goodbye"
TEXT_LIST = "text_list"
#: The text of the line of error for a key that means nothing.
WRONG_KEY = "SALAH_TOMBOL"


def go(dialogue: Dialogue, to: str, answers: Mapping[str, str] | None = None) -> Dialogue:
    """Go on to a state; from the main menu there is no way back but out."""
    trail = (*dialogue.trail, Stop(dialogue.at, dialogue.page, dialogue.answers))
    if to in {MAIN, GOODBYE}:
        return Dialogue(at=to)
    return Dialogue(
        at=to, answers={**dialogue.answers, **(answers or {})}, trail=trail[-_LONGEST_TRAIL:]
    )


def stay(dialogue: Dialogue, slip: str) -> Dialogue:
    """Show the same screen again, with a line of error first."""
    return replace(dialogue, slip=slip)


def _back(dialogue: Dialogue) -> Dialogue:
    if not dialogue.trail:
        return go(dialogue, GOODBYE)
    *rest, last = dialogue.trail
    return Dialogue(at=last.at, page=last.page, answers=last.answers, trail=tuple(rest))


def _enter(state: Entry, dialogue: Dialogue, key: str) -> Dialogue | Check:
    if key == BACK:
        return _back(dialogue) if state.can_go_back else go(dialogue, GOODBYE)
    if not re.fullmatch(state.shape, key, re.ASCII):
        return replace(dialogue, slip=state.wrong)
    if state.check:
        return Check(state.check, key)
    return go(dialogue, state.leads_to[0], {state.kept_as: key})


def visible(menu: Menu, audience: Audience) -> list[Choice]:
    """List the choices that this officer has here."""
    return [
        choice
        for choice in menu.choices
        if (not choice.for_roles or audience.role in choice.for_roles)
        and (audience.is_ussd or not choice.by_ussd_only)
    ]


def keyed(things: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Give each thing its key: 1, 2, 3 and so on, without the reserved ones."""
    number = 0
    for thing in things:
        number += 1
        while str(number) in RESERVED:
            number += 1
        yield str(number), thing


def leads_to(state: State) -> tuple[str, ...]:
    """Name all states that can follow one, but for the way back."""
    match state:
        case Menu():
            return tuple(choice.goes_to for choice in state.choices)
        case Listing():
            return (*state.leads_to, *((TEXT_LIST,) if state.can_be_texted else ()))
        case Page():
            return ()
        case Ending():
            return ()
        case _:
            return state.leads_to
