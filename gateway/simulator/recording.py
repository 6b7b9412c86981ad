"""What happened on the phones as a conversation file, and a file as steps for the page."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from gateway.replies.catalogue import Catalogue
from gateway.simulator import script
from gateway.simulator.script import Line, ScriptError

#: Longer than any talk that somebody has by hand.
_MOST_EVENTS = 2000
#: A stranger's number is perhaps somebody's: in the file stands one of these instead.
_STRANGERS = 6281239900001
#: As long as a played conversation lets pass by itself.
_STEPS = {
    "says": timedelta(seconds=1),
    "dials": timedelta(seconds=5),
    "keys": timedelta(seconds=5),
}
#: A pause that is written down; less is what reading and typing take.
_PAUSE = timedelta(seconds=30)
_NUMBER = re.compile(r"(?<!\d)\d{4,8}(?!\d)")
_NAME_IN_TEXT = re.compile(r"<\w+>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class BadRecording(Exception):
    """What the page sent is no record of a conversation."""


def candidates(asked: Any) -> set[str]:  # noqa: ANN401  # any JSON
    """Collect what may be confirmation numbers in a record."""
    return {found for event in _events(asked) for found in _NUMBER.findall(_said(event))}


def as_file(asked: Any, given: set[str], texts: Catalogue) -> str:  # noqa: ANN401
    """Write a record as a file that is a test as it stands; `given` are real confirmation numbers.

    The file begins with who is who and what time it is. Numbers that were given out get names, as
    they are others each time.
    """
    events = _events(asked)
    names = _names(events, given, texts)
    lines: list[Line] = [script.Comment("Direkam di simulator."), *_cast(asked)]
    if events:
        lines += [script.Now(_at(events[0]).replace(microsecond=0))]
    lines += [_safe(line) for line in _told(events, names)]
    return script.write(lines)


def _events(asked: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401
    events = asked.get("events") if isinstance(asked, Mapping) else None
    if (
        not isinstance(events, list)
        or len(events) > _MOST_EVENTS
        or not all(isinstance(event, Mapping) for event in events)
    ):
        raise BadRecording
    return events


def _said(event: Mapping[str, Any]) -> str:
    return str(event.get("text", ""))


def _at(event: Mapping[str, Any]) -> datetime:
    at = event.get("at")
    if not isinstance(at, int | float):
        raise BadRecording
    try:
        return datetime.fromtimestamp(at / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise BadRecording from None


def _cast(asked: Mapping[str, Any]) -> Iterator[Line]:
    people = asked.get("people")
    if not isinstance(people, list) or not all(isinstance(one, Mapping) for one in people):
        raise BadRecording
    strangers = count(_STRANGERS)
    for one in people:
        who, number = str(one.get("who", "")), str(one.get("number", ""))
        villages = tuple(str(code) for code in one.get("villages") or ())
        if one.get("kind") == "officer":
            rest = (str(one.get(name) or "") for name in ("institution", "area", "role", "pin"))
            yield _safe(script.Appointed(who, number, *rest))
        if villages:
            yield _safe(script.Reporter(who, number, villages))
        elif one.get("kind") != "officer":
            yield _safe(script.Reporter(who, f"+{next(strangers)}"))


def _names(
    events: Sequence[Mapping[str, Any]], given: set[str], texts: Catalogue
) -> Mapping[str, str]:
    """Give names to the numbers in the order in which they were first heard or seen."""
    one_time = re.compile(
        re.escape(texts.screens["MASUK_SMS"]).replace(re.escape("{sandi}"), r"(\d{4,8})")
    )
    names: dict[str, str] = {}
    letters, codes = _letters(), count(1)
    for event in events:
        if event.get("kind") not in {"hears", "sees"}:
            continue
        is_code = one_time.fullmatch(_said(event))
        for number in _NUMBER.findall(_said(event)):
            if is_code and number == is_code[1]:
                names.setdefault(number, f"kode{next(codes)}")
            elif number in given and number not in names:
                names[number] = next(letters)
    return names


def _letters() -> Iterator[str]:
    for round_ in count():
        for letter in _LETTERS:
            yield letter if round_ == 0 else f"{letter}{round_}"


def _told(events: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Line]:
    """Tell the events in order, and each pause that was longer than the telling."""
    if not events:
        return
    told_until = _at(events[0])
    for event in events:
        kind = str(event.get("kind", ""))
        pause = _at(event) - told_until
        if kind in _STEPS:
            if pause >= _PAUSE:
                yield script.Later(timedelta(seconds=int(pause.total_seconds())))
                told_until += pause
            told_until += _STEPS[kind]
        yield _line(kind, event, names)


def _line(kind: str, event: Mapping[str, Any], names: Mapping[str, str]) -> Line:
    who, said = str(event.get("who", "")), _said(event)
    text = _NUMBER.sub(
        lambda found: f"<{names[found[0]]}>" if found[0] in names else found[0], said
    )
    if kind in {"says", "keys"} and _NAME_IN_TEXT.search(said):
        return script.Comment(f"Tidak dapat ditulis di sini, karena berisi nama: {who} > {text}")
    makers: Mapping[str, Callable[[], Line]] = {
        "says": lambda: script.Says(who, text.replace("\r", "")),
        "hears": lambda: script.Hears(who, text),
        "dials": lambda: script.Dials(who, said),
        "keys": lambda: script.Keys(who, text),
        "sees": lambda: script.Sees(who, text, ends=bool(event.get("ends"))),
        "hangs_up": lambda: script.HangsUp(who),
    }
    if kind not in makers:
        raise BadRecording
    return makers[kind]()


def _safe(line: Line) -> Line:
    """Keep a line only if it reads back as itself; else the file holds it as a comment."""
    written = script.write([line])
    try:
        if script.parse(written) == (line,):
            return line
    except ScriptError:
        pass
    return script.Comment(f"Tidak dapat ditulis: {' '.join(written.split())}")


#: What a line is called on the page.
_KINDS: Mapping[type[Line], str] = {
    script.Comment: "comment",
    script.Reporter: "reporter",
    script.Appointed: "officer",
    script.Removed: "removed",
    script.Now: "now",
    script.Later: "later",
    script.Written: "written",
    script.Says: "says",
    script.Hears: "hears",
    script.Dials: "dials",
    script.Keys: "keys",
    script.Sees: "sees",
    script.Again: "again",
    script.HangsUp: "hangs_up",
    script.Drops: "drops",
    script.IsState: "is_state",
    script.OneMoreDraft: "one_more_draft",
    script.Silence: "silence",
}


def as_steps(text: str) -> list[dict[str, Any]]:
    """Read a file as steps, each with its own line; raise ScriptError where it means nothing."""
    return [
        {
            **{name: _plain(value) for name, value in asdict(line).items()},
            "kind": _KINDS[type(line)],
            "line": script.write([replace(line)]).rstrip("\n"),
        }
        for line in script.parse(text)
    ]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    return value.total_seconds() if isinstance(value, timedelta) else value
