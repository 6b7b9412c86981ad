"""Tables that people make: CSV in every dress, XLSX with its number cells, and what is refused."""

import io
from datetime import date, time
from pathlib import Path

import openpyxl
import pytest

from gateway.roster import tables
from gateway.roster.tables import BadCell, Faults, ImportRefused, read_file, read_table

COLUMNS = ("phone", "name", "role", "village_code")
HEADER = "phone,name,role,village_code\n"
EXPECTED = {
    "phone": "081200000123",
    "name": "Yosé Nabu",
    "role": "kades",
    "village_code": "53.02.02.2003",
}


def workbook(*rows: list[object], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(ImportRefused) as caught:
        read_table(content, COLUMNS)
    return str(caught.value)


ONE_ROW = {
    "utf-8": "phone,name,role,village_code\n081200000123,Yosé Nabu,kades,53.02.02.2003\n".encode(),
    "export-bom-and-semicolon": (
        "\ufeffphone;name;role;village_code\r\n081200000123;Yosé Nabu;kades;53.02.02.2003\r\n"
    ).encode(),
    "windows-1252": (
        "phone,name,role,village_code\n081200000123,Yosé Nabu,kades,53.02.02.2003"
    ).encode("windows-1252"),
    "tabs in Excel's unicode text": (
        "phone\tname\trole\tvillage_code\r\n081200000123\tYosé Nabu\tkades\t53.02.02.2003\r\n"
    ).encode("utf-16"),
    "Excel's line that names the separator": (
        "sep=;\r\nphone;name;role;village_code\r\n081200000123;Yosé Nabu;kades;53.02.02.2003\r\n"
    ).encode(),
    "quotes, capitals, blanks and another order": (
        ' Name , "VILLAGE_CODE",Role , Phone\n"Yosé  Nabu ", 53.02.02.2003 ,kades,"081200000123"\n'
    ).encode(),
    "a separator within quotes": (
        'phone,name,role,village_code\n081200000123,"Yosé\nNabu",kades,53.02.02.2003\n'
    ).encode(),
    "empty columns at the end": (
        "phone,name,role,village_code,,\n081200000123,Yosé Nabu,kades,53.02.02.2003,,\n"
    ).encode(),
    "old Mac line ends": (
        "phone,name,role,village_code\r081200000123,Yosé Nabu,kades,53.02.02.2003\r"
    ).encode(),
    "combining accent and zero-width marks": (
        "phone,name,role,village_code\n081200000123,\u200bYose\u0301 Nabu\ufeff,kades,53.02.02.2003"
    ).encode(),
    "xlsx": workbook(
        ["phone", "name", "role", "village_code"],
        ["081200000123", "Yosé Nabu", "kades", "53.02.02.2003"],
    ),
    "xlsx with empty cells around": workbook(
        ["Phone ", "name", "role", "village_code", None, None],
        ["081200000123", "Yosé Nabu", "kades", " 53.02.02.2003", None, ""],
    ),
}


@pytest.mark.parametrize("content", ONE_ROW.values(), ids=ONE_ROW.keys())
def test_a_table_is_read_in_every_dress(content: bytes):
    (row,) = read_table(content, COLUMNS)

    assert row.cells == EXPECTED


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    csv = HEADER.encode() + b'\n1,"two\nlines",kades,a\n,,,\n\n2,b,kades,c\n'
    xlsx = workbook([], list(COLUMNS), [], ["1", "a", "b", "c"], [], [], ["2", "a", "b", "c"])

    assert [row.number for row in read_table(csv, COLUMNS)] == [3, 6]
    assert [row.number for row in read_table(xlsx, COLUMNS)] == [4, 7]


def test_a_row_that_ends_early_has_empty_cells():
    (row,) = read_table(HEADER.encode() + b"1,b\n", COLUMNS)

    assert row.cells == {"phone": "1", "name": "b", "role": "", "village_code": ""}


def test_a_row_with_more_cells_than_columns_is_marked():
    (row,) = read_table(HEADER.encode() + b"1,Nabu, S.Pd,kades,53.02.02.2003\n", COLUMNS)

    assert isinstance(row.cells["village_code"], BadCell)
    assert "double quotes" in row.cells["village_code"].mend


def test_optional_columns_are_there_when_the_file_has_them():
    without = read_table(b"a\n1\n", ["a"], ["b"])
    having = read_table(b"a,b\n1,2\n", ["a"], ["b"])

    assert [row.cells for row in (*without, *having)] == [{"a": "1"}, {"a": "1", "b": "2"}]


NUMBER_CELLS = {
    "a whole number": (81200000123, "81200000123"),
    "roster-excel-number: a decimal that is whole": (81200000123.0, "81200000123"),
    "with the country": (6281200000123, "6281200000123"),
    "export-leading-zero-code: a text keeps its zeros": ("007", "007"),
}


@pytest.mark.parametrize(("value", "text"), NUMBER_CELLS.values(), ids=NUMBER_CELLS.keys())
def test_number_cells_keep_every_digit(value: object, text: str):
    (row,) = read_table(workbook(list(COLUMNS), [value, "a", "b", "c"]), COLUMNS)

    assert row.cells["phone"] == text


WRONG_CELLS = {
    "roster-excel-number: a rounded number": (6.2812e11, "rounded"),
    "a fraction": (81200000123.5, "fraction"),
    "more digits than are exact": (6281200000123456, "exactly"),
    "a date": (date(2026, 11, 25), "a date or a time"),
    "a time": (time(8, 12), "a date or a time"),
    "true": (True, "no text"),
    "an error": ("#N/A", "error"),
}


@pytest.mark.parametrize(("value", "reason"), WRONG_CELLS.values(), ids=WRONG_CELLS.keys())
def test_a_cell_that_is_not_exact_is_marked_and_the_row_stays(value: object, reason: str):
    (row,) = read_table(workbook(list(COLUMNS), [value, "a", "b", "c"]), COLUMNS)

    assert isinstance(row.cells["phone"], BadCell)
    assert reason in row.cells["phone"].reason
    assert row.cells["name"] == "a"


def test_a_number_shown_as_a_date_is_marked():
    content = workbook(list(COLUMNS), [81200000123, "a", "b", "c"], formats={"A2": "dd/mm/yyyy"})

    (row,) = read_table(content, COLUMNS)

    assert isinstance(row.cells["phone"], BadCell)


def test_formulas_are_not_evaluated():
    (row,) = read_table(workbook(list(COLUMNS), ["=1+1", "a", "b", "c"]), COLUMNS)

    assert row.cells["phone"] == ""


def test_control_characters_are_no_text():
    (row,) = read_table(HEADER.encode() + b"1,a\x00b,kades,c\n", COLUMNS)

    assert isinstance(row.cells["name"], BadCell)


REFUSED = {
    "empty": (b"", "it is empty"),
    "header only": (HEADER.encode(), "no rows"),
    "missing column": (b"phone,name\n1,a\n", "lack role, village_code"),
    "unknown column": (
        b"phone,name,role,village_code,nik\n1,a,b,c,d\n",
        "unknown columns: 'nik'; mend: the first row must name phone, name, role, village_code",
    ),
    "column twice": (b"phone,name,role,village_code,Phone\n1,a,b,c,d\n", "columns twice: 'phone'"),
    "no header": (b"0812,Nabu,kades,53\n", "unknown columns"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel file"),
    "broken xlsx": (b"PK\x03\x04 and then nothing", "cannot be read as XLSX"),
    "another zip": (workbook([])[:400], "cannot be read as XLSX"),
    "neither UTF-8 nor Windows": (b"phone\x81\xff\n", "neither UTF-8 nor Windows"),
    "a mark of UTF-8 and then another": (b"\xef\xbb\xbfphone\xe9\n", "neither UTF-8 nor Windows"),
    "a quote that is never closed": (
        HEADER.encode() + b'1,a,b,c\n2,"a,b,c\n3,a,b,c\n',
        "row 3: it cannot be read as CSV",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "the columns lack"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_such_table_is_refused_with_its_mend(content: bytes, reason: str):
    said = refusal(content)

    assert reason in said
    assert "; mend: " in said


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "MOST_BYTES", 50)

    assert "larger than" in refusal(HEADER.encode() + b"1,a,b,c\n" * 20)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_with_too_many_rows_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 3)
    rows = [["1", "a", "b", "c"]] * 4
    lines = "".join(",".join(row) + "\n" for row in rows)
    content = workbook(list(COLUMNS), *rows) if kind == "xlsx" else (HEADER + lines).encode()

    assert "more than 3 rows" in refusal(content)


def test_a_sheet_that_unpacks_to_something_huge_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "_MOST_UNPACKED_BYTES", 1000)

    assert "huge" in refusal(workbook(list(COLUMNS), ["1", "a", "b", "c"]))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ImportRefused, match="cannot be opened"):
        read_file(tmp_path / "none.csv", COLUMNS)


def test_every_fault_is_told_in_one_line_in_the_order_of_the_rows():
    rows = read_table(HEADER.encode() + b"1,a,b,c\n2,a,b,c\n", COLUMNS)
    faults = Faults()

    for row in reversed(rows):
        faults.add(row, "phone", "it is wrong", "mend it")

    with pytest.raises(ImportRefused) as caught:
        faults.refuse_if_any()
    assert str(caught.value).splitlines() == [
        "row 2, phone: it is wrong; mend: mend it",
        "row 3, phone: it is wrong; mend: mend it",
    ]


def test_a_screen_is_not_flooded_with_faults():
    rows = read_table(HEADER.encode() + b"1,a,b,c\n" * 250, COLUMNS)
    faults = Faults()
    for row in rows:
        faults.add(row, "phone", "it is wrong", "mend it")

    with pytest.raises(ImportRefused) as caught:
        faults.refuse_if_any()

    assert len(caught.value.faults) == 250
    assert str(caught.value).splitlines()[100:] == ["and 150 more"]
