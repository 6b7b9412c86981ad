"""One word out of a list: the field's limits name the words file that it is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parsers.form import Field
    from parsers.work import Work


def read(work: Work, field: Field) -> None:
    """Take the first word of the list, and a second that says the same (`kapal siguntang`)."""
    words = field.limits["words"]
    for index, piece in work.free():
        if piece.has(words):
            value = piece.value(words)
            work.fields[field.name] = value
            work.take(field.name, index)
            after = work.after(index)
            if after is not None and after.has(words, value):
                work.take(field.name, index + 1)
            return
