"""The file of a backup: a zip with a file of JSON lines for each table, secrets, and a manifest.

The manifest is written last and read first; a file that was cut off has none, as a zip's own list
stands at its end. Any tool that reads zips and JSON can read it, ours or not.
"""

import fcntl
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

#: The form of the file; a reader refuses a higher one, and every change of meaning raises it.
FORMAT = 1
_MANIFEST = "manifest.json"
_DRAFT, _DRAFT_END = ".timpora-", ".part"
#: A few levels of compression gain little over the first, and cost a small machine much.
_LEVEL = 3
#: Longer than any line that we write, so that a damaged file fills no memory.
_LONGEST_LINE = 64 * 1024 * 1024
_LONGEST_SECRET = 4096

Row = list[Any]


class BadArchive(Exception):
    """A file is no backup, is damaged, or is of a form that we do not know; the text says which."""


class FileThere(Exception):
    """A file of that name exists already."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the manifest says of one table."""

    name: str
    columns: list[str]
    rows: int
    sha256: str
    """Of its lines, uncompressed."""
    highest_id: int
    """The highest id that was ever given in it; 0 for a table that is not numbered."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is, and what is in it."""

    format: int
    product_version: str
    revision: str
    """Of the database's schema."""
    database: str
    """The kind that it was taken from: sqlite or postgresql."""
    taken_at: datetime
    tables: tuple[Table, ...]
    """Each after those that it refers to."""
    secrets: tuple[str, ...]
    """The names of those in it."""

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps({**asdict(self), "taken_at": self.taken_at.isoformat()}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read it; raise BadArchive for one that is not whole, or newer than this code."""
        try:
            said = json.loads(text)
            if said["format"] > FORMAT:
                raise BadArchive(
                    f"its form is {said['format']}, made by version {said['product_version']}; this"
                    f" one knows forms up to {FORMAT}; mend: install that version, and restore"
                )
            tables = tuple(Table(**table) for table in said.pop("tables"))
            taken_at = datetime.fromisoformat(said.pop("taken_at"))
            names = tuple(said.pop("secrets"))
            return cls(**said, tables=tables, taken_at=taken_at, secrets=names)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadArchive(f"its manifest cannot be read ({type(error).__name__})") from None


class Writer:
    """Writes the parts of a backup, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Take a zip that is open for writing."""
        self._zip = archive

    def table(self, name: str, columns: list[str], rows: Iterable[Row]) -> Table:
        """Write a table's rows, one line each; say what was written, but the highest id."""
        digest, count = sha256(), 0
        with self._zip.open(_member(name), "w", force_zip64=True) as file:
            for row in rows:
                line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                file.write(line)
                count += 1
        return Table(name, columns, count, digest.hexdigest(), 0)

    def secret(self, name: str, text: str) -> None:
        """Write a secret."""
        self._zip.writestr(f"secrets/{name}", text)

    def manifest(self, manifest: Manifest) -> None:
        """Write the manifest: nothing comes after it."""
        self._zip.writestr(_MANIFEST, manifest.to_json())


@contextmanager
def writing(path: Path, *, replace: bool) -> Iterator[Writer]:
    """Write a backup that has its name only once it is whole and on the disk.

    Raises FileThere, and OSError for what a disk may do. A process that is killed leaves a draft
    under a name of its own; the next one in that folder removes it.
    """
    _refuse_if_there(path, replace=replace)
    _remove_dead_drafts(path.parent)
    draft = path.parent / f"{_DRAFT}{secrets.token_hex(8)}{_DRAFT_END}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with suppress(OSError):  # there are sticks and shares that know no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            with zipfile.ZipFile(
                file, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=_LEVEL
            ) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
            _refuse_if_there(path, replace=replace)
            draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _refuse_if_there(path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise FileThere(f"{path} exists already; mend: name another FILE, or say --force")


def _remove_dead_drafts(folder: Path) -> None:
    for draft in folder.glob(f"{_DRAFT}*{_DRAFT_END}"):
        with suppress(OSError), draft.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Reader:
    """Reads a backup part by part, and checks each against the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Take a zip that is open for reading; raise BadArchive where it has no manifest."""
        self._zip = archive
        try:
            self.manifest = Manifest.from_json(archive.read(_MANIFEST).decode())
        except KeyError:
            raise BadArchive("it is a zip, but no backup of this product") from None

    def rows(self, table: Table) -> Iterator[Row]:
        """Give a table's rows; raise BadArchive where the last is not as it was written."""
        digest, count = sha256(), 0
        with self._open(_member(table.name)) as file:
            while line := file.readline(_LONGEST_LINE):
                digest.update(line)
                count += 1
                yield _row(table, line, count)
        if count != table.rows or digest.hexdigest() != table.sha256:
            raise BadArchive(
                f"table {table.name} is not as it was written: {count} rows of {table.rows}"
            )

    def secrets(self) -> Mapping[str, str]:
        """Give the secrets by their names."""
        found = {}
        for name in self.manifest.secrets:
            with self._open(f"secrets/{name}") as file:
                found[name] = file.read(_LONGEST_SECRET).decode("ascii", "replace")
        return found

    def _open(self, member: str) -> IO[bytes]:
        try:
            return self._zip.open(member)
        except KeyError:
            raise BadArchive(f"{member} is not in it, though its manifest says so") from None


def _row(table: Table, line: bytes, number: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, list) or len(row) != len(table.columns):
        raise BadArchive(f"line {number} of table {table.name} is not as it was written")
    return row


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Read a backup; raise BadArchive for anything else, and OSError where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield Reader(archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise BadArchive(f"it is damaged, cut off, or no backup at all ({error})") from None
    except zlib.error as error:
        raise BadArchive(f"it is damaged ({error})") from None


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"
