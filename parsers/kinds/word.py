"""One word out of a list: the field's limits name the words file that it is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.items import Reason
from parsers.pieces import CODE

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work


def read(work: Work, field: Field) -> None:
    """Take the word that counts most, and the words beside it that say the same.

    `limits.order` lists the values that outrank those after them; without it the first word
    counts. A word that is a whole field of its own is what the sender put there on purpose.
    """
    words, order = field.limits["words"], field.limits.get("order", ())
    if words not in work.domains and not work.has_strange_words:
        return
    best: tuple[int, int, int] | None = None
    for index, piece in enumerate(work.pieces):
        is_free = piece.became in (None, CODE)
        if not is_free or not piece.has(words) or _is_denied(work, index):
            continue
        if not field.wanted and _brought_somebody(work, index):
            continue
        value = piece.value(words)
        rank = order.index(value) if value in order else len(order)
        found = (0 if _is_whole_field(work, index) else 1, rank, index)
        best = min(best, found) if best is not None else found
    if best is None:
        _repair(work, field, words)
        return
    _settle(work, field, best[2], words)


def _settle(work: Work, field: Field, index: int, words: str) -> None:
    value = work.pieces[index].value(words)
    work.fields[field.name] = value
    work.take(field.name, index)
    after = work.after(index)
    if after is not None and after.has(words, value):
        work.take(field.name, index + 1)


def _brought_somebody(work: Work, index: int) -> bool:
    """See `datang naik avanza`, `pakai motor datang`: how a recruiter came, not how they leave."""
    near = [*work.pieces[max(0, index - 2) : index], *work.pieces[index + 1 : index + 3]]
    return any("comes" in piece.marks and not piece.is_after_border for piece in near)


def _is_denied(work: Work, index: int) -> bool:
    """See `bukan kecelakaan`, `tidak ada yang sakit`; a denied word is no value."""
    before = work.before(index)
    earlier = work.before(index - 1) if before is not None and before.has("filler") else None
    return any(
        one is not None and ("not" in one.marks or "absent" in one.marks)
        for one in (before, earlier)
    )


def _is_whole_field(work: Work, index: int) -> bool:
    piece, after = work.pieces[index], work.after(index)
    begins = piece.begins_field or (index > 0 and work.pieces[index - 1].became == CODE)
    return begins and after is not None and after.begins_field


def _repair(work: Work, field: Field, words: str) -> None:
    for index, piece in work.free():
        before = work.before(index)
        is_name = before is not None and "title" in before.marks  # `ibu Feby` is no ferry
        if not piece.is_unknown_word or is_name:
            continue
        is_led = before is not None and "by" in before.marks
        values = work.near(piece.text, words)
        is_field = piece.is_after_border and (
            work.after(index) is None or work.pieces[index + 1].is_after_border
        )
        is_field = is_field and all(
            work.is_settled(one.name) for one in work.form.fields if one.wanted
        )
        if not values and (is_led or is_field) and not field.wanted:
            values = work.language.words.very_near(piece.text, words)
        if len(values) == 1:
            work.fields[field.name] = values[0]
        elif values and field.wanted:
            work.report_problem(field.name, work.given(index), Reason.AMBIGUOUS, values[:2])
        else:
            continue
        work.take(field.name, index)
        return
