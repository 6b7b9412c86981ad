"""Reading the data files: what is wrong is named with file, line and mend."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_LINE = re.compile(r"at line (\d+)")


class DataError(Exception):
    """A data file that cannot be used. The message says where, what, and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """One data file and its lines, so that a fault can be pointed at."""

    path: Path
    lines: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> Source:
        """Read a file whole."""
        try:
            return cls(path, tuple(path.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path.name}: cannot be read ({error}). Save it as UTF-8.") from error

    def wrong(self, at: int | str, what: str, mend: str) -> DataError:
        """Return the error for one line, given its number or a word that stands in it."""
        line = at if isinstance(at, int) else self.line_of(at)
        return DataError(f"{self.path}, line {line}: {what}. {mend}")

    def line_of(self, words: str, after: int = 0) -> int:
        """Return the first line with these words in it (1 when there is none)."""
        for number, line in enumerate(self.lines, start=1):
            if number > after and words in line and not line.lstrip().startswith("#"):
                return number
        return 1

    def toml(self) -> dict[str, Any]:
        """Return the file as TOML."""
        try:
            return tomllib.loads("\n".join(self.lines))
        except tomllib.TOMLDecodeError as error:
            place = _LINE.search(str(error))
            line = int(place[1]) if place else len(self.lines)
            raise self.wrong(line, str(error), "Mend the TOML there.") from error

    def rows(self, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
        """Yield each row of a CSV with its line number; comments and blank lines are left out."""
        header: list[str] | None = None
        for number, line in enumerate(self.lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            row = [cell.strip() for cell in next(csv.reader([line]))]
            if header is None:
                header = row
                if tuple(header) != columns:
                    expected = ",".join(columns)
                    raise self.wrong(number, f"the columns are {line!r}", f"Write {expected}.")
            elif len(row) != len(columns) or not row[0] or not row[1]:
                raise self.wrong(
                    number, f"{line!r} does not fit", f"Write {len(columns)} cells a line."
                )
            else:
                yield number, row


def layered(shipped: Path, agency: Path | None, suffix: str) -> list[Path]:
    """List the files of a folder, an agency's file of the same name in place of the shipped one."""
    found = {path.name: path for path in sorted(shipped.glob(f"*{suffix}"))}
    if agency is not None and agency.is_dir():
        found |= {path.name: path for path in sorted(agency.glob(f"*{suffix}"))}
    return [found[name] for name in sorted(found)]
