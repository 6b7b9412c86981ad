"""Which words mean what: looked up longest first, and repaired when misspelt."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.process import extract

from parsers.cleaning import clean
from parsers.datafiles import DataError, Source
from parsers.segments import is_plain_gsm7
from parsers.spelling import ASKED_ABOUT, Known, Spelling
from parsers.tokens import TokenKind, ends_what_is_said, tokenise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from parsers.tokens import Token

Senses = dict[str, tuple[str, ...]]
"""What a word can mean: domain (the name of its file) to the values there."""

COUNTRY_COLUMNS = ("alpha2", "alpha3", "display_id", "display_en", "short_id", "short_en")
NAME_COLUMNS = ("domain", "value", "id", "en")
WORD_COLUMNS = ("value", "word")

# One edit from this length of the typed word on, two from the other.
_ONE_EDIT_FROM = 4
_TWO_EDITS_FROM = 8
NOT_SHOWN: Senses = {}
_MOST_REMEMBERED = 4096
_NO_PHRASES = ASKED_ABOUT - {"purposes"}
_PEOPLE_ASKED_ABOUT = ("foreigner", "recruiter")
_NAMED = ("nama", "namanya", "bernama", "sdr", "sdri", "saudara")


@dataclass(slots=True)
class _Node:
    after: dict[str, _Node] = field(default_factory=dict)
    senses: Senses | None = None


@dataclass(frozen=True, slots=True)
class Country:
    """A country's code and the names shown for it."""

    alpha2: str
    names: Mapping[str, str]
    shorts: Mapping[str, str]


@dataclass(slots=True)
class Vocabulary:
    """All words of a language, as one tree; built once, then only read."""

    countries: dict[str, Country] = field(default_factory=dict)
    names: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    iso: dict[str, str] = field(default_factory=dict)
    _root: _Node = field(default_factory=_Node)
    _spellings: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _words: set[str] = field(default_factory=set)
    """Each single word, also one that stands in phrases only."""
    _sure: set[str] = field(default_factory=set)
    """Those of more than one letter: one alone may be half of a broken word."""
    _pairs: set[tuple[str, str]] = field(default_factory=set)
    """Words that stand side by side in a phrase."""
    _alone: dict[str, Senses | None] = field(default_factory=dict)
    _spelling: Spelling | None = None
    _remembered: dict[tuple[str, str, bool], tuple[str, ...]] = field(default_factory=dict)
    _buckets: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def add(self, domain: str, value: str, words: str) -> bool:
        """Add one meaning; false when the words hold nothing that could be looked up."""
        tokens = tokenise(clean(words))
        if not tokens:
            return False
        node = self._root
        for position, token in enumerate(tokens):
            node = node.after.setdefault(_key(token, first=position == 0), _Node())
        senses = node.senses if node.senses is not None else {}
        node.senses = senses
        have = senses.get(domain, ())
        if value not in have:
            senses[domain] = (*have, value)
        for token in tokens:
            self._words.add(token.text)
            if len(token.text) > 1:
                self._sure.add(token.text)
        if domain not in _NO_PHRASES and value not in _PEOPLE_ASKED_ABOUT:
            self._pairs.update((one.text, other.text) for one, other in pairwise(tokens))
        self._spelling = None
        self._alone = {}
        self._remembered.clear()
        spelling = " ".join(token.text for token in tokens)
        values = self._spellings.setdefault(domain, {}).setdefault(spelling, [])
        if value not in values:
            values.append(value)
        return True

    def knows(self, domain: str, value: str = "") -> bool:
        """Tell whether a domain, or one value of it, has a word."""
        values = self._spellings.get(domain, {}).values()
        return any(not value or value in one for one in values)

    def mended(self, tokens: list[Token]) -> list[Token]:
        """Mend slips of the thumb in small words."""
        sure = self._sure
        for token in tokens:
            if token[1] not in sure and token[0] is TokenKind.WORD:  # faster than by name
                return self._spelt().mended(tokens)
        return tokens

    def get_ready(self) -> None:
        """Build what mending needs: else the first misspelt word waits for it, a tenth of a second.

        A process that reads no texts does without it, and without its 6 MB.
        """
        self._spelt()

    def forget(self) -> None:
        """Drop what is remembered of misspelt words, so that a measurement begins anew."""
        self._remembered.clear()
        self._spelt().near.cache_clear()

    def _spelt(self) -> Spelling:
        if self._spelling is None:
            self._spelling = self._index()
        return self._spelling

    def _index(self) -> Spelling:
        known = {}
        for word in self._words:
            node = self._root.after.get(word)
            senses = (node.senses if node is not None else None) or {}
            pairs = {(domain, value) for domain, values in senses.items() for value in values}
            # A word that stands in phrases only means itself.
            known[word] = Known(frozenset(senses), frozenset(pairs or {("phrase", word)}))
        titles = {
            spelling
            for spelling, values in self._spellings.get("marks", {}).items()
            if "title" in values
        }
        names_follow = frozenset({*titles, *self.spellings("places"), *_NAMED})
        return Spelling(known, frozenset(self._pairs), names_follow)

    def spellings(self, domain: str) -> tuple[str, ...]:
        """List the words and phrases of a domain."""
        return tuple(self._spellings.get(domain, ()))

    def values(self, domain: str) -> tuple[str, ...]:
        """List what the words of a domain can mean."""
        found = self._spellings.get(domain, {}).values()
        return tuple(dict.fromkeys(value for values in found for value in values))

    def meaning(self, words: str) -> Senses:
        """Return what exactly these words mean."""
        length, senses = self.longest(tokenise(clean(words)), 0)
        return senses if length else NOT_SHOWN

    def alone(self) -> Mapping[str, Senses | None]:
        """Give what each word means that begins no phrase; None where phrases must be tried."""
        if not self._alone:
            self._alone = {
                word: None if node.after else node.senses for word, node in self._root.after.items()
            }
        return self._alone

    def longest(self, tokens: Sequence[Token], at: int) -> tuple[int, Senses]:
        """Return how many tokens the longest phrase at one place has, and what it means."""
        node = self._root.after.get(tokens[at].text)
        best, senses = 0, NOT_SHOWN
        position = at
        while node is not None:
            if node.senses is not None:
                best, senses = position - at + 1, node.senses
            position += 1
            if not node.after or position == len(tokens):
                break
            token = tokens[position]
            if token.gap != " " and ends_what_is_said(tokens[position - 1].text, token.gap):
                break
            node = node.after.get(_key(token, first=False))
        return best, senses

    def is_near(self, typed: str, domain: str) -> bool:
        """Tell whether one edit makes a word of that domain of this, however short."""
        return bool(self.very_near(typed, domain))

    def very_near(self, typed: str, domain: str) -> tuple[str, ...]:
        """Return the values of the words of a domain that are one edit away, however short."""
        found = {
            value: None
            for length in (len(typed) - 1, len(typed), len(typed) + 1)
            for spelling in self._bucket(domain, length)
            if DamerauLevenshtein.distance(typed, spelling, score_cutoff=1) <= 1
            for value in self._spellings[domain][spelling]
        }
        return tuple(found)

    def is_nearest(self, typed: str, domain: str) -> bool:
        """Tell whether a word of that domain is as near as any to this one."""
        near = self._spelt().near(typed)
        best = min(near.values(), default=0)
        return any(
            distance == best and word in self._spellings.get(domain, {})
            for word, distance in near.items()
        )

    def near(self, typed: str, domain: str, *, is_field: bool = False) -> tuple[str, ...]:
        """Return the values a misspelt word may mean: none, the one, or those too close to tell.

        In free text there is none where a word of another kind is as near.
        """
        key = (typed, domain, is_field)
        if key not in self._remembered:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = self._near(typed, domain, is_field=is_field)
        return self._remembered[key]

    def _near(self, typed: str, domain: str, *, is_field: bool) -> tuple[str, ...]:
        limit = 2 if len(typed) >= _TWO_EDITS_FROM else 1
        if len(typed) < _ONE_EDIT_FROM:
            return ()
        distances: dict[str, int] = {}
        for length in range(len(typed) - limit, len(typed) + limit + 1):
            found = extract(
                typed,
                self._bucket(domain, length),
                scorer=DamerauLevenshtein.distance,
                score_cutoff=limit,
                limit=None,
            )
            for spelling, distance, _ in found:
                for value in self._spellings[domain][spelling]:
                    distances[value] = min(int(distance), distances.get(value, limit))
        if not distances:
            return ()
        best = min(distances.values())
        if not is_field and self._is_rather_another(typed, domain, best):
            return ()
        close = [value for value in distances if distances[value] <= best + 1]
        return tuple(sorted(close, key=lambda value: (distances[value], value)))

    def _is_rather_another(self, typed: str, domain: str, best: int) -> bool:
        """Tell a word that is as near to one of another kind: `bapal` is no ship for sure."""
        return any(
            distance <= best and word not in self._spellings[domain]
            for word, distance in self._spelt().near(typed).items()
            if self._spelt().says_something(word) and not self._names_a_country(word)
        )

    def _names_a_country(self, word: str) -> bool:
        """Tell a goal or a nationality: the same words in two domains."""
        places = ("countries", "destinations")
        return any(word in self._spellings.get(domain, {}) for domain in places)

    def _bucket(self, domain: str, length: int) -> list[str]:
        bucket = self._buckets.get((domain, length))
        if bucket is None:
            spellings = self._spellings.get(domain, {})
            bucket = [spelling for spelling in spellings if len(spelling) == length]
            self._buckets[domain, length] = bucket
        return bucket


def _key(token: Token, *, first: bool) -> str:
    """Key a token so that a number glued to a word differs from one after it (jln2, jln 2)."""
    glued = not first and not token.gap and token.kind is TokenKind.NUMBER
    return f"+{token.text}" if glued else token.text


def read_words(paths: Sequence[Path]) -> Vocabulary:
    """Build the vocabulary from its files."""
    vocabulary = Vocabulary()
    for path in paths:
        source = Source.open(path)
        if path.stem == "countries":
            _read_countries(source, vocabulary)
        elif path.stem == "names":
            _read_names(source, vocabulary)
        else:
            _read_pairs(source, vocabulary)
    if not vocabulary.countries:
        raise DataError("countries.csv: no country in it. Put the shipped file back.")
    for alpha2, country in vocabulary.countries.items():
        _add_destination(vocabulary, alpha2, country)
    return vocabulary


def _read_countries(source: Source, vocabulary: Vocabulary) -> None:
    for number, row in source.rows(COUNTRY_COLUMNS):
        alpha2, alpha3, name_id, name_en, short_id, short_en = row
        if len(alpha2) != 2 or len(alpha3) != 3 or not alpha2.isupper():  # noqa: PLR2004
            raise source.wrong(number, f"{alpha2},{alpha3} are no ISO codes", "Write AU,AUS.")
        if alpha2 in vocabulary.countries:
            raise source.wrong(number, f"{alpha2} is there twice", "Delete one line.")
        for name in row[2:]:
            if not is_plain_gsm7(name):
                raise source.wrong(number, f"{name!r} is not plain GSM-7", "Write it in ASCII.")
        vocabulary.countries[alpha2] = Country(
            alpha2,
            {"id": name_id, "en": name_en},
            {"id": short_id or name_id, "en": short_en or name_en},
        )
        vocabulary.iso |= {alpha2.lower(): alpha2, alpha3.lower(): alpha2}
        for name in (name_id, name_en):
            vocabulary.add("countries", alpha2, name)


def _read_names(source: Source, vocabulary: Vocabulary) -> None:
    for number, (domain, value, name_id, name_en) in source.rows(NAME_COLUMNS):
        for name in (name_id, name_en):
            if not is_plain_gsm7(name):
                raise source.wrong(number, f"{name!r} is not plain GSM-7", "Write it in ASCII.")
        vocabulary.names[domain, value] = {"id": name_id, "en": name_en}


_NUMERIC = {
    "numbers": (0, 1000),
    "days": (-30, 30),
    "weekdays": (1, 7),
    "multipliers": (2, 1000),
    "months": (1, 12),
    "durations": (1, 3650),
}


def _read_pairs(source: Source, vocabulary: Vocabulary) -> None:
    domain = "countries" if source.path.stem == "country_aliases" else source.path.stem
    for number, (value, word) in source.rows(WORD_COLUMNS):
        if domain == "countries" and vocabulary.countries and value not in vocabulary.countries:
            raise source.wrong(number, f"{value} is no country", "Write its ISO alpha-2 code.")
        if domain in _NUMERIC:
            _check_number(source, number, value, *_NUMERIC[domain])
        if domain == "purposes" and ("purpose", value) not in vocabulary.names:
            _check_purpose(source, number, value)
        if not vocabulary.add(domain, value, word):
            raise source.wrong(number, f"{word!r} holds no letter or digit", "Delete the line.")


def _check_number(source: Source, number: int, value: str, low: int, high: int) -> None:
    try:
        good = low <= int(value) <= high
    except ValueError:
        good = False
    if not good:
        raise source.wrong(number, f"{value!r} is not in {low}..{high}", "Write a whole number.")


PURPOSES = frozenset(
    [
        "wisata",
        "keluarga",
        "kerja",
        "bisnis",
        "penelitian",
        "rohani",
        "sosial",
        "sekolah",
        "transit",
        "tidak_tahu",
    ]
)


def _check_purpose(source: Source, number: int, value: str) -> None:
    if value not in PURPOSES:
        known = ", ".join(sorted(PURPOSES))
        raise source.wrong(number, f"{value!r} is no purpose", f"Use one of {known}.")


def _add_destination(vocabulary: Vocabulary, alpha2: str, country: Country) -> None:
    """Every country is a place to go and work, by the names people use for it."""
    if alpha2 == "ID":
        return
    spellings = vocabulary._spellings["countries"]  # noqa: SLF001
    for spelling in [s for s, values in spellings.items() if values[0] == alpha2]:
        if spelling not in vocabulary._spellings.get("destinations", {}):  # noqa: SLF001
            vocabulary.add("destinations", country.names["id"], spelling)
