"""Report forms and commands: what a code asks for, read from its file and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from parsers.segments import is_plain_gsm7

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from parsers.datafiles import Source
    from parsers.items import Problem

URGENCIES: Final = ("info", "biasa", "sedang", "mendesak")
FIRST_STATES: Final = ("received", "closed")
LANGUAGES: Final = ("id", "en")

_Value = TypeVar("_Value")

_FORM_KEYS = frozenset(
    [
        "code",
        "order",
        "title",
        "example",
        "urgency",
        "urgent_within_days",
        "urgent_if_minor",
        "holds_draft",
        "bare_is_draft",
        "first_state",
        "beside",
        "denies",
        "enough",
        "takes_over",
        "takes_over_aliases",
        "ask_if_unsure",
        "outranks_aliases",
        "about",
        "alike_by",
        "hints",
        "aliases",
        "ordinary_aliases",
        "replies",
        "fields",
    ]
)
_FIELD_KEYS = frozenset(["name", "kind", "label", "wanted", "may_be_unknown", "ask", "limits"])

END = ("end", "")
"""In a row of words, the end of what is said."""


class TakeOver(NamedTuple):
    """Words with these meanings in a row, which make another code's report one of this form."""

    loser: str
    senses: tuple[tuple[str, str], ...]
    of_alias: bool
    """Only where another word than the code itself stands for that report."""
    rarest: int
    """The place of the one to look for first: a small word before a word for people."""


_REPLY_KEYS = frozenset(["ok", "incomplete", "help", "hint"])
_COMMAND_KEYS = frozenset(
    [
        "code",
        "title",
        "takes",
        "takes_text",
        "aliases",
        "ordinary_aliases",
        "officer",
        "not_open_yet",
        "about",
    ]
)


@dataclass(frozen=True, slots=True)
class Field:
    """One piece of a report: its name, how it is read, and the question for it alone."""

    name: str
    kind: str
    label: Mapping[str, str]
    wanted: bool = False
    may_be_unknown: bool = False
    ask: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replies:
    """The keys of a form's own texts."""

    ok: str = "OK_LAPORAN"
    incomplete: str = "ERR_KURANG"
    help: str = "BANTU_LAPORAN"
    hint: str | None = None
    """Answers a text without a code in which the form's hints are."""


@dataclass(frozen=True, slots=True)
class Form:
    """A report code and the fields it has."""

    code: str
    order: int
    title: Mapping[str, str]
    example: str
    urgency: str
    fields: tuple[Field, ...]
    holds_draft: bool = False
    bare_is_draft: bool = True
    """The code alone waits for more; false for a form whose bare code is an alarm."""
    first_state: str = "received"
    urgent_within_days: int | None = None
    urgent_if_minor: bool = False
    beside: tuple[tuple[str, str], ...] = ()
    enough: tuple[str, ...] = ()
    """Fields of which each alone makes a whole report; nothing else is missing then."""
    takes_over: tuple[TakeOver, ...] = ()
    """Other codes' reports that are this one when such words follow each other in them."""
    outranks_aliases: bool = False
    """Anywhere on a line it counts before another code's alias: `ada turis mencurigakan`."""
    denies: bool = False
    """It says that there is nothing, so it contradicts what it stands beside."""
    ask_if_unsure: str | None = None
    """The reply that asks whether an everyday word was meant as this report."""
    about: str | None = None
    """The code of the report that its confirmation number must name."""
    alike_by: str | None = None
    """The field in which two reports of one village agree if they may tell of the same."""
    hints: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Words that, together in a text without a code, tell that this report may be meant."""
    aliases: tuple[str, ...] = ()
    ordinary_aliases: tuple[str, ...] = ()
    replies: Replies = Replies()

    @property
    def never_waits(self) -> bool:
        """Say whether a report is stored and answered at once, whatever it lacks."""
        return not self.holds_draft and not self.denies

    def field(self, name: str) -> Field | None:
        """Return a field by its name."""
        return next((one for one in self.fields if one.name == name), None)

    def missing(
        self,
        fields: Mapping[str, int | str],
        problems: Iterable[Problem],
        known_unknown: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Name the wanted fields that are neither there, nor a problem, nor said to be unknown."""
        settled = {*fields, *known_unknown, *(problem.field for problem in problems)}
        if not settled.isdisjoint(self.enough):
            return ()
        return tuple(f.name for f in self.fields if f.wanted and f.name not in settled)

    def urgency_of(
        self,
        fields: Mapping[str, int | str],
        flags: Collection[str],
        now: datetime,
        *,
        begun: bool = False,
    ) -> str:
        """Return how urgent a report is; `begun`: the departure was said to have happened."""
        if self.urgent_if_minor and "minor" in flags:
            return URGENCIES[-1]
        if self.urgent_within_days is None:
            return self.urgency
        departure = fields.get("event_date")
        if isinstance(departure, str):
            latest = now.date() + timedelta(days=self.urgent_within_days)
            begun = begun or date.fromisoformat(departure) <= latest
        return URGENCIES[-1] if begun else self.urgency


@dataclass(frozen=True, slots=True)
class Command:
    """What a sender may ask for besides reporting."""

    code: str
    title: Mapping[str, str]
    takes: str
    takes_text: bool
    aliases: tuple[str, ...] = ()
    ordinary_aliases: tuple[str, ...] = ()
    officer: bool = False
    not_open_yet: bool = False
    """It is understood, and answered that it cannot be done yet."""
    about: str | None = None
    """The code of the reports that it is for; None: any."""


def read_form(source: Source, kinds: Collection[str]) -> Form:
    """Read a form's file; raise DataError where it is wrong."""
    raw = source.toml()
    _no_strange_keys(source, raw, _FORM_KEYS)
    replies = raw.get("replies", {})
    _no_strange_keys(source, replies, _REPLY_KEYS)
    fields = raw.get("fields", [])
    if not isinstance(fields, list):
        raise source.wrong("fields", "fields is no list", "Begin each field with [[fields]].")
    form = Form(
        code=_code(source, raw),
        order=_typed(source, raw, "order", int),
        title=_titles(source, raw, "title"),
        example=_typed(source, raw, "example", str),
        urgency=_one_of(source, raw, "urgency", URGENCIES),
        fields=tuple(_fields(source, fields, kinds)),
        holds_draft=_typed(source, raw, "holds_draft", bool),
        bare_is_draft=raw.get("bare_is_draft", True) is True,
        first_state=_one_of(source, raw, "first_state", FIRST_STATES),
        urgent_within_days=raw.get("urgent_within_days"),
        urgent_if_minor=raw.get("urgent_if_minor", False) is True,
        beside=tuple(_sense(words) for words in raw.get("beside", [])),
        enough=_words(source, raw, "enough"),
        takes_over=(
            *_takes_over(source, raw, "takes_over", of_alias=False),
            *_takes_over(source, raw, "takes_over_aliases", of_alias=True),
        ),
        denies=raw.get("denies", False) is True,
        ask_if_unsure=_optional(source, raw, "ask_if_unsure"),
        outranks_aliases=raw.get("outranks_aliases", False) is True,
        about=_optional(source, raw, "about"),
        alike_by=_optional(source, raw, "alike_by"),
        hints=tuple(
            tuple(_sense(one) for one in words.split()) for words in _words(source, raw, "hints")
        ),
        aliases=_words(source, raw, "aliases"),
        ordinary_aliases=_words(source, raw, "ordinary_aliases"),
        replies=Replies(**{key: str(value) for key, value in replies.items()}),
    )
    if form.hints and form.replies.hint is None:
        raise source.wrong("hints", "hints need a reply", "Name it as hint in [replies].")
    if form.alike_by is not None and form.field(form.alike_by) is None:
        raise source.wrong("alike_by", f"there is no field {form.alike_by!r}", "Name one of ours.")
    if form.holds_draft and not any(one.wanted for one in form.fields):
        raise source.wrong(
            "holds_draft", "a draft waits for a wanted field, and there is none", "Write false."
        )
    return form


def read_commands(source: Source) -> list[Command]:
    """Read a file of commands; raise DataError where it is wrong."""
    raw = source.toml()
    _no_strange_keys(source, raw, frozenset(["commands"]))
    commands: list[Command] = []
    for entry in raw.get("commands", []):
        _no_strange_keys(source, entry, _COMMAND_KEYS)
        commands.append(
            Command(
                code=_code(source, entry),
                title=_titles(source, entry, "title"),
                takes=_one_of(source, entry, "takes", ("ref", "topic", "nothing")),
                takes_text=_typed(source, entry, "takes_text", bool),
                aliases=_words(source, entry, "aliases"),
                ordinary_aliases=_words(source, entry, "ordinary_aliases"),
                officer=entry.get("officer", False) is True,
                not_open_yet=entry.get("not_open_yet", False) is True,
                about=_optional(source, entry, "about"),
            )
        )
    return commands


def _fields(source: Source, entries: list[Any], kinds: Collection[str]) -> Iterable[Field]:
    line = 0
    seen: set[str] = set()
    for entry in entries:
        line = source.line_of("[[fields]]", after=line)
        _no_strange_keys(source, entry, _FIELD_KEYS)
        name = _typed(source, entry, "name", str, line)
        kind = _typed(source, entry, "kind", str, line)
        if kind not in kinds:
            known = ", ".join(sorted(kinds))
            raise source.wrong(f'"{kind}"', f"unknown kind {kind!r}", f"Use one of {known}.")
        if name in seen:
            raise source.wrong(line, f"the field {name!r} is there twice", "Delete one.")
        seen.add(name)
        wanted = entry.get("wanted", False) is True
        ask = entry.get("ask")
        if wanted and not isinstance(ask, str):
            raise source.wrong(
                line, f"the field {name!r} is wanted and has no ask", "Name the reply that asks."
            )
        yield Field(
            name=name,
            kind=kind,
            label=_titles(source, entry, "label", line),
            wanted=wanted,
            may_be_unknown=entry.get("may_be_unknown", False) is True,
            ask=ask,
            limits=entry.get("limits", {}),
        )


def _no_strange_keys(source: Source, raw: Mapping[str, Any], known: frozenset[str]) -> None:
    for key in raw:
        if key not in known:
            raise source.wrong(key, f"unknown key {key!r}", f"Known: {', '.join(sorted(known))}.")


def _typed(
    source: Source, raw: Mapping[str, Any], key: str, kind: type[_Value], line: int | str = 1
) -> _Value:
    value = raw.get(key)
    if not isinstance(value, kind):
        where = line if key not in raw else source.line_of(key)
        raise source.wrong(where, f"{key} is missing or no {kind.__name__}", f"Write {key} = ...")
    return value


def _optional(source: Source, raw: Mapping[str, Any], key: str) -> str | None:
    return _typed(source, raw, key, str) if key in raw else None


def _code(source: Source, raw: Mapping[str, Any]) -> str:
    code = _typed(source, raw, "code", str)
    if not (code.isascii() and code.isalpha() and code.isupper()):
        raise source.wrong("code", f"{code!r} is no code", "Write it in capital letters.")
    return code


def _one_of(source: Source, raw: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = _typed(source, raw, key, str)
    if value not in allowed:
        raise source.wrong(key, f"{key} is {value!r}", f"Use one of {', '.join(allowed)}.")
    return value


def _titles(
    source: Source, raw: Mapping[str, Any], key: str, line: int | str = 1
) -> Mapping[str, str]:
    titles = _typed(source, raw, key, dict, line)
    for language in LANGUAGES:
        title = titles.get(language)
        if not isinstance(title, str) or not title:
            raise source.wrong(line, f"{key} has no {language}", "Write it in id and en.")
        if not is_plain_gsm7(title):
            raise source.wrong(
                title, f"{key} {title!r} is not plain GSM-7", "Write it without special characters."
            )
    return {language: titles[language] for language in LANGUAGES}


def _words(source: Source, raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    words = raw.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise source.wrong(key, f"{key} is no list of words", 'Write ["one", "two"].')
    return tuple(words)


def _takes_over(
    source: Source, raw: Mapping[str, Any], key: str, *, of_alias: bool
) -> Iterable[TakeOver]:
    rows = raw.get(key, {})
    if not isinstance(rows, dict):
        raise source.wrong(key, f"{key} is no table", 'Write { WNA = ["marks:x"] }.')
    for code, senses in rows.items():
        for words in senses:
            row = tuple(_sense(one) for one in words.split())
            marks = [place for place, (domain, _) in enumerate(row) if domain == "marks"]
            yield TakeOver(code, row, of_alias, marks[0] if marks else 0)


def _sense(words: str) -> tuple[str, str]:
    domain, _, value = words.partition(":")
    return domain, value
