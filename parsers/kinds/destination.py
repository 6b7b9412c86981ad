"""Where our own people are taken: the last place named as a goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.amounts import Role, counts_persons
from parsers.items import Reason
from parsers.pieces import CODE
from parsers.slips import is_slip_of
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

HARBOUR = "Kupang"
"""Everybody passes through it, so it is the goal only when nothing farther is named."""

_NEAR_CODE = 4
_SHORT_CODE = 2
_SHORTEST_GOAL = 5
_ONE_OR_OTHER = frozenset(["atau", "atw"])
_THEN = frozenset(["lalu", "terus", "trus", "trs", "kemudian", "lanjut"])
"""Words before the next stop of a journey."""
_AS_FAR_AS = frozenset(["sampai", "sampe", "smpe", "hingga"])
_ROUTE = frozenset(["-", ">", "->", "-->", "\u2192"])


def read(work: Work, field: Field) -> None:
    """Choose among all places named; the ways to it stay in the note."""
    goals, bare = _named(work)
    if field.limits.get("goals_only") or _leads_to_strange_word(work):
        bare = []
    for candidates in (goals[::-1], bare):
        farther = [one for one in candidates if one[1] != HARBOUR]
        is_unled = candidates is bare and len({name for _, name in farther}) > 1
        if is_unled and _is_route(work, farther):
            farther.reverse()
        elif is_unled or _are_alternatives(work, sorted(farther)):
            farther = sorted(farther)
            (first, one), (second, other) = farther[:2]
            given = work.given(first, second)
            work.report_problem(field.name, given, Reason.AMBIGUOUS, (one, other))
            work.take(field.name, *range(first, second + 1))
            return
        for index, name in farther[:1]:
            _settle(work, field, index, name)
            return
    by_code = not goals and not field.limits.get("goals_only")
    if _repaired(work, field) or (by_code and _by_code(work, field)):
        return
    near_to_far = goals + bare + _where_they_work(work)
    near_to_far.sort(key=lambda one: one[1] == HARBOUR)
    for index, name in near_to_far[:1]:
        _settle(work, field, index, name)


def _leads_to_strange_word(work: Work) -> bool:
    """See `ke tiawan usa`: what stands behind `ke` is the goal, misspelt or not."""
    return any(
        piece.is_unknown_word
        and _is_goal(work, index)
        and {*work.near(piece.text, "destinations", is_field=True)} - {HARBOUR}
        for index, piece in (work.free() if work.has_strange_words else ())
    )


def _where_they_work(work: Work) -> list[tuple[int, str]]:
    """Find the place of work (`kerja sawit di Kalimantan`) where no goal is named."""
    found: list[tuple[int, str]] = []
    for index, piece in work.free():
        before = work.before(index)
        is_at = before is not None and "at" in before.marks
        if is_at and piece.has("destinations") and not piece.has("transport"):
            name = piece.value("destinations")
            near = work.pieces[max(0, index - _NEAR_CODE) : index]
            if name != HARBOUR or any(_is_work(one) for one in near):
                found.append((index, name))
    return found


def _is_work(piece: Piece) -> bool:
    return piece.has("purposes", "kerja") or "people_leaving" in piece.marks


def _are_alternatives(work: Work, named: list[tuple[int, str]]) -> bool:
    """See `tarakan/nunukan`, `batam atau medan`: one or the other."""
    if len(named) < 2 or named[0][1] == named[1][1]:  # noqa: PLR2004
        return False
    (first, _), (second, _) = named[:2]
    between = work.pieces[first + 1 : second]
    joint = work.pieces[second].gap.strip()
    is_or = len(between) == 1 and between[0].text in _ONE_OR_OTHER
    return (not between and joint == "/") or is_or


def _is_route(work: Work, named: list[tuple[int, str]]) -> bool:
    """See `nunukan-tawau`, `batam > johor`: the last is the goal."""
    (first, _), (last, _) = named[0], named[-1]
    stops = {index for index, _ in named}
    return all(index in stops for index in range(first, last + 1)) and all(
        work.pieces[index].gap.strip() in _ROUTE for index in range(first + 1, last + 1)
    )


def _named(work: Work) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    goals: list[tuple[int, str]] = []
    bare: list[tuple[int, str]] = []
    if "destinations" not in work.domains:
        return goals, bare
    for index, piece in work.free():
        is_long = len(piece.text) >= _SHORTEST_GOAL  # `kerja di tolo` is no Togo
        if piece.is_unknown_word and goals and is_long and _is_goal(work, index):
            # `ke Jakarta trus ke malaysis`: the last goal counts, misspelt or not.
            near = work.near(piece.text, "destinations", is_field=True)
            goals += [(index, near[0])] if len(near) == 1 else []
            continue
        if not piece.has("destinations") or piece.has("transport"):
            continue
        if _is_goal(work, index):
            goals.append((index, piece.value("destinations")))
        elif not _is_way(work, index):
            bare.append((index, piece.value("destinations")))
    return goals, bare


def _is_goal(work: Work, index: int) -> bool:
    before = work.before(index)
    if before is None:
        return False
    if before.text in _ONE_OR_OTHER and index > 1:
        return _is_goal(work, index - 2)  # `ke batam atau malaysia`
    is_led = (
        "goal" in before.marks
        or before.text in _AS_FAR_AS
        or before.has("labels", "destination")
        or (before.is_unknown_word and is_slip_of(before.text, "ke"))
    )
    return is_led or (before.text in _THEN and not work.pieces[index].is_after_border)


def _is_way(work: Work, index: int) -> bool:
    before = work.before(index)
    if before is None or work.pieces[index].begins_field:
        return False
    return any(mark in before.marks for mark in ("from", "via", "stop", "at")) or before.text in (
        "bukan",
        "bkn",
    )


def _by_code(work: Work, field: Field) -> bool:
    iso = work.language.words.iso
    counted = {amount.last for amount in work.amounts if amount.role is Role.PEOPLE}
    for index, piece in work.free():
        before = work.before(index)
        is_next = before is not None and (
            before.became == CODE or index - 1 in counted or counts_persons(before)
        )
        is_placed = _is_goal(work, index) or is_next or piece.begins_field
        if piece.text in iso and piece.is_unknown_word and is_placed and not _is_way(work, index):
            _settle_code(work, field, index, iso[piece.text])
            return True
    return False


def _settle_code(work: Work, field: Field, index: int, alpha2: str) -> None:
    """Take a country's code, unless it is a slip of a word that people write more often (`btm`)."""
    typed, name = work.pieces[index].text, work.language.country_name(alpha2)
    after = work.after(index)
    if after is not None and after.is_unknown_word and after.gap == " ":
        halves = work.near(typed + after.text, "destinations", is_field=True)
        if len(halves) == 1:  # `sur abya`
            work.take(field.name, index + 1)
            _settle(work, field, index, halves[0])
            return
    near = work.language.words.very_near(typed, "destinations") if len(typed) == _SHORT_CODE else ()
    others = [one for one in near if one != name]
    if others:
        given = work.given(index)
        work.report_problem(field.name, given, Reason.AMBIGUOUS, (name, others[0]))
        work.take(field.name, index)
    else:
        _settle(work, field, index, name)


def _repaired(work: Work, field: Field) -> bool:
    passes_harbour = any(HARBOUR in piece.senses.get("destinations", ()) for piece in work.pieces)
    for index, piece in work.free():
        if piece.kind is not TokenKind.WORD or not piece.is_unknown_word:
            continue
        after = work.after(index)
        alone = piece.is_after_border and (after is None or after.is_after_border)
        is_placed = alone or index <= _NEAR_CODE or passes_harbour
        if field.limits.get("goals_only"):
            is_placed = False
        if not (_is_goal(work, index) or is_placed) or _is_way(work, index):
            continue
        values = work.near(piece.text, "destinations", is_field=_is_goal(work, index))
        if len(values) == 1:
            _settle(work, field, index, values[0])
            return True
        if values:
            work.report_problem(field.name, work.given(index), Reason.AMBIGUOUS, values[:2])
            work.take(field.name, index)
            return True
    return False


def _settle(work: Work, field: Field, index: int, name: str) -> None:
    work.fields[field.name] = name
    work.take(field.name, index)
