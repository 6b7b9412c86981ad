"""What stands beside a code word, and so whether it is one: `lampu darurat` has no emergency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.amounts import counts_persons
from parsers.denials import report_code
from parsers.kinds import ref
from parsers.kinds.destination import HARBOUR
from parsers.numbers import is_well_formed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.form import Form
    from parsers.language import Language
    from parsers.pieces import Piece

NEW_SENTENCE = (".", ";", ",")
_BESIDE = 8


class Surroundings:
    """Looks around the code words of one text."""

    def __init__(self, pieces: Sequence[Piece], language: Language) -> None:
        """Keep what is needed for all words."""
        self._pieces = pieces
        self._language = language
        self.ignored: frozenset[int] = frozenset()
        """Words for nothing that deny no report of this text."""

    def stands(self, form: Form, at: int, lo: int, hi: int) -> bool:
        """Tell whether a word counts as this code: the thing itself is within lo..hi beside it."""
        if self.is_denied(at):
            return False
        word = self._pieces[at]
        if self._is_announced(at) or (form.enough and self._names_a_report(at)):
            return True
        is_thing = any(word.has(domain, value) for domain, value in form.beside)
        is_mishap = "mishap" in word.marks
        begins = word.is_after_border or (is_mishap and at == lo)
        goes_far = begins if form.outranks_aliases else is_thing
        reach = hi if goes_far else at + _BESIDE + 1
        window = range(max(lo, at - _BESIDE), min(hi, reach))
        if any(index != at and self._is_thing(form, index) for index in window):
            return True
        if is_thing and self._is_announced_by_verb(at, lo):
            return True
        if not is_thing or word.text == form.code.lower():
            return word.has("code") and word.is_after_border and self.counts_people(at + 1)
        names_somebody = form.outranks_aliases and any(
            "foreigner" in piece.marks
            or piece.has("units", "child")
            or (is_mishap and self._is_somebody(piece, word))
            or (piece is not word and report_code(piece, self._language) is not None)
            for piece in (self._pieces[index] for index in window)
        )
        return names_somebody or any(self.counts_people(index) for index in window)

    def _is_somebody(self, piece: Piece, word: Piece) -> bool:
        """See `hilang nenek 80 th`; `meninggal mama saya` may be no more than news."""
        is_news = word.has("emergencies", "meninggal")
        return piece.has("units", "people") or ("kin" in piece.marks and not is_news)

    def _is_announced_by_verb(self, at: int, lo: int) -> bool:
        """See `ada bule`, `datang orang bule`."""
        for index in range(at - 1, lo - 1, -1):
            piece = self._pieces[index]
            if "arrive" in piece.marks:
                return True
            if not counts_persons(piece):
                return False
        return False

    def _names_a_report(self, at: int) -> bool:
        """See `PERGI 104277`, wherever it stands."""
        digits, _ = ref.join_digits(self._pieces, at + 1, len(self._pieces))
        return is_well_formed(digits)

    def _is_announced(self, at: int) -> bool:
        """See `lapor PMI` or `wisata#WNA#2`: the code word itself where nothing else is meant."""
        word, before = self._pieces[at], self._pieces[at - 1] if at else None
        after = self._pieces[at + 1] if at + 1 < len(self._pieces) else None
        if not word.has("code") or word.text != word.value("code").lower():
            return False
        is_field = word.begins_field and (after is None or after.begins_field)
        counts = after is not None and after.is_number and word.gap.strip() in NEW_SENTENCE
        return is_field or counts or (before is not None and "reporting" in before.marks)

    def _is_thing(self, form: Form, index: int) -> bool:
        piece = self._pieces[index]
        before = self._pieces[index - 1] if index else None
        for domain, value in form.beside:
            if (
                domain == "countries"
                and not piece.senses
                and piece.text in self._language.words.iso
            ):
                return True
            if not piece.has(domain, value):
                continue
            if domain == "destinations" and (
                HARBOUR in piece.senses[domain] or (before is not None and "at" in before.marks)
            ):
                continue
            return True
        return False

    def is_misspelt_country(self, form: Form, at: int, hi: int) -> bool:
        """See `PERGI jeman 1 org`, behind another report: a misspelt country right after a code."""
        if at >= hi or ("countries", "") not in form.beside:
            return False
        piece = self._pieces[at]
        return piece.is_unknown_word and bool(self._language.words.near(piece.text, "countries"))

    def counts_people(self, index: int) -> bool:
        """Tell a number of people, `3 org`; false behind the end."""
        if index >= len(self._pieces):
            return False
        piece = self._pieces[index]
        after = self._pieces[index + 1] if index + 1 < len(self._pieces) else None
        return (
            (piece.is_number or piece.has("numbers"))
            and after is not None
            and counts_persons(after)
        )

    def names_a_place(self, at: int) -> bool:
        """See `di kali mati`: a word inside a place says nothing of people."""
        before = self._pieces[at - 1] if at and not self._pieces[at].is_after_border else None
        return before is not None and before.has("places")

    def is_denied(self, at: int) -> bool:
        """See `tidak ada WNA`; a word for nothing that denies no report does not count."""
        return any(
            "absent" in self._pieces[i].marks and i not in self.ignored
            for i in range(max(0, at - 2), at)
        )
