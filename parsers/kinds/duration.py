"""How long a guest means to stay, in days. Time that has passed is not a stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.amounts import Role

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work


def read(work: Work, field: Field) -> None:
    """Take the first stay that is told; a number of days, or one word for it."""
    low, high = field.limits.get("min", 1), field.limits.get("max", 730)
    for amount in work.amounts:
        if amount.role is Role.STAY and amount.value is not None and low <= amount.value <= high:
            work.fields[field.name] = amount.value
            work.take(field.name, *range(amount.first, amount.last + 1))
            return
    if "durations" not in work.domains:
        return
    for index, piece in work.free():
        if piece.has("durations"):
            before = work.before(index)
            is_rate = before is not None and before.has("units", "money")  # `150rb sehari`
            has_passed = before is not None and ("done" in before.marks or "from" in before.marks)
            if not is_rate and not has_passed:
                work.fields[field.name] = int(piece.value("durations"))
                work.take(field.name, index)
                return
