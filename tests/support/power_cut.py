"""A database whose process dies, or whose connection is lost, at a point of the test's choice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from models.database.engine import UNAVAILABLE, Database


class PowerCut(BaseException):
    """The process is gone: nothing that it had not committed is there, and it tells nobody."""


class Trouble(Exception):
    """Something in the middle of the work failed, and nobody had thought of it."""


class Point(StrEnum):
    """Where it happens."""

    STATEMENT = "dies before a statement"
    BEFORE_COMMIT = "dies before a commit"
    AFTER_COMMIT = "dies after a commit, before anybody hears of it"
    CONNECTION = "loses the connection before a statement"
    ERROR = "fails before a statement"


@dataclass(frozen=True)
class Cut:
    """Once, at so many-th time that the point is passed; what never comes so far is not cut."""

    point: Point
    nth: int


#: What a step may end with that was cut.
ENDS = (PowerCut, Trouble, *UNAVAILABLE)


class BreakableDatabase(Database):
    """The real database, with a switch for each point at which a process may die."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._lock = threading.Lock()
        self._cut: Cut | None = None
        self._passed = 0
        self.was_cut = False
        event.listen(self.engine, "before_cursor_execute", self._before_statement)
        event.listen(self.engine, "commit", self._before_commit)

    @contextmanager
    def armed(self, cut: Cut | None) -> Iterator[None]:
        """Be cut at that point within the block."""
        self._cut, self._passed, self.was_cut = cut, 0, False
        try:
            yield
        finally:
            self._cut = None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            yield session
        self._pass(Point.AFTER_COMMIT)

    def _before_commit(self, _connection: sa.Connection) -> None:
        self._pass(Point.BEFORE_COMMIT)

    def _before_statement(self, _connection: sa.Connection, cursor: Any, *_: object) -> None:
        self._pass(Point.STATEMENT)
        self._pass(Point.ERROR)
        self._pass(Point.CONNECTION, cursor)

    def _pass(self, point: Point, cursor: Any = None) -> None:
        with self._lock:
            if self._cut is None or self._cut.point is not point:
                return
            self._passed += 1
            if self._passed != self._cut.nth:
                return
            self._cut, self.was_cut = None, True
        if point is Point.ERROR:
            raise Trouble(point)
        if point is not Point.CONNECTION:
            raise PowerCut(point)
        if self.is_sqlite:
            raise sa.exc.OperationalError("a statement", {}, Exception("disk I/O error"))
        cursor.connection.close()  # the driver finds it gone, as when the server was restarted
