"""The language a deployment understands: its forms, commands and words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parsers.form import Command, Form, TakeOver
    from parsers.vocabulary import Vocabulary

_MONTHS = range(1, 13)


@dataclass(frozen=True, slots=True)
class Language:
    """Forms in their order, commands, and all words. Built by loading.load() and never changed."""

    forms: Mapping[str, Form]
    commands: Mapping[str, Command]
    words: Vocabulary
    denying: Form | None
    """The form that says that there is nothing, if there is one."""
    take_overs: Mapping[str, tuple[tuple[tuple[str, str], tuple[tuple[Form, TakeOver], ...]], ...]]
    """By the code of a report: a word to look for, and the forms that it may be with that word."""

    def country_name(self, alpha2: str, lang: str = "id") -> str:
        """Return a country's name as it is shown."""
        if alpha2 not in self.words.countries:
            return self.purpose_name("tidak_tahu", lang)
        return self.words.countries[alpha2].names[lang]

    def country_short(self, alpha2: str, lang: str = "id") -> str:
        """Return a country's name as it is shown where room is short."""
        if alpha2 not in self.words.countries:
            return self.purpose_name("tidak_tahu", lang)
        return self.words.countries[alpha2].shorts[lang]

    def _destination_short(self, name: str, lang: str) -> str:
        """Show a goal in few letters: a country by its short name, others as names.csv has them."""
        shown = self.words.names.get(("destination", name))
        if shown is not None:
            return shown[lang]
        for country in self.words.countries.values():
            if country.names["id"] == name:
                return country.shorts[lang]
        return name

    def purpose_name(self, code: str, lang: str = "id") -> str:
        """Return a purpose as it is shown."""
        return self.words.names.get(("purpose", code), {}).get(lang, code)

    def months(self, lang: str = "id") -> tuple[str, ...]:
        """Return the names of the months, January first."""
        return tuple(self.words.names["month", str(month)][lang] for month in _MONTHS)

    def shown(self, kind: str, value: int | str, lang: str = "id") -> str:
        """Return a field's value as people read it: short, in their language."""
        match kind:
            case "country":
                return self.country_short(str(value), lang)
            case "destination":
                return self._destination_short(str(value), lang)
            case "purpose":
                return self.purpose_name(str(value), lang)
            case "day":
                day = date.fromisoformat(str(value))
                return f"{day.day} {self.months(lang)[day.month - 1]}"
            case "month":
                return self.months(lang)[int(value) - 1]
            case _:
                return str(value)
