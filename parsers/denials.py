"""Whether a text says that there is nothing to report, or only seems to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parsers.amounts import Role, tell_apart
from parsers.kinds.ref import LABELS
from parsers.slips import is_near_month, is_scrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from parsers.form import Form
    from parsers.language import Language
    from parsers.pieces import Piece
    from parsers.work import Work

_NEAR = 3
_CLAUSE = 5
_YEAR_DIGITS = 4
_SHORT_TEXT = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the words for nothing make of a text."""

    code: str = ""
    reported_at: int | None = None
    """The piece that is the code, when the text reports that there is nothing."""
    ask: str | None = None
    """The reply that asks, when it is not sure."""
    ignored: frozenset[int] = frozenset()
    """Words for nothing that stand beside a real report and stay in its note."""

    @property
    def is_final(self) -> bool:
        """Tell whether nothing else need be looked for."""
        return self.reported_at is not None or self.ask is not None


_NO_VERDICT = Verdict()


def report_code(piece: Piece, language: Language) -> str | None:
    """Return the report code that a piece surely is."""
    if piece.has("code"):
        code = piece.value("code")
        return code if code in language.forms else None
    if piece.is_after_border and piece.has("ordinary_code"):
        # A code that is an everyday word too (`pergi`) is one only where something new begins.
        code = piece.value("ordinary_code")
        return code if code in language.forms and piece.text == code.lower() else None
    return None


class Denials:
    """Weighs the words for nothing (NIHIL, `tidak ada`) in one text."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        language: Language,
        trial: Callable[[Form, int, int, int], Work],
    ) -> None:
        """Find the form that denies; without one there is nothing to weigh."""
        self._pieces = pieces
        self._language = language
        self._trial = trial
        self._form = language.denying

    def is_anything_denied(self) -> bool:
        """Tell whether there is a word for nothing in the text at all."""
        if self._form is None:
            return False
        denying = self._form.code
        for piece in self._pieces:
            senses = piece.senses
            if senses and ("absent" in piece.marks or denying in senses.get("code", ())):
                return True
        return False

    def verdict(self, head: int) -> Verdict:
        """Weigh a text whose first word that counts is at `head`."""
        form = self._form
        if form is None:
            return _NO_VERDICT
        said = [i for i, code in self._codes() if code == form.code]
        if not said:
            return self._absence_at_head(form, head)
        others = self._other_codes(form.code)
        denied = [at for at, _ in others if self._is_denied_after(at)]
        if others and len(denied) == len(others):
            # `WNA nihil, PMI nihil` is all of it; `WNA nihil` leaves the recruiters open.
            is_all = len({code for _, code in others}) > 1
            return self._report(form, said[0]) if is_all else self._ask(form)
        kept = [(at, code) for at, code in others if at not in denied]
        if any(self._language.forms[code].holds_draft for _, code in kept):
            return self._ask(form)
        if any(self._has_content(at, code) for at, code in kept):
            return Verdict(ignored=frozenset([*said, *denied]))
        return self._weigh_alone(form, said, is_first=head == said[0])

    def _weigh_alone(self, form: Form, said: list[int], *, is_first: bool) -> Verdict:
        """Weigh the word where no other report is; later in a text it is a word like any other."""
        if self.stands_alone(said[0], 0, len(self._pieces)):
            return self._report(form, said[0])
        is_word = any(self._pieces[at].text == form.code.lower() for at in said)
        asks = is_first or (is_word and len(self._pieces) <= _SHORT_TEXT)
        return self._ask(form) if asks else Verdict(ignored=frozenset(said))

    def stands_alone(self, head: int, lo: int, hi: int) -> bool:
        """Tell whether only a month, a date, courtesy or the village stands beside the code."""
        pieces = self._pieces[lo:hi]
        settled: set[int] = set()
        for amount in tell_apart(pieces, self._language.words.iso):
            if amount.role in (Role.DATE, Role.MONTH, Role.PLACE):
                settled |= set(range(amount.first, amount.last + 1))
        in_place = False
        for index, piece in enumerate(pieces):
            in_place = (in_place and not piece.is_after_border) or piece.has("places")
            if index + lo == head or index in settled or (in_place and not piece.is_number):
                continue
            if piece.is_number:
                is_year = index > 0 and (pieces[index - 1].has("months") or index - 1 in settled)
                if not is_year or len(piece.text) != _YEAR_DIGITS:
                    return False
            elif not self._is_harmless(piece, index + lo):
                return False
        return True

    def question_without_code(self) -> tuple[str, str] | None:
        """Ask when a text without a code may mean that there is nothing."""
        form = self._form
        if form is None or form.ask_if_unsure is None:
            return None
        for at, piece in enumerate(self._pieces):
            is_thing = "foreigner" in piece.marks or "recruiter" in piece.marks
            if (is_thing or piece.text in LABELS) and self._is_under_absence(at):
                return form.code, form.ask_if_unsure
        is_calm = any(form.code in p.senses.get("ordinary_code", ()) for p in self._pieces)
        if is_calm and "this_month" in self._pieces[0].marks:
            return form.code, form.ask_if_unsure
        return None

    def _code(self, at: int) -> str | None:
        return report_code(self._pieces[at], self._language)

    def _report(self, form: Form, at: int) -> Verdict:
        return Verdict(form.code, reported_at=at)

    def _ask(self, form: Form) -> Verdict:
        return Verdict(form.code, ask=self.question(form))

    def question(self, form: Form) -> str:
        """Give the reply that asks for the month, where it may be misspelt, or for the meaning."""
        before: Piece | None = None
        for piece in self._pieces:
            is_led = before is not None and "month" in before.marks
            if piece.is_unknown_word and (is_led or is_near_month(piece, self._language)):
                return "ERR_BULAN"
            before = piece
        return form.ask_if_unsure or "ERR_KODE"

    def _absence_at_head(self, form: Form, head: int) -> Verdict:
        """Ask at `WNA tidak ada`, which is no report of a foreigner and may be one of nothing."""
        if head < len(self._pieces) and self._code(head) and self._is_denied_after(head):
            return self._ask(form)
        return _NO_VERDICT

    def _other_codes(self, denying: str) -> list[tuple[int, str]]:
        return [
            (at, code)
            for at, code in self._codes()
            if code != denying and not self._is_absent_before(at)
        ]

    def _codes(self) -> list[tuple[int, str]]:
        """List the report codes in the text, each with its piece."""
        codes = ((at, self._code(at)) for at, piece in enumerate(self._pieces) if piece.senses)
        return [(at, code) for at, code in codes if code is not None]

    def _is_absent_before(self, at: int) -> bool:
        """See `tidak ada WNA`; the word NIHIL itself before a code does not deny it."""
        near = self._pieces[max(0, at - _NEAR) : at]
        return any("absent" in piece.marks and not piece.has("code") for piece in near)

    def _is_denied_after(self, at: int) -> bool:
        """See `WNA nihil`, where the clause ends with it."""
        if at + 1 >= len(self._pieces) or "absent" not in self._pieces[at + 1].marks:
            return False
        after = self._pieces[at + 2] if at + 2 < len(self._pieces) else None
        return (
            after is None
            or after.is_after_border
            or after.has("code")
            or after.has("filler")
            or after.has("months")
            or any(mark in after.marks for mark in ("month", "this_month", "last_month"))
        )

    def _has_content(self, at: int, code: str) -> bool:
        form = self._language.forms[code]
        return bool(self._trial(form, 0, len(self._pieces), at).fields)

    def _is_harmless(self, piece: Piece, at: int) -> bool:
        domains = ("courtesy", "filler", "months", "days", "labels")
        marks = ("absent", "month", "this_month", "last_month", "date", "at", "from", "quiet")
        if any(piece.has(domain) for domain in domains):
            return True
        if is_scrap(piece, self._language) and not is_near_month(piece, self._language):
            return True
        if any(mark in piece.marks for mark in marks):
            return True
        codes = [c for d in ("code", "ordinary_code") for c in piece.senses.get(d, ())]
        forms = [self._language.forms[code] for code in codes if code in self._language.forms]
        if any(form.denies for form in forms):
            return True
        is_thing = "foreigner" in piece.marks or "recruiter" in piece.marks
        return (is_thing or bool(codes)) and self._is_under_absence(at)

    def _is_under_absence(self, at: int) -> bool:
        """See `tidak ada orang asing dan calo`: the denial reaches to the end of its clause."""
        for index in range(at - 1, max(-1, at - 1 - _CLAUSE), -1):
            if "absent" in self._pieces[index].marks:
                return not self._pieces[index].has("code")
        return False
