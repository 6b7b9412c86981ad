"""Who reports for which village: taken from a file, ended, and listed, but never forgotten."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

import sqlalchemy as sa
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein
from sqlalchemy.orm import Session

from gateway import clock
from gateway.identity import Directory
from gateway.roster.tables import BadCell, Faults, Imported, Row, shown
from gateway.roster.villages import ROSTER_LOCK, in_chunks, village_code
from models.database.locks import lock_name
from models.people import Phone, Reporter, Village
from parsers import msisdn

COLUMNS = ("phone", "name", "role", "village_code")
ROLES = ("kades", "sekdes", "bpd", "kader", "guru", "tokoh", "lain")

_LONGEST_NAME = 60
_NEAR_CODES = 3
_NEAR_EDITS = 2
#: Looking for near codes takes time; a file with more unknown ones than this is another file.
_MOST_NEAR_LOOKS = 100
_MOST_NOTICES = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row says: who reports for a village, with which phone."""

    row: int
    phone: msisdn.Sender
    name: str
    role: str
    village_code: str


@dataclass(frozen=True, slots=True)
class Understood:
    """The rows of a file as far as they can be understood without the database."""

    entries: tuple[Entry, ...]
    rows: tuple[Row, ...]
    faults: Faults


@dataclass(slots=True)
class _Plan:
    """What an import is going to do."""

    new: list[Entry] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0
    notices: list[str] = field(default_factory=list)


def understand(rows: Sequence[Row]) -> Understood:
    """Read what can be read before a transaction is opened: a long file keeps no writer waiting."""
    faults = Faults()
    entries: dict[tuple[str, str], Entry] = {}
    for row in rows:
        entry = _entry(row, faults)
        if entry is None:
            continue
        first = entries.setdefault((entry.phone.number, entry.village_code), entry)
        if (first.name, first.role) != (entry.name, entry.role):
            faults.add(
                row,
                "phone",
                f"{entry.phone.number} stands in row {first.row} already for"
                f" {entry.village_code}, with another name or role",
                "keep one of the two",
            )
    return Understood(tuple(entries.values()), tuple(rows), faults)


def store(
    session: Session,
    directory: Directory,
    understood: Understood,
    *,
    dry_run: bool = False,
    is_demo: bool = False,
) -> Imported:
    """Write what was understood; a dry run only says what it would do."""
    if not dry_run:
        lock_name(session, ROSTER_LOCK)
    _demand_villages(session, understood)
    understood.faults.refuse_if_any()
    lookups = {entry.phone.number: directory.lookup(entry.phone) for entry in understood.entries}
    phones = _phone_ids(session, lookups)
    plan = _planned(session, understood.entries, phones, is_demo=is_demo)
    if not dry_run:
        _carry_out(session, directory, plan, phones, is_demo=is_demo)
    notices = plan.notices[:_MOST_NOTICES]
    if len(plan.notices) > _MOST_NOTICES:
        notices.append(f"and {len(plan.notices) - _MOST_NOTICES} more such rows")
    return Imported(len(plan.new), len(plan.changed), plan.unchanged, tuple(notices))


def remove(session: Session, directory: Directory, phone_text: str, reason: str = "removed") -> int:
    """End all entries of a phone, named by its number or its alias; say how many there were.

    Earlier reports stay as they are. Raises BadMsisdn when it is neither number nor alias.
    """
    lock_name(session, ROSTER_LOCK)
    phone = directory.named(session, phone_text)
    return 0 if phone is None else end(session, reason, Reporter.phone_id == phone.id)


def end(session: Session, reason: str, which: sa.ColumnExpressionArgument[bool]) -> int:
    """End the active entries among these; they stay in the table, for the reports they made."""
    ended = session.scalars(
        sa.update(Reporter)
        .where(which, Reporter.ended_at.is_(None))
        .values(ended_at=clock.now(), ended_reason=reason)
        .returning(Reporter.id)
    )
    return len(ended.all())


def listing(session: Session, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """List all entries, ended ones too, by village; a phone is shown by its alias alone."""
    found = session.execute(
        sa.select(Reporter, Phone.alias, Village.name)
        .join(Phone, Phone.id == Reporter.phone_id)
        .join(Village, Village.code == Reporter.village_code)
        .order_by(Reporter.village_code, Reporter.id)
    )
    return [
        {
            "alias": alias,
            "name": entry.name,
            "role": entry.role,
            "village_code": entry.village_code,
            "village": village,
            "since": clock.shown(entry.since, zone),
            "ended": clock.shown(entry.ended_at, zone),
            "ended_reason": entry.ended_reason,
            "is_demo": entry.is_demo,
        }
        for entry, alias, village in found
    ]


def _entry(row: Row, faults: Faults) -> Entry | None:
    phone = faults.read(row, "phone", _phone)
    name = faults.read(row, "name", _name)
    role = faults.read(row, "role", _role)
    code = faults.read(row, "village_code", village_code)
    if phone is None or name is None or role is None or code is None:
        return None
    return Entry(row.number, phone, name, role, code)


def _phone(text: str) -> msisdn.Sender:
    try:
        return msisdn.read_sender(msisdn.normalise(text))
    except msisdn.BadMsisdn as bad:
        raise BadCell(f"{shown(text)}: {bad.reason}", _as_mend(bad.mend)) from None


def _as_mend(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


def _name(text: str) -> str:
    if not any(character.isalpha() for character in text):
        raise BadCell(f"{shown(text)} is no name", "write the person's name")
    if len(text) > _LONGEST_NAME:
        raise BadCell(f"the name is longer than {_LONGEST_NAME} letters", "shorten it")
    # Numbers stand in the table of phones alone; a name is shown and printed everywhere.
    if msisdn.find_numbers(text):
        raise BadCell("there is a phone number in the name", "leave the number out")
    return text


def _role(text: str) -> str:
    if text.casefold() not in ROLES:
        raise BadCell(f"{shown(text)} is no role", f"write one of {' '.join(ROLES)}")
    return text.casefold()


def _demand_villages(session: Session, understood: Understood) -> None:
    """Complain of each row whose village is not known, the rows with other faults included."""
    codes = {code for row in understood.rows if isinstance(code := row.cells["village_code"], str)}
    known: set[str] = set()
    for some in in_chunks(codes):
        known |= set(session.scalars(sa.select(Village.code).where(Village.code.in_(some))))
    unknown = [
        (row, code)
        for row in understood.rows
        if isinstance(code := row.cells["village_code"], str)
        and code not in known
        and _is_code(code)
    ]
    if not unknown:
        return
    mends = _mends(session, {code for _, code in unknown})
    for row, code in unknown:
        reason = f"there is no village {code}"
        understood.faults.add(row, "village_code", reason, mends.get(code, "check the code"))


def _is_code(text: str) -> bool:
    try:
        village_code(text)
    except BadCell:
        return False
    return True


def _mends(session: Session, unknown: Collection[str]) -> dict[str, str]:
    """Name the villages whose codes are a slip away."""
    rows = session.execute(sa.select(Village.code, Village.name))
    names = {row.code: row.name for row in rows}
    mends = {}
    for code in sorted(unknown)[:_MOST_NEAR_LOOKS]:
        near = process.extract(
            code,
            names.keys(),
            scorer=DamerauLevenshtein.distance,
            limit=_NEAR_CODES,
            score_cutoff=_NEAR_EDITS,
        )
        if near:
            meant = ", ".join(f"{found} {names[found]}" for found, _, _ in near)
            mends[code] = f"near are {meant}"
        else:
            mends[code] = "import the village first: timpora villages import FILE"
    return mends


def _phone_ids(session: Session, lookups: dict[str, str]) -> dict[str, int]:
    """Find the phones that are there already, by number."""
    numbers = {lookup: number for number, lookup in lookups.items()}
    found: dict[str, int] = {}
    for some in in_chunks(numbers):
        query = sa.select(Phone.lookup, Phone.id).where(Phone.lookup.in_(some))
        found |= {numbers[lookup]: phone_id for lookup, phone_id in session.execute(query)}
    return found


def _planned(
    session: Session, entries: Sequence[Entry], phones: dict[str, int], *, is_demo: bool
) -> _Plan:
    active = _active(session, phones.values())
    villages_of: dict[int, set[str]] = {}
    for phone_id, code in active:
        villages_of.setdefault(phone_id, set()).add(code)
    named = {(entry.phone.number, entry.village_code) for entry in entries}
    plan = _Plan()
    for entry in entries:
        phone_id = phones.get(entry.phone.number, 0)
        there = active.get((phone_id, entry.village_code))
        wanted = {"name": entry.name, "role": entry.role, "is_demo": is_demo}
        if there is None:
            plan.new.append(entry)
            others = villages_of.get(phone_id, set())
            others = {code for code in others if (entry.phone.number, code) not in named}
            if others:
                plan.notices.append(_notice(entry, others))
        elif is_demo or {**there, **wanted} == there:
            plan.unchanged += 1
        else:
            plan.changed.append({"id": there["id"], **wanted})
    return plan


def _notice(entry: Entry, others: Iterable[str]) -> str:
    return (
        f"row {entry.row}: this phone reports for {', '.join(sorted(others))} too, so each of its"
        " messages is asked which village is meant; if the person has moved: timpora roster"
        " remove PHONE, then import again"
    )


def _active(session: Session, phone_ids: Iterable[int]) -> dict[tuple[int, str], dict[str, Any]]:
    """Find the active entries of these phones, by phone and village."""
    columns = (Reporter.id, Reporter.phone_id, Reporter.village_code)
    values = (Reporter.name, Reporter.role, Reporter.is_demo)
    active: dict[tuple[int, str], dict[str, Any]] = {}
    for some in in_chunks(phone_ids):
        found = session.execute(
            sa.select(*columns, *values).where(
                Reporter.phone_id.in_(some), Reporter.ended_at.is_(None)
            )
        )
        active |= {(row["phone_id"], row["village_code"]): dict(row) for row in found.mappings()}
    return active


def _carry_out(
    session: Session, directory: Directory, plan: _Plan, phones: dict[str, int], *, is_demo: bool
) -> None:
    made = directory.make_phones(
        session, {entry.phone for entry in plan.new if entry.phone.number not in phones}
    )
    phones |= {sender.number: phone_id for sender, phone_id in made.items()}
    since = clock.now()
    new = [
        {
            "phone_id": phones[entry.phone.number],
            "village_code": entry.village_code,
            "name": entry.name,
            "role": entry.role,
            "is_demo": is_demo,
            "since": since,
        }
        for entry in plan.new
    ]
    if new:
        session.execute(sa.insert(Reporter), new)
    if plan.changed:
        session.execute(sa.update(Reporter), plan.changed)
