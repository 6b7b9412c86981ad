"""Filling a report: every kind reads its field, and `tidak tahu` goes where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parsers.amounts import Amount, Role, tell_apart
from parsers.kinds.registry import KINDS, UNKNOWN_RANK
from parsers.tokens import TokenKind
from parsers.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from parsers.cleaning import Cleaned
    from parsers.form import Field, Form
    from parsers.kinds.registry import Reader
    from parsers.language import Language
    from parsers.pieces import Piece

_ADULT = 18
_SHORT = 4


@dataclass(frozen=True, slots=True)
class _Said:
    """One `tidak tahu` and where it stands."""

    index: int
    label: str | None


def make_work(
    original: str,
    clean_text: Cleaned,
    pieces: list[Piece],
    language: Language,
    form: Form,
    now: datetime,
) -> Work:
    """Begin a report from its pieces."""
    amounts = tell_apart(pieces, language.words.iso)
    told_apart: set[int] = set()
    for amount in amounts:
        if amount.role is not Role.PLACE:
            told_apart.update((amount.first, amount.index))
    domains: set[str] = set()
    marks: set[str] = set()
    is_strange = False
    for piece in pieces:  # one loop: this is done for every text
        if piece.senses:
            domains.update(piece.senses)
            marks.update(piece.marks)
        elif piece.kind is TokenKind.WORD:
            is_strange = True
        elif piece.kind is TokenKind.NOTHING:
            domains.add("unknown")
    return Work(
        original,
        clean_text,
        pieces,
        language,
        form,
        now,
        amounts,
        told_apart,
        domains,
        marks,
        is_strange,
    )


def read_fields(work: Work, fields: Sequence[Field]) -> None:
    """Let each kind read its field, the surest first."""
    order = _in_order(fields)
    for read, one in order.first:
        read(work, one)
    _give_unknowns(work, fields)
    is_enough = any(work.is_settled(name) for name in work.form.enough)
    for read, one in () if is_enough else order.last_resorts:
        if not work.is_settled(one.name):
            read(work, one)
    for read, one in order.later:
        read(work, one)


@dataclass(frozen=True, slots=True)
class _Order:
    """Which kinds read before `tidak tahu` is given out, which then, and which after it."""

    fields: Sequence[Field]
    first: tuple[tuple[Reader, Field], ...]
    last_resorts: tuple[tuple[Reader, Field], ...]
    later: tuple[tuple[Reader, Field], ...]


_remembered: dict[int, _Order] = {}
"""The order of each form's own fields, by their identity; it keeps them, so that none is reused."""


def _in_order(fields: Sequence[Field]) -> _Order:
    order = _remembered.get(id(fields))
    if order is None or order.fields is not fields:
        order = _make_order(fields)
        if isinstance(fields, tuple):  # a form's; an answer's are a list, made for it alone
            _remembered[id(fields)] = order
    return order


def _make_order(fields: Sequence[Field]) -> _Order:
    ranked = sorted(((KINDS[one.kind], one) for one in fields), key=lambda pair: pair[0].rank)
    return _Order(
        fields,
        tuple((kind.read, one) for kind, one in ranked if kind.rank < UNKNOWN_RANK),
        tuple((kind.last_resort, one) for kind, one in ranked if kind.last_resort and one.wanted),
        tuple((kind.read, one) for kind, one in ranked if kind.rank > UNKNOWN_RANK),
    )


def settle_unknown(work: Work, one: Field) -> None:
    """Put down that the sender does not know one field."""
    value = KINDS[one.kind].value_when_unknown
    if value is None:
        work.unknown.add(one.name)
    else:
        work.fields[one.name] = value


def _give_unknowns(work: Work, fields: Sequence[Field]) -> None:
    """Give each `tidak tahu` to a wanted field: the one it names, else the next in its order."""
    if "unknown" not in work.domains and "not" not in work.marks:
        return
    said = [
        _Said(i, _label_of(work, i)) for i, piece in work.free() if _says_unknown(work, i, piece)
    ]
    if not said:
        return
    order = {one.name: position for position, one in enumerate(fields)}
    for one in said:
        open_ones = [f for f in fields if f.may_be_unknown and not work.is_settled(f.name)]
        still = [f for f in open_ones if f.wanted and _may_be_meant(work, f, one)]
        named = next((f for f in open_ones if f.name == one.label), None)
        if named is None and one.label in work.fields:
            continue  # `bule 2 org ..., sonde tau dr negara mana` says again what is known
        if named is None and not still:
            named = _optional_country(work, open_ones, one)
        if named is None and not still:
            continue
        behind = max(
            (order[p.became] for p in work.pieces[: one.index] if p.became in order), default=-1
        )
        after = next((f for f in still if order[f.name] > behind), None)
        in_order = still[0] if still and (after is None or len(said) >= len(still)) else after
        chosen = named or in_order
        if chosen is None:
            continue
        settle_unknown(work, chosen)
        work.take(chosen.name, one.index)
        label = work.after(one.index)
        if label is not None and label.has("labels", chosen.name):
            work.take(chosen.name, one.index + 1)


def _optional_country(work: Work, fields: Sequence[Field], said: _Said) -> Field | None:
    """See `CURIGA#tidak tahu#...`: a field by itself where all that is wanted is told."""
    piece, after = work.pieces[said.index], work.after(said.index)
    if not piece.begins_field or (after is not None and not after.begins_field):
        return None
    return next((one for one in fields if one.kind == "country"), None)


def _may_be_meant(work: Work, field: Field, said: _Said) -> bool:
    """Tell whether a `tidak tahu` that names no field may be about this one.

    In free words (`sonde tau dong bikin apa`) it is not about the place; as a field alone it is.
    """
    if work.shares and field.kind in ("country", "count"):
        return False
    if field.kind != "place":
        return True
    if "places" in work.domains:
        return False  # it is told
    piece, after = work.pieces[said.index], work.after(said.index)
    return piece.begins_field and (after is None or after.begins_field)


def _says_unknown(work: Work, index: int, piece: Piece) -> bool:
    if piece.kind is TokenKind.NOTHING:
        return True
    after = work.after(index)
    if not piece.has("unknown"):
        return _is_misspelt_unknown(work, index, piece)
    return piece.text != "?" or (bool(piece.gap) and (after is None or after.is_after_border))


def _is_misspelt_unknown(work: Work, index: int, piece: Piece) -> bool:
    """See `#tidak thu#`: a field of its own that denies, with a word too short to be mended."""
    after = work.after(index)
    if "not" not in piece.marks or not piece.begins_field or after is None:
        return False
    behind = work.after(index + 1)
    is_short = after.is_unknown_word and len(after.text) <= _SHORT and not after.is_after_border
    return is_short and (behind is None or behind.begins_field)


def _label_of(work: Work, index: int) -> str | None:
    after = work.after(index)
    if after is not None and "from" in after.marks:
        after = work.after(index + 1)  # `sonde tau dr negara mana`
    for neighbour in (work.before(index), after):
        if neighbour is not None and neighbour.has("labels") and not neighbour.has("filler"):
            return neighbour.value("labels")
    return None


def has_minor(work: Work) -> bool:
    """Tell whether somebody under age is among them."""
    for amount in work.amounts:
        if amount.role is Role.AGE and 0 < _youngest(work, amount) < _ADULT:
            return True
    for index, piece in enumerate(work.pieces):
        if "birth" in piece.marks and _is_born_a_minor(work, index):
            return True
        if "minor" in piece.marks:
            before = work.before(index)
            # `ibu Ana` is a name; `tidak ada anak` and `bukan anak` deny it.
            denied = before is not None and any(
                mark in before.marks for mark in ("not", "absent", "title")
            )
            if not denied:
                return True
    return False


def _youngest(work: Work, amount: Amount) -> int:
    """Return an age, the lower one of `15-17`; 0 when it cannot be read."""
    piece = work.pieces[amount.index]
    if amount.value is None and piece.kind is TokenKind.RANGE:
        return min(int(age) for age in piece.text.split("-") if age)
    return amount.value or 0


def _is_born_a_minor(work: Work, index: int) -> bool:
    """See `lahir 2010`, `lahir thn 2010`."""
    for at in (index + 1, index + 2):
        piece = work.pieces[at] if at < len(work.pieces) else None
        if piece is not None and piece.kind is TokenKind.NUMBER and len(piece.text) == 4:  # noqa: PLR2004
            return 0 <= work.today.year - int(piece.text) < _ADULT
    return False


def is_trivial(piece: Piece) -> bool:
    """Tell whether a piece is courtesy or carries nothing by itself."""
    return piece.has("courtesy") or piece.has("filler") or piece.text == "?"
