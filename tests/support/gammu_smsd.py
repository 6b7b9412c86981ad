"""Gammu SMSD: its tables as it writes them, and the real daemon with a modem made of files."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from configparser import RawConfigParser
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from support import debian
from support.die_with_parent import launch
from support.repository import ROOT
from support.waiting import wait_until

DEPLOY = ROOT / "deploy" / "gammu"
SCHEMAS = Path("/usr/share/doc/gammu/examples/sql")
PACKAGES = ("gammu", "gammu-smsd", "libdbd-sqlite3")
#: What the modem made of files says of itself.
NETWORK, SIGNAL, BATTERY = "GammuT3l", 42, 100
_ITS_CENTRE = "123456"
_ITS_REFERENCE = 255

#: Of the tables what an adapter can meet; each column as the real schema has it.
_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE gammu (Version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO gammu VALUES (17);
CREATE TABLE inbox (
  ID INTEGER PRIMARY KEY AUTOINCREMENT,
  UpdatedInDB NUMERIC NOT NULL DEFAULT (datetime('now')),
  ReceivingDateTime NUMERIC NOT NULL DEFAULT (datetime('now')),
  Text TEXT NOT NULL, SenderNumber TEXT NOT NULL DEFAULT '',
  Coding TEXT NOT NULL DEFAULT 'Default_No_Compression', UDH TEXT NOT NULL,
  SMSCNumber TEXT NOT NULL DEFAULT '', Class INTEGER NOT NULL DEFAULT -1,
  TextDecoded TEXT NOT NULL DEFAULT '', RecipientID TEXT NOT NULL,
  Processed TEXT NOT NULL DEFAULT 'false', Status INTEGER NOT NULL DEFAULT -1);
CREATE TABLE outbox (
  ID INTEGER PRIMARY KEY AUTOINCREMENT,
  SendingDateTime NUMERIC NOT NULL DEFAULT (datetime('now')),
  SendingTimeOut NUMERIC NOT NULL DEFAULT (datetime('now')),
  Text TEXT, DestinationNumber TEXT NOT NULL DEFAULT '',
  Coding TEXT NOT NULL DEFAULT 'Default_No_Compression', UDH TEXT, Class INTEGER DEFAULT -1,
  TextDecoded TEXT NOT NULL DEFAULT '', MultiPart TEXT NOT NULL DEFAULT 'false',
  RelativeValidity INTEGER DEFAULT -1, SenderID TEXT, DeliveryReport TEXT DEFAULT 'default',
  CreatorID TEXT NOT NULL);
CREATE TABLE outbox_multipart (
  ID INTEGER, SequencePosition INTEGER NOT NULL DEFAULT 1, Text TEXT,
  Coding TEXT NOT NULL DEFAULT 'Default_No_Compression', UDH TEXT, TextDecoded TEXT,
  PRIMARY KEY (ID, SequencePosition));
CREATE TABLE sentitems (
  ID INTEGER, SequencePosition INTEGER NOT NULL DEFAULT 1,
  UpdatedInDB NUMERIC NOT NULL DEFAULT (datetime('now')),
  Text TEXT NOT NULL, DestinationNumber TEXT NOT NULL DEFAULT '', UDH TEXT NOT NULL,
  TextDecoded TEXT NOT NULL DEFAULT '', SenderID TEXT NOT NULL,
  Status TEXT NOT NULL DEFAULT 'SendingOK', StatusError INTEGER NOT NULL DEFAULT -1,
  StatusCode INTEGER NOT NULL DEFAULT -1, CreatorID TEXT NOT NULL,
  PRIMARY KEY (ID, SequencePosition));
CREATE TABLE phones (
  ID TEXT NOT NULL, IMEI TEXT PRIMARY KEY NOT NULL, IMSI TEXT NOT NULL, Client TEXT NOT NULL,
  UpdatedInDB NUMERIC NOT NULL DEFAULT (datetime('now')), NetName TEXT DEFAULT 'ERROR',
  Battery INTEGER NOT NULL DEFAULT -1, Signal INTEGER NOT NULL DEFAULT -1);
"""


def in_hex(text: str) -> str:
    """Write a text as `Text` has it: UTF-16 in hex, half a pair too."""
    return text.encode("utf-16-be", "surrogatepass").hex().upper()


def header(reference: int, number: int, total: int) -> str:
    """Write the user data header of one part of a long message."""
    return f"050003{reference:02X}{total:02X}{number:02X}"


class Tables:
    """SMSD's tables, written as SMSD writes them and read as a person would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(url, poolclass=NullPool)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _in_a_hurry)

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """Make them in a new SQLite file, without the package."""
        tables = cls(f"sqlite:///{quote(str(folder))}/smsd.db")
        tables.run_script(_TABLES)
        return tables

    @classmethod
    def as_shipped(cls, url: str) -> Self:
        """Make them by the package's own script, with the indexes that we add."""
        tables = cls(url)
        kind = "sqlite" if url.startswith("sqlite") else "pgsql"
        script = (SCHEMAS / f"{kind}.sql").read_text()
        # PostgreSQL has its language since version 9; the script stops there, as the guide tells.
        script = script.replace("CREATE LANGUAGE plpgsql;", "")
        tables.run_script(script)
        tables.run_script((DEPLOY / "indexes.sql").read_text())
        return tables

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(make_url(self.url).database or "")

    def run_script(self, script: str) -> None:
        """Run many statements at once."""
        with self._engine.begin() as connection:
            driver: Any = connection.connection.driver_connection
            if connection.dialect.name == "sqlite":
                driver.executescript(script)
            else:
                driver.execute(script)

    def run(self, statement: str, **values: object) -> None:
        """Run one statement."""
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def rows(self, statement: str, **values: object) -> list[Mapping[str, Any]]:
        """Read rows by the names of their columns."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]

    def column(self, statement: str, **values: object) -> list[Any]:
        """Read one column."""
        return [next(iter(row.values())) for row in self.rows(statement, **values)]

    def unread(self) -> list[int]:
        """List the ids in `inbox` that nobody has marked."""
        is_unread = "= 'false'" if self.url.startswith("sqlite") else "= false"
        statement = f'SELECT "ID" FROM inbox WHERE "Processed" {is_unread} ORDER BY "ID"'  # noqa: S608
        return self.column(statement)

    def gets(self, sender: str, text: str, own: str | None = None, **columns: object) -> None:
        """Write a row of `inbox`; `own` is the text of this part, where the row has the whole."""
        row: dict[str, object] = {
            "ReceivingDateTime": "2026-03-01 06:04:45",
            "SenderNumber": sender,
            "Text": in_hex(text if own is None else own),
            "TextDecoded": text,
            "UDH": "",
            "RecipientID": "sim1",
            "SMSCNumber": "+6281100000",
        }
        self._insert("inbox", row | columns)

    def sent(self, *creators: str, Status: str = "SendingOK", **columns: object) -> None:  # noqa: N803  # theirs
        """Write rows of `sentitems`, ten seconds old, with the next ids."""
        next_id = (self.column('SELECT max("ID") FROM sentitems')[0] or 0) + 1
        row: dict[str, object] = {
            "UpdatedInDB": written(datetime.now(UTC), -10),
            "Text": "",
            "UDH": "",
            "SenderID": "sim1",
            "Status": Status,
        }
        rows = [
            {"ID": next_id + at, "CreatorID": creator} | row | columns
            for at, creator in enumerate(creators)
        ]
        self._insert("sentitems", *rows)

    def has_phone(self, name: str, imei: str, **columns: object) -> None:
        """Write a row of `phones`, alive just now."""
        row: dict[str, object] = {
            "ID": name,
            "IMEI": imei,
            "IMSI": "",
            "Client": "",
            "UpdatedInDB": written(datetime.now(UTC)),
            "NetName": "TELKOMSEL",
            "Battery": 100,
            "Signal": 60,
        }
        self._insert("phones", row | columns)

    def _insert(self, table: str, *rows: Mapping[str, object]) -> None:
        # No type is told: each database reads a text as its column wants it.
        columns = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        statement = sa.text(f"INSERT INTO {table} ({columns}) VALUES ({values})")  # noqa: S608
        typed = [sa.bindparam(name, type_=sa.types.NullType()) for name in rows[0]]
        with self._engine.begin() as connection:
            connection.execute(statement.bindparams(*typed), [dict(row) for row in rows])


def _in_a_hurry(connection: Any, _entry: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def written(moment: datetime, seconds: float = 0) -> str:
    """Write a moment, or one so many seconds later, as the tables have it."""
    later = datetime.fromtimestamp(moment.timestamp() + seconds, moment.tzinfo)
    return later.replace(tzinfo=None).isoformat(" ", "seconds")


def demand_gammu() -> None:
    """Have the daemon, or skip the test and name the packages."""
    debian.demand(PACKAGES, _missing)


def _missing() -> list[str]:
    lacking = [] if shutil.which("gammu-smsd") else ["gammu-smsd"]
    if not SCHEMAS.exists():
        lacking.append(str(SCHEMAS))
    if not any(Path("/usr/lib").glob("*/dbd/libdbdsqlite3.so")):
        lacking.append("libdbdsqlite3.so")
    return lacking


class GammuSmsd:
    """The daemon, set up by the template that we ship; its modem is a folder of files."""

    def __init__(self, folder: Path, tables: Tables, zone: str = "UTC", **options: str) -> None:
        self.log = folder / "output"
        self.tables = tables
        self._zone = zone
        self._folder = folder
        self._messages = folder / "modem" / "sms" / "1"
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        for number in range(1, 6):
            (self._messages.parent / str(number)).mkdir(parents=True)
        self._config = folder / "gammu-smsdrc"
        self._configure(options)

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, tables: Tables, zone: str = "UTC", **options: str
    ) -> Iterator[Self]:
        """Run the daemon for the length of a with block."""
        smsd = cls(folder, tables, zone, **options)
        try:
            smsd.start()
            yield smsd
        finally:
            smsd.stop()

    def _configure(self, options: Mapping[str, str]) -> None:
        url = make_url(self.tables.url)
        kind = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        config = RawConfigParser()
        config.read_string((DEPLOY / f"gammu-smsdrc.{kind}").read_text())
        config["gammu"] = {
            "model": "dummy",
            "connection": "none",
            "device": str(self._folder / "modem"),
        }
        path = Path(url.database or "")
        where = {"dbdir": f"{path.parent}/", "database": path.name}
        if kind == "postgresql":
            host, user = url.query["host"], url.username or ""
            where = {"host": str(host), "user": user, "database": str(path)}
        quick = {
            "receivefrequency": "1",
            "statusfrequency": "1",
            "commtimeout": "1",
            "multiparttimeout": "1",
        }
        config["smsd"].update({**quick, **where, **options})
        with self._config.open("w") as file:
            config.write(file)

    def start(self) -> None:
        """Start it, and wait until it has found its modem."""
        with self.log.open("ab") as output:
            self._process = launch(
                ["gammu-smsd", "-c", str(self._config)],
                output=output,
                environment={"PATH": os.environ["PATH"], "TZ": self._zone, "LC_ALL": "C.UTF-8"},
                folder=self._folder,
            )
        wait_until(
            lambda: self.tables.column('SELECT "ID" FROM phones WHERE "Signal" >= 0'),
            within=20,
            what="SMSD finds its modem",
        )

    def stop(self) -> None:
        """Stop it as systemd does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None

    def is_idle(self) -> bool:
        """Say whether the modem holds no message any more, read or not."""
        return not any(self._messages.iterdir())

    def receive(self, sender: str, text: str, udh: str = "", at: str = "20260301T060445") -> None:
        """Let the modem get a message, or a part of one; times are in UTC."""
        is_ascii = all(ord(character) < 128 for character in text)
        lines = [
            "PDU = Deliver",
            'SMSC = "+6281100000"',
            f"DateTime = {at}",
            f"Coding = {'Default' if is_ascii else 'Unicode'}_No_Compression",
            *([f"UDH = {udh}"] if udh else []),
        ]
        self._write(sender, text, lines)

    def receive_long(self, sender: str, parts: Sequence[str], reference: int) -> None:
        """Let the modem get the parts of a long message."""
        for number, part in enumerate(parts, 1):
            self.receive(sender, part, header(reference, number, len(parts)))

    def report(self, number: str, word: str, at: datetime) -> None:
        """Let the modem get a delivery report: `Delivered` or `Failed`."""
        stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        lines = [
            "PDU = Status_Report",
            f'SMSC = "{_ITS_CENTRE}"',
            f"DateTime = {stamp}",
            f"SMSCDateTime = {stamp}",
            "Coding = Default_No_Compression",
            f"MessageReference = {_ITS_REFERENCE}",
            "DeliveryStatus = 0",
        ]
        self._write(number, word, lines)

    def _write(self, number: str, text: str, lines: Sequence[str]) -> None:
        code = in_hex(text)
        texts = [code[at : at + 200] for at in range(0, len(code), 200)] or [""]
        whole = [
            "[SMSBackup000]",
            *lines,
            "State = UnRead",
            f'Number = "{number}"',
            f"NumberUnicode = {in_hex(number)}",
            *(f"Text{at:02d} = {one}" for at, one in enumerate(texts)),
            f"Length = {len(text)}",
            "Folder = 1",
            "Class = -1",
        ]
        # Whole or not at all: SMSD looks into the folder all the time.
        draft = self._folder / "draft"
        draft.write_text("\n".join(whole) + "\n", encoding="utf-8")
        draft.rename(self._messages / str(next(self._numbers)))
