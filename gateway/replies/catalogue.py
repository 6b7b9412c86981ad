"""The texts by key, in each language: checked when loaded, filled so that they always fit.

The keys stand in `id.toml`, which leads; `en.toml` has the same. An agency lays its own wording
over them with files of the same names in `<TIMPORA_AGENCY_DIR>/replies/`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from parsers import segments

LANGUAGES = ("id", "en")
PARTS = ("texts", "words", "screens")
#: The longest value of each variable, in GSM-7 units; a longer one is cut, dots included. The
#: longest village name of TTS has 16, the longest country name in its short form 17.
LONGEST: Mapping[str, int] = {
    "no": 8,
    "ref": 8,
    "apa_terjadi": 15,
    "n": 3,
    "org": 17,
    "negara": 17,
    "pilih_a": 17,
    "pilih_b": 17,
    "tujuan": 10,
    "ke": 17,
    "kapan": 14,
    "desa": 17,
    "desa_b": 17,
    "bulan": 9,
    "apa": 36,
    "x": 12,
    "kode": 8,
    "kode_kode": 44,
    "daftar": 92,
    "status": 17,
    "contoh": 110,
    "tgl": 5,
    "wilayah": 20,
    "sisa": 2,
    "jam": 5,
    "sandi": 6,
    "kanal": 14,
    "masalah": 44,
}
#: `shorten` shows by three dots that something is left out.
_DOTS = 3
_VARIABLE = re.compile(r"\{(\w*)\}")


#: What a text about a report may have; a form's help has its code and its example.
_OF_A_REPORT = frozenset(
    [
        "no",
        "n",
        "kode",
        "apa",
        "org",
        "negara",
        "tujuan",
        "ke",
        "kapan",
        "bulan",
        "desa",
        "desa_b",
        "ref",
        "apa_terjadi",
    ]
)
_OF_HELP = frozenset(["kode", "contoh"])


@dataclass(frozen=True, slots=True)
class Named:
    """Where a report form names a reply key: the form's code, and ok, incomplete, help or ask."""

    form: str
    role: str


class ReplyError(Exception):
    """A text is wrong; the message names file, line, key, and the mend."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts of one language."""

    language: str
    texts: Mapping[str, str]
    words: Mapping[str, str]
    screens: Mapping[str, str]
    """What stands on officers' screens: titles, choices, questions, lines of error."""

    def text(self, key: str, **values: str) -> str:
        """Fill a text: each value made GSM-7 and cut to its longest, so that a segment holds it."""
        return fill(self.texts[key], values)

    def word(self, name: str, **values: str) -> str:
        """Give one of the short words that stand in texts."""
        return fill(self.words[name], values)

    def screen(self, key: str, **values: str) -> str:
        """Fill a piece of a screen."""
        return fill(self.screens[key], values)

    def longest_screen(self, key: str) -> str:
        """Give a piece of a screen with the longest value of each variable."""
        return longest_of(self.screens[key])


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into a template in one pass: what a person wrote is never read as a template."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        one_line = " ".join(values[name].split())
        plain, most = segments.to_gsm7(one_line), LONGEST[name]
        return plain if len(plain) <= most else segments.shorten(plain, max(most - _DOTS, 0))

    return _VARIABLE.sub(value, template)


def load(
    agency_dir: Path | None, named: Mapping[str, Named] | None = None
) -> Mapping[str, Catalogue]:
    """Load and check every language; raise ReplyError at the first text that is wrong.

    `named` are the keys that report forms name: an agency's own form may bring texts of its own,
    and a form whose text is nowhere stops the start.
    """
    shipped = files("gateway.replies")
    named = named or {}
    sources = {language: _read(shipped / f"{language}.toml") for language in LANGUAGES}
    _check_same_keys(sources)
    catalogues: dict[str, Catalogue] = {}
    for language, own in sources.items():
        path = agency_dir / "replies" / f"{language}.toml" if agency_dir else None
        laid_over = _read(path) if path is not None and path.exists() else None
        if laid_over is not None:
            _check_against_ours(laid_over, sources, named)
        merged = {
            part: {**own.parts[part], **(laid_over.parts[part] if laid_over else {})}
            for part in PARTS
        }
        for key, use in named.items():
            # What an agency says in the leading language alone is said so in the others.
            leading = catalogues[LANGUAGES[0]].texts.get(key) if catalogues else None
            if key not in merged["texts"] and leading is None:
                raise ReplyError(
                    f"the form {use.form} names the reply {key} ({use.role}), and no such text is"
                    f" there; add it to [texts] of replies/{language}.toml, or correct the form"
                )
            merged["texts"].setdefault(key, leading or "")
        catalogues[language] = Catalogue(
            language, merged["texts"], merged["words"], merged["screens"]
        )
    return catalogues


@dataclass(frozen=True, slots=True)
class _Source:
    """One file: its texts by part and key, and where each stands."""

    name: str
    lines: tuple[str, ...]
    parts: Mapping[str, Mapping[str, str]]

    def place(self, key: str) -> str:
        """Name a key's file and line."""
        return f"{self.name}, line {_line_of(self.lines, key)}: {key}"


def _read(path: Traversable | Path) -> _Source:
    try:
        source = path.read_text(encoding="utf-8")
        data = tomllib.loads(source)
    except UnicodeDecodeError as error:
        raise ReplyError(
            f"{path.name} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ReplyError(f"{path.name}: {error}") from error
    lines = tuple(source.splitlines())
    for part in data:
        if part not in PARTS:
            raise ReplyError(
                f"{path.name}, line {_line_of(lines, part)}: [{part}] is not known;"
                " use [texts], [words] or [screens]"
            )
    found = _Source(path.name, lines, {part: data.get(part, {}) for part in PARTS})
    for part, texts in found.parts.items():
        if not isinstance(texts, dict):
            raise ReplyError(f"{found.place(part)} must be a section: [{part}]")
        for key, text in texts.items():
            if not isinstance(text, str):
                raise ReplyError(f"{found.place(key)} must be a text in quotes")
            _check(text, partial(found.place, key))
    return found


def _line_of(lines: Sequence[str], key: str) -> int:
    begins = re.compile(rf"\s*(?:\[+\s*)?\"?{re.escape(key)}\"?\s*(?:=|\])")
    return next((number for number, line in enumerate(lines, 1) if begins.match(line)), 0)


def _check(text: str, where: Callable[[], str]) -> None:
    if not text.strip():
        raise ReplyError(f"{where()} is empty; an SMS without words helps nobody")
    for name in _VARIABLE.findall(text):
        if name not in LONGEST:
            raise ReplyError(f"{where()} has {{{name}}}; known are {', '.join(sorted(LONGEST))}")
    bare = _VARIABLE.sub("", text)
    if bare != segments.to_gsm7(bare):
        raise ReplyError(
            f"{where()} has {_odd(bare)!r}, which would make the SMS dear or long; write it plain"
        )
    units = segments.measure(longest_of(text))
    if units.segments != 1:
        raise ReplyError(
            f"{where()} has {units.units} units with its longest values; shorten it to 160"
        )


def _odd(text: str) -> str:
    """Find the first character that does not stay as it is."""
    return next((one for one in text if segments.to_gsm7(one) != one), text)


def longest_of(text: str) -> str:
    """Fill a template with the longest value of each variable."""
    return _VARIABLE.sub(lambda found: "W" * LONGEST[found.group(1)], text)


def _check_same_keys(sources: Mapping[str, _Source]) -> None:
    leading, *others = sources.values()
    for other in others:
        for part, texts in leading.parts.items():
            for key in texts.keys() ^ other.parts[part].keys():
                raise ReplyError(
                    f"{other.name}: [{part}] {key} stands in one language and not in the other"
                )


def _check_against_ours(
    theirs: _Source, ours: Mapping[str, _Source], named: Mapping[str, Named]
) -> None:
    """Refuse a key that we have not, and a variable that this key's text is never given."""
    for part, texts in theirs.parts.items():
        for key, text in texts.items():
            shipped = [source.parts[part].get(key) for source in ours.values()]
            given = {name for one in shipped for name in _VARIABLE.findall(one or "")}
            if key in named:
                given |= _OF_HELP if named[key].role == "help" else _OF_A_REPORT
            elif shipped[0] is None:
                raise ReplyError(f"{theirs.place(key)} is no key of ours; see replies/id.toml")
            for name in _VARIABLE.findall(text):
                if name not in given:
                    known = ", ".join(sorted(given)) or "none"
                    raise ReplyError(
                        f"{theirs.place(key)} has {{{name}}}, which it is never given;"
                        f" it may have: {known}"
                    )
