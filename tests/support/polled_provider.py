"""A provider that must be asked: a modem that puts what it gets into a table of an SQLite file."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.providers.base import (
    InboundRequest,
    InboundSms,
    Intake,
    NoSuchRoute,
    OutboundSms,
    Polled,
    SendDeferred,
    Unreadable,
)

_MOST_ROWS = 50


class Modem:
    """The other end: what the modem's own program writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run("CREATE TABLE inbox (id INTEGER PRIMARY KEY, at TEXT, sender TEXT, text TEXT)")

    def gets(self, sender: str | None, text: str, at: str = "2026-03-01 06:04:45") -> None:
        """Put one message into the table."""
        self._run("INSERT INTO inbox (at, sender, text) VALUES (?, ?, ?)", at, sender, text)

    def _run(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)


class ModemTable:
    """The adapter: its mark is the id of the last row that was read."""

    name = "modem"
    can_send = False
    claims_at_once = 1
    sends_once = False
    tells_time = True
    poll_every = timedelta(0)
    inbox_keeps_old = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def receive(self, request: InboundRequest) -> Intake:
        """Refuse: a modem calls nobody."""
        raise NoSuchRoute(request.path)

    def send(self, message: OutboundSms) -> str | None:  # noqa: ARG002
        """Put it off: this one only receives."""
        raise SendDeferred("the modem only receives")

    def poll(self, since: str | None) -> Polled:
        """Read the rows after the mark, each for itself: one that is bad spoils no other."""
        messages: list[InboundSms] = []
        unreadable: list[Unreadable] = []
        mark = int(since or 0)
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT id, at, sender, text FROM inbox WHERE id > ? ORDER BY id LIMIT ?",
                (mark, _MOST_ROWS),
            ).fetchall()
        for row_id, at, sender, text in rows:
            mark = row_id
            if not sender:
                body = json.dumps([row_id, at, sender, text]).encode()
                unreadable.append(Unreadable("a row without a sender", body))
                continue
            try:
                moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            except ValueError:
                moment = None
            flags = () if moment else ("odd_date",)
            messages.append(InboundSms(sender, None, text, str(row_id), moment, flags))
        return Polled(Intake(tuple(messages), unreadable=tuple(unreadable)), str(mark))

    def kept(self, polled: Polled) -> None:
        """Need not know: the mark says it all."""
