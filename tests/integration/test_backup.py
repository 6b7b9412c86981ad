"""A backup and its way back: between both kinds of database, whole or not at all."""

import json
import resource
import stat
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.conversation import Conversation
from support.database_dump import dump_database
from support.databases import opened
from support.office_work import do_all_work, register
from support.outbox import Outbox

from gateway import clock
from gateway.app import create_app
from gateway.backup import archive, restoring, taking
from gateway.backup.archive import BadArchive, FileThere, Manifest
from gateway.backup.restoring import HELD, LEAST_SKIPPED, NewerSchema, NotEmpty, Restored
from gateway.identity import Directory, WrongKey
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.wiring import Wiring
from models import copying, revisions, schema
from models.channels import Canary
from models.database.engine import Database
from models.inbox import PollCursor
from models.outbox import OutboundMessage
from models.people import Mark, Phone, PhoneKind, Village
from models.report import ConfirmationNumber, Report
from models.states import MessageStatus
from parsers import numbers

CONVERSATIONS = Path(__file__).parents[1] / "conversations"
KADES = "+6281290000001"
OINLASI = "53.02.02.2008"
KINDS = ("sqlite", "postgresql")
BEFORE_CHANNELS = "e22c8611f310"


@pytest.fixture(params=KINDS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that nobody has used, of either kind: the other machine's."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'other.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    with opened(url) as database:
        yield database


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Database]:
    """The same where its kind makes no difference."""
    with opened(f"sqlite:///{tmp_path / 'another.db'}") as database:
        yield database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "copy.zip"


def lived_in(office: Wiring, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have a row of every kind, by living through what makes it."""
    talk = folder / "talk.txt"
    parts = [
        (CONVERSATIONS / f"{name}.txt").read_text(encoding="utf-8")
        for name in ("likeness", "ussd_wrong_pins")
    ]
    talk.write_text("\n".join(parts), encoding="utf-8")
    Conversation(office, lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)).play(
        talk
    )
    client = create_app(office).test_client()
    client.post("/webhooks/africastalking/webhook-secret/sms", data=b"a=b")
    client.post(
        "/webhooks/africastalking/webhook-secret/dlr",
        data={"id": "ATXid_unknown", "status": "Success", "phoneNumber": KADES},
    )
    do_all_work(office)
    with office.database.writing() as session:
        office.directory.keep_key(session)
        at = clock.now()
        session.add(PollCursor(channel="gammu", since='{"at": "x"}', polled_at=at, begun_at=at))
        first = session.scalars(sa.select(OutboundMessage.id).limit(1)).one()
        session.add(Canary(token="T1", channel="gammu", outbound_id=first, started_at=at))  # noqa: S106  # no password
    if not dump(office.database)["evidence"]:
        with office.database.writing() as session:
            session.execute(
                sa.text(
                    "INSERT INTO evidence (channel, sealed, received_at)"
                    " VALUES ('gammu', 'x', '2026-11-25 02:10:00')"
                )
            )


def dump(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all rows, written alike whichever database they are from."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime) and value.tzinfo:
            return value.astimezone(UTC).replace(tzinfo=None)
        return value

    found = dump_database(database.url.render_as_string(hide_password=False))
    found.pop("alembic_version")
    return {
        table: sorted(
            ({name: plain(value) for name, value in row.items()} for row in rows),
            key=lambda row: str(next(iter(row.values()))).zfill(20),
        )
        for table, rows in found.items()
    }


def put_back(
    file: Path,
    database: Database,
    directory: Directory,
    *,
    resend_queued: bool = False,
    skip: int | None = None,
) -> Restored:
    with archive.reading(file) as reader:
        return restoring.restore(
            database, reader, directory.verify_key, resend_queued=resend_queued, skip=skip
        )


def highest_ids(database: Database) -> dict[str, int]:
    with copying.snapshot(database) as seen:
        return {table: seen.highest_id(table) for table in seen.tables}


def next_ids(database: Database) -> dict[str, int]:
    """Ask a database which id it gives next in each table that it numbers itself."""
    with database.engine.connect() as connection:
        found = {}
        for table in copying.tables_of(connection):
            if not copying.is_numbered(table):
                continue
            if database.is_sqlite:
                sequence = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = :t),"
                query = f"{sequence} 0), coalesce((SELECT max(id) FROM {table.name}), 0)) + 1"  # noqa: S608
            else:
                query = "SELECT nextval(pg_get_serial_sequence(:t, 'id'))"
            found[table.name] = connection.scalar(sa.text(query), {"t": table.name})
        return found


def is_empty(database: Database) -> bool:
    if revisions.current(database) is None:
        return True
    return not any(dump(database).values())


# The way there and back ---------------------------------------------------------------------------


def test_every_row_of_every_table_is_put_back_on_either_kind_of_database(
    office: Wiring,
    other: Database,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    directory: Directory,
):
    lived_in(office, monkeypatch, tmp_path)
    before = dump(office.database)
    assert [name for name, rows in before.items() if not rows] == [], "a table is left untested"

    manifest = taking.take(office.database, {}, file, force=False)
    put_back(file, other, directory, skip=0)

    after = dump(other)
    after["marks"] = [row for row in after["marks"] if row["name"] != restoring.MARK]
    assert after == before
    assert {table.name: table.rows for table in manifest.tables} == {
        name: len(rows) for name, rows in before.items()
    }
    assert highest_ids(other) == highest_ids(office.database)
    new = next_ids(other)
    assert new == {
        table: highest + 1
        for table, highest in highest_ids(office.database).items()
        if table in new
    }
    assert {"outbox", "report_links", "report_events", "reports", "inbox"} <= set(new)
    assert revisions.current(other) == revisions.newest()
    schema.difference(other)
    with other.reading() as session:
        assert office.audit.verify(session) is None


def test_it_goes_back_to_where_it_came_from_as_it_was(
    office: Wiring,
    other: Database,
    another: Database,
    file: Path,
    tmp_path: Path,
    directory: Directory,
):
    register(office, KADES, [OINLASI])
    receive(office, "WNA 2 AUS wisata ☠ \\u0001 'kutip'")
    do_all_work(office)
    taking.take(office.database, {}, file, force=False)
    put_back(file, other, directory, skip=0)
    second = tmp_path / "second.zip"
    taking.take(other, {}, second, force=False)
    put_back(second, another, directory, skip=0)

    first, last = dump(office.database), dump(another)
    first.pop("marks")
    last.pop("marks")
    assert last == first


def test_a_number_is_never_given_twice_though_its_row_was_deleted_or_it_was_given_since(
    office: Wiring, other: Database, file: Path, directory: Directory
):
    register(office, KADES, [OINLASI])
    receive(office, "WNA 2 AUS wisata", "WNA 1 Jerman riset")
    do_all_work(office)
    with office.database.writing() as session:
        session.execute(sa.delete(ConfirmationNumber))
    taking.take(office.database, {}, file, force=False)
    receive(office, "PMI 3 Malaysia lusa")
    do_all_work(office)
    given_since = dump(office.database)["reports"][-1]["number"]

    done = put_back(file, other, directory)

    assert (done.last_number, done.skipped) == (2, LEAST_SKIPPED)
    with other.writing() as session:
        number = ConfirmationNumber(given_at=clock.now())
        session.add(number)
        session.flush()
        assert number.id == 2 + LEAST_SKIPPED + 1
        assert numbers.number_for(number.id, office.desk.number_key) != given_since
        assert restoring.told_by(session)["skipped"] == LEAST_SKIPPED


def test_the_older_the_backup_the_more_numbers_are_passed_over(
    office: Wiring,
    another: Database,
    file: Path,
    directory: Directory,
    monkeypatch: pytest.MonkeyPatch,
):
    now = clock.now()
    with office.database.writing() as session:
        for days in (1, 2, 3, 30, 31):
            session.add(ConfirmationNumber(given_at=now - timedelta(days=days)))
    taking.take(office.database, {}, file, force=False)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=7))

    assert put_back(file, another, directory).skipped == LEAST_SKIPPED + 2 * 3


def receive(office: Wiring, *texts: str) -> None:
    messages = tuple(InboundSms(sender=KADES, recipient="22345", text=text) for text in texts)
    with office.database.writing() as session:
        receiving.accept(session, office.directory, "africastalking", Intake(messages=messages))


# What may have left since -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resend_queued", "expected"),
    [
        pytest.param(False, ["unconfirmed", "unconfirmed", "queued", "sent"], id="held"),
        pytest.param(True, ["queued", "unconfirmed", "queued", "sent"], id="sent again"),
    ],
)
def test_what_may_have_left_since_waits_for_a_person_unless_two_are_better_than_none(
    database: Database,
    another: Database,
    directory: Directory,
    file: Path,
    *,
    resend_queued: bool,
    expected: list[str],
):
    outbox = Outbox(database, directory)
    outbox.queue()
    outbox.change(outbox.queue(), status=MessageStatus.SENDING, claimed_at=clock.now())
    outbox.queue(resend_if_unconfirmed=True)
    outbox.change(outbox.queue(), status=MessageStatus.SENT)
    taking.take(database, {}, file, force=False)

    done = put_back(file, another, directory, resend_queued=resend_queued)

    rows = dump(another)["outbox"]
    assert [row["status"] for row in rows] == expected
    assert {row["error"] for row in rows if row["status"] == "unconfirmed"} == {HELD}
    assert (done.held, done.queued) == (expected.count("unconfirmed"), expected.count("queued"))


# A gateway that runs ------------------------------------------------------------------------------


def test_what_is_written_meanwhile_does_not_wait_and_is_not_in_it(
    office: Wiring, another: Database, file: Path, directory: Directory
):
    many = 3 * copying.ROWS_AT_ONCE + 7
    with office.database.writing() as session:
        at = clock.now()
        session.execute(
            sa.insert(Phone),
            [
                {
                    "kind": PhoneKind.MOBILE,
                    "lookup": f"lookup {number}",
                    "number": f"+62812{90_000_000 + number}",
                    "alias": f"P-{number}",
                    "created_at": at,
                }
                for number in range(many)
            ],
        )
    with copying.snapshot(office.database) as seen:
        rows = seen.rows("phones")
        next(rows)
        with office.database.writing() as session:
            office.directory.keep_key(session)
            session.execute(sa.update(Phone).values(kind=PhoneKind.SHORT_CODE))
        rest = list(rows)
        assert len(rest) == many - 1
        assert {row[1] for row in rest} == {"mobile"}
        assert list(seen.rows("marks")) == []
    taking.take(office.database, {}, file, force=False)
    put_back(file, another, directory)
    assert dump(another)["phones"] == dump(office.database)["phones"]


# The file -----------------------------------------------------------------------------------------


@pytest.fixture
def taken(database: Database, directory: Directory, file: Path) -> Manifest:
    """A backup of a database with a few phones and its key."""
    outbox = Outbox(database, directory)
    outbox.queue()
    with database.writing() as session:
        directory.keep_key(session)
    return taking.take(database, {"secret_key": "rahasia"}, file, force=False)


def test_only_its_owner_can_read_it_and_one_that_is_there_is_kept(
    taken: Manifest, database: Database, file: Path
):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileThere, match="--force"):
        taking.take(database, {}, file, force=False)
    with archive.reading(file) as reader:
        assert reader.manifest == taken
        assert reader.secrets() == {"secret_key": "rahasia"}

    again = taking.take(database, {}, file, force=True)

    assert again.secrets == ()
    assert list(file.parent.glob(".timpora-*")) == []


def test_where_the_disk_is_full_no_file_is_left_and_the_old_one_is_whole(
    taken: Manifest, database: Database, file: Path
):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            taking.take(database, {}, file, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(file.parent.glob(".timpora-*")) == []
    with archive.reading(file) as reader:
        assert reader.manifest == taken


def rewritten(file: Path, member: str, change: Any) -> None:
    """Write a file anew with one member changed; a zip's own sums are right again."""
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[member] = change(parts[member])
    with zipfile.ZipFile(file, "w") as new:
        for name, content in parts.items():
            if content is not None:
                new.writestr(name, content)


def manifest_with(**fields: Any) -> Any:
    return lambda content: json.dumps(json.loads(content) | fields).encode()


DAMAGES = [
    pytest.param(
        lambda file: file.write_bytes(file.read_bytes()[:-100]), BadArchive, "cut off", id="cut"
    ),
    pytest.param(lambda file: file.write_bytes(b""), BadArchive, "no backup", id="empty"),
    pytest.param(lambda file: file.write_text("SMS"), BadArchive, "no backup", id="a text"),
    pytest.param(
        lambda file: rewritten(file, "manifest.json", lambda _: None),
        BadArchive,
        "no backup of this product",
        id="another zip",
    ),
    pytest.param(
        lambda file: rewritten(file, "manifest.json", manifest_with(format=2)),
        BadArchive,
        "made by version",
        id="a newer form",
    ),
    pytest.param(
        lambda file: rewritten(file, "manifest.json", manifest_with(revision="ffffffffffff")),
        NewerSchema,
        "does not know",
        id="a newer schema",
    ),
    pytest.param(
        lambda file: rewritten(file, "tables/phones.jsonl", lambda _: b""),
        BadArchive,
        "table phones is not as it was written: 0 rows of 1",
        id="a table without its rows",
    ),
    pytest.param(
        lambda file: rewritten(
            file, "tables/phones.jsonl", lambda content: content.replace(b"mobile", b"mobilf")
        ),
        (BadArchive, copying.NotStorable),
        "table phones",
        id="a row that was changed",
    ),
    pytest.param(
        lambda file: rewritten(file, "tables/outbox.jsonl", lambda _: b'{"id": 1}\n'),
        BadArchive,
        "line 1 of table outbox",
        id="a row of another shape",
    ),
    pytest.param(
        lambda file: rewritten(file, "tables/outbox.jsonl", lambda _: None),
        BadArchive,
        "tables/outbox.jsonl is not in it",
        id="a table that is gone",
    ),
]


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize(("damage", "refusal", "words"), DAMAGES)
def test_a_file_that_is_not_whole_or_too_new_is_refused_and_nothing_is_put_back(
    file: Path, other: Database, directory: Directory, damage: Any, refusal: Any, words: str
):
    damage(file)

    with pytest.raises(refusal, match=words):
        put_back(file, other, directory)

    assert is_empty(other)


@pytest.mark.usefixtures("taken")
def test_a_byte_that_turned_on_the_card_is_found(
    file: Path, another: Database, directory: Directory
):
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as whole:
        place = whole.getinfo("tables/outbox.jsonl").header_offset
    content[place + 80] ^= 0x10
    file.write_bytes(content)

    with pytest.raises(BadArchive, match="damaged"):
        put_back(file, another, directory)

    assert is_empty(another)


@pytest.mark.usefixtures("taken")
def test_with_another_key_nothing_is_put_back(file: Path, other: Database):
    with pytest.raises(WrongKey):
        put_back(file, other, Directory("another key"))

    assert is_empty(other)


@pytest.mark.usefixtures("taken")
def test_only_a_database_with_no_more_than_a_first_start_makes_is_written_over(
    file: Path, other: Database, directory: Directory
):
    schema.upgrade(other)
    with other.writing() as session:
        Directory("another key, of a start too soon").keep_key(session)
        session.add(
            Village(code="53.99", name="X", kecamatan_code="53", kecamatan="X", kind="desa")
        )
    put_back(file, other, directory)
    before = dump(other)
    assert before["villages"] == []

    with pytest.raises(NotEmpty, match=r"1 phones, 1 outbox"):
        put_back(file, other, directory)

    assert dump(other) == before


def test_an_older_backup_is_put_back_at_its_own_schema_and_then_brought_to_the_newest(
    empty_database: Database, other: Database, file: Path, directory: Directory
):
    schema.upgrade(empty_database, BEFORE_CHANNELS)
    with empty_database.writing() as session:
        session.execute(
            sa.text(
                "INSERT INTO phones (kind, lookup, number, alias, created_at) VALUES"
                " ('mobile', 'x', '+6281290000001', 'P-2222', '2026-11-25 02:10:00')"
            )
        )
        directory.keep_key(session)
    taken = taking.take(empty_database, {}, file, force=False)
    assert taken.revision == BEFORE_CHANNELS
    schema.upgrade(other)

    put_back(file, other, directory)

    assert revisions.current(other) == revisions.newest()
    schema.difference(other)
    with other.reading() as session:
        (phone,) = session.scalars(sa.select(Phone))
        assert (phone.alias, phone.created_at) == (
            "P-2222",
            datetime(2026, 11, 25, 2, 10, tzinfo=UTC),
        )
        assert session.scalars(sa.select(Report)).all() == []
        assert len(session.scalars(sa.select(Mark)).all()) == 2
