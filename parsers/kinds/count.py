"""How many people: one number that is sure, or a problem. Never a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from parsers.amounts import Amount, Role
from parsers.asides import OF_BEFORE, counts_others, helps, told_of_before
from parsers.items import Reason
from parsers.kinds.place import inside_places
from parsers.pieces import CODE
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work

_CLOCK = re.compile(r"[0-2]\d\.[0-5]\d")
_SHORT_UNIT = 2
_TELLS_OF_OTHERS = ("theirs", "local", *OF_BEFORE)
_PARTS = ("male", "female", "child")


def read(work: Work, field: Field) -> None:
    """Find the total, or add up a split by sex where no total is told."""
    if work.shares:
        return
    people = _counted(work, field)
    parts = [amount for amount in people if amount.unit in _PARTS]
    if len(people) > 1 and {amount.unit for amount in people} == {"adult", "child"}:
        parts = people  # `2 dewasa 2 anak` are four
    totals = [amount for amount in people if amount not in parts]
    if parts:
        totals = [one for one in totals if one.unit or not _is_behind_strange_word(work, one)]
        if _is_unclear_split(work, field, parts):
            return
    best = max((amount.sure for amount in totals), default=-1)
    if best < 1 and parts:
        totals = []
    elif best >= 1:
        totals = [amount for amount in totals if amount.sure >= 1]
        clear = any(amount.value is not None for amount in totals)
        totals = [one for one in totals if not (clear and _may_be_other(work, one, best))]
    if totals:
        _settle_total(work, field, totals, parts)
        _take_parts(work, field, parts)
    elif parts:
        _settle_parts(work, field, parts)
    else:
        _lone_letter(work, field)


def _counted(work: Work, field: Field) -> list[Amount]:
    """List the numbers that count people; where none is asked for, those that surely do."""
    people = [
        amount
        for amount in work.amounts
        if amount.role is Role.PEOPLE and work.pieces[amount.index].became is None
    ]
    if len(people) > 1:
        people = [amount for amount in people if not _is_stray_zero(work, amount, people)]
    if not work.marks.isdisjoint(_TELLS_OF_OTHERS):
        people = _without_others(work, people)
    if work.form.enough and any(name in work.fields for name in work.form.enough):
        people = [one for one in people if one.sure > 1 or work.pieces[one.first].begins_field]
    families = [amount for amount in people if not amount.unit and _is_family(work, amount)]
    if families and not any(one.kind == "purpose" for one in work.form.fields):
        people = [amount for amount in people if amount not in families]
    if not field.wanted:
        people = [amount for amount in people if _is_surely_people(work, amount)]
    return people


def _without_others(work: Work, people: list[Amount]) -> list[Amount]:
    """Leave out the counts of kin, hosts, helpers and guests of another time."""
    people = [one for one in people if not _is_theirs(work, one)] or people
    if not any(one.kind == "country" and one.wanted for one in work.form.fields):
        return [amount for amount in people if not helps(work, amount)]
    before = told_of_before(work)
    return [
        amount
        for amount in people
        if amount.index not in before and not counts_others(work, amount)
    ]


def _is_theirs(work: Work, amount: Amount) -> bool:
    """See `TKW 1 org hilang, anaknya 2 org di sini`: the kin of those who are told of."""
    before = work.before(amount.first)
    return before is not None and "theirs" in before.marks


def _is_family(work: Work, amount: Amount) -> bool:
    """See `1 keluarga` where nobody is asked what they came for: how many, nobody knows."""
    after = work.after(amount.last)
    return after is not None and after.has("units", "group")


def _is_unclear_split(work: Work, field: Field, parts: list[Amount]) -> bool:
    """Ask at `2 k 1 pr`, `2 lk 1 rp`: two people, or three."""
    unclear = next((one for one in work.amounts if _has_strange_unit(work, one, parts)), None)
    if unclear is None:
        return False
    both = sorted((unclear, *parts), key=_place)
    for one in both:
        work.take(field.name, *range(one.first, one.last + 1))
    given = " ".join(work.given(one.index) for one in both)
    work.report_problem(field.name, given, Reason.CONTRADICTION)
    return True


def _place(amount: Amount) -> int:
    return amount.index


def _is_behind_strange_word(work: Work, amount: Amount) -> bool:
    """See `3 nona ... ja 5`: whatever is counted there, people are counted elsewhere."""
    before = work.before(amount.first)
    return (
        before is not None and before.is_unknown_word and not work.pieces[amount.first].gap.strip()
    )


def _has_strange_unit(work: Work, amount: Amount, parts: list[Amount]) -> bool:
    """Tell a number beside a split by sex whose own word is too short to be surely another's."""
    if amount in parts or amount.role not in (Role.PEOPLE, Role.OTHER):
        return False
    unit = work.after(amount.index)
    is_labelled = amount.role is Role.OTHER and amount.first < amount.index  # `kelas 3 smp`
    if is_labelled or unit is None or unit.is_after_border or unit.has("countries"):
        return False
    is_short = len(unit.text) <= _SHORT_UNIT
    if not is_short and not unit.is_unknown_word:
        return False
    ends = (amount.index + 2, amount.index + 3)  # `1 lai2 1 prp`
    is_beside = any(amount.first == one.last + 1 or one.first in ends for one in parts)
    is_total = amount.role is Role.PEOPLE and not amount.unit
    return (is_total and is_short and unit.is_unknown_word) or is_beside


def _settle_total(work: Work, field: Field, totals: list[Amount], parts: list[Amount]) -> None:
    for amount in totals:
        work.take(field.name, *range(amount.first, amount.last + 1))
    bad = [amount for amount in totals if amount.value is None or amount.minus]
    split = sum(one.value or 0 for one in parts if one.unit != "child")
    values = list(dict.fromkeys(amount.value for amount in totals if amount.value is not None))
    if bad:
        reason = Reason.OUT_OF_RANGE if bad[0].minus else Reason.UNCLEAR
        sign = "-" if bad[0].minus else ""
        work.report_problem(field.name, sign + work.given(bad[0].index), reason)
    elif len(values) > 1 and max(values) * 2 == sum(one.value or 0 for one in totals):
        _settle(work, field, max(values), totals[0])  # `6 org: 4 dari dusun A, 2 dari dusun B`
    elif len(values) > 1 or split > values[0]:
        both = totals if len(values) > 1 else [totals[0], *parts]
        given = " ".join(work.given(amount.index) for amount in both)
        work.report_problem(field.name, given, Reason.CONTRADICTION)
    else:
        _settle(work, field, values[0], totals[0])


def _settle_parts(work: Work, field: Field, parts: list[Amount]) -> None:
    for amount in parts:
        work.take(field.name, *range(amount.first, amount.last + 1))
    if any(amount.value is None or amount.minus for amount in parts):
        work.report_problem(field.name, work.given(parts[0].index), Reason.UNCLEAR)
        return
    _settle(work, field, sum(amount.value or 0 for amount in parts), parts[0])


def _settle(work: Work, field: Field, value: int, amount: Amount) -> None:
    low, high = field.limits.get("min", 1), field.limits.get("max", 200)
    if value == 0 and field.limits.get("zero_means"):
        work.is_zero = True
    if not low <= value <= high:
        work.report_problem(field.name, work.given(amount.index), Reason.OUT_OF_RANGE)
        return
    work.fields[field.name] = value
    if work.pieces[amount.first].has("approximate") or amount.is_rough:
        work.flags.add("approximate")


def _is_surely_people(work: Work, amount: Amount) -> bool:
    """Tell a count of people where none is asked for: other things are counted there, too."""
    if amount.unit or amount.sure > 1:
        return True
    piece, after = work.pieces[amount.index], work.after(amount.last)
    before = work.before(amount.first)
    neighbours = (after if after is not None and not after.begins_field else None, before)
    if any(one and (one.has("countries") or "foreigner" in one.marks) for one in neighbours):
        return amount.first - 1 not in inside_places(work)  # `rumah rrt 3` is an RT
    if piece.is_after_border and after is not None and after.is_after_border:
        return True  # `DARURAT.meninggal.1.sumur`
    begins = piece.begins_field or work.pieces[max(amount.first - 1, 0)].became == CODE
    return begins and (after is None or after.begins_field)


def _take_parts(work: Work, field: Field, parts: list[Amount]) -> None:
    """Take a split by sex beside a total: it says nothing new."""
    for amount in parts:
        if amount.unit != "child":
            work.take(field.name, *range(amount.first, amount.last + 1))


def _may_be_other(work: Work, amount: Amount, best: int) -> bool:
    """Tell whether a number beside a clear count is a time of day, or counts something else."""
    if amount.value is not None:
        return amount.sure < best and _counts_something_else(work, amount)
    return amount.sure < best or _CLOCK.fullmatch(work.pieces[amount.index].text) is not None


def _counts_something_else(work: Work, amount: Amount) -> bool:
    """See `2 org bw drone 1`, `2 org, 1 umur 17`: things, and some of those who are counted."""
    before, after = work.before(amount.first), work.after(amount.last)
    if after is not None and "age" in after.marks:
        return True
    ends = (amount.last + 1, amount.last + 2)  # `1 masih 14 tahun`
    if any(one.role is Role.AGE and one.first in ends for one in work.amounts):
        return True
    near = work.pieces[max(0, amount.first - 2) : amount.first]
    if any(piece.has("units", "child") for piece in near):
        return True  # `7 org ..., anak sekolah 2`
    is_word = work.pieces[amount.index].has("numbers")
    if before is not None and "recruiter" in before.marks and is_word:
        return True  # `calo satu`
    return (
        before is not None
        and before.is_unknown_word
        and not work.pieces[amount.first].is_after_border
        and not work.near(before.text, "countries")
    )


def _is_stray_zero(work: Work, amount: Amount, people: list[Amount]) -> bool:
    """Tell a zero glued to a word beside a real count: dirt from a keyboard of another script."""
    if amount.value != 0 or amount.unit or all(one is amount for one in people):
        return False
    after = work.after(amount.index)
    return after is not None and not after.gap


def _lone_letter(work: Work, field: Field) -> None:
    """Read `l` or `O` as a digit where a whole field or a people unit leaves nothing else."""
    for index, piece in work.free():
        if piece.kind is not TokenKind.WORD or piece.text not in ("l", "i", "o"):
            continue
        after = work.after(index)
        counted = after is not None and after.has("units", "people") and not after.begins_field
        begins = piece.begins_field or (index > 0 and work.pieces[index - 1].became == CODE)
        is_name = after is not None and after.is_unknown_word and not after.begins_field
        whole = begins and (after is None or after.begins_field or not piece.begins_field)
        whole = whole and not is_name  # `l odia` is somebody's name
        if counted or whole:
            work.take(field.name, index)
            amount = Amount(Role.PEOPLE, index, index, index, 0 if piece.text == "o" else 1)
            _settle(work, field, amount.value or 0, amount)
            return
