"""On which day: a date, or a word for a day, in the village's own calendar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from parsers.amounts import Amount, Role
from parsers.items import Reason
from parsers.kinds.other_days import (
    is_end_of_stay,
    is_gone,
    is_name,
    is_of_coming,
    is_of_recruiter,
    is_of_visit,
    is_something_else,
    leaves,
)
from parsers.slips import is_near_month
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work

_YEARS_AROUND = 5
_GROUPS = re.compile(r"\d+")
_CENTURY = 2000
_WEEK = 7
_DAY_WORDS = frozenset(["days", "weekdays", "units"])
_NEXT_WEEK = frozenset(["depan", "dpn", "dpan"])
_LAST_WEEK = frozenset(["lalu", "lewat"])
_MORE = frozenset(["lagi", "lg", "lai"])


@dataclass(frozen=True, slots=True)
class _Written:
    """A date as it was written; a part that was not is None."""

    day: int
    month: int | None
    year: int | None


def read(work: Work, field: Field) -> None:
    """Take a written date before a word for a day."""
    _note_departure(work, field)
    dates = [amount for amount in work.amounts if amount.role is Role.DATE]
    if len(dates) > 1 and not field.limits.get("arrival"):
        dates = [one for one in dates if not is_of_coming(work, field, one)] or dates
    if leaves(field) and not work.domains.isdisjoint(("days", "weekdays")):
        dates = [one for one in dates if not is_of_visit(work, one)]
    for amount in dates:
        if not is_end_of_stay(work, field, amount.first):
            work.take(field.name, *range(amount.first, amount.last + 1))
            _settle(work, field, amount)
            return
    _by_word(work, field)


def _by_word(work: Work, field: Field) -> None:
    if work.domains.isdisjoint(_DAY_WORDS) and "on_the_way" not in work.marks:
        return
    named = [
        (int(piece.value("days")), index)
        for index, piece in (work.free() if "days" in work.domains else ())
        if piece.has("days")
        and not _is_lasting(work, index)
        and not is_something_else(work, index)
        and not is_end_of_stay(work, field, index)
        and not is_of_recruiter(work, field, index)
    ]
    if not named or leaves(field):
        named = named + _weekdays(work, field) or _days_ahead(work, field)
    if not named:
        if leaves(field) and any("on_the_way" in piece.marks for _, piece in work.free()):
            work.begun = True
        return
    if leaves(field):
        if _contradict(work, named):
            indexes = sorted(index for _, index in named[:2])
            given = work.given(indexes[0], indexes[-1])
            work.report_problem(field.name, given, Reason.CONTRADICTION)
            work.take(field.name, *indexes)
            return
        ahead = [one for one in named if one[0] > 0]
        offset, index = min(ahead) if ahead else max(named)
        work.begun = work.begun or offset < 0
    else:
        offset, index = _of_departure(work, field, named) or named[0]
    work.fields[field.name] = (work.today + timedelta(days=offset)).isoformat()
    work.take(field.name, index)


def _is_lasting(work: Work, index: int) -> bool:
    """See `sudah 3 hari ini`."""
    return any(
        amount.role is Role.PASSED and amount.first <= index <= amount.last
        for amount in work.amounts
    )


def _contradict(work: Work, named: list[tuple[int, int]]) -> bool:
    """See `besok hari jumat` on a Wednesday: two days side by side that are not one."""
    if len(named) != 2 or named[0][0] == named[1][0]:  # noqa: PLR2004
        return False
    first, last = sorted(index for _, index in named)
    between = work.pieces[first + 1 : last]
    is_one = any(work.pieces[index].has("weekdays") for index in (first, last))
    return is_one and all(piece.has("units", "day") for piece in between)


def _of_departure(work: Work, field: Field, named: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Choose the day that stands behind the leaving: `kmrn datang, su pulang td pagi`."""
    if not field.limits.get("of_departure"):
        return None
    left = [index for index, piece in enumerate(work.pieces) if "left" in piece.marks]
    return next((one for one in named if left and one[1] > left[-1]), None)


def _weekdays(work: Work, field: Field) -> list[tuple[int, int]]:
    """Find days of the week: the next such day for a departure, else the latest one."""
    found: list[tuple[int, int]] = []
    for index, piece in work.free() if "weekdays" in work.domains else ():
        after = work.after(index)
        if not piece.has("weekdays") or (after is not None and after.text in _NEXT_WEEK):
            continue  # `jumat depan` may be this week's or the next: that is asked for
        if is_name(work, index):
            continue
        near = work.pieces[max(0, index - 2) : index]
        if field.limits.get("of_departure") and any("arrive" in one.marks for one in near):
            continue
        if is_end_of_stay(work, field, index):
            continue
        ahead = (int(piece.value("weekdays")) - work.today.isoweekday()) % _WEEK
        has_passed = after is not None and (after.text in _LAST_WEEK or is_gone(after))
        is_next = leaves(field) and not (has_passed or work.begun)
        is_back = ahead or has_passed  # `rabu lalu`, on a Wednesday
        found.append((ahead if is_next else ahead - _WEEK if is_back else 0, index))
    return found


def _days_ahead(work: Work, field: Field) -> list[tuple[int, int]]:
    """See `3 hari lagi`: so many days from today somebody leaves."""
    if not leaves(field):
        return []
    for amount in work.amounts:
        after = work.after(amount.last)
        unit = work.pieces[amount.last]
        is_days = unit.has("units", "day") or unit.has("units", "week")
        if (
            amount.role is Role.STAY
            and is_days
            and amount.value is not None
            and after is not None
            and after.text in _MORE
        ):
            work.take(field.name, *range(amount.first, amount.last + 2))
            return [(amount.value, amount.first)]
    return []


def _note_departure(work: Work, field: Field) -> None:
    """See `sudah berangkat`: the departure has happened."""
    if not leaves(field) or work.marks.isdisjoint(("urgent", "moved")):
        return
    for index, piece in enumerate(work.pieces):
        before = work.before(index)
        if "urgent" in piece.marks:
            work.begun = True
        if "moved" in piece.marks and before is not None and "done" in before.marks:
            work.begun = True


def _settle(work: Work, field: Field, amount: Amount) -> None:
    given = work.given(amount.index, amount.last)
    written = _written(work, amount)
    if written is None or _has_misspelt_month(work, written, amount.last + 1):
        work.report_problem(field.name, given, Reason.UNCLEAR)
        return
    when = _resolve(work, field, written)
    if when is None:
        work.report_problem(field.name, given, Reason.IMPOSSIBLE)
        return
    ahead = field.limits.get("max_ahead")
    distance = (when - work.today).days
    too_far = ahead is not None and written.year is None and distance > ahead
    # A departure of last year is a slip of the thumb, or an old story.
    too_far = too_far or (ahead is not None and distance < -ahead)
    if too_far or abs(when.year - work.today.year) > _YEARS_AROUND:
        work.report_problem(field.name, given, Reason.UNCLEAR)
        return
    work.fields[field.name] = when.isoformat()


def _has_misspelt_month(work: Work, written: _Written, at: int) -> bool:
    """See `tgl 30 ds`: a month was named, and it cannot be read."""
    after = work.pieces[at] if at < len(work.pieces) else None
    return (
        written.month is None
        and after is not None
        and not after.is_after_border
        and after.is_unknown_word
        and is_near_month(after, work.language)
    )


def _written(work: Work, amount: Amount) -> _Written | None:
    """Take the parts of a date from the pieces it was written in."""
    piece = work.pieces[amount.index]
    numbers = [int(group) for group in _GROUPS.findall(piece.text)]
    if piece.kind in (TokenKind.DATE, TokenKind.RANGE, TokenKind.DECIMAL):
        return _from_parts(numbers, is_iso=len(piece.text.split("-", maxsplit=1)[0]) == 4)  # noqa: PLR2004
    if piece.kind is not TokenKind.NUMBER:
        return None
    text = piece.text
    after = work.after(amount.index)
    if after is not None and after.has("months") and amount.last > amount.index:
        year = work.pieces[amount.last].text if amount.last > amount.index + 1 else None
        return _Written(int(text), int(after.value("months")), int(year) if year else None)
    if len(text) <= 2:  # noqa: PLR2004
        return _Written(int(text), None, None)
    parts = {
        4: (text[:2], text[2:]),
        6: (text[:2], text[2:4], text[4:]),
        8: (text[:2], text[2:4], text[4:]),
    }
    found = parts.get(len(text))
    return _from_parts([int(part) for part in found], is_iso=False) if found else None


def _from_parts(numbers: list[int], *, is_iso: bool) -> _Written | None:
    if len(numbers) == 2:  # noqa: PLR2004
        return _Written(numbers[0], numbers[1], None)
    if len(numbers) != 3:  # noqa: PLR2004
        return None
    day, month, year = numbers[::-1] if is_iso else numbers
    return _Written(day, month, year if year >= 100 else _CENTURY + year)  # noqa: PLR2004


def _resolve(work: Work, field: Field, written: _Written) -> date | None:
    """Return the day that is meant; None when there is no such day."""
    today = work.today
    wants_next = leaves(field) and not work.begun
    if written.month is None:
        return _day_of_month(today, written.day, wants_next=wants_next)
    if written.year is not None:
        return _date(written.year, written.month, written.day)
    this_year = (written.month, written.day)
    now = (today.month, today.day)
    year = today.year
    if wants_next and this_year < now:
        year += 1
    elif not wants_next and this_year > now:
        year -= 1
    return _date(year, written.month, written.day)


def _day_of_month(today: date, day: int, *, wants_next: bool) -> date | None:
    """Return the next or the latest such day; a short month is passed over."""
    step = 1 if wants_next else -1
    year, month = today.year, today.month
    for _ in range(3):
        found = _date(year, month, day)
        if found is not None and (found >= today if wants_next else found <= today):
            return found
        month += step
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
