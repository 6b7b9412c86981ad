"""What a story tells beside the report: guests of another time, hosts, drivers and villagers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.pieces import CODE

if TYPE_CHECKING:
    from parsers.amounts import Amount
    from parsers.pieces import Piece
    from parsers.work import Work

_NOTHING: frozenset[int] = frozenset()
_AGO = "ago"
OF_BEFORE = ("past", _AGO)
"""The small words without which nothing is told of another time."""
_WITH = frozenset(["dengan", "deng", "dgn", "dng", "sama", "oleh"])


def told_of_before(work: Work) -> frozenset[int]:
    """Give the pieces of sentences about another time.

    See `Bulan Juli lalu ada 11 orang Spanyol`. The sentence with the code in it, and the first one,
    are about now.
    """
    if work.marks.isdisjoint(OF_BEFORE):
        return _NOTHING
    found: set[int] = set()
    for first, last in _sentences(work.pieces)[1:]:
        own = work.pieces[first:last]
        is_past = any(_is_past(work, index) for index in range(first, last))
        if is_past and not any(piece.became == CODE for piece in own):
            found |= set(range(first, last))
    return frozenset(found)


def _is_past(work: Work, index: int) -> bool:
    piece, before = work.pieces[index], work.before(index)
    if "past" in piece.marks:
        return True
    is_time = before is not None and (before.has("months") or before.has("weekdays"))
    return _AGO in piece.marks and is_time


def helps(work: Work, amount: Amount) -> bool:
    """See `cari dengan 12 warga`: who helps is none of those it happened to."""
    before = work.before(amount.first)
    return before is not None and before.text in _WITH and counts_others(work, amount)


def counts_others(work: Work, amount: Amount) -> bool:
    """See `anak tuan rumah 3 orang`, `dengan 12 warga`: people, but not the guests."""
    if "local" not in work.marks:
        return False
    pieces, last = work.pieces, amount.last + 1
    first = amount.first if pieces[amount.first].is_after_border else max(amount.first - 1, 0)
    if last < len(pieces) and not pieces[last].is_after_border:
        last += 1
    return any("local" in piece.marks for piece in pieces[first:last])


def is_new_sentence(piece: Piece) -> bool:
    """Tell whether a full stop stands before a piece."""
    return piece.begins_line or "." in piece.gap or "!" in piece.gap


def _sentences(pieces: list[Piece]) -> list[tuple[int, int]]:
    begins = [0, *(at for at, piece in enumerate(pieces) if at and is_new_sentence(piece))]
    return list(zip(begins, [*begins[1:], len(pieces)], strict=True))
