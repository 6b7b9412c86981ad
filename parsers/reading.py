"""Reading a text: from what a village head typed to reports, commands, questions or chat."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from rapidfuzz.distance import DamerauLevenshtein

from parsers.cleaning import cleaned, fold, storable
from parsers.codes import MISREAD, Part, Plan, Planner
from parsers.filling import has_minor, is_trivial, make_work, read_fields
from parsers.form import URGENCIES
from parsers.items import Item, Outcome, Problem, Reading, Reason
from parsers.kinds import ref
from parsers.masking import COVER, mask_documents
from parsers.numbers import is_well_formed
from parsers.pieces import CODE, COURTESY, NOTE, Piece, cut
from parsers.slips import is_near_month_word
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from datetime import datetime

    from parsers.form import Command, Form
    from parsers.language import Language
    from parsers.work import Work

__all__ = [
    "Item",
    "Outcome",
    "Problem",
    "Reading",
    "Reason",
    "explain",
    "has_misspelt",
    "read",
    "read_under",
]

Sender = Literal["reporter", "officer"]

LONGEST = 2_000
"""Characters that are looked at; what comes after them is kept in the note."""

MOST_PIECES = 320
"""Words and numbers that are looked at: more than a text of that length has, typed by a person."""

MOST_ITEMS = 5

_NOT_THIS = frozenset(["bukan", "bkn"])
_DENIES = re.compile("bukan|bkn|tapi")
_LONGEST_DENIED = 12
_WORD = re.compile(r"[^\W\d_]+")
_LONG_CODE = 5
_SHORTEST_REF = 4
_REPEAT = re.compile(r"\s\.2\s*\Z")
_SEPARATORS = re.compile(r"[#*,;:/.\-!\s]+(?=\d)")
_SEPARATORS_BEFORE_WORDS = re.compile(r"[#*,;:/.\-!\s]+(?![#*,;:/.\-!\s\d])")


def read(text: str, language: Language, *, now: datetime, sender: Sender = "reporter") -> Reading:
    """Read a text; `now` is aware and in the village's own zone. Never raises on any text."""
    return _Pass(text, language, now, sender).reading


def explain(
    text: str, language: Language, *, now: datetime, sender: Sender = "reporter"
) -> list[tuple[str, str]]:
    """Return which words became what, in the order of the text."""
    return _Pass(text, language, now, sender).rows()


def read_under(text: str, code: str, language: Language, *, now: datetime) -> Reading:
    """Read a text that had no code, now that its sender has named one.

    A misspelt code in it (`WNNA 2 aus wisata`) gives way to the right one; else that goes first.
    Of a text that was asked whether there is nothing, the month alone matters.
    """
    if language.forms[code].denies:
        return read(f"{code} {_month_in(text, language)}", language, now=now)
    place = _misspelt(text, code)
    if place is None:
        return read(f"{code} {text}", language, now=now)
    whole = f"{text[: place.start]}{code} {text[place.stop :]}"
    reading = read(whole, language, now=now)
    if reading.items[0].outcome is not Outcome.QUESTION:
        return reading
    # `WNA 2 aus wisata, PMI nihil`, and the sender means the guests.
    reading = _Pass(whole, language, now, "reporter", heeds_denials=False).reading
    return Reading(tuple(one for one in reading.items if one.code == code), reading.text)


def has_misspelt(text: str, code: str) -> bool:
    """Tell whether a text that named no code holds this one, misspelt or glued to the next word."""
    return _misspelt(text, code) is not None


def _misspelt(text: str, code: str) -> slice | None:
    limit = 2 if len(code) > _LONG_CODE else 1
    for word in _WORD.finditer(text):
        typed = word.group().lower()
        if DamerauLevenshtein.distance(typed, code.lower(), score_cutoff=limit) <= limit:
            return slice(word.start(), word.end())
        if typed.startswith(code.lower()):
            return slice(word.start(), word.start() + len(code))
    return None


def _month_in(text: str, language: Language) -> str:
    """Return the words of a text that name a month."""
    pieces = cut(cleaned(storable(text)[:LONGEST]).text, language.words)
    said: list[str] = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        leads = before is not None and ("month" in before.marks or is_near_month_word(before.text))
        if piece.has("months") or not {"this_month", "last_month"}.isdisjoint(piece.marks):
            said.append(piece.text)
        elif leads and piece.is_number:
            said.append(f"bulan {piece.text}")
    return " ".join(said[:1])


def key_of(text: str) -> str:
    """Return the key by which the same message sent again is known: case and separators folded."""
    words = _SEPARATORS_BEFORE_WORDS.sub(" ", fold(text).strip())
    return _SEPARATORS.sub(_joint, words).strip()


def _joint(match: re.Match[str]) -> str:
    """Fold a run of separators to a blank, but for what changes a number: 2,5 is not 2 5."""
    text, run = match.string, match.group()
    before = text[max(match.start() - 1, 0) : match.start()]
    if before.isdigit():
        return " ".join(run.split()) or " "
    is_mark = len(run) > 1 and run[-1] in "-." and not run[-2].isalnum()
    return f" {run[-1]}" if is_mark else " "


class _Pass:
    """One pass over one text; `read` and `explain` tell different sides of it."""

    def __init__(
        self,
        text: str,
        language: Language,
        now: datetime,
        sender: Sender,
        *,
        heeds_denials: bool = True,
    ) -> None:
        self._language, self._now = language, now
        covered, was_masked = mask_documents(storable(text))
        self._text = covered
        self._flags = {"masked_document"} if was_masked or COVER in covered else set[str]()
        head = covered[:LONGEST]
        self._tail = covered[LONGEST:].strip()
        repeat = _REPEAT.search(covered) if ".2" in covered else None
        if repeat is not None:
            self._flags.add("repeat")
            head, self._tail = covered[: repeat.start()][:LONGEST], self._tail[:-2].strip()
        self._head = head
        self._cleaned = cleaned(head)
        self.pieces = cut(self._cleaned.text, language.words)
        self._may_deny = _DENIES.search(self._cleaned.text) is not None
        if len(self.pieces) > MOST_PIECES:
            self._keep_the_rest(self.pieces[MOST_PIECES].start)
        if COVER in self._head:
            self._take_documents()
        planner = Planner(self.pieces, language, self._try, officer=sender == "officer")
        self._plan = planner.plan(heeds_denials=heeds_denials) if self.pieces else Plan()
        if self._plan.is_quiet:
            self._flags.add("quiet")
        self.reading = Reading(tuple(self._items()), covered)

    def _keep_the_rest(self, start: int) -> None:
        """Leave what stands behind the last piece that is looked at to the note."""
        end = self._cleaned.origin(start)
        self._tail = f"{self._head[end:]} {self._tail}".strip()
        self._head = self._head[:end]
        self._cleaned = self._cleaned.upto(start)
        self.pieces = self.pieces[:MOST_PIECES]

    # --- items ---------------------------------------------------------------------------------

    def _items(self) -> list[Item]:
        if self._plan.question is not None:
            code, ask = self._plan.question
            return [self._whole(Outcome.QUESTION, code, ask)]
        if not self._plan.parts:
            return [self._chat()]
        items: list[Item] = []
        for part in self._plan.parts:
            if len(items) >= MOST_ITEMS:
                items.append(self._too_many(part))
                continue
            if part.code == MISREAD:
                items.append(self._misread(part))
                continue
            command = self._language.commands.get(part.code)
            if command is not None:
                items.append(self._command(command, part))
            else:
                items += self._reports(self._language.forms[part.code], part)
        return self._with_tail(items)

    def _chat(self) -> Item:
        if not any(piece.text != "?" for piece in self.pieces):
            if _is_only_pictures(self._text):
                return self._whole(Outcome.CHAT, None, None)
            empty = not self._text.strip(" \t\r\n#*,;:/.-!?\"'")
            return self._whole(Outcome.CHAT, None, "ERR_KOSONG" if empty else "ERR_KODE")
        trivial = all(piece.has("courtesy") or piece.text == "?" for piece in self.pieces)
        if trivial and not all("plea" in piece.marks for piece in self.pieces):
            return self._whole(Outcome.CHAT, None, None)
        return self._whole(Outcome.CHAT, None, self._help())

    def _help(self) -> str:
        """Choose the help for a text without a code: that of the report it seems to be, if any."""
        forms = (form for form in self._language.forms.values() if form.hints)
        for form in sorted(forms, key=lambda form: URGENCIES.index(form.urgency), reverse=True):
            if form.replies.hint is not None and any(self._has_all(hint) for hint in form.hints):
                return form.replies.hint
        return "ERR_KODE"

    def _has_all(self, hint: tuple[tuple[str, str], ...]) -> bool:
        return all(any(piece.has(*sense) for piece in self.pieces) for sense in hint)

    def _whole(self, outcome: Outcome, code: str | None, ask: str | None) -> Item:
        note = self._text.strip()
        extra = any(not is_trivial(piece) for piece in self.pieces) or bool(self._tail)
        flags = self._flags | ({"extra_text"} if extra else set())
        fields = {"note": note} if note else {}
        return Item(outcome, code, fields, flags=tuple(sorted(flags)), ask=ask)

    def _misread(self, part: Part) -> Item:
        """Name a further report whose code is misspelt, so that it can be sent again."""
        given = self._between(part.at, part.at)
        problem = Problem("code", given, Reason.UNKNOWN)
        note = self._between(part.first, part.last - 1)
        return Item(
            Outcome.REJECTED, None, {"note": note}, problems=(problem,), flags=tuple(self._flags)
        )

    def _too_many(self, part: Part) -> Item:
        """Name a sixth report without reading it, so that it can be sent again."""
        text = self._between(part.first, part.last - 1)
        return Item(
            Outcome.REJECTED,
            part.code,
            {"note": text},
            problems=(Problem("code", part.code, Reason.OUT_OF_RANGE),),
            flags=tuple(sorted(self._flags)),
        )

    def _with_tail(self, items: list[Item]) -> list[Item]:
        if not self._tail:
            return items
        last = items[-1]
        note = f"{last.fields.get('note', '')} {self._tail}".strip()
        flags = tuple(sorted({*last.flags, "extra_text"}))
        return [*items[:-1], replace(last, fields={**last.fields, "note": note}, flags=flags)]

    # --- reports -------------------------------------------------------------------------------

    def _reports(self, form: Form, part: Part) -> list[Item]:
        work = self._work(form, part, self.pieces[part.first : part.last])
        read_fields(work, form.fields)
        self._add_note(work, part)
        flags = self._flags | work.flags
        if form.never_waits and has_minor(work):
            flags.add("minor")
        if "official" in work.marks:
            flags.add("about_official")
        if not work.shares:
            return [self._report(form, work, work.fields, flags)]
        country, count = work.name_of("country"), work.name_of("count")
        return [
            self._report(form, work, {country: alpha2, count: number, **work.fields}, flags)
            for alpha2, number in work.shares
        ]

    def _report(self, form: Form, work: Work, found: dict[str, int | str], flags: set[str]) -> Item:
        fields = {f.name: found[f.name] for f in form.fields if f.name in found}
        if NOTE in found:
            fields[NOTE] = found[NOTE]
        problems = tuple(work.problems)
        missing = form.missing(fields, problems, work.unknown)
        if work.is_own_citizen:
            missing = ()
        outcome, ask = self._outcome(form, work, fields, missing)
        return Item(
            outcome,
            form.code,
            fields,
            missing,
            problems,
            form.urgency_of(fields, flags, self._now, begun=work.begun),
            tuple(sorted(flags)),
            ask,
        )

    def _outcome(
        self, form: Form, work: Work, fields: dict[str, int | str], missing: tuple[str, ...]
    ) -> tuple[Outcome, str | None]:
        if work.is_own_citizen:
            return Outcome.REJECTED, "ERR_WNI"
        if work.problems and any(one.reason is Reason.CHECK_DIGIT for one in work.problems):
            return Outcome.REJECTED, "ERR_NOMOR"
        if work.is_zero:
            return Outcome.QUESTION, "ERR_NIHIL_TANYA"
        if form.denies and work.problems:
            unclear = form.field(work.problems[0].field)
            return Outcome.QUESTION, (unclear.ask if unclear else None) or form.ask_if_unsure
        if form.holds_draft and (missing or work.problems):
            return Outcome.DRAFT, None
        has_content = fields.keys() - {NOTE} or "extra_text" in work.flags
        says_nothing = not (has_content or work.problems or work.unknown)
        is_bare = says_nothing and any(one.wanted for one in form.fields)
        return Outcome.DRAFT if is_bare and form.bare_is_draft else Outcome.REPORT, None

    def _work(self, form: Form, part: Part, pieces: list[Piece]) -> Work:
        at = part.at - part.first
        for index in range(at):
            piece = pieces[index]
            is_dirt = piece.is_number and not pieces[index + 1].gap
            if is_dirt or piece.has("courtesy") or "quiet" in piece.marks:
                piece.became = COURTESY
        if 0 <= at < len(pieces):
            pieces[at].became = CODE
        if form.denies:
            for piece in pieces:
                if piece.became is None and _is_denial(piece, form):
                    piece.became = CODE
        if self._may_deny:
            for index, piece in enumerate(pieces):
                if piece.text in _NOT_THIS or _is_misspelt_denial(piece):
                    _leave_out_denied(pieces, index)
        return make_work(self._head, self._cleaned, pieces, self._language, form, self._now)

    def _try(self, form: Form, first: int, last: int, at: int) -> Work:
        """Read pieces as a form would, on copies: the answer may be that it is no such report."""
        pieces = [piece.copy() for piece in self.pieces[first:last]]
        work = self._work(form, Part(form.code, at, first, last), pieces)
        read_fields(work, form.fields)
        return work

    def _add_note(self, work: Work, part: Part) -> None:
        left = [
            index
            for index, piece in enumerate(work.pieces)
            if piece.became in (None, NOTE) and piece.text != "?"
        ]
        if all(_is_filler(work.pieces[index]) for index in left):
            return
        runs: list[list[int]] = []
        for index in left:
            if runs and index == runs[-1][1] + 1:
                runs[-1][1] = index
            else:
                runs.append([index, index])
        note = " ".join(
            self._between(part.first + first, part.first + last) for first, last in runs
        )
        work.fields[NOTE] = note
        if any(not is_trivial(work.pieces[index]) for index in left):
            work.flags.add("extra_text")

    # --- commands ------------------------------------------------------------------------------

    def _command(self, command: Command, part: Part) -> Item:
        self.pieces[part.at].became = CODE
        for piece in self.pieces[part.first : part.at]:
            piece.became = COURTESY
        fields: dict[str, int | str] = {}
        problems: list[Problem] = []
        rest = part.at + 1
        if command.takes == "ref":
            rest = self._ref(rest, part.last, fields, problems)
        elif command.takes == "topic":
            rest = self._topic(rest, part.last, fields)
        flags = set(self._flags)
        left = self.pieces[rest : part.last]
        if any(not is_trivial(piece) for piece in left):
            note_end = self._cleaned.origin(left[-1].end)
            fields[NOTE] = self._head[self._cleaned.origin(left[0].start) : note_end]
            if not command.takes_text:
                flags.add("extra_text")
        missing = ("ref",) if command.takes == "ref" and not {*fields} & {"ref"} else ()
        outcome = Outcome.REJECTED if problems else Outcome.COMMAND
        return Item(
            outcome,
            command.code,
            fields,
            () if problems else missing,
            tuple(problems),
            None,
            tuple(sorted(flags)),
            "ERR_NOMOR" if problems else None,
        )

    def _ref(
        self, at: int, last: int, fields: dict[str, int | str], problems: list[Problem]
    ) -> int:
        """Read a confirmation number, in whatever groups; return the piece after it."""
        first = at
        while first < last and (
            self.pieces[first].text in ref.LABELS or self.pieces[first].has("courtesy")
        ):
            first += 1
        digits, end = ref.join_digits(self.pieces, first, last)
        if not digits or (len(digits) < _SHORTEST_REF and end < last):
            return at  # `tambah 2 org lagi` gives no number
        for piece in self.pieces[at:end]:
            piece.became = "ref"
        if is_well_formed(digits):
            fields["ref"] = digits
        else:
            given = self._between(first, end - 1)
            problems.append(Problem("ref", given, Reason.CHECK_DIGIT))
        return end

    def _topic(self, at: int, last: int, fields: dict[str, int | str]) -> int:
        for index in range(at, last):
            piece = self.pieces[index]
            codes = (*piece.senses.get("code", ()), *piece.senses.get("ordinary_code", ()))
            topic = next((code for code in codes if code in self._language.forms), None)
            if topic is not None:
                fields["topic"] = topic
                piece.became = "topic"
                return index + 1
        return at

    # --- common --------------------------------------------------------------------------------

    def _take_documents(self) -> None:
        """Take covered numbers and the words for them: the flag tells of them, not the note."""
        for index, piece in enumerate(self.pieces):
            if piece.kind is TokenKind.MASK:
                piece.became = "masked_document"
                before = self.pieces[index - 1] if index else None
                if before is not None and "document" in before.marks:
                    before.became = "masked_document"

    def _between(self, first: int, last: int) -> str:
        start = self._cleaned.origin(self.pieces[first].start)
        return self._head[start : self._cleaned.origin(self.pieces[last].end)]

    def rows(self) -> list[tuple[str, str]]:
        """Join neighbours that became the same."""
        rows: list[tuple[int, int, str]] = []
        for index, piece in enumerate(self.pieces):
            became = piece.became or (COURTESY if is_trivial(piece) else NOTE)
            if rows and rows[-1][2] == became:
                rows[-1] = (rows[-1][0], index, became)
            else:
                rows.append((index, index, became))
        return [(self._between(first, last), became) for first, last, became in rows]


def _is_only_pictures(text: str) -> bool:
    """Tell a thumb or folded hands: the `ok` of a phone that has them."""
    signs = [unicodedata.category(one) for one in text if not one.isspace()]
    return "So" in signs and {*signs} <= {"So", "Sk", "Mn", "Cf"}


def _is_misspelt_denial(piece: Piece) -> bool:
    """See `bukn batam tapi medan`: near other words, too, but `tapi` tells."""
    return piece.is_unknown_word and DamerauLevenshtein.distance(piece.text, "bukan") == 1


def _leave_out_denied(pieces: list[Piece], first: int) -> None:
    """Keep what stands between `bukan` and `tapi` out of every field: it is not what is meant."""
    for index in range(first, min(first + _LONGEST_DENIED, len(pieces))):
        piece = pieces[index]
        if piece.begins_line and index > first:
            return
        if "rather" in piece.marks:
            for denied in pieces[first : index + 1]:
                denied.became = denied.became or NOTE
            return


def _is_filler(piece: Piece) -> bool:
    return piece.has("filler") and not piece.has("courtesy")


def _is_denial(piece: Piece, form: Form) -> bool:
    """Tell whether a piece only says again that there is nothing: `tidak ada orang asing`."""
    said_again = form.code in piece.senses.get("ordinary_code", ())
    things = ("absent", "foreigner", "recruiter")
    return said_again or piece.has("code") or any(thing in piece.marks for thing in things)
