"""Which month is meant by a report that nothing happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.amounts import Role
from parsers.items import Reason

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work

_STILL_LAST_MONTH = 5
"""Up to this day of a month, a report without a month is about the one before."""

_MONTHS = 12


def read(work: Work, field: Field) -> None:
    """Take the month named; none named is this month, in its first days the one before."""
    this = work.today.month
    before = _before(this)
    if _by_name(work, field, this=this, before=before):
        return
    for index, piece in work.free():
        after = work.after(index)
        if "month" in piece.marks and after is not None and after.is_unknown_word:
            # `bulan ei`: a month was named, and it cannot be read.
            work.report_problem(field.name, work.given(index + 1), Reason.UNCLEAR)
            return
    for amount in work.amounts:
        if amount.role is Role.MONTH:
            work.take(field.name, *range(amount.first, amount.last + 1))
            if amount.value is None or not 1 <= amount.value <= _MONTHS:
                given = work.given(amount.index)
                work.report_problem(field.name, given, Reason.OUT_OF_RANGE)
            else:
                work.fields[field.name] = amount.value
            return
    work.fields[field.name] = before if work.today.day <= _STILL_LAST_MONTH else this


def _by_name(work: Work, field: Field, *, this: int, before: int) -> bool:
    """Take a month by its name, or as this one or the last; two months are asked about."""
    named = [index for index, piece in enumerate(work.pieces) if piece.has("months")]
    if len({work.pieces[index].value("months") for index in named}) > 1:
        work.report_problem(field.name, work.given(named[0], named[-1]), Reason.AMBIGUOUS)
        return True
    if named:
        work.fields[field.name] = int(work.pieces[named[0]].value("months"))
        _take(work, field, named[0])
        return True
    for index, piece in enumerate(work.pieces):
        for mark, month in (("this_month", this), ("last_month", before)):
            if mark in piece.marks:
                work.fields[field.name] = month
                work.take(field.name, index)
                return True
    return False


def _take(work: Work, field: Field, index: int) -> None:
    work.take(field.name, index)
    if index and "month" in work.pieces[index - 1].marks:
        work.take(field.name, index - 1)
    after = work.after(index)
    if after is not None and after.is_number and len(after.text) == 4:  # noqa: PLR2004
        work.take(field.name, index + 1)


def _before(month: int) -> int:
    return month - 1 or _MONTHS
