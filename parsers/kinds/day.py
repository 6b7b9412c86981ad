"""On which day: a date, or a word for a day, in the village's own calendar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from parsers.amounts import Amount, Role
from parsers.items import Reason
from parsers.slips import is_near_month
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

_YEARS_AROUND = 5
_GROUPS = re.compile(r"\d+")
_CENTURY = 2000
_WEEK = 7
_DAY_WORDS = frozenset(["days", "weekdays", "units"])
_NEXT_WEEK = frozenset(["depan", "dpn", "dpan"])
_NOW = frozenset(["sekarang", "skrg", "skrang", "skr", "skarang", "saat ini"])
_PLANNED = frozenset(["nanti", "nnti", "nti", "nt", "untuk", "utk", "acara", "pesta"])
_SHORT_TEXT = 12
_NEAR = 4
_LEAVING = frozenset(["left", "moved", "depart", "by", "urgent", "on_the_way", "people_leaving"])
_URGENT_DAYS = frozenset(["malam ini", "mlm ini", "su mau jalan", "nanti malam", "nanti mlm"])
_GOES_ON = frozenset(["lanjut", "lanjutkan", "melanjutkan"])
_LAST_WEEK = frozenset(["lalu", "lewat", "kemarin"])
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
        dates = [one for one in dates if not _is_day_of_coming(work, field, one)] or dates
    for amount in dates:
        if not _is_end_of_stay(work, field, amount.first):
            work.take(field.name, *range(amount.first, amount.last + 1))
            _settle(work, field, amount)
            return
    _by_word(work, field)


def _is_day_of_coming(work: Work, field: Field, amount: Amount) -> bool:
    """See `datang 20 oktober, pulang 22 november`, `tgl 20 kemarin calo datang`."""
    before, after = work.before(amount.first), work.after(amount.last)
    if before is not None and "arrive" in before.marks:
        return True
    return _leaves(field) and after is not None and _is_day_gone(after)


def _by_word(work: Work, field: Field) -> None:
    if work.domains.isdisjoint(_DAY_WORDS) and "on_the_way" not in work.marks:
        return
    lasting = {
        index
        for amount in work.amounts
        if amount.role is Role.PASSED  # `sudah 3 hari ini`
        for index in range(amount.first, amount.last + 1)
    }
    named = [
        (int(piece.value("days")), index)
        for index, piece in (work.free() if "days" in work.domains else ())
        if piece.has("days")
        and index not in lasting
        and not _is_without_day(work, index)
        and not _is_end_of_stay(work, field, index)
        and not _is_of_recruiter(work, field, index)
    ]
    if not named or _leaves(field):
        named = named + _weekdays(work, field) or _days_ahead(work, field)
    if not named:
        if _leaves(field) and any("on_the_way" in piece.marks for _, piece in work.free()):
            work.begun = True
        return
    if _leaves(field):
        ahead = [one for one in named if one[0] > 0]
        offset, index = min(ahead) if ahead else max(named)
        work.begun = work.begun or offset < 0
    else:
        offset, index = _of_departure(work, field, named) or named[0]
    work.fields[field.name] = (work.today + timedelta(days=offset)).isoformat()
    work.take(field.name, index)


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
        if _is_name(work, index):
            continue
        near = work.pieces[max(0, index - 2) : index]
        if field.limits.get("of_departure") and any("arrive" in one.marks for one in near):
            continue
        if _is_end_of_stay(work, field, index):
            continue
        ahead = (int(piece.value("weekdays")) - work.today.isoweekday()) % _WEEK
        has_passed = after is not None and (after.text in _LAST_WEEK or _is_day_gone(after))
        is_next = _leaves(field) and not has_passed
        is_gone = ahead or has_passed  # `rabu lalu`, on a Wednesday
        found.append((ahead if is_next else ahead - _WEEK if is_gone else 0, index))
    return found


def _is_day_gone(piece: Piece) -> bool:
    return piece.has("days") and int(piece.value("days")) < 0 and not piece.is_after_border


def _is_name(work: Work, index: int) -> bool:
    """See `ibu snin`, `di jmaat Efata`: whatever it is, it is no day."""
    before = work.before(index)
    if before is None or work.pieces[index].is_after_border:
        return False
    earlier = work.before(index - 1)
    is_led = earlier is not None and (earlier.has("places") or "at" in earlier.marks)
    is_place = before.has("places") and "left" not in before.marks  # `jalan jumat` leaves
    return "at" in before.marks or is_place or (before.has("courtesy") and is_led)


def _days_ahead(work: Work, field: Field) -> list[tuple[int, int]]:
    """See `3 hari lagi`: so many days from today somebody leaves."""
    if not _leaves(field):
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


def _is_end_of_stay(work: Work, field: Field, index: int) -> bool:
    """See `sampai besok`, `pulang tgl 30`: the end of a stay, no day of coming."""
    if _leaves(field):
        return False
    piece, before = work.pieces[index], work.before(index)
    is_until = "until" in piece.marks or (before is not None and "until" in before.marks)
    if is_until and not _has_come(piece):
        return True
    if not field.limits.get("arrival"):
        is_talk = piece.text in _NOW and len(work.pieces) > _SHORT_TEXT
        return is_talk and field.limits.get("of_departure") is True
    if before is not None and "arrive" in before.marks:
        return False
    return (
        _is_followed_by_leave(work, index)
        or _is_no_day_of_coming(work, index)
        or _is_led_by_leave(work, index)
    )


def _is_led_by_leave(work: Work, index: int) -> bool:
    """See `pulang tgl 30`; `su pulang kmrn` is no stay any more."""
    before = work.before(index)
    if before is None or "left" not in before.marks:
        return False
    earlier = work.before(index - 1)
    return earlier is None or "done" not in earlier.marks


def _has_come(piece: Piece) -> bool:
    """See `sampai tadi pagi`: whoever arrives is told of with the same word."""
    return piece.has("days") and int(piece.value("days")) <= 0


def _is_no_day_of_coming(work: Work, index: int) -> bool:
    """See `besok baru naik gunung`, `pesta nanti tgl 28`, `sekarang liburan di desa`.

    In a long text a day to come, or a day of the week, tells of an arrival beside a word for it.
    """
    piece, before, after = work.pieces[index], work.before(index), work.after(index)
    behind = work.pieces[index + 1 : index + 4]
    if piece.text in _NOW or any("tells" in one.marks for one in behind):
        return True  # `yang kemarin beta telpon itu`
    if before is not None and (before.text in _PLANNED or before.has("units", "money")):
        return True
    is_weekday = piece.has("weekdays")
    if not is_weekday and (not piece.has("days") or int(piece.value("days")) <= 0):
        return False
    if any("arrive" in one.marks for one in work.pieces[max(0, index - 4) : index + 3]):
        return False
    if len(work.pieces) > _SHORT_TEXT:
        return not (before is not None and "from" in before.marks)
    return not is_weekday and not (after is None or after.is_after_border or after.has("courtesy"))


def _is_followed_by_leave(work: Work, index: int) -> bool:
    """See `besok dong kembali ke kupang`, `besok lanjut`."""
    for at in (index + 1, index + 2):
        piece = work.pieces[at] if at < len(work.pieces) else None
        if piece is None or piece.is_after_border:
            return False
        if "left" in piece.marks or piece.text in _GOES_ON:
            return True
    return False


def _is_of_recruiter(work: Work, field: Field, index: int) -> bool:
    """See `calo datang kmrn, mau bawa 3 org`, `skrg dia cari nona`: a day on which nobody leaves.

    In a long text a day that has come is the departure only where leaving is spoken of near it.
    """
    if not _leaves(field) or int(work.pieces[index].value("days")) > 0:
        return False
    near = work.pieces[max(0, index - _NEAR) : index]
    if any("arrive" in piece.marks for piece in near[-2:]) or _is_reported(work, index):
        return True
    if len(work.pieces) <= _SHORT_TEXT or work.pieces[index].text in _URGENT_DAYS:
        return False
    around = [*near, *work.pieces[index : index + 2 * _NEAR]]
    return not any(
        _LEAVING & {*piece.marks}
        or piece.has("transport")
        or piece.has("destinations")
        or piece.text in _GOES_ON
        for piece in around
    )


def _is_reported(work: Work, index: int) -> bool:
    """See `orang tua lapor ke saya tadi pagi`, without a mark between."""
    for at in range(index, max(0, index - _NEAR), -1):
        if work.pieces[at].is_after_border:
            return False
        if "reporting" in work.pieces[at - 1].marks:
            return True
    return False


def _is_without_day(work: Work, index: int) -> bool:
    """`tadi` alone means today only where nothing follows it that says otherwise.

    And `bsk` before a name, as in `rmh bsk Neolaka`, or after a greeting is a misspelt `bpk`.
    """
    before, after = work.before(index), work.after(index)
    if before is not None and before.has("weekdays") and not work.pieces[index].is_after_border:
        return True  # `senin kemarin` is Monday
    if work.pieces[index].text == "bsk" and before is not None:
        ends = after is None or after.is_after_border
        return before.has("courtesy") if ends else before.has("places")
    if work.pieces[index].text != "tadi":
        return False
    if after is None or after.is_after_border:
        return False
    # `tadi` with a word that is not known may be `tadi malam`, which is another day.
    return "not" in after.marks or after.is_unknown_word


def _note_departure(work: Work, field: Field) -> None:
    """See `sudah berangkat`: the departure has happened."""
    if not _leaves(field) or work.marks.isdisjoint(("urgent", "moved")):
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
    wants_next = _leaves(field) and not work.begun
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


def _leaves(field: Field) -> bool:
    return field.limits.get("direction") == "future"
