"""Loading a language: the shipped data with an agency's own over it, all of it checked once."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from parsers.cleaning import clean
from parsers.datafiles import DataError, Source, layered
from parsers.form import END, Command, Form, TakeOver, read_commands, read_form
from parsers.kinds.registry import KINDS
from parsers.language import Language
from parsers.reading import read
from parsers.tokens import tokenise
from parsers.vocabulary import Vocabulary, read_words

_SHIPPED = Path(__file__).parent
_MONTHS = range(1, 13)
_Sense = tuple[str, str]
_Row = tuple[Form, TakeOver]


def load(agency_dir: Path | None = None) -> Language:
    """Load the shipped data with an agency's own files laid over them; raise DataError.

    What is shipped alone is loaded once in a process.
    """
    return _load(agency_dir) if agency_dir is not None else _shipped()


@cache
def _shipped() -> Language:
    return _load(None)


def _load(agency_dir: Path | None) -> Language:
    vocabulary = read_words(_files(agency_dir, "words", ".csv"))
    for month in _MONTHS:
        if ("month", str(month)) not in vocabulary.names:
            raise DataError(f"names.csv: no month {month}. Write month,{month},name,name.")
    forms: list[tuple[Form, Source]] = []
    for path in _files(agency_dir, "forms", ".toml"):
        source = Source.open(path)
        forms.append((read_form(source, KINDS), source))
    forms.sort(key=lambda one: (one[0].order, one[0].code))
    commands: list[tuple[Command, Source]] = []
    for path in _files(agency_dir, "commands", ".toml"):
        source = Source.open(path)
        commands += [(command, source) for command in read_commands(source)]
    _add_codes(vocabulary, [*forms, *commands])
    language = Language(
        {form.code: form for form, _ in forms},
        {command.code: command for command, _ in commands},
        vocabulary,
        next((form for form, _ in forms if form.denies), None),
        {form.code: _take_overs(form.code, [other for other, _ in forms]) for form, _ in forms},
    )
    entries: list[tuple[Form, Source] | tuple[Command, Source]] = [*forms, *commands]
    for entry, source in entries:
        if entry.about is not None and entry.about not in language.forms:
            raise source.wrong(f'"{entry.about}"', f"no form {entry.about!r}", "Mend about.")
    for form, source in forms:
        _check_beside(form, source, vocabulary)
        _check_limits(form, source, vocabulary)
        # To read one takes as long as all else here, and the shipped ones are proven by tests.
        if agency_dir is not None:
            _check_example(form, source, language)
    return language


def _take_overs(loser: str, forms: list[Form]) -> tuple[tuple[_Sense, tuple[_Row, ...]], ...]:
    """Group the rows that may take a code's reports over by what is looked for first."""
    grouped: dict[_Sense, list[_Row]] = {}
    for form in forms:
        for row in form.takes_over:
            if row.loser == loser:
                grouped.setdefault(row.senses[row.rarest], []).append((form, row))
    return tuple((sense, tuple(rows)) for sense, rows in grouped.items())


def _files(agency_dir: Path | None, folder: str, suffix: str) -> list[Path]:
    return layered(_SHIPPED / folder, agency_dir / folder if agency_dir else None, suffix)


def _add_codes(
    vocabulary: Vocabulary, entries: list[tuple[Form, Source] | tuple[Command, Source]]
) -> None:
    """Put every code and alias into the vocabulary; each belongs to one form or command only."""
    owners: dict[tuple[str, str], str] = {}
    codes: set[str] = set()
    for entry, source in entries:
        if entry.code in codes:
            raise source.wrong(
                f'"{entry.code}"', f"the code {entry.code} is there twice", "Rename one file's."
            )
        codes.add(entry.code)
        ordinary = {clean(word) for word in entry.ordinary_aliases}
        is_for_officers = isinstance(entry, Command) and entry.officer
        for alias in (entry.code, *entry.aliases, *entry.ordinary_aliases):
            words = " ".join(token.text for token in tokenise(clean(alias)))
            # Officers' words are read apart: CEK asks how a report stands, and an officer's checks.
            audience = "officer" if is_for_officers else "all"
            owner = owners.setdefault((audience, words), entry.code)
            if owner != entry.code:
                raise source.wrong(
                    f'"{alias}"', f"the alias {alias!r} belongs to {owner} already", "Delete one."
                )
            domain = "ordinary_code" if clean(alias) in ordinary else "code"
            if is_for_officers:
                domain = "officer_code"
            if not vocabulary.add(domain, entry.code, alias):
                raise source.wrong(
                    f'"{alias}"', f"the alias {alias!r} holds no letter", "Delete it."
                )
        if isinstance(entry, Form):
            _add_longer_aliases(vocabulary, entry, ordinary)


def _add_longer_aliases(vocabulary: Vocabulary, form: Form, ordinary: set[str]) -> None:
    """Let `sakit keras` begin a report as `sakit` does: the longer phrase hides the alias in it."""
    for one in form.fields:
        words = one.limits.get("words")
        if one.kind != "word" or not isinstance(words, str):
            continue
        for phrase in vocabulary.spellings(words):
            first, _, rest = phrase.partition(" ")
            if rest and first in ordinary:
                vocabulary.add("ordinary_code", form.code, phrase)


def _check_beside(form: Form, source: Source, vocabulary: Vocabulary) -> None:
    senses = [sense for row in form.takes_over for sense in row.senses]
    senses += [sense for hint in form.hints for sense in hint]
    for domain, value in (*form.beside, *senses):
        if (domain, value) != END and not vocabulary.knows(domain, value):
            raise source.wrong(
                f"{domain}:{value}" if value else domain,
                f"{domain}:{value} is in no words file",
                "Mend the name.",
            )


def _check_limits(form: Form, source: Source, vocabulary: Vocabulary) -> None:
    """Check that a field of the kind "word" names a words file that is there."""
    for one in form.fields:
        words = one.limits.get("words")
        if one.kind == "word" and not (isinstance(words, str) and vocabulary.knows(words)):
            raise source.wrong(
                f'"{one.name}"', f"the field {one.name!r} names no words file", "Set limits.words."
            )


def _check_example(form: Form, source: Source, language: Language) -> None:
    """Check that the example, which people copy, is a whole report of its form."""
    sample_day = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
    items = read(form.example, language, now=sample_day).items
    whole = len(items) == 1 and items[0].outcome == "report" and items[0].code == form.code
    if not whole or items[0].missing or items[0].problems:
        raise source.wrong(
            "example", f"the example {form.example!r} does not read as {form.code}", "Complete it."
        )
