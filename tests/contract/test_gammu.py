"""Gammu SMSD's tables: what its rows mean, what we write, and how its phones are."""

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gammu_smsd import Tables, header, in_hex, written
from support.provider_contract import (
    MESSAGE,
    ProviderContract,
    Reached,
    SeenRequest,
    SendingCase,
    everything_told,
    private_forms,
)
from support.waiting import free_port

from gateway.accounts import GammuAccount
from gateway.providers import gammu
from gateway.providers.base import (
    AccountRefused,
    Health,
    InboundSms,
    Intake,
    NotReached,
    NumberRefused,
    OutboundSms,
    Part,
    Polled,
    PolledProvider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Unreadable,
    WatchedProvider,
)
from gateway.providers.gammu import Gammu
from models.states import Fault, MessageStatus
from parsers import segments

SENT, DELIVERED, FAILED = MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED
PHONE = "+6281290000001"
OTHER_PHONE = "+6281290000002"
AT_0604 = datetime(2026, 3, 1, 6, 4, 45, tzinfo=UTC)
RECEIVED = "2026-03-01 06:04:45"
TOKEN = "00000000000000a8"  # noqa: S105
OUR = f"timpora:{TOKEN}"
PASSWORD = "sangat-rahasia"  # noqa: S105


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for a lock: how long is the same to what is done then."""
    monkeypatch.setattr(gammu, "_LOCKED", 0.2)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables.made_in(tmp_path)


@pytest.fixture
def adapter(tables: Tables) -> Gammu:
    return reading(tables)


def reading(tables: Tables, zone: str = "UTC") -> Gammu:
    return Gammu(GammuAccount(tables.url, zone))


# What we send -------------------------------------------------------------------------------------

AWAY = "SMSD's database is not there for us (OperationalError)"
OURS = "SMSD's database does not let us in, or its tables are others"
EURO_BORDER = "a" * 152 + "€" + "b" * 10
FACE_BORDER = "a" * 66 + "\U0001f600" + "b" * 10


def text(
    label: str, said: str, outcome: Any = TOKEN, why: str | None = None, requests: int = 1
) -> SendingCase:
    message = OutboundSms(TOKEN, PHONE, said)
    return SendingCase(label, "ready", outcome, why, message, requests=requests)


def number(label: str, to: str) -> SendingCase:
    message = OutboundSms(TOKEN, to, MESSAGE.text)
    return SendingCase(label, "ready", NumberRefused, "not a number in E.164", message, requests=0)


SENDING = [
    SendingCase("a message", "ready", MESSAGE.token),
    SendingCase(
        "a message for one of the SIMs",
        "ready",
        TOKEN,
        message=OutboundSms(TOKEN, PHONE, "NIHIL", "sim2"),
    ),
    text("as much as one SMS holds", "x" * 160),
    text("one letter more", "x" * 161),
    text("three parts", "x" * 153 + "y" * 153 + "z"),
    text("letters that cost two, at the end of one SMS", "€" * 80),
    text("letters that cost two, over the border of two parts", EURO_BORDER),
    text("many letters that cost two", "€" * 153),
    text("a text with signs that GSM has not", "Halo — apa kabar?"),
    text("as much as one SMS of UCS-2 holds", "—" * 70),
    text("one sign more in UCS-2", "—" * 71),
    text("a face over the border of two parts", FACE_BORDER),
    text("many faces", "\U0001f600" * 67),
    text("line ends, quotes and the at sign", "a@b\n'c' \"d\" \\ % :e ?"),
    text("the most parts that there are", "x" * (153 * 255)),
    text(
        "more parts than that",
        "x" * (153 * 255 + 1),
        SendRefused,
        "a text of more than 255 SMS",
        0,
    ),
    text("no text", "", SendRefused, "no text", 0),
    text("blanks for a text", " \n", SendRefused, "no text", 0),
    text("NUL, which PostgreSQL has not", "a\x00b", SendRefused, "a text that no SMS holds", 0),
    text("half a surrogate pair", "a\ud800", SendRefused, "a text that no SMS holds", 0),
    number("a number that is none", "TELKOMSEL"),
    number("a number without a plus", "081290000001"),
    number("a number of no digits", "+"),
    number("a number longer than any", "+6281290000001234"),
    number("a number with something behind it", f"{PHONE}\n"),
    number("a number in other digits", "+" + "\uff16\uff12\uff18\uff11" * 3),
    number("no number", ""),
    SendingCase("again, while it waits in outbox", "in outbox", MESSAGE.token),
    SendingCase("again, when it has left", "in sentitems", MESSAGE.token, requests=0),
    SendingCase("no such file", None, SendDeferred, AWAY, requests=0),
    SendingCase("a file that another one locks", "locked", SendDeferred, AWAY, requests=0),
    SendingCase(
        "a file without tables",
        "empty",
        AccountRefused,
        f"{OURS} (OperationalError)",
        requests=0,
    ),
    SendingCase(
        "tables of another kind",
        "others",
        AccountRefused,
        f"{OURS} (OperationalError)",
        requests=0,
    ),
    SendingCase(
        "a file that we may only read",
        "read only",
        AccountRefused,
        f"{OURS} (OperationalError)",
        requests=0,
    ),
    SendingCase(
        "a file that is no database",
        "no database",
        AccountRefused,
        f"{OURS} (DatabaseError)",
        requests=0,
    ),
    SendingCase(
        "a table that takes no row",
        "full",
        AccountRefused,
        f"{OURS} (IntegrityError)",
        requests=0,
    ),
    SendingCase("no PostgreSQL at that address", "nobody", SendDeferred, AWAY, requests=0),
]


#: Files that are no tables of SMSD's; None for no file.
NO_TABLES = {None: None, "empty": b"", "no database": b"no database\n" * 100}


@contextmanager
def locked(tables: Tables) -> Iterator[None]:
    with closing(sqlite3.connect(tables.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def sent_already(tables: Tables, *, has_left: bool) -> Iterator[None]:
    if has_left:
        tables.sent(f"timpora:{MESSAGE.token}")
    else:
        reading(tables).send(MESSAGE)
    yield


@contextmanager
def with_statements(tables: Tables, *statements: str) -> Iterator[None]:
    for statement in statements:
        tables.run(statement)
    yield


PREPARED: Mapping[str, Callable[[Tables], AbstractContextManager[None]]] = {
    "ready": with_statements,
    "read only": with_statements,
    "locked": locked,
    "in outbox": partial(sent_already, has_left=False),
    "in sentitems": partial(sent_already, has_left=True),
    "others": lambda tables: with_statements(
        tables, "ALTER TABLE outbox RENAME COLUMN CreatorID TO Creator"
    ),
    "full": lambda tables: with_statements(
        tables,
        "CREATE UNIQUE INDEX one ON outbox (Class)",
        "INSERT INTO outbox (CreatorID) VALUES ('somebody')",
    ),
}


class TestGammu(ProviderContract):
    NAME = "gammu"
    SENDING: ClassVar = SENDING
    SECRETS: ClassVar = (PASSWORD,)

    def adapter(self) -> Gammu:
        return Gammu(None)

    @contextmanager
    def reaching(self, behaviour: Any) -> Iterator[Reached]:
        """Reach tables in that condition, and see in them what we have put into `outbox`."""
        if behaviour == "nobody":
            url = f"postgresql://timpora:{PASSWORD}@127.0.0.1:{free_port()}/smsd"
            yield Reached(Gammu(GammuAccount(url, "UTC")))
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "smsd.db"
            if behaviour in NO_TABLES:
                if (content := NO_TABLES[behaviour]) is not None:
                    path.write_bytes(content)
                yield Reached(Gammu(GammuAccount(f"sqlite:///{path}", "UTC")))
                return
            tables = Tables.made_in(Path(folder))
            is_read_only = behaviour == "read only"
            url = f"sqlite:///file:{path}?mode=ro&uri=true" if is_read_only else tables.url
            with PREPARED[behaviour](tables):
                yield Reached(Gammu(GammuAccount(url, "UTC")), lambda: put_into(tables))

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        measure = segments.measure(message.text)
        parts = json.loads(seen.fields["parts"])
        codings = {"GSM-7": "Default_No_Compression", "UCS-2": "Unicode_No_Compression"}
        assert "".join(parts) == message.text
        assert len(parts) == measure.segments
        assert seen.fields["DestinationNumber"] == message.to
        assert seen.fields["CreatorID"] == f"timpora:{message.token}"
        assert json.loads(seen.fields["codings"]) == [codings[measure.encoding]] * len(parts)
        assert seen.fields["MultiPart"] == ("true" if len(parts) > 1 else "false")
        assert seen.fields["DeliveryReport"] == "yes"
        assert seen.fields["SenderID"] == str(message.line)
        assert seen.fields["RelativeValidity"] == "169"
        headers = json.loads(seen.fields["headers"])
        if len(parts) == 1:
            assert headers == [None]
        else:
            references = {bytes.fromhex(one)[3] for one in headers}
            (reference,) = references
            numbers = range(1, len(parts) + 1)
            assert headers == [header(reference, one, len(parts)) for one in numbers]
        # Due in every zone that SMSD's clock may be in, the one furthest to the west included.
        due = datetime.fromisoformat(seen.fields["SendingDateTime"])
        assert due < datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=14)
        assert seen.fields["SendingTimeOut"] == seen.fields["SendingDateTime"]

    def test_it_is_polled_watched_and_sends_each_message_once(self):
        assert isinstance(self.adapter(), PolledProvider)
        assert isinstance(self.adapter(), WatchedProvider)
        assert self.adapter().sends_once
        assert self.adapter().poll_every == timedelta(seconds=2)

    def test_without_an_account_it_does_nothing_and_says_why(self):
        adapter = self.adapter()

        assert not adapter.can_send
        with pytest.raises(SendDeferred, match="TIMPORA_GAMMU_DATABASE_URL is not set"):
            adapter.send(MESSAGE)
        with pytest.raises(NotReached, match="TIMPORA_GAMMU_DATABASE_URL is not set"):
            adapter.health()
        for since in (None, "", "a mark"):
            polled = adapter.poll(since)
            assert not polled.brings_anything(since)
            adapter.kept(polled)

    def test_with_an_account_it_can_send(self, tables: Tables):
        assert reading(tables).can_send


def put_into(tables: Tables) -> list[SeenRequest]:
    """Read what SMSD would find in `outbox` and beside it."""
    if "CreatorID" not in tables.column("SELECT name FROM pragma_table_info('outbox')"):
        return []
    seen = []
    for row in tables.rows("SELECT * FROM outbox WHERE CreatorID LIKE 'timpora:%'"):
        more = tables.rows(
            "SELECT * FROM outbox_multipart WHERE ID = :id ORDER BY SequencePosition", id=row["ID"]
        )
        assert [one["SequencePosition"] for one in more] == list(range(2, len(more) + 2))
        every = [row, *more]
        fields = {name: str(value) for name, value in row.items()}
        fields["parts"] = json.dumps([one["TextDecoded"] for one in every])
        fields["codings"] = json.dumps([one["Coding"] for one in every])
        fields["headers"] = json.dumps([one["UDH"] for one in every])
        seen.append(SeenRequest("outbox", {}, fields))
    return seen


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
    | st.text("ab€{}\U0001f600é—\n", min_size=60, max_size=400)
)
def test_a_text_is_cut_greedily_and_never_within_a_character(said: str):
    if not said.strip():
        return
    cut = gammu._cut(said)  # noqa: SLF001  # through the tables it would take minutes

    measure = segments.measure(said)
    room = 153 if measure.encoding == "GSM-7" else 67
    assert "".join(cut.parts) == said
    assert len(cut.parts) == measure.segments
    if len(cut.parts) > 1:
        for part in cut.parts:
            of_utf16 = len(part.encode("utf-16-be")) // 2
            units = segments.measure(part).units if room == 153 else of_utf16
            assert 0 < units <= room


def test_a_message_that_fails_halfway_leaves_nothing_behind(tables: Tables, adapter: Gammu):
    tables.run("DROP TABLE outbox_multipart")

    with pytest.raises(AccountRefused):
        adapter.send(OutboundSms(TOKEN, PHONE, "x" * 161))

    assert tables.rows("SELECT * FROM outbox") == []


def test_what_the_database_did_not_confirm_may_have_been_kept(
    adapter: Gammu, monkeypatch: pytest.MonkeyPatch
):
    def lost(_connection: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("sqlalchemy.engine.Connection.commit", lost)

    with pytest.raises(SendUnconfirmed, match=r"did not say what it kept \(OperationalError\)"):
        adapter.send(MESSAGE)


def test_a_send_ends_in_time_whatever_holds_it(
    tables: Tables, adapter: Gammu, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gammu, "_WITHIN", 0.1)
    with closing(sqlite3.connect(tables.path)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(SendUnconfirmed, match=r"gave no answer within 0\.1 s"):
            adapter.send(MESSAGE)
        other.rollback()


def test_a_server_that_never_answers_holds_nothing_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gammu, "_CONNECTED", 2)  # the least that the driver takes
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://timpora:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/smsd"

        with pytest.raises(SendDeferred, match="not there for us"):
            Gammu(GammuAccount(url, "UTC")).send(MESSAGE)


# What comes in ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowCase:
    """Rows of `inbox` as SMSD writes them, and all that is to be read of them."""

    label: str
    rows: tuple[Mapping[str, Any], ...]
    expected: tuple[InboundSms | str, ...]
    """Messages, or the reasons why not."""


def row(text: str = "NIHIL", sender: str = PHONE, **columns: Any) -> Mapping[str, Any]:
    return {"sender": sender, "text": text, **columns}


def read_as(
    text: str = "NIHIL", row_id: int = 1, at: str = RECEIVED, udh: str = "", **expected: Any
) -> InboundSms:
    """Give the message of a row; what is not named is as in the plainest one."""
    told = {"RecipientID": "sim1", "SMSCNumber": "+6281100000", "Class": "-1", "UDH": udh}
    coding = expected.pop("coding", "Default_No_Compression")
    plain: dict[str, Any] = {
        "sender": PHONE,
        "recipient": None,
        "text": text,
        "provider_message_id": f"{row_id}@{at}",
        "network_time": AT_0604,
        "payload": {**told, "Coding": coding, **expected.pop("payload", {})},
    }
    return InboundSms(**(plain | expected))


def one(label: str, given: Mapping[str, Any], expected: InboundSms | str) -> RowCase:
    return RowCase(label, (given,), (expected,))


def dated(label: str, said: Any, moment: datetime | None) -> RowCase:
    flags = () if moment else ("odd_date",)
    message = read_as(at=str(said), network_time=moment, flags=flags)
    return one(label, row(ReceivingDateTime=said), message)


def as_part(
    label: str, given: Mapping[str, Any], text: str, part: Part | None, **expected: Any
) -> RowCase:
    message = read_as(text, udh=given["UDH"], part=part, **expected)
    return one(label, given, message)


NO_SENDER = "no sender (column `SenderNumber`)"
FIRST, SECOND = header(7, 1, 2), header(7, 2, 2)

INBOX = [
    one("a message", row("WNA#Australia#2"), read_as("WNA#Australia#2")),
    one(
        "signs and a face",
        row("Halo — \U0001f600 €", Coding="Unicode_No_Compression"),
        read_as("Halo — \U0001f600 €", coding="Unicode_No_Compression"),
    ),
    one("an at sign, braces and a euro", row("a@b {€} [x]"), read_as("a@b {€} [x]")),
    one("line ends", row("PMI\r\n3"), read_as("PMI\r\n3")),
    one("no text", row(""), read_as("")),
    one("a text that only stands there in hex", row("", own="PMI — 3"), read_as("PMI — 3")),
    one("hex that is none", row("", Text="zz"), read_as("")),
    one("half a letter in hex", row("", Text="00410"), read_as("")),
    one(
        "half a face in hex",
        row("", Text="0041D83D"),
        read_as("A\ufffd", flags=("odd_encoding",)),
    ),
    one("a flash message", row(Class=0), read_as(payload={"Class": "0"})),
    one("a sender that is a name", row(sender="TELKOMSEL"), read_as(sender="TELKOMSEL")),
    one("a sender that is a short code", row(sender="3636"), read_as(sender="3636")),
    one("a number without a plus", row(sender="6281290000001"), read_as(sender="6281290000001")),
    one(
        "the other one of two SIMs",
        row(RecipientID="sim2"),
        read_as(payload={"RecipientID": "sim2"}),
    ),
    one(
        "what a shell would run",
        row("WNA 2 AUS '; touch /tmp/x; echo ' $(id) `id` \"%s\\"),
        read_as("WNA 2 AUS '; touch /tmp/x; echo ' $(id) `id` \"%s\\"),
    ),
    one("no sender", row(sender=""), NO_SENDER),
    one("a blank sender", row(sender=" "), NO_SENDER),
    one(
        "a message of bytes, as of a picture",
        row("", Coding="8bit", Text="0605040B8423F0"),
        "a message of 8 bits, which is no text",
    ),
    RowCase(
        "a row that cannot be read spoils none beside it",
        (row("PMI"), row(sender=""), row("WNA")),
        (read_as("PMI"), NO_SENDER, read_as("WNA", 3)),
    ),
    RowCase("an answer to a USSD request", (row("Sisa pulsa", sender="", Class=127),), ()),
    RowCase("a row that somebody has marked", (row(Processed="true"),), ()),
    dated("a time with a fraction", "2026-03-01 06:04:45.5", AT_0604.replace(microsecond=500000)),
    dated("a time of noughts", "0000-00-00 00:00:00", None),
    dated("an empty time", "", None),
    dated("a time in seconds", 1772345085, None),
    dated("a time that no calendar has", "2026-02-30 06:04:45", None),
    dated("a time without a month", "x00000101000000", None),
    RowCase(
        "a long message, which SMSD has joined",
        (row("satu dua", own="satu ", UDH=FIRST), row("", own="dua", UDH=SECOND)),
        (read_as("satu dua", udh=FIRST),),
    ),
    RowCase(
        "a face that lies over the border",
        (
            row("A\U0001f600B", own="A\ud83d", UDH=FIRST),
            row("", own="\ude00B", UDH=SECOND),
        ),
        (read_as("A\U0001f600B", udh=FIRST),),
    ),
    RowCase(
        "two phones with one reference, their rows mixed",
        (
            row("satu dua", own="satu ", UDH=FIRST),
            row("tiga empat", OTHER_PHONE, own="tiga ", UDH=FIRST),
            row("", own="dua", UDH=SECOND),
            row("", OTHER_PHONE, own="empat", UDH=SECOND),
        ),
        (
            read_as("satu dua", udh=FIRST),
            read_as("tiga empat", 2, udh=FIRST, sender=OTHER_PHONE),
        ),
    ),
    RowCase(
        "a reference of two bytes, behind another element",
        (
            row("satu dua", own="satu ", UDH="0A240103080401070201"),
            row("", own="dua", UDH="0A240103080401070202"),
        ),
        (read_as("satu dua", udh="0A240103080401070201"),),
    ),
    as_part("a first part alone", row("satu ", UDH=FIRST), "satu ", Part(7, 1, 2)),
    as_part("a second part alone", row("dua", UDH=SECOND), "dua", Part(7, 2, 2)),
    as_part(
        "a part with a reference of two bytes",
        row("satu ", UDH="06080401070301"),
        "satu ",
        Part(263, 1, 3),
    ),
    as_part(
        "a part alone whose text only stands there in hex, as PostgreSQL refused half a face",
        row("", own="\ude00B", UDH=SECOND),
        "\ufffdB",
        Part(7, 2, 2),
        flags=("odd_encoding",),
    ),
    as_part(
        "a part alone that ends with half a face",
        row("A\ufffd", own="A\ud83d", UDH=FIRST),
        "A\ufffd",
        Part(7, 1, 2),
        flags=("odd_encoding",),
    ),
    RowCase(
        "two parts alone of one message of three",
        (row("satu ", UDH=header(7, 1, 3)), row("tiga", UDH=header(7, 3, 3))),
        (
            read_as("satu ", udh=header(7, 1, 3), part=Part(7, 1, 3)),
            read_as("tiga", 2, udh=header(7, 3, 3), part=Part(7, 3, 3)),
        ),
    ),
    as_part("one of one", row(UDH=header(7, 1, 1)), "NIHIL", None),
    as_part("part nought", row(UDH=header(7, 0, 2)), "NIHIL", None),
    as_part("part three of two", row(UDH=header(7, 3, 2)), "NIHIL", None),
    as_part("a port, and no parts", row(UDH="06050415811581"), "NIHIL", None),
    as_part("a header that is cut off", row(UDH="0500030702"), "NIHIL", None),
    as_part("a header that is no hex", row(UDH="x"), "NIHIL", None),
]


@pytest.mark.parametrize("case", INBOX, ids=lambda case: case.label)
def test_rows_are_read_as_in_the_table(case: RowCase, tables: Tables, adapter: Gammu):
    for given_row in case.rows:
        tables.gets(**given_row)

    polled = adapter.poll(None)

    apart = iter(polled.intake.unreadable)
    told = iter(polled.intake.messages)
    for expected in case.expected:
        if isinstance(expected, str):
            assert next(apart).reason == expected
        else:
            assert next(told) == expected
    assert [*told, *apart] == []


@pytest.mark.parametrize("case", INBOX, ids=lambda case: case.label)
def test_all_rows_of_a_poll_are_marked_when_it_is_kept(
    case: RowCase, tables: Tables, adapter: Gammu
):
    for given_row in case.rows:
        tables.gets(**given_row)
    before = tables.unread()

    polled = adapter.poll(None)
    assert tables.unread() == before, "reading changes nothing"
    assert adapter.poll(None) == polled
    for _ in range(2):
        adapter.kept(polled)

    left = [] if "USSD" not in case.label else [1]
    assert tables.unread() == left
    assert not adapter.poll(polled.since).brings_anything(polled.since)


def test_a_row_that_cannot_be_read_is_kept_whole(tables: Tables, adapter: Gammu):
    tables.gets("", 'dari desa — "A"')

    (apart,) = adapter.poll(None).intake.unreadable

    assert isinstance(apart, Unreadable)
    kept = json.loads(apart.body)
    assert (kept["ID"], kept["TextDecoded"]) == (1, 'dari desa — "A"')
    assert kept["ReceivingDateTime"] == RECEIVED


def test_a_text_that_is_no_utf8_spoils_no_row_beside_it(tables: Tables, adapter: Gammu):
    tables.gets(PHONE, "PMI")
    tables.gets(PHONE, "x", Text=in_hex("A\udc00"))
    tables.run("UPDATE inbox SET TextDecoded = CAST(X'41EDB080' AS TEXT) WHERE ID = 2")
    tables.gets(PHONE, "x")
    tables.run("UPDATE inbox SET TextDecoded = CAST(X'41FF' AS TEXT) WHERE ID = 3")

    messages = adapter.poll(None).intake.messages

    assert [message.text for message in messages] == ["PMI", "A\ufffd", "A\ufffd"]
    assert [message.flags for message in messages] == [(), ("odd_encoding",), ("odd_encoding",)]


def test_times_are_in_the_zone_of_the_account(tables: Tables):
    tables.gets(PHONE, "NIHIL", ReceivingDateTime="2026-03-01 14:04:45")

    (message,) = reading(tables, "Asia/Makassar").poll(None).intake.messages

    assert message.network_time == AT_0604


def test_many_rows_come_in_several_polls_in_order(tables: Tables, adapter: Gammu):
    for at in range(120):
        tables.gets(PHONE, f"pesan {at}")

    sizes, texts = [], []
    while (polled := adapter.poll(None)).intake != Intake():
        sizes.append(len(polled.intake.messages))
        texts += [message.text for message in polled.intake.messages]
        adapter.kept(polled)

    assert sizes == [50, 50, 20]
    assert texts == [f"pesan {at}" for at in range(120)]


def test_a_long_message_at_the_end_of_a_poll_is_not_cut(tables: Tables, adapter: Gammu):
    for at in range(49):
        tables.gets(PHONE, f"pesan {at}")
    tables.gets(PHONE, "satu dua", "satu ", UDH=FIRST)
    tables.gets(PHONE, "", "dua", UDH=SECOND)
    tables.gets(PHONE, "sesudahnya")

    polled = adapter.poll(None)
    adapter.kept(polled)

    assert [message.text for message in polled.intake.messages][-1] == "satu dua"
    assert tables.unread() == [52]


def test_what_follows_a_message_that_was_marked_is_marked_too(tables: Tables, adapter: Gammu):
    tables.gets(PHONE, "satu dua", "satu ", UDH=FIRST, Processed="true")
    tables.gets(OTHER_PHONE, "satu dua", "satu ", UDH=FIRST, Processed="true")
    tables.gets(PHONE, "", "dua", UDH=SECOND)

    polled = adapter.poll("a mark")

    assert polled.intake == Intake()
    assert polled.brings_anything(polled.since), "there is a row to mark"
    adapter.kept(polled)
    assert tables.unread() == []


@pytest.mark.parametrize(
    "head",
    [
        {"sender": OTHER_PHONE, "text": "satu dua", "own": "satu ", "UDH": FIRST},
        {"sender": PHONE, "text": "satu dua", "own": "satu ", "UDH": header(8, 1, 2)},
        {"sender": PHONE, "text": "satu dua", "own": "satu ", "UDH": header(7, 1, 3)},
        {"sender": PHONE, "text": "satu ", "UDH": FIRST},
        {"sender": PHONE, "text": "satu dua", "own": "satu "},
    ],
    ids=["of another phone", "of another message", "of three parts", "alone too", "of no parts"],
)
def test_a_part_follows_no_other_message(head: Mapping[str, Any], tables: Tables, adapter: Gammu):
    tables.gets(**{**head, "Processed": "true"})
    tables.gets(PHONE, "", "dua", UDH=SECOND)

    (message,) = adapter.poll(None).intake.messages

    assert (message.text, message.part) == ("dua", Part(7, 2, 2))


def test_rows_of_another_database_with_the_same_ids_are_not_marked(
    tables: Tables, adapter: Gammu, tmp_path: Path
):
    tables.gets(PHONE, "WNA")
    tables.gets(PHONE, "PMI")
    polled = adapter.poll(None)
    new = tmp_path / "new"
    new.mkdir()
    others = Tables.made_in(new)
    others.gets(PHONE, "NIHIL", ReceivingDateTime="2026-04-01 06:04:45")
    others.gets(OTHER_PHONE, "NIHIL")

    reading(others).kept(polled)

    assert others.unread() == [1, 2]
    ids = {one.provider_message_id for one in polled.intake.messages}
    assert {one.provider_message_id for one in reading(others).poll(None).intake.messages} != ids


def test_a_poll_of_another_kind_marks_nothing(tables: Tables, adapter: Gammu):
    tables.gets(PHONE, "WNA")

    adapter.kept(Polled(adapter.poll(None).intake, ""))

    assert tables.unread() == [1]


def test_no_row_whatever_stands_in_it_raises(tmp_path: Path):
    tables = Tables.made_in(tmp_path)
    adapter = reading(tables)
    words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    headers = words | st.binary(max_size=12).map(bytes.hex)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.fixed_dictionaries(
            {
                "sender": words,
                "text": words,
                "Text": headers,
                "UDH": headers | st.sampled_from([FIRST, SECOND]),
                "ReceivingDateTime": words | st.integers(-(2**63), 2**63 - 1) | st.floats(),
                "Coding": words | st.just("8bit"),
            }
        )
    )
    def read(given_row: Mapping[str, Any]) -> None:
        if given_row["ReceivingDateTime"] != given_row["ReceivingDateTime"]:
            given_row = {**given_row, "ReceivingDateTime": "NaN"}
        tables.run("DELETE FROM inbox")
        tables.gets(**given_row)
        polled = adapter.poll(None)
        adapter.kept(polled)
        found = len(polled.intake.messages) + len(polled.intake.unreadable)
        assert found == 1
        assert tables.unread() == []

    read()


# What became of what we sent ----------------------------------------------------------------------


@dataclass(frozen=True)
class SentCase:
    """The parts of one message in `sentitems`: status, and UDH of the first."""

    label: str
    statuses: tuple[str, ...]
    of: int
    expected: ReportedDelivery | None


def status(word: str, meaning: MessageStatus | None, *others: str, of: int = 1) -> SentCase:
    label = f"{word} of {of}" if not others else f"{word} of {of}, after {', '.join(others)}"
    return SentCase(label, (*others, word), of, ReportedDelivery(TOKEN, word, "", meaning))


def nothing(*statuses: str, of: int) -> SentCase:
    return SentCase(f"{', '.join(statuses)} of {of}", statuses, of, None)


SENTITEMS = [
    status("SendingOK", SENT),
    status("SendingOKNoReport", SENT),
    status("DeliveryOK", DELIVERED),
    status("DeliveryPending", None),
    status("DeliveryUnknown", None),
    status("Teleported", None),
    status("SendingError", FAILED),
    status("Error", FAILED),
    status("DeliveryFailed", FAILED),
    status("SendingOK", SENT, "SendingOK", of=2),
    status("SendingOK", SENT, "DeliveryOK", of=2),
    status("DeliveryOK", DELIVERED, "DeliveryOK", of=2),
    status("DeliveryPending", None, "DeliveryOK", of=2),
    status("DeliveryFailed", FAILED, "DeliveryOK", of=2),
    status("SendingError", FAILED, "SendingOK", of=3),
    status("DeliveryFailed", FAILED, "DeliveryPending", of=2),
    nothing("SendingOK", of=2),
    nothing("DeliveryOK", "DeliveryOK", of=3),
]


def put_sent(tables: Tables, case: SentCase, row_id: int = 1, **columns: Any) -> None:
    for place, word in enumerate(case.statuses, 1):
        udh = header(7, place, case.of) if case.of > 1 else ""
        tables.sent(OUR, Status=word, ID=row_id, SequencePosition=place, UDH=udh, **columns)


@pytest.mark.parametrize("case", SENTITEMS, ids=lambda case: case.label)
def test_news_are_read_as_in_the_table_and_told_once(
    case: SentCase, tables: Tables, adapter: Gammu
):
    put_sent(tables, case)

    polled = adapter.poll(None)

    expected = () if case.expected is None else (case.expected,)
    assert polled.intake == Intake(deliveries=expected)
    assert polled.brings_anything(None), "there is a mark to keep"
    assert not adapter.poll(polled.since).brings_anything(polled.since)


@pytest.mark.parametrize(
    ("word", "codes", "reason", "fault"),
    [
        ("SendingError", {"StatusCode": 38}, "StatusCode 38", Fault.SIM),
        ("Error", {"StatusCode": 500}, "StatusCode 500", Fault.SIM),
        ("SendingError", {"StatusCode": 332}, "StatusCode 332", None),
        ("SendingError", {"StatusCode": -1}, "", None),
        ("SendingError", {"StatusCode": 0}, "", None),
        ("DeliveryFailed", {"StatusError": 70}, "StatusError 70", None),
        (
            "DeliveryFailed",
            {"StatusError": 70, "StatusCode": 38},
            "StatusError 70, StatusCode 38",
            None,
        ),
    ],
    ids=[
        "the modem refused it",
        "the modem refused it, and SMSD gave up",
        "the network gave the modem no answer in time",
        "the modem gave no answer",
        "a code that is none",
        "the network did not deliver it",
        "both codes",
    ],
)
def test_a_failure_has_its_code_for_a_reason_and_may_be_the_fault_of_the_sim(
    word: str,
    codes: Mapping[str, int],
    reason: str,
    fault: Fault | None,
    tables: Tables,
    adapter: Gammu,
):
    tables.sent(OUR, Status=word, **codes)

    (news,) = adapter.poll(None).intake.deliveries

    assert news == ReportedDelivery(TOKEN, word, reason, FAILED, fault)


def test_what_others_sent_through_smsd_is_no_news(tables: Tables, adapter: Gammu):
    tables.sent("", "Gammu", f"warta:{TOKEN}", "timporan")

    assert adapter.poll(None).intake == Intake()


def test_a_second_is_read_only_when_it_is_over(tables: Tables, adapter: Gammu):
    tables.sent(OUR, UpdatedInDB=written(datetime.now(UTC), +1))

    assert not adapter.poll("").brings_anything(None)


def test_many_news_of_one_second_come_all_and_once(tables: Tables, adapter: Gammu):
    moment = written(datetime.now(UTC), -60)
    tables.sent(*(f"timpora:{at:016x}" for at in range(120)), UpdatedInDB=moment)
    since: str | None = None
    sizes, told = [], []

    while (polled := adapter.poll(since)).brings_anything(since):
        sizes.append(len(polled.intake.deliveries))
        told += [news.provider_message_id for news in polled.intake.deliveries]
        since = polled.since

    assert sizes == [50, 50, 20]
    assert told == [f"{at:016x}" for at in range(120)]
    assert len(since or "") < 100


def test_a_message_is_news_again_when_its_state_changes(tables: Tables, adapter: Gammu):
    tables.sent(OUR, UpdatedInDB=written(datetime.now(UTC), -60))
    first = adapter.poll(None)
    tables.run(
        "UPDATE sentitems SET Status = 'DeliveryOK', UpdatedInDB = :at",
        at=written(datetime.now(UTC), -5),
    )

    second = adapter.poll(first.since)

    assert [news.status for news in first.intake.deliveries] == [SENT]
    assert [news.status for news in second.intake.deliveries] == [DELIVERED]


def test_a_clock_that_was_set_back_hides_no_news(tables: Tables, adapter: Gammu):
    ahead = json.dumps({"at": written(datetime.now(UTC), 86400), "id": 3})
    polled = adapter.poll(ahead)
    assert polled.since != ahead
    tables.sent(OUR, UpdatedInDB=written(datetime.now(UTC), -30))

    assert [news.status for news in adapter.poll(polled.since).intake.deliveries] == [SENT]


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "7",
        "null",
        "[]",
        "{}",
        '{"at": 5, "id": 1}',
        '{"at": "x", "id": 1}',
        '{"at": "2026-03-01 06:04:45", "id": null}',
        '{"at": "2026-03-01 06:04:45", "id": 1e999}',
        "[" * 5000,
    ],
)
def test_a_mark_that_is_none_is_the_beginning(mark: str, tables: Tables, adapter: Gammu):
    tables.sent(OUR)

    assert [news.status for news in adapter.poll(mark).intake.deliveries] == [SENT]


@pytest.mark.parametrize(
    ("version", "zone"),
    [(17, "UTC"), (18, "Asia/Makassar")],
    ids=["in UTC before schema 18", "in the zone of SMSD since"],
)
def test_the_clock_of_sqlite_is(version: int, zone: str, tables: Tables):
    hours = 8 if zone != "UTC" else 0
    moment = written(datetime.now(UTC) + timedelta(hours=hours), -10)
    tables.run("UPDATE gammu SET Version = :version", version=version)
    tables.sent(OUR, UpdatedInDB=moment)
    tables.has_phone("sim1", "1", UpdatedInDB=moment)
    adapter = reading(tables, "Asia/Makassar")

    assert [news.status for news in adapter.poll(None).intake.deliveries] == [SENT]
    assert adapter.health().is_up


# How it is ----------------------------------------------------------------------------------------


def test_a_phone_that_is_well(tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", Signal=42, Battery=100)

    assert adapter.health() == Health(
        is_up=True, says="1 phone on TELKOMSEL", signal=42, battery=100, backlog=0
    )


def test_of_several_phones_the_worst_counts(tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", Signal=42, Battery=-1)
    tables.has_phone("sim2", "2", Signal=9, Battery=55, NetName="XL")

    health = adapter.health()

    assert (health.is_up, health.says) == (True, "2 phones on TELKOMSEL, XL")
    assert (health.signal, health.battery) == (9, 55)


def test_one_of_two_that_is_silent_is_told_by_count(tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "990000862471854", Signal=42)
    tables.has_phone("sim2", "990000862471855", UpdatedInDB=written(datetime.now(UTC), -150))

    health = adapter.health()

    assert (health.is_up, health.says) == (False, "1 of 2 phones silent for two minutes or more")
    assert health.signal == 42


def test_a_modem_that_was_replaced_is_not_missed(tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", UpdatedInDB=written(datetime.now(UTC), -86400))
    tables.has_phone("sim1", "2")

    assert adapter.health().says == "1 phone on TELKOMSEL"


@pytest.mark.parametrize("odd", ["", "0000-00-00 00:00:00", "x", 0], ids=repr)
def test_a_phone_with_a_time_that_is_none_is_silent(odd: object, tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", UpdatedInDB=odd)

    assert adapter.health().says == "1 of 1 phones silent for two minutes or more"


@pytest.mark.parametrize("name", ["ERROR", "", None], ids=repr)
def test_what_the_modem_does_not_know_is_not_told(name: str | None, tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", NetName=name, Signal=-1, Battery=-1)

    assert adapter.health() == Health(
        is_up=True, says="1 phone on a network it does not name", backlog=0
    )


def test_a_number_in_the_name_of_a_network_is_not_told(tables: Tables, adapter: Gammu):
    tables.has_phone("sim1", "1", NetName=f"XL {PHONE}")

    assert PHONE[1:] not in adapter.health().says


def test_smsd_that_has_found_no_phone(adapter: Gammu):
    assert adapter.health() == Health(is_up=False, says="SMSD has not found a phone yet", backlog=0)


def test_the_backlog_is_what_waits_of_ours(tables: Tables, adapter: Gammu):
    tables.run("INSERT INTO outbox (CreatorID) VALUES ('Gammu')")
    adapter.send(MESSAGE)
    adapter.send(OutboundSms(TOKEN, PHONE, "x" * 400))

    assert adapter.health().backlog == 2


@pytest.mark.parametrize("condition", [None, "empty", "no database", "nobody"], ids=str)
def test_a_database_that_gives_no_answer_is_not_reached(condition: str | None):
    with TestGammu().reaching(condition) as reached:
        adapter = reached.adapter
        assert isinstance(adapter, Gammu)
        for asks in (lambda: adapter.poll(None), adapter.health):
            with pytest.raises(NotReached, match=r"^SMSD's database .*Error\)$"):
                asks()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path):
    path = tmp_path / "smsd.db"

    with pytest.raises(NotReached):
        Gammu(GammuAccount(f"sqlite:///{path}", "UTC")).poll(None)

    assert not path.exists()


def test_a_file_is_found_whatever_its_name(tmp_path: Path):
    folder = tmp_path / "a b#c%41&mode=ro"
    folder.mkdir()
    tables = Tables.made_in(folder)
    tables.gets(PHONE, "NIHIL")

    assert (folder / "smsd.db").exists()
    assert [one.text for one in reading(tables).poll(None).intake.messages] == ["NIHIL"]


def test_polling_marking_and_asking_tell_nothing_at_all(
    tables: Tables,
    adapter: Gammu,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    tables.gets(PHONE, "WNA#Australia#2")
    tables.gets("", "dari desa")
    tables.sent(OUR)
    tables.has_phone("sim1", "1")

    with everything_told(caplog, capfd) as told:
        adapter.kept(adapter.poll(None))
        adapter.health()
        tables.run("DROP TABLE phones")
        with pytest.raises(NotReached) as raised:
            adapter.health()
        told.append(str(raised.value))

    assert [form for form in private_forms(PHONE, "WNA#Australia#2") if form in str(told)] == []
