"""Makes words/countries.csv from the Unicode CLDR and our own overrides: `make countries`.

A tool for developers: it is not shipped and nothing imports it, as what runs has no Babel.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from babel import Locale
from babel.core import get_global

from parsers.datafiles import Source
from parsers.vocabulary import COUNTRY_COLUMNS

HERE = Path(__file__).resolve().parent
TABLE = HERE / "words" / "countries.csv"
OVERRIDES = HERE / "country_overrides.toml"
LANGUAGES = ("id", "en")
LONGEST_SHORT = 17
"""Characters: what the replies have room for (`LONGEST` in gateway/replies/catalogue.py)."""

_NOTE = (
    "# Every ISO 3166-1 country, made by `make countries`. "
    "short_* is used in replies; empty where the name is short enough."
)
# ISO 3166-1 gives these to whoever needs one; the CLDR has taken XK for Kosovo.
_USER_ASSIGNED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ")


def country_table(overrides: Path = OVERRIDES) -> str:
    """Return the text of countries.csv."""
    source = Source.open(overrides)
    given = source.toml()
    codes = _codes(given["set_aside"], given["withdrawn"])
    for section in ("names", "short", "never"):
        for alpha2 in given[section]:
            if alpha2 not in codes:
                raise _wrong(source, section, alpha2, "is no country", "Write its alpha-2 code.")
    never = {name.casefold() for names in given["never"].values() for name in names}
    columns = []
    for lang in LANGUAGES:
        names = {alpha2: _ascii(Locale(lang).territories[alpha2]) for alpha2 in codes}
        _lay_over(source, "names", lang, names)
        shorts = dict(names)
        _lay_over(source, "short", lang, shorts)
        for alpha2, short in shorts.items():
            for shown in (names[alpha2], short):
                if shown.casefold() in never:
                    raise _wrong(source, "never", alpha2, f"is {shown!r} again", "Override it.")
            if len(short) > LONGEST_SHORT:
                raise _wrong(source, "short", alpha2, f"is {short!r}, too long", "Shorten it.")
        columns.append((names, {a: "" if shorts[a] == names[a] else shorts[a] for a in codes}))
    (name_id, short_id), (name_en, short_en) = columns
    rows = [
        (alpha2, alpha3, *(one[alpha2] for one in (name_id, name_en, short_id, short_en)))
        for alpha2, alpha3 in codes.items()
    ]
    return "".join(f"{line}\n" for line in (_NOTE, *map(",".join, (COUNTRY_COLUMNS, *rows))))


def _codes(set_aside: list[str], withdrawn: list[str]) -> dict[str, str]:
    """Return alpha-2 to alpha-3, which the CLDR keeps as another way to write the former."""
    codes: dict[str, str] = {}
    for alpha3, meant in get_global("territory_aliases").items():
        if len(meant) > 1 or alpha3 in withdrawn or not re.fullmatch("[A-Z]{3}", alpha3):
            continue
        alpha2 = meant[0]
        if alpha2 in set_aside or _USER_ASSIGNED.fullmatch(alpha2):
            continue
        if alpha2 in codes:
            raise ValueError(f"{alpha2} is {codes[alpha2]} and {alpha3}: which is withdrawn?")
        codes[alpha2] = alpha3
    return dict(sorted(codes.items()))


def _lay_over(source: Source, section: str, lang: str, names: dict[str, str]) -> None:
    """Put our names over those that are there; one that changes nothing is a mistake."""
    for alpha2, ours in source.toml()[section].items():
        if lang not in ours:
            continue
        if ours[lang] == names[alpha2]:
            raise _wrong(source, section, alpha2, f"is {ours[lang]!r} without it", "Delete it.")
        names[alpha2] = ours[lang]


def _ascii(name: str) -> str:
    """Spell a name as every phone and every keyboard can."""
    parts = unicodedata.normalize("NFKD", name.replace("\u2019", "'"))
    return "".join(one for one in parts if not unicodedata.combining(one))


def _wrong(source: Source, section: str, alpha2: str, what: str, mend: str) -> Exception:
    line = source.line_of(f"{alpha2} = ", after=source.line_of(f"[{section}]"))
    return source.wrong(line, f"{alpha2} {what}", mend)


def main() -> None:
    """Write the table."""
    TABLE.write_text(country_table(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
