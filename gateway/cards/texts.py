"""The card's own texts, read from one data file; a wrong one is named with line and mend."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from parsers.datafiles import Source
from parsers.form import LANGUAGES

_SHIPPED = Path(__file__).parent / "texts.toml"
#: What the templates show; a text more or less than these is a slip.
KEYS = (
    "page_title",
    "title",
    "desa",
    "kelurahan",
    "kecamatan",
    "village_code",
    "send_to",
    "write_number",
    "save_as",
    "codes",
    "how",
    "example",
    "or_only",
    "after",
    "receipt",
    "danger",
    "no_money",
    "print",
    "paper",
)
_PARTS = ("texts", "mends")
_MEND_KEYS = ("when", "what")
_VARIABLES = ("no", "code")
_VARIABLE = re.compile(r"\{(\w*)\}")
#: What people type stands between two of these.
_TYPED = "`"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: words to read, or what is to be typed or dialled."""

    words: str
    is_typed: bool


@dataclass(frozen=True, slots=True)
class Mend:
    """One line on what to do when something went wrong."""

    when: str
    what: str


@dataclass(frozen=True, slots=True)
class CardTexts:
    """All texts of a card in one language."""

    language: str
    texts: Mapping[str, str]
    mends: Mapping[str, Mend]


@cache
def shipped() -> Mapping[str, CardTexts]:
    """Give the texts that come with the gateway, by language."""
    return read(Source.open(_SHIPPED))


def read(source: Source) -> Mapping[str, CardTexts]:
    """Read and check a file of texts; raise DataError at the first that is wrong."""
    raw = source.toml()
    _demand_keys(source, raw, _PARTS, "the file", 1)
    texts, mends = (_section(source, part, raw[part]) for part in _PARTS)
    _demand_keys(source, texts, KEYS, "[texts]", source.line_of("[texts]"))
    for key, both in texts.items():
        _check(source, key, both, source.line_of(f"{key} ="))
    for name, mend in mends.items():
        _check_mend(source, name, mend)
    return {
        language: CardTexts(
            language,
            {key: both[language] for key, both in texts.items()},
            {
                name: Mend(mend["when"][language], mend["what"][language])
                for name, mend in mends.items()
            },
        )
        for language in LANGUAGES
    }


def pieces(text: str, **values: str) -> Iterator[Piece]:
    """Fill a text and part it into what is read and what is typed."""
    filled = _VARIABLE.sub(lambda found: values[found[1]], text)
    for place, words in enumerate(filled.split(_TYPED)):
        if words:
            yield Piece(words, is_typed=place % 2 == 1)


def _section(source: Source, name: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401  # TOML
    if not isinstance(value, dict):
        raise source.wrong(name, f"{name} is no section", f"Write [{name}].")
    return value


def _check_mend(source: Source, name: str, mend: Any) -> None:  # noqa: ANN401  # whatever TOML holds
    line = source.line_of(f"[mends.{name}]")
    parts = _section(source, name, mend)
    _demand_keys(source, parts, _MEND_KEYS, f"[mends.{name}]", line)
    for key, both in parts.items():
        _check(source, f"{name}.{key}", both, source.line_of(f"{key} =", after=line))


def _demand_keys(
    source: Source, found: Mapping[str, Any], wanted: tuple[str, ...], where: str, line: int
) -> None:
    for key in wanted:
        if key not in found:
            raise source.wrong(line, f"{where} has no {key}", f"Add {key}.")
    for key in found:
        if key not in wanted:
            raise source.wrong(key, f"{where} has {key!r}", f"Known: {', '.join(wanted)}.")


def _check(source: Source, key: str, both: Any, line: int) -> None:  # noqa: ANN401  # TOML
    if not isinstance(both, dict) or both.keys() != set(LANGUAGES):
        raise source.wrong(line, f"{key} is not in id and en", "Write { id = ..., en = ... }.")
    for text in both.values():
        if not isinstance(text, str) or not text.strip():
            raise source.wrong(line, f"{key} is empty or no text", "Write it in quotes.")
        if text.count(_TYPED) % 2:
            raise source.wrong(line, f"{key} has a backtick too few", "Put one on each side.")
        for name in _VARIABLE.findall(text):
            if name not in _VARIABLES:
                known = ", ".join(f"{{{one}}}" for one in _VARIABLES)
                raise source.wrong(line, f"{key} has {{{name}}}", f"Known: {known}.")
    typed = [text.split(_TYPED)[1::2] for text in both.values()]
    if any(one != typed[0] for one in typed):
        raise source.wrong(
            line, f"{key} has people type different things", "Type the same in every language."
        )
