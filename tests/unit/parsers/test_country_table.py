"""The country table is what `make countries` makes of the CLDR, and is fit to be shown."""

import csv
import tomllib
from collections import Counter
from importlib.resources import files

import pytest

from parsers.cleaning import clean
from parsers.datafiles import DataError
from parsers.generate_countries import LONGEST_SHORT, OVERRIDES, TABLE, country_table
from parsers.segments import is_plain_gsm7
from parsers.tokens import tokenise

LANGUAGES = ("id", "en")


def rows_of(name: str) -> list[dict[str, str]]:
    text = TABLE.with_name(name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


COUNTRIES = {row["alpha2"]: row for row in rows_of("countries.csv")}
ALIASES = [(row["value"], row["word"]) for row in rows_of("country_aliases.csv")]


def display(alpha2: str, lang: str) -> str:
    return COUNTRIES[alpha2][f"display_{lang}"]


def short(alpha2: str, lang: str) -> str:
    return COUNTRIES[alpha2][f"short_{lang}"] or display(alpha2, lang)


def as_looked_up(words: str) -> str:
    return " ".join(token.text for token in tokenise(clean(words)))


def shown() -> set[str]:
    return {
        name
        for alpha2 in COUNTRIES
        for lang in LANGUAGES
        for name in (display(alpha2, lang), short(alpha2, lang))
    }


def test_the_table_is_as_make_countries_makes_it():
    assert TABLE.read_bytes() == country_table().encode(), "change the overrides: `make countries`"


def test_every_code_of_iso_3166_1_is_there_once_and_in_order():
    # From the time zone database: a source that is neither ours nor the CLDR.
    table = files("tzdata") / "zoneinfo" / "iso3166.tab"
    iso = [
        line.split("\t")[0]
        for line in table.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]

    assert [row["alpha2"] for row in rows_of("countries.csv")] == sorted(iso)
    assert len(iso) == 249


def test_every_three_letter_code_is_one_and_of_today():
    codes = {row["alpha2"]: row["alpha3"] for row in COUNTRIES.values()}

    assert len(set(codes.values())) == len(codes)
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in codes.values())
    again = {"CD": "COD", "DE": "DEU", "FR": "FRA", "MM": "MMR", "TL": "TLS", "YE": "YEM"}
    assert {alpha2: codes[alpha2] for alpha2 in again} == again


def test_names_are_plain_and_short_ones_fit():
    assert [name for name in shown() if not name.isascii() or not is_plain_gsm7(name)] == []
    shorts = [short(alpha2, lang) for alpha2 in COUNTRIES for lang in LANGUAGES]
    assert LONGEST_SHORT == 17
    assert [name for name in shorts if len(name) > LONGEST_SHORT] == []


def test_no_name_is_shown_that_the_overrides_forbid():
    never = tomllib.loads(OVERRIDES.read_text(encoding="utf-8"))["never"]
    forbidden = {name.casefold() for names in never.values() for name in names}

    assert "timor timur" in forbidden
    assert {name.casefold() for name in shown()} & forbidden == set()
    assert display("TL", "id") == "Timor Leste"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_two_countries_share_a_name(lang: str):
    owners = Counter(
        name
        for alpha2 in COUNTRIES
        for name in {display(alpha2, lang).casefold(), short(alpha2, lang).casefold()}
    )

    assert [name for name, count in owners.items() if count > 1] == []


def test_every_alias_names_a_country_of_the_table():
    assert [word for alpha2, word in ALIASES if alpha2 not in COUNTRIES] == []


def test_no_alias_is_the_name_of_another_country_unless_both_are_asked_back():
    owners: dict[str, set[str]] = {}
    for alpha2 in COUNTRIES:
        for lang in LANGUAGES:
            owners.setdefault(as_looked_up(display(alpha2, lang)), set()).add(alpha2)
    lines = Counter(as_looked_up(word) for _, word in ALIASES)

    assert [
        (alpha2, word)
        for alpha2, word in ALIASES
        if owners.get(as_looked_up(word), {alpha2}) != {alpha2} and lines[as_looked_up(word)] == 1
    ] == []


WRONG = {
    "no country": ('CD = { id = "Kongo" }', 'ZR = { id = "Zaire" }', "ZR is no country"),
    "a name that is never shown": (
        'CD = { id = "Kongo" }',
        'TL = { id = "Timor Timur" }',
        "TL is 'Timor Timur' again",
    ),
    "nothing new": ('GB = { id = "Inggris" }', 'GB = { en = "United Kingdom" }', "GB is 'United"),
    "a long short form": ('US = { id = "Amerika"', 'US = { id = "Negeri Paman Sam AS"', "too long"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_overrides_are_refused_with_their_line(case, tmp_path):
    good, bad, words = WRONG[case]
    text = OVERRIDES.read_text(encoding="utf-8")
    assert good in text
    wrong = tmp_path / "overrides.toml"
    wrong.write_text(text.replace(good, bad, 1), encoding="utf-8")

    with pytest.raises(DataError, match=words) as caught:
        country_table(wrong)
    assert "line " in str(caught.value)
