"""Reports that are another code's by a word in their text: `WNA ... su pulang` is a departure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.form import END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.form import TakeOver
    from parsers.language import Language
    from parsers.pieces import Piece
    from parsers.surroundings import Surroundings


def is_alias(piece: Piece, code: str) -> bool:
    """Tell another word for a code from the code itself, misspelt or not."""
    return piece.has("code", code) and piece.text != code.lower()


class TakingOver:
    """Finds the words of one text that make a report another one."""

    def __init__(self, pieces: Sequence[Piece], language: Language, around: Surroundings) -> None:
        """Keep what is needed for all reports of the text."""
        self._pieces = pieces
        self._language = language
        self._around = around
        self._by_mark: dict[str, list[int]] | None = None

    def code_of(self, code: str, at: int, first: int, last: int) -> str:
        """Return the code that outranks one by a word in its text (`WNA ... su pulang`)."""
        for sense, rows in self._language.take_overs.get(code, ()):
            found = self._with_sense(*sense)
            if not found:
                continue
            for form, row in rows:
                is_meant = not row.of_alias or (at >= 0 and is_alias(self._pieces[at], code))
                if is_meant and any(self._is_in_a_row(row, i, first, last) for i in found):
                    return form.code
        return code

    def _is_in_a_row(self, row: TakeOver, at: int, first: int, last: int) -> bool:
        """Tell whether the words around the rarest one, which is not denied, mean the rest."""
        begin = at - row.rarest
        return (
            first <= begin
            and at < last
            and not self._around.is_denied(at)
            and (len(row.senses) > 1 or not self._around.names_a_place(at))
            and all(
                self._means(begin + step, last, sense, is_first=not step)
                for step, sense in enumerate(row.senses)
            )
        )

    def _means(self, at: int, last: int, sense: tuple[str, str], *, is_first: bool) -> bool:
        """Tell whether a piece has a meaning; `end` is none, or one that something new begins."""
        piece = self._pieces[at] if at < last else None
        if sense == END:
            return piece is None or piece.is_after_border or piece.has("courtesy")
        is_next = piece is not None and (is_first or not piece.begins_line)
        return piece is not None and is_next and piece.has(*sense)

    def _with_sense(self, domain: str, value: str) -> list[int]:
        """List the pieces that have a meaning; small words are asked for again and again."""
        if domain != "marks":
            return [at for at, piece in enumerate(self._pieces) if piece.has(domain, value)]
        if self._by_mark is None:
            self._by_mark = {}
            for at, piece in enumerate(self._pieces):
                for mark in piece.marks:
                    self._by_mark.setdefault(mark, []).append(at)
        return self._by_mark.get(value, [])
