"""Screens: a state's title, rows and footer, cut into pages on the rendered text. Pure.

A page never cuts a row, a row keeps its key on every page, and each page fits with a line of error
before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.dialogue import machine
from gateway.dialogue.machine import (
    BACK,
    BACK_TOO,
    BY_SMS,
    MORE,
    Audience,
    Content,
    Dialogue,
    Ending,
    Entry,
    Listing,
    Menu,
    Passage,
    State,
    Tree,
)
from gateway.providers.base import SCREEN_LIMIT, Screen
from parsers import segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.replies.catalogue import Catalogue

#: So much of a label is shown, so that three rows fit a page.
LONGEST_LABEL = 27
#: The same for a title that stands over rows.
LONGEST_TITLE = 26
#: And for a line of error over rows.
LONGEST_SLIP = 14
_COUNT = " (88/88)"


@dataclass(frozen=True, slots=True)
class Shown:
    """A screen, and what must be remembered of it to understand the next key."""

    screen: Screen
    pages: int
    meanings: Mapping[str, tuple[str, str]]


def show(
    tree: Tree, texts: Catalogue, audience: Audience, dialogue: Dialogue, content: Content
) -> Shown:
    """Draw a dialogue's present screen."""
    state = tree[dialogue.at]
    slip = texts.screen(dialogue.slip, **content.values) if dialogue.slip else ""
    match state:
        case Ending():
            text = texts.screen(state.text, **content.values)
            return Shown(Screen(_joined([slip, text]), ends=True), 1, {})
        case Passage():
            raise ValueError(f"{dialogue.at} is passed through and never shown")
        case Entry():
            back = [f"{BACK} {texts.word('kembali')}"] if state.can_go_back else []
            text = texts.screen(state.title, **content.values)
            return Shown(Screen(_joined([slip, text, *back]), ends=False), 1, {})
    meanings = {}
    if isinstance(state, Listing):
        keyed = list(machine.keyed(content.options))
        meanings = {key: (option.value, option.goes_to) for key, option in keyed}
        rows = [f"{key} {cut(option.label, LONGEST_LABEL)}" for key, option in keyed]
        rows = rows or [texts.screen(state.empty)]
    elif isinstance(state, Menu):
        choices = machine.keyed(machine.visible(state, audience))
        rows = [f"{key} {texts.screen(choice.label, **content.values)}" for key, choice in choices]
    else:
        rows = [row for line in content.lines for row in wrapped(line)]
    title = cut(texts.screen(state.title, **content.values), LONGEST_TITLE)
    can_text = isinstance(state, Listing) and state.can_be_texted and audience.is_ussd
    footer = _footer(texts, dialogue, can_text=can_text and bool(meanings))
    pages = list(_pages(title, rows, footer, f"  {MORE} {texts.word('lanjut')}"))
    page = min(dialogue.page, len(pages) - 1)
    return Shown(Screen(_joined([slip, pages[page]]), ends=False), len(pages), meanings)


def _footer(texts: Catalogue, dialogue: Dialogue, *, can_text: bool) -> str:
    word = "kembali" if dialogue.trail else "keluar"
    parts = [f"{BACK_TOO} {texts.word(word)}", *([f"{BY_SMS} SMS"] if can_text else [])]
    return "  ".join(parts)


def _pages(title: str, rows: Sequence[str], footer: str, more: str) -> Iterator[str]:
    whole = _joined([title, *rows, footer])
    room = SCREEN_LIMIT - LONGEST_SLIP - 1
    if len(whole) <= room:
        yield whole
        return
    each = room - len(title) - len(_COUNT) - len(footer) - len(more) - 2
    groups: list[list[str]] = [[]]
    used = 0
    for row in rows:
        if groups[-1] and used + len(row) + 1 > each:
            groups.append([])
            used = 0
        groups[-1].append(row)
        used += len(row) + 1
    for place, group in enumerate(groups, 1):
        head = f"{title} ({place}/{len(groups)})"
        foot = footer + (more if place < len(groups) else "")
        yield _joined([head, *group, foot])


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)


def cut(text: str, most: int) -> str:
    """Make a text plain GSM-7 on one line, at most so long; dots show that it was longer."""
    plain = segments.to_gsm7(" ".join(text.split()))
    return plain if len(plain) <= most else plain[: most - 2] + ".."


#: A line to read is cut between words so that each piece fits a page with its title.
_LINE = 76
_LONG_WORD = re.compile(rf"\S{{{_LINE}}}(?=\S)")


def wrapped(line: str) -> Iterator[str]:
    """Cut a line into rows between its words; what has no blanks is cut where it must be."""
    plain = _LONG_WORD.sub(lambda found: found.group() + " ", segments.to_gsm7(line))
    row = ""
    for word in plain.split():
        if row and len(row) + 1 + len(word) > _LINE:
            yield row
            row = word
        else:
            row = f"{row} {word}".strip()
    if row:
        yield row


def faults(tree: Tree, texts: Catalogue, named: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Name everything that is wrong with a tree and its texts; nothing is: it can be used.

    `named` are the names that exist for what a state asks, checks and does.
    """
    for name, state in tree.items():
        for follower in machine.leads_to(state):
            if follower not in tree:
                yield f"the state {name} leads to {follower}, which is not there"
        for attribute, known in named.items():
            wanted = getattr(state, attribute, "")
            if wanted and wanted not in known:
                yield f"the state {name} {attribute} {wanted}, which is not there"
        yield from _misfits(name, state, texts)
    reached = _reached(tree)
    yield from (f"the state {name} is never reached" for name in tree if name not in reached)


def _reached(tree: Tree) -> set[str]:
    found: set[str] = set()
    ahead = [machine.START, machine.START_BY_SMS, machine.MAIN, machine.GOODBYE]
    while ahead:
        name = ahead.pop()
        if name in found or name not in tree:
            continue
        found.add(name)
        ahead += machine.leads_to(tree[name])
    return found


def _misfits(name: str, state: State, texts: Catalogue) -> Iterator[str]:
    if isinstance(state, Entry | Ending):
        title = state.title if isinstance(state, Entry) else state.text
        slips = [state.wrong] if isinstance(state, Entry) else []
        longest = len(texts.longest_screen(title)) + len(f"{BACK} {texts.word('kembali')}") + 1
        longest += max((len(texts.longest_screen(slip)) + 1 for slip in slips), default=0)
        if longest > SCREEN_LIMIT:
            yield f"the screen {name} has {longest} characters; shorten {title} to {SCREEN_LIMIT}"
    elif isinstance(state, Menu):
        for choice in state.choices:
            if len(texts.longest_screen(choice.label)) > LONGEST_LABEL:
                yield f"{choice.label} is longer than {LONGEST_LABEL}; shorten it"


#: One SMS in GSM-7.
_SMS = 160


def packed(lines: Iterable[str]) -> Iterator[str]:
    """Put lines into as few SMS as they need, none cut in two."""
    text = ""
    for line in (segments.to_gsm7(one) for one in lines):
        if text and len(text) + 1 + len(line) > _SMS:
            yield text
            text = ""
        text = f"{text}\n{line}".strip()
    if text:
        yield text
