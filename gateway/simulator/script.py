"""Conversations as text: who texts, dials and keys what, who hears and sees what, in order. Pure.

A file is a list of lines:

    # a comment
    [kades.oinlasi = +6281237000111, 53.02.02.2008]   a phone, and the villages it reports for
    [imigrasi = +6281237000500, officer imigrasi 53.02 member, PIN 4825]
    [imigrasi is removed]                             from then on no officer any more
    [now = 2026-11-25 10:10 WITA]                     the time; then it goes on by itself
    [+30 menit] or [+25 jam]                          let time pass
    [written 2026-11-24 20:15 WITA]                   the next text is that old, and arrives now
    kades.oinlasi > wna 2 aus wisata                  a text arrives
    kades.oinlasi < Terima kasih, … No <a>: …         what that phone hears next; <a> is a number,
                                                      the same one wherever <a> stands again
    imigrasi dials *384*22345#                        a USSD session begins, perhaps with a path
    imigrasi keys 4825                                one input; `keys nothing` is an empty one
    imigrasi sees TIMPORA | 1 Cari laporan            the screen, its lines joined by ` | `
    imigrasi sees the end: Terima kasih.              the last screen of a session
    imigrasi sends again                              the provider posts the last request again
    imigrasi hangs up                                 the provider tells that the session is over
    imigrasi drops out                                it is over, and nobody tells
    [report <a> is received]                          the state of a report, or its urgency
    [draft]                                           one more draft than at the last such line
    [nobody hears anything more]                      silence: also checked at the end of each file

`<code>` and other names stand for four to eight digits: a confirmation number, a one-time code.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

WITA = ZoneInfo("Asia/Makassar")
_UNITS = {"detik": "seconds", "menit": "minutes", "jam": "hours", "hari": "days"}
_JOINT = " | "
_END = "the end: "


class ScriptError(Exception):
    """A line that means nothing; says which, and what a line may be."""

    def __init__(self, number: int, line: str) -> None:
        """Name the line."""
        super().__init__(
            f"line {number} means nothing here: {line[:60]!r}; a line is a setting in [brackets],"
            " or NAME > text, NAME < text, NAME dials CODE, NAME keys INPUT, NAME sees SCREEN"
        )
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, and where it stands in its file."""

    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comment(Line):
    """Words for the reader."""

    text: str


@dataclass(frozen=True, slots=True)
class Reporter(Line):
    """A phone, and the villages that it reports for; none: a stranger's."""

    who: str
    sender: str
    villages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Appointed(Line):
    """An officer with a phone, and perhaps a PIN."""

    who: str
    sender: str
    institution: str
    area: str
    role: str
    pin: str = ""


@dataclass(frozen=True, slots=True)
class Removed(Line):
    """An officer is one no more."""

    who: str


@dataclass(frozen=True, slots=True)
class Now(Line):
    """What time it is."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Later(Line):
    """Time passes."""

    amount: timedelta


@dataclass(frozen=True, slots=True)
class Written(Line):
    """When the next text was written."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Says(Line):
    """A phone sends a text."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Hears(Line):
    """A phone gets a text."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Dials(Line):
    """A USSD session begins."""

    who: str
    code: str


@dataclass(frozen=True, slots=True)
class Keys(Line):
    """One input of a session."""

    who: str
    key: str


@dataclass(frozen=True, slots=True)
class Sees(Line):
    """A screen."""

    who: str
    text: str
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Again(Line):
    """The provider sends the last request once more."""

    who: str


@dataclass(frozen=True, slots=True)
class HangsUp(Line):
    """A session is over, and the provider says so."""

    who: str


@dataclass(frozen=True, slots=True)
class Drops(Line):
    """A session is over, and nobody says so."""

    who: str


@dataclass(frozen=True, slots=True)
class IsState(Line):
    """A report has this state, or this urgency."""

    report: str
    state: str


@dataclass(frozen=True, slots=True)
class OneMoreDraft(Line):
    """There is one more draft than before."""


@dataclass(frozen=True, slots=True)
class Silence(Line):
    """Nobody has heard anything that was not read."""


_WHO = r"(\w[\w.]*)"
_WHEN = r"(\d{4}-\d\d-\d\d \d\d:\d\d) WITA"


def _moment(said: str) -> datetime:
    return datetime.strptime(said, "%Y-%m-%d %H:%M").replace(tzinfo=WITA)


def _sees(who: str, shown: str) -> Sees:
    ends = shown.startswith(_END)
    return Sees(who, shown.removeprefix(_END).replace(_JOINT, "\n"), ends=ends)


#: How each line is written, most particular first.
_READERS: tuple[tuple[str, Callable[..., Line]], ...] = (
    (r"# ?(.*)", Comment),
    (r"\[nobody hears anything more\]", Silence),
    (r"\[draft\]", OneMoreDraft),
    (rf"\[now = {_WHEN}\]", lambda said: Now(_moment(said))),
    (rf"\[written {_WHEN}\]", lambda said: Written(_moment(said))),
    (
        r"\[\+(\d+) (detik|menit|jam|hari)\]",
        lambda amount, unit: Later(timedelta(**{_UNITS[unit]: int(amount)})),
    ),
    (r"\[report <(\w+)> is (\w+)\]", IsState),
    (rf"\[{_WHO} is removed\]", Removed),
    (
        rf"\[{_WHO} = (\+?\w+), officer (\w+) ([\d.]+) (\w+)(?:, PIN (\d+))?\]",
        lambda who, sender, institution, area, role, pin: Appointed(
            who, sender, institution, area, role, pin or ""
        ),
    ),
    (
        rf"\[{_WHO} = (\+?\w+)((?:, [\d.]+)*)\]",
        lambda who, sender, rest: Reporter(who, sender, tuple(rest.split(", ")[1:])),
    ),
    (rf"{_WHO} > (.*)", lambda who, text: Says(who, text.replace("\\n", "\n"))),
    (rf"{_WHO} < (.*)", lambda who, text: Hears(who, text.replace(_JOINT, "\n"))),
    (rf"{_WHO} dials (\*[\d*]+#)", Dials),
    (rf"{_WHO} keys (.*)", lambda who, key: Keys(who, "" if key == "nothing" else key)),
    (rf"{_WHO} sees (.*)", _sees),
    (rf"{_WHO} sends again", Again),
    (rf"{_WHO} hangs up", HangsUp),
    (rf"{_WHO} drops out", Drops),
)
_COMPILED = tuple((re.compile(pattern), make) for pattern, make in _READERS)


def parse(text: str) -> tuple[Line, ...]:
    """Read a whole file; raise ScriptError at the first line that means nothing."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line:
            lines.append(replace(_read(number, line), number=number))
    return tuple(lines)


def _read(number: int, line: str) -> Line:
    for pattern, make in _COMPILED:
        found = pattern.fullmatch(line)
        if found is None:
            continue
        try:
            return make(*found.groups())
        except ValueError:  # a day that no month has
            break
    raise ScriptError(number, line)


def write(lines: Iterable[Line]) -> str:
    """Write lines as a file that `parse` reads."""
    return "".join(f"{_written(line)}\n" for line in lines)


def _written(line: Line) -> str:  # noqa: C901, PLR0911, PLR0912  # one case for each kind of line
    match line:
        case Comment(text=text):
            return f"# {text}"
        case Reporter(who=who, sender=sender, villages=villages):
            return f"[{', '.join([f'{who} = {sender}', *villages])}]"
        case Appointed(who=who, sender=sender, pin=pin):
            office = f"officer {line.institution} {line.area} {line.role}"
            return f"[{who} = {sender}, {office}{f', PIN {pin}' if pin else ''}]"
        case Removed(who=who):
            return f"[{who} is removed]"
        case Now(moment=moment):
            return f"[now = {moment.astimezone(WITA):%Y-%m-%d %H:%M} WITA]"
        case Written(moment=moment):
            return f"[written {moment.astimezone(WITA):%Y-%m-%d %H:%M} WITA]"
        case Later(amount=amount):
            return f"[+{_amount(amount)}]"
        case Says(who=who, text=text):
            return f"{who} > {text}".replace("\n", "\\n")
        case Hears(who=who, text=text):
            return f"{who} < {text}".replace("\n", _JOINT)
        case Dials(who=who, code=code):
            return f"{who} dials {code}"
        case Keys(who=who, key=key):
            return f"{who} keys {key or 'nothing'}"
        case Sees(who=who, text=text, ends=ends):
            return f"{who} sees {_END if ends else ''}{text.replace(chr(10), _JOINT)}"
        case Again(who=who):
            return f"{who} sends again"
        case HangsUp(who=who):
            return f"{who} hangs up"
        case Drops(who=who):
            return f"{who} drops out"
        case IsState(report=report, state=state):
            return f"[report <{report}> is {state}]"
        case OneMoreDraft():
            return "[draft]"
        case _:
            return "[nobody hears anything more]"


def _amount(amount: timedelta) -> str:
    seconds = int(amount.total_seconds())
    for unit, length in (("hari", 86400), ("jam", 3600), ("menit", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} detik"
