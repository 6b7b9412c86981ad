"""Reading the tables that people make in spreadsheets, and telling what is wrong with them.

A CSV or XLSX file becomes rows of plain text under known columns. Nothing is guessed in silence: a
cell that cannot be read exactly stays in its row as a BadCell, to be told with the others.
"""

import codecs
import csv
import io
import math
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

Value = TypeVar("Value")
#: A sheet's own row number with its cells, before they are known by column.
Line = tuple[int, Sequence["str | BadCell"]]

MOST_BYTES = 10_000_000
MOST_ROWS = 200_000
#: XLSX is a zip: a small file may hold a huge sheet.
_MOST_UNPACKED_BYTES = 200_000_000
_LAST_ROW_OF_EXCEL = 1_048_576
_MOST_LINES_SHOWN = 100
_MOST_CHARACTERS_SHOWN = 60

_XLSX_BEGINS = b"PK\x03\x04"
#: The old .xls, and an .xlsx with a password.
_OLE_BEGINS = b"\xd0\xcf\x11\xe0"
_UTF16_BEGINS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

#: A spreadsheet holds 15 digits and shows six of a long number; what it saved as shown has lost
#: the rest (6.2812E+11), and no mobile number of ours is that round.
_EXACT_DIGITS = 15
_ROUNDED_TO = 6
_LONG_NUMBER = 10
_TYPE_AS_TEXT = "format the column as text and type the value again"


class BadCell(Exception):
    """A value that cannot be taken: why, and what to do."""

    def __init__(self, reason: str, mend: str) -> None:
        """Keep the two apart, so that each can be shown in its place."""
        super().__init__(f"{reason}; mend: {mend}")
        self.reason = reason
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, by column; each column that was asked for is there."""

    number: int
    """Its number in the file as a spreadsheet counts: the header is usually 1."""
    cells: dict[str, str | BadCell]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    row: int | None
    """None when it is the file as a whole."""
    column: str | None
    reason: str
    mend: str

    def __str__(self) -> str:
        """Say it in one line."""
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{place if self.row else 'the file'}: {self.reason}; mend: {self.mend}"


class ImportRefused(Exception):
    """A file of which nothing was taken; it knows all that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Tell faults in the order of the rows; only so many, as a wrong column fills a screen."""
        self.faults = tuple(sorted(faults, key=lambda fault: fault.row or 0))
        lines = [str(fault) for fault in self.faults[:_MOST_LINES_SHOWN]]
        if len(self.faults) > _MOST_LINES_SHOWN:
            lines.append(f"and {len(self.faults) - _MOST_LINES_SHOWN} more")
        super().__init__("\n".join(lines))


@dataclass(slots=True)
class Faults:
    """Collects what is wrong while rows are read, so that all of it is told at once."""

    found: list[Fault] = field(default_factory=list)

    def add(self, row: Row, column: str, reason: str, mend: str) -> None:
        """Note one."""
        self.found.append(Fault(row.number, column, reason, mend))

    def read(self, row: Row, column: str, reader: Callable[[str], Value]) -> Value | None:
        """Read one cell with a function that may raise BadCell; None when it did."""
        cell = row.cells[column]
        try:
            if isinstance(cell, BadCell):
                raise cell
            return reader(cell)
        except BadCell as bad:
            self.add(row, column, bad.reason, bad.mend)
            return None

    def refuse_if_any(self) -> None:
        """Raise ImportRefused when anything is wrong."""
        if self.found:
            raise ImportRefused(self.found)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do; rows that say a thing twice are counted once."""

    new: int
    changed: int
    unchanged: int
    notices: tuple[str, ...] = ()
    """What was taken but is worth a look."""


def read_file(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read a CSV or XLSX file; raise ImportRefused when it is no such table."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _refused(f"it cannot be opened ({error.strerror})", "check its name") from None
    return read_table(content, required, optional)


def read_table(content: bytes, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read the content of a CSV or XLSX file: what it is shows in its first bytes, not its name."""
    if len(content) > MOST_BYTES:
        raise _refused(f"it is larger than {MOST_BYTES // 1_000_000} MB", "split it")
    if content.startswith(_OLE_BEGINS):
        raise _refused("it is an old Excel file, or has a password", "save it as .xlsx or CSV")
    lines: Iterable[Line]
    if content.startswith(_XLSX_BEGINS):
        lines = _xlsx_lines(content)
    else:
        lines = _csv_lines(_decoded(content), [*required, *optional])
    return list(_rows(lines, required, optional))


def shown(value: str) -> str:
    """Quote a value in an error, not longer than a line can bear."""
    cut = len(value) > _MOST_CHARACTERS_SHOWN
    return repr(value[:_MOST_CHARACTERS_SHOWN] + ("…" if cut else ""))


def _refused(reason: str, mend: str, row: int | None = None) -> ImportRefused:
    return ImportRefused([Fault(row, None, reason, mend)])


def _rows(lines: Iterable[Line], required: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    """Give each line that is not empty, by the columns that the first such line names."""
    header: list[str] | None = None
    count = 0
    for number, cells in lines:
        if not any(cells):
            continue
        if header is None:
            header = _header(number, cells, required, optional)
            continue
        count += 1
        if count > MOST_ROWS:
            raise _refused(f"it has more than {MOST_ROWS:,} rows", "split it")
        yield _row(number, cells, header)
    if header is None:
        raise _refused("it is empty", f"begin it with the columns {','.join(required)}")
    if not count:
        raise _refused("it has no rows below its columns", "check that it is the right file")


def _header(
    number: int, cells: Sequence[str | BadCell], required: Sequence[str], optional: Sequence[str]
) -> list[str]:
    names = [cell.casefold() if isinstance(cell, str) else "?" for cell in cells]
    while names and not names[-1]:
        names.pop()
    allowed = ", ".join(required) + (f" (and {', '.join(optional)})" if optional else "")
    wrong = []
    if missing := [name for name in required if name not in names]:
        wrong.append(f"the columns lack {', '.join(missing)}")
    if unknown := [name for name in names if name not in {*required, *optional}]:
        wrong.append(f"it has unknown columns: {', '.join(map(shown, unknown))}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        wrong.append(f"it has columns twice: {', '.join(map(shown, twice))}")
    if wrong:
        mend = f"the first row must name {allowed}"
        raise ImportRefused([Fault(number, None, what, mend) for what in wrong])
    return names


def _row(number: int, cells: Sequence[str | BadCell], header: list[str]) -> Row:
    known: dict[str, str | BadCell] = dict.fromkeys(header, "")
    known |= dict(zip(header, cells, strict=False))
    if any(cells[len(header) :]):
        known[header[-1]] = BadCell(
            "the row has more cells than there are columns",
            "put a value that holds the separator in double quotes",
        )
    return Row(number, known)


def _plain(text: str) -> str | BadCell:
    """Tidy a cell: one blank between words, and no invisible characters from chats and Word."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    kept = "".join(one for one in text if unicodedata.category(one) != "Cf")
    kept = unicodedata.normalize("NFC", " ".join(kept.split()))
    if any(unicodedata.category(one) in {"Cc", "Cs"} for one in kept):
        return BadCell("the cell holds characters that are no text", "type the value again")
    return kept


def _decoded(content: bytes) -> str:
    encodings: tuple[str, ...] = ("utf-8", "windows-1252")
    if content.startswith(_UTF16_BEGINS):  # what Excel calls "Unicode text"
        encodings = ("utf-16",)
    elif content.startswith(codecs.BOM_UTF8):
        encodings = ("utf-8-sig",)
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _refused("it is neither UTF-8 nor Windows text", "save it as CSV UTF-8 or .xlsx")


def _csv_lines(text: str, columns: Sequence[str]) -> Iterator[Line]:
    """Split CSV; a quoted line break stays within its row, as it does in a spreadsheet."""
    separator = _separator(text, columns)
    # Strict: a quote that is never closed would swallow the rows below it without a word.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if not (number == 1 and _names_separator(cells)):
                yield number, [_plain(cell) for cell in cells]
    except csv.Error as error:
        raise _refused(
            f"it cannot be read as CSV ({error})", "check the quotes", number + 1
        ) from None


def _separator(text: str, columns: Sequence[str]) -> str:
    """Choose the separator that parts most of the known columns in the first lines."""

    def known(separator: str) -> int:
        first = text.lstrip("\ufeff\r\n ,;\t")[:2000].splitlines()[:2]
        return sum(
            cell.strip(' "').casefold() in columns
            for line in first
            for cell in line.split(separator)
        )

    return max(",;\t", key=known)


def _names_separator(cells: Sequence[str]) -> bool:
    """Recognise Excel's own first line `sep=;`."""
    return bool(cells) and cells[0].casefold() in {"sep=", "sep=;", "sep=,", "sep=\t"}


def _xlsx_lines(content: bytes) -> list[Line]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        # openpyxl warns of styles and drop-down lists that it drops; they are nothing to us.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Two more than there may be: the header, and one that is too many.
            lines = list(islice(_sheet_lines(content, unpacked), MOST_ROWS + 2))
    except ImportRefused:
        raise
    except Exception as error:
        # What a damaged or foreign file makes openpyxl raise is not its promise: KeyError,
        # ValueError, BadZipFile, ParseError and others have been seen.
        reason = f"it cannot be read as XLSX ({type(error).__name__})"
        raise _refused(reason, "save it anew as .xlsx or CSV") from error
    return lines


def _sheet_lines(content: bytes, unpacked: int) -> Iterator[Line]:
    """Give the lines of the first sheet that are not empty."""
    if unpacked > _MOST_UNPACKED_BYTES:
        raise _refused("it unpacks to a huge file", "copy the table alone into a new workbook")
    # Every process reads this module, and hardly one ever meets a workbook.
    import openpyxl  # noqa: PLC0415

    workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        if not workbook.worksheets:
            raise _refused("it has no sheet with cells", "put the table on the first sheet")
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # a wrong size in the file would hide rows
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            if number > _LAST_ROW_OF_EXCEL:
                raise _refused("it has more rows than Excel can hold", "split it")
            line = [_cell(cell) for cell in cells]
            if any(line):
                yield number, line
    finally:
        workbook.close()


def _cell(cell: "Cell | MergedCell | ReadOnlyCell | EmptyCell") -> str | BadCell:
    value = cell.value
    if value is None:
        return ""
    if getattr(cell, "data_type", "") == "e":
        return BadCell(f"the cell shows an error, {shown(str(value))}", "mend its formula")
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _digits(value)
    is_time = isinstance(value, date | time | timedelta)
    what = "a date or a time" if is_time else "no text"
    return BadCell(f"the cell holds {what}", _TYPE_AS_TEXT)


def _digits(value: float) -> str | BadCell:
    """Write a number as digits, if not one of them can have been lost."""
    if not math.isfinite(value) or value != int(value):
        return BadCell("the number has a fraction", _TYPE_AS_TEXT)
    digits = str(int(value))
    if len(digits) > _EXACT_DIGITS:
        return BadCell("the number is longer than a spreadsheet can hold exactly", _TYPE_AS_TEXT)
    if len(digits) >= _LONG_NUMBER and len(digits.rstrip("0")) <= _ROUNDED_TO:
        return BadCell(f"the number {digits} looks rounded by the spreadsheet", _TYPE_AS_TEXT)
    return digits
