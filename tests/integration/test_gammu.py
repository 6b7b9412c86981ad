"""A real Gammu SMSD, with a modem made of files, on SQLite and on PostgreSQL.

The daemon runs once for each database, set up by the templates that we ship. All that happens to it
happens at once, in the steps marked `beforehand`: a modem waits a second here and a second there,
and so every wait is waited for only once. Each test has phones of its own.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from support.databases import opened
from support.gammu_smsd import (
    BATTERY,
    DEPLOY,
    NETWORK,
    SIGNAL,
    GammuSmsd,
    Tables,
    demand_gammu,
    header,
    in_hex,
    written,
)
from support.postgres import PostgresServer
from support.waiting import wait_until

from gateway import clock
from gateway.accounts import GammuAccount
from gateway.identity import Directory
from gateway.messaging import receiving
from gateway.providers import gammu
from gateway.providers.base import (
    AccountRefused,
    InboundSms,
    NotReached,
    OutboundSms,
    Part,
    Polled,
    ReportedDelivery,
    SendDeferred,
)
from gateway.providers.gammu import Gammu
from models.inbox import InboundMessage
from models.states import MessageStatus

pytestmark = pytest.mark.timeout(90)

SENT, DELIVERED, FAILED = MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED
AT_0604 = datetime(2026, 3, 1, 6, 4, 45, tzinfo=UTC)
KINDS = ["sqlite", "postgresql"]


def phone(number: int) -> str:
    return f"+62812900000{number:02d}"


MESSAGE = OutboundSms("00000000000000e1", phone(50), "Terima kasih.")


@dataclass
class Line:
    """A daemon, our adapter on its tables, and all that the adapter has brought so far."""

    smsd: GammuSmsd
    adapter: Gammu
    since: str | None = None
    messages: list[InboundSms] = field(default_factory=list)
    deliveries: list[ReportedDelivery] = field(default_factory=list)

    @property
    def tables(self) -> Tables:
        return self.smsd.tables

    def poll(self) -> Polled:
        """Poll, keep and mark, as the sweeper does."""
        polled = self.adapter.poll(self.since)
        self.since = polled.since
        self.messages += polled.intake.messages
        self.deliveries += polled.intake.deliveries
        self.adapter.kept(polled)
        return polled

    def of(self, number: str) -> list[InboundSms]:
        return [message for message in self.messages if message.sender == number]

    def hears(self, number: str, messages: int = 1) -> list[InboundSms]:
        """Poll until so many messages of a phone have come."""
        wait_until(
            lambda: self.poll() and len(self.of(number)) >= messages,
            within=20,
            what=f"{messages} messages",
            every=0.2,
        )
        return self.of(number)

    def learns(self, token: str, status: MessageStatus) -> None:
        """Poll until a message is said to be in that state."""
        wait_until(
            lambda: self.poll() and status in self.states_of(token),
            within=20,
            what=f"{token} is {status}",
            every=0.2,
        )

    def states_of(self, token: str) -> list[MessageStatus | None]:
        return [one.status for one in self.deliveries if one.provider_message_id == token]


Step = Callable[[Line], None]
BEFOREHAND: list[Step] = []


def beforehand(step: Step) -> Step:
    """Have this done once for each database, before the tests look at what came of it."""
    BEFOREHAND.append(step)
    return step


def made_tables(kind: str, request: pytest.FixtureRequest, folder: Path) -> Tables:
    demand_gammu()
    if kind == "sqlite":
        return Tables.as_shipped(f"sqlite:///{folder / 'smsd.db'}")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Tables.as_shipped(server.new_database())


@pytest.fixture(scope="module", params=KINDS)
def line(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("gammu")
    tables = made_tables(request.param, request, folder)
    with GammuSmsd.running(folder, tables) as smsd:
        made = Line(smsd, Gammu(GammuAccount(tables.url, "UTC")))
        for step in BEFOREHAND:
            step(made)
        yield made


@pytest.fixture(params=KINDS)
def idle_tables(request: pytest.FixtureRequest, tmp_path: Path) -> Tables:
    """The tables of a daemon that does not run."""
    return made_tables(request.param, request, tmp_path)


def reading(tables: Tables, url: str = "") -> Gammu:
    return Gammu(GammuAccount(url or tables.url, "UTC"))


# What comes in ------------------------------------------------------------------------------------

TEXTS = {
    "plain": "WNA#Australia#2",
    "signs and a face": "Halo — \U0001f600 €",
    "what costs two letters": "a@b {€} [x] ~^|\\",
    "lines": "PMI\n3 orang\nMalaysia",
    "Indonesian with quotes": "NIHIL \"aman\" 'semua' 100%",
}


@beforehand
def texts_come(line: Line) -> None:
    for text in TEXTS.values():
        line.smsd.receive(phone(1), text)
    line.smsd.receive("TELKOMSEL", "Sisa pulsa Rp 1.250")


def test_texts_come_as_they_were_written(line: Line):
    assert [message.text for message in line.hears(phone(1), len(TEXTS))] == [*TEXTS.values()]
    (advert,) = line.hears("TELKOMSEL")
    assert advert.text == "Sisa pulsa Rp 1.250"
    assert {message.network_time for message in line.of(phone(1))} == {AT_0604}
    assert {message.flags for message in line.of(phone(1))} == {()}


@beforehand
def long_messages_come(line: Line) -> None:
    line.smsd.receive(phone(2), "lain saja. ", header(42, 2, 2))
    line.smsd.receive(phone(2), "Ini panjang, ", header(42, 1, 2))
    line.smsd.receive_long(phone(3), ["A" * 153, "B" * 20], 43)
    for number in (1, 2):
        for sender in (phone(4), phone(5)):
            line.smsd.receive(sender, f"bagian {number} dari {sender} ", header(44, number, 2))


def test_a_long_message_is_one_whatever_the_order_of_its_parts(line: Line):
    (message,) = line.hears(phone(2))
    (other,) = line.hears(phone(3))
    assert (message.text, message.part) == ("Ini panjang, lain saja. ", None)
    assert (other.text, other.part) == ("A" * 153 + "B" * 20, None)
    line.poll()
    assert len(line.of(phone(2))) == 1
    assert parts_unread(line, phone(2), phone(3)) == []


def parts_unread(line: Line, *senders: str) -> list[int]:
    """List the rows of these phones that nobody has marked."""
    unread = set(line.tables.unread())
    rows = line.tables.rows('SELECT "ID", "SenderNumber" FROM inbox')
    return [row["ID"] for row in rows if row["SenderNumber"] in senders and row["ID"] in unread]


def test_two_phones_with_the_same_reference_are_not_mixed(line: Line):
    for sender in (phone(4), phone(5)):
        (message,) = line.hears(sender)
        assert message.text == f"bagian 1 dari {sender} bagian 2 dari {sender} "


@beforehand
def parts_come_alone(line: Line) -> None:
    line.smsd.receive(phone(6), "PMI 3 orang ", header(45, 1, 2))
    line.smsd.receive(phone(7), "dan dua lagi", header(46, 2, 3))
    line.smsd.receive(phone(8), "NIHIL")


def test_a_part_whose_others_never_come_is_told_as_a_part_and_holds_nothing_up(line: Line):
    assert line.hears(phone(8))[0].text == "NIHIL"
    (first,) = line.hears(phone(6))
    (second,) = line.hears(phone(7))
    assert (first.text, first.part) == ("PMI 3 orang ", Part(45, 1, 2))
    assert (second.text, second.part) == ("dan dua lagi", Part(46, 2, 3))
    places = [message.sender for message in line.messages]
    assert places.index(phone(8)) < places.index(phone(6))
    assert parts_unread(line, phone(6), phone(7)) == []


@beforehand
def half_a_face_comes(line: Line) -> None:
    line.smsd.receive(phone(9), "A\ud83d", header(47, 1, 2))
    line.smsd.receive(phone(9), "\ude00B", header(47, 2, 2))
    line.smsd.receive(phone(10), "ujung \udc00")
    line.smsd.receive(phone(11), "\ude00 dua", header(48, 2, 2))
    line.smsd.receive(phone(12), "sesudahnya")


def test_half_a_face_spoils_no_message_beside_it(line: Line):
    assert line.hears(phone(12))[0].text == "sesudahnya"
    assert line.hears(phone(9))[0].text == "A\U0001f600B"
    assert line.hears(phone(10))[0].text == "ujung \ufffd"
    (part,) = line.hears(phone(11))
    assert (part.text, part.part) == ("\ufffd dua", Part(48, 2, 2))


#: Each would make a file in the folder that SMSD works in.
FOR_A_SHELL = [
    "WNA 2 AUS '; touch trace; echo '",
    "WNA 2 AUS $(touch trace)",
    "WNA 2 AUS `touch trace`",
    'WNA 2 AUS "; touch trace #',
    "WNA 2 AUS | touch trace & %s \\",
    "'; DROP TABLE inbox; --",
]


@beforehand
def what_a_shell_would_run_comes(line: Line) -> None:
    for text in FOR_A_SHELL:
        line.smsd.receive(phone(13), text)


def test_a_text_that_a_shell_would_run_stays_a_text(line: Line):
    found = [message.text for message in line.hears(phone(13), len(FOR_A_SHELL))]

    assert found == FOR_A_SHELL
    assert list(line.smsd.log.parent.rglob("trace")) == []


def test_a_crash_between_our_commit_and_the_mark_doubles_nothing(
    line: Line, migrated_file: Path, tmp_path: Path, directory: Directory
):
    path = shutil.copy(migrated_file, tmp_path / "timpora.db")
    line.smsd.receive(phone(14), "WNA#Australia#2")
    line.smsd.receive_long(phone(14), ["PMI 3 ", "orang"], 49)
    wait_until(lambda: len(parts_unread(line, phone(14))) == 3, within=20, what="three rows")

    with opened(f"sqlite:///{path}") as database:
        for _ in range(2):
            polled = line.adapter.poll(None)
            with database.writing() as session:
                receiving.accept_polled(session, directory, "gammu", polled, clock.now())
        line.adapter.kept(polled)
        line.messages += polled.intake.messages

        with database.reading() as session:
            rows = session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id))
            kept = [(row.text, row.redelivered) for row in rows]
    assert kept[:2] == [("WNA#Australia#2", 1), ("PMI 3 orang", 1)]
    assert line.tables.unread() == []


# What goes out ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outgoing:
    """A text, and how SMSD must have sent it."""

    label: str
    text: str
    coding: str
    parts: int


OUTGOING = [
    Outgoing("plain", "Terima kasih. No 104277.", "Default_No_Compression", 1),
    Outgoing("signs", "Halo — \U0001f600 €", "Unicode_No_Compression", 1),
    Outgoing("letters that cost two", "a{€}@\n[b] '; -- \\", "Default_No_Compression", 1),
    Outgoing("long", "a" * 152 + "€" + "b" * 300, "Default_No_Compression", 3),
    Outgoing("long with faces", "a" * 66 + "\U0001f600" * 40, "Unicode_No_Compression", 3),
]


MESSAGES = [
    OutboundSms(f"{at:016x}", phone(20 + at), one.text) for at, one in enumerate(OUTGOING, 1)
]


@beforehand
def messages_leave(line: Line) -> None:
    for message in MESSAGES:
        assert line.adapter.send(message) == message.token
        assert line.adapter.send(message) == message.token


def test_messages_leave_as_they_were_given_and_once(line: Line):
    for message, one in zip(MESSAGES, OUTGOING, strict=True):
        line.learns(message.token, SENT)
        assert line.adapter.send(message) == message.token
        rows = line.tables.rows(
            'SELECT * FROM sentitems WHERE "CreatorID" = :creator ORDER BY "SequencePosition"',
            creator=f"timpora:{message.token}",
        )
        assert len(rows) == one.parts
        assert "".join(row["TextDecoded"] for row in rows) == one.text
        assert "".join(row["Text"] for row in rows) == in_hex(one.text)
        assert {row["Coding"] for row in rows} == {one.coding}
        assert {row["DestinationNumber"] for row in rows} == {message.to}
        assert {row["RelativeValidity"] for row in rows} == {169}
        if one.parts > 1:
            reference = bytes.fromhex(rows[0]["UDH"])[3]
            numbers = range(1, one.parts + 1)
            assert [row["UDH"] for row in rows] == [
                header(reference, number, one.parts) for number in numbers
            ]
        assert line.states_of(message.token) == [SENT]
    waits = line.tables.column('SELECT "CreatorID" FROM outbox')
    assert {f"timpora:{message.token}" for message in MESSAGES}.isdisjoint(waits)
    assert line.tables.rows("SELECT * FROM outbox_multipart") == []


@beforehand
def messages_for_two_sims_leave(line: Line) -> None:
    line.adapter.send(OutboundSms("00000000000000b1", phone(30), "satu", "sim1"))
    line.adapter.send(OutboundSms("00000000000000b2", phone(30), "dua", "sim2"))


def test_a_message_for_another_sim_waits_for_it(line: Line):
    line.learns("00000000000000b1", SENT)
    assert line.adapter.health().backlog == 1
    waits = line.tables.column('SELECT "CreatorID" FROM outbox')
    line.tables.run("DELETE FROM outbox")
    assert waits == ["timpora:00000000000000b2"]


@dataclass(frozen=True)
class Receipt:
    """A delivery report, by a clock that is so many hours off, and what it means."""

    label: str
    number: int
    word: str
    hours: int
    status: MessageStatus

    @property
    def token(self) -> str:
        return f"00000000000000{self.number}"


RECEIPTS = [
    Receipt("delivered", 32, "Delivered", 0, DELIVERED),
    Receipt("failed", 33, "Failed", 0, FAILED),
    Receipt("delivered, three hours before it was sent", 34, "Delivered", -3, DELIVERED),
]


@beforehand
def messages_leave_and_their_reports_come(line: Line) -> None:
    for one in RECEIPTS:
        line.adapter.send(OutboundSms(one.token, phone(one.number), "Terima kasih."))
    for one in RECEIPTS:
        wait_until_sent(line.tables, one.token)
        at = datetime.now(UTC) + timedelta(hours=one.hours)
        line.smsd.report(phone(one.number), one.word, at)
    line.smsd.report(phone(40), "Delivered", datetime.now(UTC))


def wait_until_sent(tables: Tables, token: str) -> None:
    statement = 'SELECT "ID" FROM sentitems WHERE "CreatorID" = :creator'
    wait_until(
        lambda: tables.column(statement, creator=f"timpora:{token}"), within=30, what="it is sent"
    )


@pytest.mark.parametrize("receipt", RECEIPTS, ids=lambda receipt: receipt.label)
def test_a_delivery_report_is_news_and_no_message(line: Line, receipt: Receipt):
    line.learns(receipt.token, receipt.status)

    wait_until(line.smsd.is_idle, within=10, what="the report is gone from the modem")
    line.poll()
    assert line.states_of(receipt.token)[-1] == receipt.status
    assert line.of(phone(receipt.number)) == []


def test_a_delivery_report_of_nothing_that_we_sent_is_no_message(line: Line):
    wait_until(line.smsd.is_idle, within=20, what="the report is gone from the modem")
    line.poll()

    assert line.of(phone(40)) == []


# How it is ----------------------------------------------------------------------------------------


def test_a_phone_that_is_well_says_so(line: Line):
    health = line.adapter.health()

    assert (health.is_up, health.says) == (True, f"1 phone on {NETWORK}")
    assert (health.signal, health.battery, health.backlog) == (SIGNAL, BATTERY, 0)


def test_smsd_that_was_stopped_is_seen_and_misses_nothing(
    line: Line, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gammu, "_SILENT", timedelta(seconds=2))
    line.smsd.stop()
    try:
        line.smsd.receive(phone(42), "sewaktu mati")
        line.adapter.send(OutboundSms("00000000000000c1", phone(43), "sewaktu mati"))
        wait_until(lambda: not line.adapter.health().is_up, within=15, what="it is down", every=0.3)
        health = line.adapter.health()
        assert health.says == "1 of 1 phones silent for two minutes or more"
        assert (health.signal, health.backlog) == (None, 1)
    finally:
        line.smsd.start()
        monkeypatch.undo()

    assert line.hears(phone(42))[0].text == "sewaktu mati"
    line.learns("00000000000000c1", SENT)
    assert line.adapter.health().is_up


def test_the_log_of_smsd_holds_no_number_and_no_text(line: Line):
    for receipt in RECEIPTS:
        line.learns(receipt.token, receipt.status)

    log = line.smsd.log.read_text(errors="replace")

    assert "gammu-smsd" in log
    assert "812900000" not in log
    for text in ("Australia", "Terima kasih", "trace"):
        assert text not in log


def test_times_in_the_zone_of_smsd_are_read_right(tmp_path: Path):
    demand_gammu()
    tables = Tables.as_shipped(f"sqlite:///{tmp_path / 'smsd.db'}")
    with GammuSmsd.running(tmp_path, tables, zone="Asia/Makassar") as smsd:
        line = Line(smsd, Gammu(GammuAccount(tables.url, "Asia/Makassar")))
        smsd.receive(phone(1), "NIHIL")
        line.adapter.send(OutboundSms("00000000000000d1", phone(2), "Terima kasih."))

        wait_until_sent(tables, "00000000000000d1")
        smsd.report(phone(2), "Delivered", datetime.now(UTC))
        line.learns("00000000000000d1", DELIVERED)
        (message,) = line.hears(phone(1))

        assert message.network_time == AT_0604
        assert tables.column("SELECT ReceivingDateTime FROM inbox") == ["2026-03-01 14:04:45"]
        assert line.adapter.health().is_up


# The tables alone ---------------------------------------------------------------------------------


def test_a_message_that_two_send_at_once_is_there_once(idle_tables: Tables):
    engine = sa.create_engine(idle_tables.url, poolclass=NullPool)
    with ThreadPoolExecutor() as pool, engine.connect() as first:
        gammu._put(first, MESSAGE, gammu._cut(MESSAGE.text))  # noqa: SLF001  # held before its end
        second = pool.submit(reading(idle_tables).send, MESSAGE)
        with pytest.raises(TimeoutError):
            second.result(0.5)
        first.commit()

        assert second.result(5) == MESSAGE.token
    assert len(idle_tables.rows("SELECT * FROM outbox")) == 1


def test_many_news_of_one_second_come_all_and_once(idle_tables: Tables):
    moment = written(datetime.now(UTC), -60)
    idle_tables.sent(*(f"timpora:{at:016x}" for at in range(60)), UpdatedInDB=moment)
    adapter = reading(idle_tables)
    since: str | None = None
    told = []

    while (polled := adapter.poll(since)).brings_anything(since):
        told += [news.provider_message_id for news in polled.intake.deliveries]
        since = polled.since

    assert told == [f"{at:016x}" for at in range(60)]


def test_a_time_that_is_none_is_dropped_and_its_row_kept(idle_tables: Tables):
    odd = "0000-00-00" if idle_tables.url.startswith("sqlite") else "infinity"
    idle_tables.gets(phone(1), "WNA", ReceivingDateTime=odd)
    idle_tables.gets(phone(1), "PMI")
    adapter = reading(idle_tables)

    polled = adapter.poll(None)
    adapter.kept(polled)

    assert [message.flags for message in polled.intake.messages] == [("odd_date",), ()]
    assert idle_tables.unread() == []


def test_the_indexes_that_we_add_are_used(idle_tables: Tables):
    idle_tables.sent(*(f"timpora:{at:016x}" for at in range(3000)))

    is_sqlite = idle_tables.url.startswith("sqlite")
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    idle_tables.run("ANALYZE")
    statement = explain + ' SELECT "ID" FROM sentitems WHERE "CreatorID" = :it'  # noqa: S608
    plan = idle_tables.rows(statement, it="timpora:7")

    assert "timpora_sent" in str(plan)


def test_what_is_old_is_forgotten_by_the_script_that_we_ship(idle_tables: Tables):
    kind = "sqlite" if idle_tables.url.startswith("sqlite") else "postgresql"
    old = written(datetime.now(UTC), -31 * 86400)
    for processed, updated in (("true", old), ("false", old), ("true", written(datetime.now(UTC)))):
        idle_tables.gets(phone(1), "NIHIL", Processed=processed, UpdatedInDB=updated)
    idle_tables.sent("timpora:1", UpdatedInDB=old)
    idle_tables.sent("timpora:2")

    idle_tables.run_script((DEPLOY / f"forget.{kind}.sql").read_text())

    assert idle_tables.column('SELECT "ID" FROM inbox ORDER BY "ID"') == [2, 3]
    assert idle_tables.column('SELECT "CreatorID" FROM sentitems') == ["timpora:2"]


@pytest.fixture
def postgres_tables(postgres: PostgresServer) -> Tables:
    demand_gammu()
    return Tables.as_shipped(postgres.new_database())


@pytest.mark.parametrize("name", ["user", "database"])
def test_a_login_that_is_wrong_is_ours_to_mend(postgres_tables: Tables, name: str):
    url = make_url(postgres_tables.url)
    wrong = url.set(username="nobody_here") if name == "user" else url.set(database="nothing")

    with pytest.raises(AccountRefused, match="does not let us in, or its tables are others"):
        reading(postgres_tables, wrong.render_as_string(hide_password=False)).send(MESSAGE)


def test_a_right_or_a_table_that_is_missing_is_ours_to_mend(postgres_tables: Tables):
    user = f"reader_{postgres_tables.url.partition('timpora_')[2][:12]}"
    postgres_tables.run(f"CREATE ROLE {user} LOGIN")
    url = make_url(postgres_tables.url).set(username=user).render_as_string(hide_password=False)

    with pytest.raises(AccountRefused):
        reading(postgres_tables, url).send(MESSAGE)
    with pytest.raises(NotReached):
        reading(postgres_tables, url).poll(None)
    postgres_tables.run("DROP TABLE outbox")
    with pytest.raises(AccountRefused):
        reading(postgres_tables).send(MESSAGE)


def test_the_rights_that_the_guide_gives_are_enough(postgres_tables: Tables):
    (grants,) = re.findall(r"```sql\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    user = f"gateway_{postgres_tables.url.partition('timpora_')[2][:12]}"
    postgres_tables.run(f"CREATE ROLE {user} LOGIN")
    postgres_tables.run_script(grants.replace("TO timpora;", f"TO {user};"))
    postgres_tables.gets(phone(1), "NIHIL")
    url = make_url(postgres_tables.url).set(username=user).render_as_string(hide_password=False)
    adapter = reading(postgres_tables, url)

    polled = adapter.poll(None)
    adapter.kept(polled)

    assert [message.text for message in polled.intake.messages] == ["NIHIL"]
    assert postgres_tables.unread() == []
    assert adapter.send(OutboundSms(MESSAGE.token, phone(1), "x" * 161)) == MESSAGE.token
    assert adapter.health().backlog == 1


def test_a_table_that_another_one_locks_is_waited_for_only_so_long(
    postgres_tables: Tables, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gammu, "_LOCKED", 0.3)
    begun = time.monotonic()
    with psycopg.connect(postgres_tables.url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE outbox")

        with pytest.raises(SendDeferred, match="not there for us"):
            reading(postgres_tables).send(MESSAGE)
    assert time.monotonic() - begun < 5

    assert reading(postgres_tables).send(MESSAGE) == MESSAGE.token


def test_a_server_that_is_gone_and_comes_back_is_found_again():
    demand_gammu()
    with PostgresServer.start(fsync=False) as server:
        tables = Tables.as_shipped(server.new_database())
        adapter = reading(tables)
        adapter.poll(None)
        server.stop()

        with pytest.raises(SendDeferred, match="not there for us"):
            adapter.send(MESSAGE)
        with pytest.raises(NotReached):
            adapter.poll(None)
        server.launch()

        assert adapter.send(MESSAGE) == MESSAGE.token
        assert adapter.health().backlog == 1
