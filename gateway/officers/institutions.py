"""The institutions that officers belong to, and what each may see: data that an agency decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parsers.datafiles import DataError, Source
from parsers.form import LANGUAGES
from parsers.segments import is_plain_gsm7

_SHIPPED = Path(__file__).parent / "institutions.toml"
_KEYS = ("title", "summary_only", "sees_about_officials")
_LONGEST_TITLE = 16
#: The product's codes. One whose form is still to come is hidden from its first day.
_CODES = ("WNA", "PERGI", "PMI", "CURIGA", "DARURAT", "NIHIL")


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution, by the name that commands use."""

    name: str
    title: Mapping[str, str]
    summary_only: frozenset[str]
    """Codes of reports of which it sees a summary alone."""
    sees_about_officials: bool
    """Whether it sees reports that speak of officials."""


def load(agency_dir: Path | None = None, codes: Collection[str] = ()) -> Mapping[str, Institution]:
    """Read the institutions, an agency's file in place of ours; raise DataError where it is wrong.

    Whoever is an officer now belongs to one of ours, so an agency's file must have them all.
    `codes` are those of an agency's own forms: a slip in one would show in full what is to be
    hidden.
    """
    theirs = agency_dir / "officers" / "institutions.toml" if agency_dir else None
    if theirs is None or not theirs.exists():
        return _read(Source.open(_SHIPPED), codes)
    shipped = Source.open(_SHIPPED).toml()
    source = Source.open(theirs)
    found = _read(source, codes)
    lacking = sorted(shipped.keys() - found.keys())
    if lacking:
        raise source.wrong(1, f"{', '.join(lacking)} is not there", "Add a section for each.")
    return found


def _read(source: Source, codes: Collection[str]) -> Mapping[str, Institution]:
    return {name: _institution(source, name, raw, codes) for name, raw in source.toml().items()}


def _institution(
    source: Source,
    name: str,
    raw: Any,  # noqa: ANN401  # whatever TOML holds
    codes: Collection[str],
) -> Institution:
    line = source.line_of(f"[{name}]")
    if not isinstance(raw, dict):
        raise source.wrong(name, f"{name} is no section", f"Write [{name}].")
    at = {key: source.line_of(key, after=line) for key in raw}
    for key in raw:
        if key not in _KEYS:
            raise source.wrong(at[key], f"{name} has {key!r}", f"Known: {', '.join(_KEYS)}.")
    title = _title(source, name, raw.get("title"), at.get("title", line))
    hidden = raw.get("summary_only", [])
    fault = _fault_of(hidden, {*_CODES, *codes})
    if fault is not None:
        mend = f"Write a list of these: {', '.join(dict.fromkeys((*_CODES, *codes)))}."
        raise source.wrong(at["summary_only"], fault, mend)
    sees = raw.get("sees_about_officials", True)
    if not isinstance(sees, bool):
        what = "sees_about_officials is no truth value"
        raise source.wrong(at["sees_about_officials"], what, "Write true or false.")
    return Institution(name, title, frozenset(hidden), sees)


def _fault_of(hidden: object, known: Collection[str]) -> str | None:
    if not isinstance(hidden, list):
        return "summary_only is no list"
    for code in hidden:
        if not isinstance(code, str) or code not in known:
            return f"{code!r} in summary_only is no report's code"
    return None


def _title(source: Source, name: str, title: Any, line: int) -> Mapping[str, str]:  # noqa: ANN401
    if not isinstance(title, dict) or title.keys() != set(LANGUAGES):
        raise source.wrong(line, f"the title of {name} is not in id and en", "Write both.")
    for words in title.values():
        if not _fits(words):
            mend = f"Write 1 to {_LONGEST_TITLE} plain letters."
            raise source.wrong(line, f"{words!r} does not fit a screen", mend)
    return title


def _fits(title: object) -> bool:
    return (
        isinstance(title, str)
        and bool(title.strip())
        and title.isprintable()
        and is_plain_gsm7(title)
        and len(title) <= _LONGEST_TITLE
    )


__all__ = ["DataError", "Institution", "load"]
