r"""Conversations as text: who texts, dials and keys what, who hears and sees what, in order. Pure.

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
In a text `\n` is a line break, `\\` a backslash, and `\u{7c}` any character by its code, for what
would be lost at the end of a line or be read as something else.
A moment may have seconds. Blank lines are not kept.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

WITA = ZoneInfo("Asia/Makassar")
_UNITS = {"detik": "seconds", "menit": "minutes", "jam": "hours", "hari": "days"}
_JOINT = " | "
_END = "the end:"
_NOTHING = "nothing"


class ScriptError(Exception):
    """A line that means nothing; says which, and the mend."""

    def __init__(self, number: int, reason: str) -> None:
        """Name the line."""
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.reason = reason


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
_WHEN = r"(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) WITA"
_ESCAPE = re.compile(r"\\(n|\\|u\{([0-9a-f]{1,6})\})")
_SPLIT = re.compile(r" \|(?: |$)")


def _moment(said: str) -> datetime:
    return datetime.fromisoformat(said).replace(tzinfo=WITA)


def _when(moment: datetime) -> str:
    return moment.astimezone(WITA).replace(tzinfo=None).isoformat(" ").removesuffix(":00")


def _text(written: str) -> str:
    def meant(found: re.Match[str]) -> str:
        if found[2] is not None:
            return chr(int(found[2], 16))
        return "\n" if found[1] == "n" else "\\"

    return _ESCAPE.sub(meant, written)


def _escaped(text: str) -> str:
    """Write a text so that it stays in one line and keeps what stands at its end."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    if text.endswith(" "):
        text = text[:-1] + _code(" ")
    return "".join(it if it.isprintable() else _code(it) for it in text)


def _code(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def _lines(written: str) -> str:
    return "\n".join(_text(part) for part in _SPLIT.split(written))


def _joined(text: str) -> str:
    *parts, last = text.split("\n")
    # A blank at the end of a line is safe before a joint, and only there.
    written = [*(_escaped(f"{part}.")[:-1] for part in parts), _escaped(last)]
    return _JOINT.join(part.replace("|", _code("|")) for part in written)


def _sees(who: str, shown: str) -> Sees:
    ends = shown.startswith(_END)
    return Sees(who, _lines(shown.removeprefix(_END).removeprefix(" " * ends)), ends=ends)


def _screen(text: str, *, ends: bool) -> str:
    shown = _joined(text)
    if ends:
        return f"{_END} {shown}"
    return _other_than(shown) if shown.startswith(_END) else shown


def _other_than(word: str) -> str:
    """Write a text that happens to be one of our own words."""
    return _code(word[0]) + word[1:]


def _key(key: str) -> str:
    return _other_than(key) if key == _NOTHING else _escaped(key) or _NOTHING


#: How each line is written, most particular first.
_READERS: tuple[tuple[str, Callable[..., Line]], ...] = (
    (r"# ?(.*)", lambda text: Comment(_text(text))),
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
    (rf"{_WHO} > ?(.*)", lambda who, text: Says(who, _text(text))),
    (rf"{_WHO} < ?(.*)", lambda who, text: Hears(who, _lines(text))),
    (rf"{_WHO} dials (\*[\d*]+#)", Dials),
    (rf"{_WHO} keys (.+)", lambda who, key: Keys(who, "" if key == _NOTHING else _text(key))),
    (rf"{_WHO} sees(?!\S) ?(.*)", _sees),
    (rf"{_WHO} sends again", Again),
    (rf"{_WHO} hangs up", HangsUp),
    (rf"{_WHO} drops out", Drops),
)
_COMPILED = tuple((re.compile(pattern), make) for pattern, make in _READERS)


_SETTINGS = (
    "write [NAME = PHONE, VILLAGE], [NAME is removed], [now = MOMENT], [+30 menit],"
    " [written MOMENT], [report <a> is received], [draft] or [nobody hears anything more]"
)
_DEEDS = (
    "write a setting in [brackets], a # comment, or NAME > text, NAME < text, NAME dials CODE,"
    " NAME keys INPUT, NAME sees SCREEN, NAME sends again, NAME hangs up, NAME drops out;"
    " a NAME has letters, digits, _ and dots"
)
#: What a line was perhaps meant to be, and how that is written; most particular first.
_MENDS = (
    (
        r"\[(?:now|written)\b",
        "write [now = 2026-11-25 10:10 WITA] or [written 2026-11-24 20:15 WITA]",
    ),
    (r"\[\+", "write [+30 menit]; a unit is detik, menit, jam or hari"),
    (r"\[report\b", "write [report <a> is received]"),
    (r"\[.*\bofficer\b", "write [NAME = +6281237000500, officer imigrasi 53.02 member, PIN 4825]"),
    (r"\[.*=", "write [NAME = +6281237000111, 53.02.02.2008], with no village for a stranger"),
    (r"\[", _SETTINGS),
    (
        r"\S+ dials\b",
        "write NAME dials *384*22345#, with nothing but digits and stars before the #",
    ),
    (r"\S+ keys\b", "write NAME keys 4825, or NAME keys nothing for an empty input"),
    ("", _DEEDS),
)


def parse(text: str) -> tuple[Line, ...]:
    """Read a whole file; raise ScriptError at the first line that means nothing."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        written = raw.strip()
        if not written:
            continue
        line = _read(written)
        if line is None:
            mend = next(mend for pattern, mend in _MENDS if re.match(pattern, written))
            raise ScriptError(number, f"{written[:60]!r} means nothing here; {mend}")
        lines.append(replace(line, number=number))
    return tuple(lines)


def _read(written: str) -> Line | None:
    for pattern, make in _COMPILED:
        found = pattern.fullmatch(written)
        if found is None:
            continue
        try:
            return make(*found.groups())
        except (ValueError, OverflowError):  # a day that no month has; more days than there are
            return None
    return None


def write(lines: Iterable[Line]) -> str:
    """Write lines as a file that `parse` reads as the same lines; it never refuses one.

    Any text comes back. What no line can say does not: a name with a blank in it, a fraction of a
    second. Whoever takes lines from elsewhere parses what was written, and compares.
    """
    # What stands before an empty text ends in a blank.
    return "".join(f"{_written(line).rstrip()}\n" for line in lines)


def _written(line: Line) -> str:  # noqa: C901, PLR0911, PLR0912  # one case for each kind of line
    match line:
        case Comment(text=text):
            return f"# {_escaped(text)}"
        case Reporter(who=who, sender=sender, villages=villages):
            return f"[{', '.join([f'{who} = {sender}', *villages])}]"
        case Appointed(who=who, sender=sender, pin=pin):
            office = f"officer {line.institution} {line.area} {line.role}"
            return f"[{who} = {sender}, {office}{f', PIN {pin}' if pin else ''}]"
        case Removed(who=who):
            return f"[{who} is removed]"
        case Now(moment=moment):
            return f"[now = {_when(moment)} WITA]"
        case Written(moment=moment):
            return f"[written {_when(moment)} WITA]"
        case Later(amount=amount):
            return f"[+{_amount(amount)}]"
        case Says(who=who, text=text):
            return f"{who} > {_escaped(text)}"
        case Hears(who=who, text=text):
            return f"{who} < {_joined(text)}"
        case Dials(who=who, code=code):
            return f"{who} dials {code}"
        case Keys(who=who, key=key):
            return f"{who} keys {_key(key)}"
        case Sees(who=who, text=text, ends=ends):
            return f"{who} sees {_screen(text, ends=ends)}"
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
