"""Which reports and commands a text holds, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parsers.denials import Denials, report_code
from parsers.kinds import ref
from parsers.numbers import is_well_formed
from parsers.slips import ONE_EDIT_FROM, is_near_code, is_scrap, is_slip_of
from parsers.surroundings import NEW_SENTENCE, Surroundings
from parsers.taking_over import TakingOver, is_alias
from parsers.tokens import TokenKind, ends_line_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from parsers.form import Command, Form
    from parsers.language import Language
    from parsers.pieces import Piece
    from parsers.work import Work

    Trial = Callable[[Form, int, int, int], Work]
    """Read a form from pieces first..last, the code at one of them."""

MISREAD = ""
"""Stands in a code's place where a misspelt one begins a further report."""

_OF_GUESTS = ("country", "count")
_SHORTEST_ALIAS = 2
_MOST_PARTS = 12
_PRONOUNS = frozenset(["kami", "saya", "sy", "beta", "be", "sa", "kita", "ketong"])


@dataclass(frozen=True, slots=True)
class Part:
    """One report or command: its code and the pieces of the text that belong to it."""

    code: str
    at: int
    """The piece that is the code, -1 where the code is only meant."""
    first: int
    last: int
    """One past its last piece."""


@dataclass(slots=True)
class Plan:
    """The parts of a text, or the question it raises."""

    parts: list[Part] = field(default_factory=list)
    question: tuple[str | None, str] | None = None
    """The code that may be meant, and the key of the reply that asks."""
    is_quiet: bool = False


def _says_nothing(number: Piece, following: Piece, *, begins: bool) -> bool:
    """Tell a number that is dirt before a word, or that numbers a line: `1. WNA ...`."""
    numbers_a_line = begins and ends_line_number(following.gap)
    is_word = following.kind is TokenKind.WORD
    return number.is_number and (not following.gap or (is_word and numbers_a_line))


class Planner:
    """Finds the codes of one text."""

    def __init__(
        self, pieces: Sequence[Piece], language: Language, trial: Trial, *, officer: bool
    ) -> None:
        """Keep what is needed for all lines."""
        self._pieces = pieces
        self._language = language
        self._trial = trial
        self._officer = officer
        self._plan = Plan()
        self._denials = Denials(pieces, language, trial)
        self._around = Surroundings(pieces, language)
        self._taking_over = TakingOver(pieces, language, self._around)

    def plan(self, *, heeds_denials: bool = True) -> Plan:
        """Return the parts in their order; no part and no question means chat.

        `heeds_denials`: a word for nothing beside a report raises a question.
        """
        if heeds_denials and self._settle_denial():
            return self._plan
        starts: list[tuple[str, int, int]] = []
        for lo, hi in self._lines():
            if len(starts) == _MOST_PARTS:
                break  # nobody types so many; the rest belongs to the last
            if starts and self._takes_all(starts[-1][0]) and not self._begins_report(lo, hi):
                continue  # a line of the words that the command takes
            if starts and self._says_it_again(starts[-1][0], lo, hi):
                continue
            starts += self._line(lo, hi) or self._misread(lo, hi)
            if self._plan.question is not None and not starts:
                return self._plan
        if not any(code for code, _, _ in starts):
            self._without_code()
            return self._plan
        begins = [begin for _, _, begin in starts]
        begins[0] = 0
        ends = [*begins[1:], len(self._pieces)]
        self._plan.question = None
        self._plan.parts = [
            Part(self._taking_over.code_of(code, at, begin, end), at, begin, end)
            for (code, at, _), begin, end in zip(starts, begins, ends, strict=True)
        ]
        return self._plan

    def _lines(self) -> list[tuple[int, int]]:
        begins = [0]
        begins += [i for i, piece in enumerate(self._pieces) if i and piece.begins_line]
        return list(zip(begins, [*begins[1:], len(self._pieces)], strict=True))

    def _takes_all(self, code: str) -> bool:
        command = self._language.commands.get(code)
        return command is not None and command.takes_text

    def _begins_report(self, lo: int, hi: int) -> bool:
        """Tell a line that begins with a report's own code, and not with a word for it."""
        head, _, _ = self._head(lo, hi)
        return head < hi and self._pieces[head].text.upper() in self._language.forms

    def _misread(self, lo: int, hi: int) -> list[tuple[str, int, int]]:
        """Find a line that begins with a misspelt code: it is no part of the report beside it."""
        head, _, _ = self._head(lo, hi)
        if head == hi or not self._may_be_code(head):
            return []
        has_number = any(self._pieces[at].is_number for at in range(head, hi))
        return [(MISREAD, head, lo)] if has_number else []

    def _is_misread_code(self, at: int, hi: int, *, but: str) -> bool:
        """Tell a word that stands in a code's place by its mark, and may be another misspelt."""
        piece = self._pieces[at]
        after = self._pieces[at + 1] if at + 1 < hi else None
        return (
            after is not None
            and (after.begins_field or after.is_number)
            and piece.is_unknown_word
            and not is_slip_of(piece.text, but.lower(), loosely=True)
            and self._may_be_code(at)
        )

    def _may_be_alarm(self, head: int) -> bool:
        """Ask at `hiang turis jepang`: a misspelt word for an emergency makes no guest of it."""
        typed = self._pieces[head].text
        if not self._pieces[head].is_unknown_word or len(typed) < ONE_EDIT_FROM:
            return False
        for form in self._language.forms.values():
            if form.outranks_aliases and form.ask_if_unsure is not None:
                words = (word for word in form.ordinary_aliases if len(word) >= ONE_EDIT_FROM)
                if any(is_slip_of(typed, word, loosely=True) for word in words):
                    self._plan.question = (form.code, form.ask_if_unsure)
                    return True
        return False

    def _may_be_code(self, at: int) -> bool:
        """Tell a misspelt code, or a misspelt longer word for one (`tik` for `tki`)."""
        piece = self._pieces[at]
        after = self._pieces[at + 1] if at + 1 < len(self._pieces) else None
        is_set_apart = after is not None and (
            after.begins_field
            or after.is_number  # `pi 3 org ...` at the start of a line
            or ("goal" not in piece.marks and after.has("countries"))
        )
        if is_near_code(piece, self._language, is_set_apart=is_set_apart):
            return True
        is_field = after is not None and after.begins_field
        is_long = len(piece.text) > _SHORTEST_ALIAS or is_field
        return (
            is_long and piece.is_unknown_word and self._language.words.is_near(piece.text, "code")
        )

    def _says_it_again(self, code: str, lo: int, hi: int) -> bool:
        """See `sakit` on the line after DARURAT: an everyday word for the code before it."""
        head, _, _ = self._head(lo, hi)
        piece = self._pieces[head] if head < hi else None
        return (
            piece is not None
            and not piece.has("code")
            and code in piece.senses.get("ordinary_code", ())
            and piece.text != code.lower()
        )

    # --- one line -----------------------------------------------------------------------------

    def _line(self, lo: int, hi: int) -> list[tuple[str, int, int]]:
        """Return the codes of a line: (code, piece of the code, first piece)."""
        head, is_quiet, has_subject = self._head(lo, hi)
        if head == hi:
            return []
        code = self._code_at_head(head, lo, hi, has_subject=has_subject)
        if code is not None:
            self._plan.is_quiet = self._plan.is_quiet or is_quiet
            starts = [(code, head, lo)]
            if code in self._language.commands:
                return starts
            return starts + self._further(code, head, hi)
        later = self._later_code(head, lo, hi)
        if later is None:
            return []
        code, at = later
        if is_alias(self._pieces[at], code) and (
            self._is_misread_code(head, hi, but=code) or self._may_be_alarm(head)
        ):
            return []  # `xRG#bule ...`: another report was meant than the everyday word tells
        self._plan.is_quiet = self._plan.is_quiet or is_quiet
        # `WN jepang 2 org wisata. PMI ...`: what stands before the code is another report.
        is_same = is_slip_of(self._pieces[head].text, code.lower(), loosely=True)
        other = [] if is_same or not self._pieces[at].is_after_border else self._misread(lo, at)
        return [*other, (code, at, at if other else lo), *self._further(code, at, hi)]

    def _head(self, lo: int, hi: int) -> tuple[int, bool, bool]:
        """Skip courtesy, a quiet mark and dirt before the first word that counts."""
        at, is_quiet, has_subject = lo, False, False
        while at < hi:
            piece = self._pieces[at]
            following = self._pieces[at + 1] if at + 1 < hi else None
            if (
                "quiet" in piece.marks
                and following is not None
                and (following.has("code") or following.has("ordinary_code"))
            ):
                is_quiet = True
            elif following is not None and _says_nothing(piece, following, begins=at == lo):
                pass
            elif piece.text == "ada" and following is not None and following.has("ordinary_code"):
                pass  # `ada PL ...` tells of a recruiter; the word still needs its thing beside it
            elif (
                not piece.has("courtesy")
                or piece.has("code")
                or (piece.has("ordinary_code") and self._help_topic(at, hi) is not None)
            ) and not self._is_misspelt_greeting(at, lo, hi):
                break
            has_subject = piece.text in _PRONOUNS
            at += 1
        return at, is_quiet, has_subject

    def _is_misspelt_greeting(self, at: int, lo: int, hi: int) -> bool:
        """See `maf bpk, masih 104277`: a scrap among the words of courtesy."""
        piece = self._pieces[at]
        if not is_scrap(piece, self._language):
            return False
        return at > lo or (at + 1 < hi and self._pieces[at + 1].has("courtesy"))

    def _code_at_head(self, head: int, lo: int, hi: int, *, has_subject: bool) -> str | None:
        piece = self._pieces[head]
        if self._officer and piece.has("officer_code"):
            command = self._language.commands[piece.value("officer_code")]
            if self._command_fits(command, head, hi):
                return command.code
        if piece.has("code") and head not in self._around.ignored:
            return piece.value("code")
        if piece.has("ordinary_code"):
            return self._ordinary(piece.value("ordinary_code"), head, lo, hi, has_subject)
        if piece.is_unknown_word:
            return self._misspelt(head, lo, hi)
        return None

    def _ordinary(self, code: str, head: int, lo: int, hi: int, has_subject: bool) -> str | None:  # noqa: FBT001
        """Take an everyday word as a code beside its thing, or when nothing else is said."""
        command = self._language.commands.get(code)
        if command is not None:
            return code if self._command_fits(command, head, hi) else None
        form = self._language.forms[code]
        if self._around.stands(form, head, lo, hi) or self._is_set_apart(form, head, hi):
            return code
        if not has_subject and self._is_enough(form, head, lo, hi):
            return code
        if form.ask_if_unsure is not None:
            ask = self._denials.question(form) if form.denies else form.ask_if_unsure
            self._plan.question = (code, ask)
        return None

    def _is_set_apart(self, form: Form, head: int, hi: int) -> bool:
        """See `PERGI#...`: the mark between fields says that the word before it is a code."""
        is_word = self._pieces[head].text == form.code.lower()
        return is_word and head + 1 < hi and self._pieces[head + 1].begins_field

    def _is_enough(self, form: Form, head: int, lo: int, hi: int) -> bool:
        """Tell whether an everyday word is the code because the form can use all the rest.

        The code word itself needs more than that: alone it is the code, with other words it counts
        only beside its thing (`pergi 104277`, not `pergi 2 hari`).
        """
        if form.denies:
            return self._denials.stands_alone(head, lo, hi)
        work = self._trial(form, lo, hi, head)
        if any(name in work.fields or work.has_problem(name) for name in form.enough):
            return True
        left = [p for _, p in work.free() if not (p.has("courtesy") or p.has("filler"))]
        if self._pieces[head].text == form.code.lower():
            names_guest = any(
                f.kind in _OF_GUESTS and (f.name in work.fields or work.has_problem(f.name))
                for f in form.fields
                if f.kind == "country" or not left
            )
            return names_guest or work.is_zero or (not left and not (work.fields or work.problems))
        is_phrase = " " in self._pieces[head].text  # `mati lampu di desa` tells of no death
        return not left and bool(work.fields or work.problems) and not is_phrase

    def _command_fits(self, command: Command, head: int, hi: int) -> bool:
        rest = [p for p in self._pieces[head + 1 : hi] if not p.has("courtesy") and p.text != "?"]
        if command.takes == "topic":
            return self._help_topic(head, hi) is not None
        if command.takes == "ref":
            rest = [p for p in rest if not is_scrap(p, self._language)]
            rest = [p for p in rest if p.text not in ref.LABELS]
            if command.takes_text:
                return not rest or rest[0].is_number
            return all(p.is_number for p in rest)
        return not rest

    def _help_topic(self, at: int, hi: int) -> str | None:
        """Return the code that help is asked for, an empty one for help as such."""
        if not any(
            "BANTU" in self._pieces[at].senses.get(d, ()) for d in ("code", "ordinary_code")
        ):
            return None
        rest = [p for p in self._pieces[at + 1 : hi] if not p.has("courtesy") and p.text != "?"]
        if not rest:
            return "" if hi == len(self._pieces) else None
        codes = [c for d in ("code", "ordinary_code") for c in rest[0].senses.get(d, ())]
        if len(rest) == 1 and any(code in self._language.commands for code in codes):
            return ""  # `BANTU BERHENTI` asks how; it is not done
        topics = [code for code in codes if code in self._language.forms]
        others = [p for p in rest[1:] if len(p.text) > _SHORTEST_ALIAS]
        others = [p for p in others if not is_scrap(p, self._language)]
        return topics[0] if topics and not others else None

    def _misspelt(self, head: int, lo: int, hi: int) -> str | None:
        typed = self._pieces[head].text
        for form in self._language.forms.values():
            code = form.code.lower()
            if not is_slip_of(typed, code):
                continue
            if form.denies and form.ask_if_unsure is not None:
                self._plan.question = (form.code, form.ask_if_unsure)
                return None
            work = self._trial(form, lo, hi, head)
            needed = 1 if len(code) >= ONE_EDIT_FROM else 2
            if len(work.fields) >= needed:
                return form.code
        return self._misspelt_command(head, hi)

    def _misspelt_command(self, head: int, hi: int) -> str | None:
        """See `STATSU 104277`: a slip, and a whole confirmation number right after it."""
        first = head + 1
        while first < hi and self._pieces[first].text in ref.LABELS:
            first += 1
        digits, end = ref.join_digits(self._pieces, first, hi)
        if not is_well_formed(digits):
            return None
        if end == len(self._pieces) and self._asks_for_state(head):
            return "STATUS"
        return next(
            (
                command.code
                for command in self._language.commands.values()
                if command.takes == "ref"
                and (self._officer or not command.officer)
                and len(command.code) >= ONE_EDIT_FROM
                and is_slip_of(self._pieces[head].text, command.code.lower())
            ),
            None,
        )

    def _asks_for_state(self, head: int) -> bool:
        """See `cel 104277`: how a report stands may be told at any slip, as it changes nothing."""
        typed = self._pieces[head].text
        return any(is_slip_of(typed, word, loosely=True) for word in ("cek", "sts"))

    # --- codes later in a line -----------------------------------------------------------------

    def _further(self, code: str, head: int, hi: int) -> list[tuple[str, int, int]]:
        """Find a second code: the code word itself, or another form's word after a separator."""
        found: list[tuple[str, int, int]] = []
        for at in range(head + 1, hi):
            if len(found) == _MOST_PARTS:
                break
            piece = self._pieces[at]
            senses = piece.senses
            is_code = "code" in senses or "ordinary_code" in senses
            if senses and not is_code and ";" not in piece.gap:
                continue
            other = self._report_code(at) if is_code else None
            if other is None:
                is_new = piece.is_after_border and piece.gap.strip() in NEW_SENTENCE
                is_set_apart = ";" in piece.gap
                if is_new and is_near_code(piece, self._language, is_set_apart=is_set_apart):
                    found += self._misread(at, self._until_next_code(at, hi))
                continue
            current = found[-1][0] if found else code
            if current == MISREAD:
                current = code
            is_word = piece.text == other.lower()
            # A guest is a part of an emergency, no report of an arrival.
            holds_guests = self._language.forms[current].outranks_aliases
            is_held = holds_guests and not (is_word and piece.is_after_border)
            # So is the guest of whom `PERGI WNA jerman 2 org` tells.
            is_told_of = self._language.forms[code].about == other and (
                at == head + 1 or not is_word
            )
            if is_held or is_told_of:
                continue
            if not is_word and (other == current or not piece.is_after_border):
                continue
            end = self._until_next_code(at, hi)
            form = self._language.forms[other]
            if piece.became is None and (
                self._around.stands(form, at, at + 1, end)
                or (is_word and self._around.is_misspelt_country(form, at + 1, end))
            ):
                found.append((other, at, at))
        return found

    def _until_next_code(self, at: int, hi: int) -> int:
        return next((i for i in range(at + 1, hi) if self._pieces[i].has("code")), hi)

    def _later_code(self, head: int, lo: int, hi: int) -> tuple[str, int] | None:
        """Find the code inside a line: the first one that stands, or one that outranks it."""
        found: tuple[str, int] | None = None
        for at in range(head, hi):
            code = self._report_code(at)
            if code is None:
                continue
            form = self._language.forms[code]
            if found is not None and not form.outranks_aliases:
                continue
            if self._around.stands(form, at, lo, hi):
                found = (code, at)
                if form.outranks_aliases or self._pieces[at].text == code.lower():
                    break
        return found

    def _report_code(self, at: int) -> str | None:
        if at in self._around.ignored:
            return None
        return report_code(self._pieces[at], self._language) or self._code_of_thing(at)

    def _code_of_thing(self, at: int) -> str | None:
        """See `di desa ada PL, mau bawa 3 org ke Malaysia`: a recruiter, whatever the word."""
        piece = self._pieces[at]
        if not piece.marks:
            return None
        for code in piece.senses.get("ordinary_code", ()):
            form = self._language.forms.get(code)
            if form is not None and any(("marks", mark) in form.beside for mark in piece.marks):
                return code
        return None

    # --- no code at all ------------------------------------------------------------------------

    def _settle_denial(self) -> bool:
        """Settle a text with NIHIL in it; true when that is all the text is."""
        if not self._denials.is_anything_denied():
            return False
        whole = len(self._pieces)
        head, is_quiet, has_subject = self._head(0, whole)
        if head < whole:
            code = self._code_at_head(head, 0, whole, has_subject=has_subject)
            if code in self._language.commands:
                return False  # `BANTU NIHIL` asks for help
            self._plan.question = None
        verdict = self._denials.verdict(head)
        self._around.ignored = verdict.ignored
        if verdict.reported_at is not None:
            self._plan.is_quiet = is_quiet
            self._plan.parts = [Part(verdict.code, verdict.reported_at, 0, whole)]
        elif verdict.ask is not None:
            self._plan.question = (verdict.code, verdict.ask)
        return verdict.is_final

    def _without_code(self) -> None:
        """Ask where a text without a code may be a report all the same."""
        if self._plan.question is not None:
            return
        self._plan.question = self._denials.question_without_code()
        head, _, _ = self._head(0, len(self._pieces))
        if self._plan.question is None and self._leaves_without_who(head):
            self._plan.question = (None, "ERR_RANCU")

    def _leaves_without_who(self, head: int) -> bool:
        """See `pulang 2 org`, `besok 3 org berangkat`: somebody leaves, a guest or one of us."""
        if head >= len(self._pieces):
            return False
        rest = range(head, len(self._pieces))
        if "done" in self._pieces[head].marks and head + 1 < len(self._pieces):
            head += 1  # `sudah pulang`
        leaves = any("depart" in self._pieces[i].marks for i in rest)
        counts = any(self._around.counts_people(i) for i in rest)
        if not leaves or not (counts or "depart" in self._pieces[head].marks):
            return False
        known = ("days", "numbers", "units", "destinations", "transport", "courtesy", "filler")
        marks = ("goal", "done", "by", "from", "depart")
        return all(
            piece.is_number
            or any(piece.has(domain) for domain in known)
            or any(mark in piece.marks for mark in marks)
            for piece in self._pieces[head:]
        )
