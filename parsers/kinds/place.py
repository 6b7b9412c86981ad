"""Where: from a word for a place to the end of its field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from parsers.kinds.ref import LABELS
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

_LONGEST_BARE = 4
_LONGEST = 16
_LEADING_AT = re.compile(r"^di ")
_NO_MATTER = frozenset(["ordinary", "destinations"])
_ENDS = frozenset(["goal", "from", "done", "by", "via", "stop", "not", "absent"])
_PLACES = frozenset(["places", "place_numbers", "destinations", "countries", "ordinary"])
_ROADS = frozenset(["jalan", "jln", "jl"])
_STRUCTURE = ("country", "purpose")
"""A field without a place word is a place only when these kinds have been read before it."""


def read(work: Work, field: Field) -> None:
    """Take the words from a place word on; else a whole field that nothing else has claimed."""
    span = _whole_field(work) or _after_place_word(work) or _bare_field(work)
    if span is None:
        return
    first, last = span
    work.fields[field.name] = _LEADING_AT.sub("", work.typed(first, last))
    for index in range(first, last + 1):
        work.pieces[index].became = work.pieces[index].became or field.name
    work.take(field.name, first)
    before = work.before(first)
    if before is not None and "at" in before.marks and before.became is None:
        before.became = field.name


def read_whole(work: Work, field: Field) -> None:
    """Take a whole text as the place: it answers the question where, unless it is talk."""
    if not _may_be_place(work):
        return
    work.fields[field.name] = work.typed(0, len(work.pieces) - 1)
    work.take(field.name, *range(len(work.pieces)))


def _may_be_place(work: Work) -> bool:
    """Tell `dekat pasar` and a name from `tidak`, `2` and `nanti saya tanya dulu`."""
    if any("talk" in piece.marks for piece in work.pieces):
        return False
    return any(
        piece.is_unknown_word or not _PLACES.isdisjoint(piece.senses) or "at" in piece.marks
        for piece in work.pieces
    )


def reach(work: Work, index: int) -> int:
    """Return the last piece of the place that begins at one piece."""
    last = index
    while last + 1 < min(len(work.pieces), index + _LONGEST):
        if last + 1 in work.told_apart or _ends(work.pieces[last + 1], work.pieces[last]):
            break
        last += 1
    while last > index and work.pieces[last].has("filler"):
        last -= 1
    return last


def inside_places(work: Work) -> frozenset[int]:
    """Return the pieces that belong to a place: a name among them is a host's, not a country."""
    if work.inside_places is not None:
        return work.inside_places
    inside: set[int] = set()
    has_any = "places" in work.domains or "at" in work.marks
    for index, piece in enumerate(work.pieces if has_any else ()):
        is_at = "at" in piece.marks
        if not (is_at or "places" in piece.senses) or index in inside:
            continue
        if is_at and index and "at" in work.pieces[index - 1].marks:
            inside.add(index)  # one more of `di di di`
        else:
            inside |= set(range(index, reach(work, index) + 1))
    work.inside_places = frozenset(inside)
    return work.inside_places


def _ends(piece: Piece, before: Piece) -> bool:
    if piece.begins_line or piece.became not in (None, "place"):
        return True
    if piece.is_after_border and not _joins(piece, before):
        return True
    senses = piece.senses
    if not senses or (before.text in _ROADS and "goal" in piece.marks):
        return piece.kind is TokenKind.MASK  # `jalan ke kolbano` goes on
    is_polite = "courtesy" in senses and "title" not in piece.marks and "filler" not in senses
    if is_polite or "days" in senses or "unknown" in senses:
        return True
    if piece.text in ("kosong", "ksong"):
        return False  # an empty house is a place, not a report of nothing
    return not _ENDS.isdisjoint(piece.marks) or piece.has("labels", "days")


def _joins(piece: Piece, before: Piece) -> bool:
    """See `rt.03` and `rt 3, dusun 1`; a dot or comma after another word ends the place."""
    if piece.begins_field or not (piece.has("place_numbers") or before.has("place_numbers")):
        return False
    joint = piece.gap.strip()
    if joint == ",":
        return before.is_number and piece.has("place_numbers")
    return joint in ("/", "-", "") or (joint == "." and before.has("place_numbers"))


def _whole_field(work: Work) -> tuple[int, int] | None:
    """Take a field that begins with a place word, to its end: `#jalan ke pantai Kolbano`."""
    if "places" not in work.domains:
        return None
    for index in range(len(work.pieces) - 1, -1, -1):
        piece = work.pieces[index]
        if not piece.begins_field or not piece.has("places") or piece.became is not None:
            continue
        last = index
        while last + 1 < len(work.pieces) and not work.pieces[last + 1].begins_field:
            last += 1
        if all(_stays(work, i) for i in range(index, last + 1)):
            return index, last
    return None


def _stays(work: Work, index: int) -> bool:
    """Tell whether a piece of a field can be part of its place."""
    piece = work.pieces[index]
    is_other = piece.has("days") or piece.has("unknown") or piece.kind is TokenKind.MASK
    return piece.became in (None, "place") and index not in work.told_apart and not is_other


def _after_place_word(work: Work) -> tuple[int, int] | None:
    """Prefer a place that `di` leads to; a purpose word may be one too (`pantai Kolbano`)."""
    best: tuple[int, int, int] | None = None
    is_named = "at" in work.marks or not work.domains.isdisjoint(("places", "place_numbers"))
    if not is_named:
        return None
    purpose = work.name_of("purpose")
    has_numbered = "place_numbers" in work.domains
    for index, piece in enumerate(work.pieces):
        is_at = "at" in piece.marks
        is_place = "places" in piece.senses or (has_numbered and _is_numbered(work, index))
        if not (is_at or is_place) or piece.became not in (None, purpose):
            continue
        if is_at and index and "at" in work.pieces[index - 1].marks:
            continue  # `di di di` is one lead, looked at from its first word
        first = index
        furthest = min(len(work.pieces), index + _LONGEST)
        while is_at and first + 1 < furthest and "at" in work.pieces[first].marks:
            if _ends(work.pieces[first + 1], work.pieces[first]) and not work.pieces[first + 1].has(
                "places"
            ):
                break
            first += 1
        if "at" in work.pieces[first].marks or work.pieces[first].is_number:
            continue
        last = reach(work, first)
        if piece.became is not None and last == first:
            continue
        has_number = any(
            work.pieces[i].is_number and work.pieces[i - 1].has("place_numbers")
            for i in range(first + 1, last + 1)
        )
        rank = _rank(piece) if is_at else int(has_number) - 1
        if best is None or rank > best[0]:
            best = (rank, first, last)
    return None if best is None else best[1:]


def _is_numbered(work: Work, index: int) -> bool:
    """See `km 12`: a number makes a place of it."""
    after = work.after(index)
    return (
        work.pieces[index].has("place_numbers")
        and work.pieces[index].text not in LABELS
        and after is not None
        and after.is_number
        and not after.is_after_border
        and not work.pieces[index - 1].is_number
    )


def _rank(piece: Piece) -> int:
    """Prefer where they sleep (`menginap di`) to where they are (`di`)."""
    return 2 if piece.text != "di" else 1


def _bare_field(work: Work) -> tuple[int, int] | None:
    """Take a field of a few words that stands after what was read, marked off by separators."""
    names = [work.name_of(kind) for kind in _STRUCTURE]
    read_up_to = max(
        (i for i, piece in enumerate(work.pieces) if piece.became in names), default=-1
    )
    if read_up_to < 0 or not all(work.is_settled(name) for name in names):
        return None
    for index, piece in work.free():
        if index <= read_up_to or not piece.is_after_border or piece.kind is not TokenKind.WORD:
            continue
        last = reach(work, index)
        ends = last + 1 == len(work.pieces) or work.pieces[last + 1].is_after_border
        if ends and last - index < _LONGEST_BARE and piece.senses.keys() <= _NO_MATTER:
            return index, last
    return None
