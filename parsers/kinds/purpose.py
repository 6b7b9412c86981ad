"""What a guest came for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.amounts import Role
from parsers.items import Reason
from parsers.kinds.place import inside_places
from parsers.pieces import CODE
from parsers.tokens import TokenKind

_WHOSE_OR_WHERE = frozenset(
    [
        "rumah", "rmh", "rumahnya", "kos", "belakang", "blkg", "depan", "dpn", "dekat", "dkt",
        "samping", "sebelah", "sblh",
    ]
)  # fmt: skip

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work


def read(work: Work, field: Field) -> None:
    """Take a word that says a purpose and nothing else, misspelt or not."""
    _take_best(work, field, (0, 1))
    if not work.is_settled(field.name):
        _repair(work, field)


def read_double_meaning(work: Work, field: Field) -> None:
    """Take a word that may be a place too (`gereja`), when nothing else says the purpose."""
    _take_best(work, field, (2, 3))


def _take_best(work: Work, field: Field, ranks: tuple[int, int]) -> None:
    if "purposes" not in work.domains:
        return
    groups = {
        index
        for amount in work.amounts
        if amount.role is Role.GROUP
        for index in range(amount.first, amount.last + 1)
    }
    ranked = [
        (_rank(work, index, piece), index)
        for index, piece in enumerate(work.pieces)
        if "purposes" in piece.senses
        and index not in groups
        and not _is_of_house(work, index)
        and piece.became in (None, CODE)
        and not _is_denied(work, index)
    ]
    if len(ranked) > 1:
        ranked = [one for one in ranked if not _is_counted_group(work, one[1])]
    ranked = [one for one in ranked if one[0] in ranks]
    if ranked:
        _, index = min(ranked)
        work.fields[field.name] = work.pieces[index].value("purposes")
        work.take(field.name, index)


def _is_of_house(work: Work, index: int) -> bool:
    """See `rumah pendeta`, `kos belakang toko`: where they sleep says nothing of what they do."""
    before = work.before(index)
    return (
        before is not None
        and not work.pieces[index].is_after_border
        and before.text in _WHOSE_OR_WHERE
    )


def _is_counted_group(work: Work, index: int) -> bool:
    """See `keluarga 5 org ... liburan`: who they are, where what they came for is told, too."""
    after = work.after(index)
    is_counted = after is not None and not after.begins_field and after.is_number
    return is_counted and work.pieces[index].has("units", "group")


def _rank(work: Work, index: int, piece: Piece) -> int:
    if piece.became == CODE:
        return 3
    before = work.before(index)
    if before is not None and before.has("labels", "purpose"):
        return 0
    is_place_too = piece.has("places") or (
        before is not None
        and not piece.is_after_border
        and ("at" in before.marks or before.has("places"))
    )
    if not is_place_too and before is not None and not piece.is_after_border:
        earlier = work.before(index - 1)  # `di kali toko`
        is_place_too = earlier is not None and "at" in earlier.marks
    return 2 if is_place_too or bool(piece.marks) else 1


def _is_denied(work: Work, index: int) -> bool:
    before = work.before(index)
    return before is not None and before.text in ("bukan", "bkn")


def _repair(work: Work, field: Field) -> None:
    if not work.has_strange_words:
        return
    in_place = inside_places(work)
    for index, piece in work.free():
        if piece.kind is not TokenKind.WORD or not piece.is_unknown_word or index in in_place:
            continue
        values = work.near(piece.text, "purposes")
        if "purposes" in work.domains and not work.language.words.is_near(piece.text, "purposes"):
            continue  # too far off to be surer than the word that may be a place
        if values and _is_rather_place(work, index):
            continue
        if len(values) == 1:
            work.fields[field.name] = values[0]
        elif values:
            work.report_problem(field.name, work.given(index), Reason.AMBIGUOUS, values[:2])
        else:
            continue
        work.take(field.name, index)
        return


def _is_rather_place(work: Work, index: int) -> bool:
    """See `#tidak tahu#geeja ebenhaezer`: where they sleep, not what they came for."""
    piece, after = work.pieces[index], work.after(index)
    is_named = after is not None and after.is_unknown_word and not after.is_after_border
    if not is_named and "unknown" not in work.domains:
        return False
    return work.language.words.is_nearest(piece.text, "places")
