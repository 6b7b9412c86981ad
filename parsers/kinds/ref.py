"""A confirmation number, in whatever groups it was typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from parsers.amounts import Role
from parsers.items import Reason
from parsers.numbers import is_well_formed
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

LABELS = frozenset(["no", "nomor", "nmr", "laporan", "lap", "lapor", "nomer"])
_SHORTEST = 6
_NOT_DIGITS = re.compile(r"\D")


def read(work: Work, field: Field) -> None:
    """Take a number that is too long for a count; a wrong check digit is a problem."""
    plates = {amount.index for amount in work.amounts if amount.role is Role.OTHER}
    for index, piece in work.free():
        if not piece.is_number or piece.kind in (TokenKind.PHONE, TokenKind.DATE):
            continue
        digits, end = join_digits(work.pieces, index, len(work.pieces))
        if index in plates and not is_well_formed(digits):
            continue
        if len(digits) < field.limits.get("min_digits", _SHORTEST):
            continue
        if is_well_formed(digits):
            work.fields[field.name] = digits
        else:
            work.report_problem(field.name, work.given(index, end - 1), Reason.CHECK_DIGIT)
        work.take(field.name, *range(index, end))
        return


def join_digits(pieces: Sequence[Piece], first: int, last: int) -> tuple[str, int]:
    """Join the groups of a number; return its digits and the piece after it."""
    digits, end = "", first
    for index in range(first, last):
        piece = pieces[index]
        if not piece.is_number or (index > first and piece.gap.strip(" .-\t")):
            break
        digits, end = digits + _NOT_DIGITS.sub("", piece.text), index + 1
        if len(digits) >= _SHORTEST and is_well_formed(digits):
            break
    return digits, end
