"""Whether a text is the answer to the question that an open draft has put, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from parsers.amounts import number_of
from parsers.cleaning import cleaned, storable
from parsers.filling import has_minor, is_trivial, make_work, read_fields, settle_unknown
from parsers.items import Problem, Reason
from parsers.kinds.registry import KINDS
from parsers.masking import mask_documents
from parsers.pieces import COURTESY, NOTE, cut
from parsers.reading import LONGEST
from parsers.tokens import TokenKind, tokenise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from parsers.cleaning import Cleaned
    from parsers.form import Field, Form
    from parsers.language import Language
    from parsers.pieces import Piece
    from parsers.work import Work

_SMALL_WORDS = frozenset(["ordinary", "labels"])
_GONE = frozenset(["done", "moved", "left", "depart", "urgent"])


@dataclass(frozen=True, slots=True)
class Question:
    """An open draft or an incomplete report: what it knows and what it still wants."""

    code: str
    fields: Mapping[str, int | str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer adds, and what is still wanted after it.

    A field that is in none of the three is known to be unknown: it is not asked for again.
    """

    fields: Mapping[str, int | str]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]
    flags: tuple[str, ...] = ()
    """What the answer adds to the report's flags."""
    begun: bool = False
    """It says that the departure has happened."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """A text that may answer: read as often as there are ways to read it, each time anew."""

    text: str
    cleaned: Cleaned
    pieces: list[Piece]
    was_masked: bool

    def begin(self, form: Form, language: Language, now: datetime) -> Work:
        fresh = [piece.copy() for piece in self.pieces]
        work = make_work(self.text, self.cleaned, fresh, language, form, now)
        if self.was_masked:
            work.flags.add("masked_document")
        return work


def read_answer(
    text: str, language: Language, question: Question, *, now: datetime
) -> Answer | None:
    """Read a text that only answers; None if anything else is in it."""
    form = language.forms.get(question.code)
    asked = _asked(form, question) if form is not None else []
    if form is None or not asked:
        return None
    reply = _reply(text, language)
    if reply is None or _has_own_code(reply.pieces, asked, language):
        return None
    work = reply.begin(form, language, now)
    if not _choose_option(work, question) and not _says_not_known(work, asked, question):
        work = _read_pieces(work, reply.begin(form, language, now), asked, question)
    if work.shares or _is_unread(work):
        return None
    if work.is_own_citizen:
        _refuse_own_country(work)
    return _answer(form, question, work)


def _reply(text: str, language: Language) -> _Reply | None:
    covered, was_masked = mask_documents(storable(text))
    if len(covered) > LONGEST:
        return None
    plain = cleaned(covered)
    pieces = cut(plain.text, language.words)
    if not pieces:
        return None
    if pieces[0].gap.strip() == "-":
        pieces[0].gap = " -"  # `-2` is a minus where a field begins
    return _Reply(covered, plain, pieces, was_masked)


def _read_pieces(work: Work, longer: Work, asked: list[Field], question: Question) -> Work:
    """Read what was asked, else the whole as the words of the first field, else more than asked."""
    read_fields(work, asked)
    _take_begun(work, asked)
    answer = KINDS[asked[0].kind].answer
    if answer is not None and _is_unread(work):
        answer(work, asked[0])
    if _is_unread(work) and _says_more(longer, asked, question):
        return longer
    return work


def _is_unread(work: Work) -> bool:
    return any(not is_trivial(piece) for _, piece in work.free())


def _says_more(work: Work, asked: list[Field], question: Question) -> bool:
    """Read an answer that says again what is known, or adds to it: `9 org iran` for the count.

    What is known already must stand in it as it was: else it is no answer.
    """
    names = {one.name for one in asked}
    others = [replace(one, wanted=False) for one in work.form.fields if one.name not in names]
    read_fields(work, [*asked, *others])
    left = (piece for _, piece in work.free() if not is_trivial(piece))
    if work.shares or work.problems or work.is_own_citizen:
        return False
    if not all(piece.senses and piece.senses.keys() <= _SMALL_WORDS for piece in left):
        return False
    for index, _ in work.free():
        work.take(NOTE, index)  # `tinggal` before the days
    known = {name: question.fields.get(name, value) for name, value in work.fields.items()}
    settled = names & (work.fields.keys() | work.unknown)
    return bool(settled) and known == work.fields


def _take_begun(work: Work, asked: list[Field]) -> None:
    """Take `sudah berangkat` for an answer to when: the day is not known, and it is urgent."""
    day = next((one for one in asked if one.kind == "day"), None)
    if day is None or not work.begun or work.is_settled(day.name):
        return
    settle_unknown(work, day)
    for index, piece in work.free():
        if not _GONE.isdisjoint(piece.marks):
            work.take(day.name, index)


def read_correction(
    text: str, language: Language, code: str, *, now: datetime
) -> Mapping[str, int | str] | None:
    """Read `salah, 3 org`: the fields that a text puts right; none when it is not clear which.

    Returns None for a text that does not begin with a word for a mistake.
    """
    form = language.forms.get(code)
    covered, _ = mask_documents(storable(text))
    if form is None or len(covered) > LONGEST:
        return None
    plain = cleaned(covered)
    pieces = cut(plain.text, language.words)
    at = next((i for i, piece in enumerate(pieces) if not piece.has("courtesy")), len(pieces))
    if at == len(pieces) or "correction" not in pieces[at].marks:
        return None
    # What follows `bukan` on the same breath is what was wrong: `bukan 2 tapi 3 org`.
    first = at + 1
    but = next((i for i in range(first, len(pieces)) if "rather" in pieces[i].marks), None)
    for piece in pieces[: first if but is None else but + 1]:
        piece.became = COURTESY
    work = make_work(covered, plain, pieces, language, form, now)
    read_fields(work, form.fields)
    unclear = work.shares or work.problems or work.is_own_citizen or work.unknown
    if unclear or any(not is_trivial(piece) for _, piece in work.free()):
        return {}
    return dict(work.fields)


def agrees(text: str, language: Language) -> bool:
    """Tell whether a text only says yes."""
    pieces = cut(cleaned(storable(text)[:LONGEST]).text, language.words)
    said = [piece for piece in pieces if not is_trivial(piece) or "agreed" in piece.marks]
    return bool(said) and all("agreed" in piece.marks for piece in said)


def choice(text: str, count: int) -> int | None:
    """Return the number that a message consists of, if it is one of 1..count."""
    tokens = tokenise(cleaned(storable(text)[:LONGEST]).text)
    if len(tokens) != 1 or tokens[0].kind is not TokenKind.NUMBER or "-" in tokens[0].gap:
        return None
    number = int(tokens[0].text) if len(tokens[0].text) <= 3 else 0  # noqa: PLR2004
    return number if 1 <= number <= count else None


def _asked(form: Form, question: Question) -> list[Field]:
    """List the fields in the order they are asked for: problems first, then what is missing."""
    names = [*(problem.field for problem in question.problems), *question.missing]
    if names and not any(name in question.fields for name in form.enough):
        names += form.enough  # one of them alone answers all
    fields = (form.field(name) for name in dict.fromkeys(names))
    return [replace(one, wanted=True) for one in fields if one is not None]


def _has_own_code(pieces: list[Piece], asked: list[Field], language: Language) -> bool:
    """Tell whether a text is a new report of its own; a word that answers too (`turis`) is not."""
    answers = {"purposes" for one in asked if one.kind == "purpose"}
    answers |= {str(one.limits["words"]) for one in asked if one.kind == "word"}
    for piece in pieces:
        codes = (*piece.senses.get("code", ()), *piece.senses.get("ordinary_code", ()))
        if codes and answers.isdisjoint(piece.senses):
            return True
        if any(code in language.commands for code in codes) and len(pieces) == 1:
            return True
    return False


def _choose_option(work: Work, question: Question) -> bool:
    """`1` is the first option of an ambiguous field, where one is open."""
    problem = next((one for one in question.problems if one.options), None)
    if problem is None:
        return False
    said = [i for i, piece in work.free() if not piece.has("courtesy")]
    if len(said) != 1 or "-" in work.pieces[said[0]].gap:
        return False
    number = number_of(work.pieces[said[0]])
    if number is None or not 1 <= number <= len(problem.options):
        return False
    work.fields[problem.field] = problem.options[number - 1]
    work.take(problem.field, said[0])
    return True


def _says_not_known(work: Work, asked: list[Field], question: Question) -> bool:
    """`TIDAK TAHU` alone answers the field in question, or all that were asked for together."""
    said = [(i, piece) for i, piece in work.free() if not is_trivial(piece) or piece.text == "?"]
    if len(said) != 1 or not said[0][1].has("unknown"):
        return False
    fields = asked[:1] if question.problems else asked
    fields = [one for one in fields if one.may_be_unknown]
    for one in fields:
        settle_unknown(work, one)
        work.take(one.name, said[0][0])
    return bool(fields)


def _refuse_own_country(work: Work) -> None:
    name = work.name_of("country")
    given = next((work.given(i) for i, p in enumerate(work.pieces) if p.became == name), "")
    work.report_problem(name, given, Reason.CONTRADICTION)


def _answer(form: Form, question: Question, work: Work) -> Answer | None:
    if not (work.fields or work.unknown or work.problems):
        return None
    new = {problem.field for problem in work.problems}
    settled = new | work.fields.keys() | work.unknown
    problems = (
        *(problem for problem in question.problems if problem.field not in settled),
        *work.problems,
    )
    open_before = {*question.missing, *(problem.field for problem in question.problems)}
    long_unknown = {
        one.name
        for one in form.fields
        if one.wanted and one.name not in question.fields and one.name not in open_before
    }
    known = {**question.fields, **work.fields}
    missing = form.missing(known, problems, work.unknown | long_unknown)
    flags = set(work.flags)
    if form.urgent_if_minor and has_minor(work):
        flags.add("minor")
    return Answer(dict(work.fields), missing, problems, tuple(sorted(flags)), work.begun)
