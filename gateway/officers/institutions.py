"""The institutions that officers belong to, and what each may see: data that an agency decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parsers.datafiles import DataError, Source
from parsers.form import LANGUAGES
from parsers.segments import is_plain_gsm7

_SHIPPED = Path(__file__).parent / "institutions.toml"
_KEYS = ("title", "summary_only", "sees_about_officials")
_LONGEST_TITLE = 16


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution, by the name that commands use."""

    name: str
    title: Mapping[str, str]
    summary_only: frozenset[str]
    """Codes of reports of which it sees a summary alone."""
    sees_about_officials: bool
    """Whether it sees reports that speak of officials."""


def load(agency_dir: Path | None = None) -> Mapping[str, Institution]:
    """Read the institutions, an agency's file in place of ours; raise DataError where it is wrong.

    Whoever is an officer now belongs to one of ours, so an agency's file must have them all.
    """
    theirs = agency_dir / "officers" / "institutions.toml" if agency_dir else None
    shipped = _read(Source.open(_SHIPPED))
    if theirs is None or not theirs.exists():
        return shipped
    source = Source.open(theirs)
    found = _read(source)
    lacking = sorted(shipped.keys() - found.keys())
    if lacking:
        raise source.wrong(1, f"{', '.join(lacking)} is not there", "Add a section for each.")
    return found


def _read(source: Source) -> Mapping[str, Institution]:
    return {name: _institution(source, name, raw) for name, raw in source.toml().items()}


def _institution(source: Source, name: str, raw: Any) -> Institution:  # noqa: ANN401
    line = source.line_of(f"[{name}]")
    if not isinstance(raw, dict):
        raise source.wrong(name, f"{name} is no section", f"Write [{name}].")
    for key in raw:
        if key not in _KEYS:
            raise source.wrong(line, f"{name} has {key!r}", f"Known: {', '.join(_KEYS)}.")
    title = raw.get("title")
    if not isinstance(title, dict) or any(not title.get(language) for language in LANGUAGES):
        raise source.wrong(line, f"the title of {name} is not in id and en", "Write both.")
    for words in title.values():
        if not is_plain_gsm7(words) or len(words) > _LONGEST_TITLE:
            raise source.wrong(
                line, f"{words!r} does not fit a screen", f"Write {_LONGEST_TITLE} plain letters."
            )
    codes = raw.get("summary_only", [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise source.wrong(line, "summary_only is no list", 'Write ["PMI"].')
    sees = raw.get("sees_about_officials", True)
    if not isinstance(sees, bool):
        raise source.wrong(line, "sees_about_officials is no truth value", "Write true or false.")
    return Institution(name, title, frozenset(codes), sees)


__all__ = ["DataError", "Institution", "load"]
