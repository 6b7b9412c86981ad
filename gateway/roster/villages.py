"""Which villages there are: the shipped ones, and those that an agency brings."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.roster.tables import BadCell, Faults, Imported, Row, read_table, shown
from models.database.locks import lock_name
from models.people import Village

COLUMNS = ("code", "kecamatan", "name", "kind")
OPTIONAL_COLUMNS = ("timezone",)
#: Held while the roster or the villages are written: two imports at once would each miss the
#: other's rows.
ROSTER_LOCK = "roster"

_CODE = re.compile(r"[1-9][0-9]\.[0-9]{2}\.[0-9]{2}\.[0-9]{4}")
_KECAMATAN_LENGTH = len("53.02.02")
_KINDS = ("desa", "kelurahan")
_LONGEST_NAME = 60
#: Well below what either database takes as parameters of one statement.
_CHUNK = 1000

Item = TypeVar("Item")


def import_villages(session: Session, rows: Sequence[Row]) -> Imported:
    """Add and change villages by their code, all of them or none; raise ImportRefused."""
    wanted = _read(rows)
    lock_name(session, ROSTER_LOCK)
    there = _there(session, wanted)
    new = [values for code, values in wanted.items() if code not in there]
    # A file without the column `timezone` leaves the time zones as they are.
    changed = [
        values
        for code, values in wanted.items()
        if code in there and not values.items() <= there[code].items()
    ]
    _insert(session, new)
    if changed:
        session.execute(sa.update(Village), changed)
    return Imported(len(new), len(changed), len(wanted) - len(new) - len(changed))


def ensure_shipped(session: Session) -> None:
    """Add the shipped villages that are not there; those that are stay as the agency wants them."""
    wanted = _read(shipped_rows())
    # A look before the lock, so that a start beside a running gateway waits for nobody.
    if len(_there(session, wanted)) == len(wanted):
        return
    lock_name(session, ROSTER_LOCK)
    there = _there(session, wanted)
    _insert(session, [values for code, values in wanted.items() if code not in there])


def shipped_rows() -> list[Row]:
    """Read the villages that come with the gateway, in the order of their codes."""
    content = (files("gateway.roster") / "tts_villages.csv").read_bytes()
    return read_table(content, COLUMNS)


def village_code(text: str) -> str:
    """Read a village's code; raise BadCell when it is none."""
    if not text:
        raise BadCell("the village code is empty", "write it as 53.02.02.2003")
    if not _CODE.fullmatch(text):
        raise BadCell(
            f"{shown(text)} is no village code",
            "write the Kemendagri code of the desa with its dots, as 53.02.02.2003",
        )
    return text


def in_chunks(items: Iterable[Item]) -> Iterable[list[Item]]:
    """Part many keys so that one statement can ask for each part."""
    everything = list(items)
    return (everything[at : at + _CHUNK] for at in range(0, len(everything), _CHUNK))


def _read(rows: Sequence[Row]) -> dict[str, dict[str, str | None]]:
    """Read all rows by their codes; raise ImportRefused that names every bad one."""
    faults = Faults()
    found: dict[str, dict[str, str | None]] = {}
    first: dict[str, int] = {}
    for row in rows:
        before = len(faults.found)
        values = _values(row, faults)
        code = values["code"]
        if code is None or len(faults.found) > before:
            continue
        if code in first and values != found[code]:
            reason = f"{code} stands in row {first[code]} already, with other values"
            faults.add(row, "code", reason, "keep one of the two")
        first.setdefault(code, row.number)
        found.setdefault(code, values)
    faults.refuse_if_any()
    return found


def _values(row: Row, faults: Faults) -> dict[str, str | None]:
    code = faults.read(row, "code", village_code)
    values = {
        "code": code,
        "kecamatan_code": code[:_KECAMATAN_LENGTH] if code else None,
        "kecamatan": faults.read(row, "kecamatan", _name),
        "name": faults.read(row, "name", _name),
        "kind": faults.read(row, "kind", _kind),
    }
    if "timezone" in row.cells:
        values["timezone"] = faults.read(row, "timezone", _timezone)
    return values


def _name(text: str) -> str:
    # Word's curly apostrophe costs a whole SMS its plain alphabet, and is nobody's spelling.
    name = text.replace("\u2019", "'").replace("\u2018", "'")
    if not any(character.isalpha() for character in name):
        raise BadCell(f"{shown(text)} is no name", "write the name in letters")
    if len(name) > _LONGEST_NAME:
        raise BadCell(f"the name is longer than {_LONGEST_NAME} letters", "shorten it")
    return name


def _kind(text: str) -> str:
    if text.casefold() not in _KINDS:
        raise BadCell(f"{shown(text)} is no kind of village", "write desa or kelurahan")
    return text.casefold()


def _timezone(text: str) -> str | None:
    if not text:
        return None
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadCell(
            f"{shown(text)} is no time zone", "write an IANA name such as Asia/Makassar, or nothing"
        ) from None


def _there(session: Session, codes: Iterable[str]) -> dict[str, dict[str, str | None]]:
    there: dict[str, dict[str, str | None]] = {}
    for some in in_chunks(codes):
        found = session.execute(sa.select(*Village.__table__.c).where(Village.code.in_(some)))
        there |= {row["code"]: dict(row) for row in found.mappings()}
    return there


def _insert(session: Session, villages: list[dict[str, str | None]]) -> None:
    if villages:
        # All of them need the same keys for one statement, whatever columns the file has.
        complete: list[dict[str, Any]] = [{"timezone": None, **values} for values in villages]
        session.execute(sa.insert(Village), complete)
