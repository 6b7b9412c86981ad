"""What a worker has in hand: a note on disk that outlives its sudden death.

A message whose handling kills its worker (no memory left, a fault in a C library) raises nothing
that could be counted, and would be tried for ever with all that stood beside it. So a worker notes
the messages of a turn before it handles them, and how often each had been tried; whoever finds a
note whose writer is dead knows what it died of, and which of its deaths have been counted. The note
is one write of a few bytes into a file that is open already; it is never synced to disk, as a power
cut is no message's fault.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from gateway import logs

_log = logs.logger()

_SUFFIX = ".hand"
_NOTED = re.compile(rb"(\d+):(\d+)")
#: Written once at the start, so that a note still fits when the disk has become full.
_ROOM = 4096
#: So many failures are nobody else's: that of its batch, and two of its own. After the first of
#: those it may still be that somebody killed two workers one soon after the other, and its sender's
#: next one must not overtake it for that.
BLAMED_FROM = 3


class Tried(Protocol):
    """A row of the inbox, as far as it matters here."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def attempts(self) -> int:
        """How often it was tried in vain."""


Message = TypeVar("Message", bound=Tried)


class InHand(NamedTuple):
    """A message of a note."""

    id: int
    attempts: int
    """How often it had been tried before."""


class Hands:
    """The note of one process, locked for as long as that lives."""

    def __init__(self, folder: Path) -> None:
        """Prepare to note in that folder; nothing is made there before the first note."""
        self._folder = folder
        self._file: int | None = None
        self._is_given_up = False

    def take(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Note the first messages that may share a turn, and give them.

        One that failed before, or was in the hands of a worker that died, has a turn of its own:
        what it does then is done by it alone, and takes nobody else along. One that is to blame
        goes last: the start of another worker takes longer than it is put off.
        """
        in_order = sorted(messages, key=lambda message: message.attempts >= BLAMED_FROM)
        tried = next((place for place, one in enumerate(in_order) if one.attempts), len(in_order))
        taken = in_order[: tried or 1]
        self._note([InHand(message.id, message.attempts) for message in taken])
        return taken

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Have nothing in hand once the block is over, whatever it raises."""
        try:
            yield
        finally:
            self._note(())

    def _note(self, messages: Sequence[InHand]) -> None:
        """Write which messages are in hand; where that cannot be, work goes on without it."""
        if self._is_given_up or (not messages and self._file is None):
            return
        try:
            if self._file is None:
                self._file = _open_note(self._folder)
            _write_note(self._file, messages)
        except OSError as error:
            self._is_given_up = True
            _log.warning("hands_not_noted", error=logs.name_of(error))


def _open_note(folder: Path) -> int:
    """Make this process's file, locked before anybody can see it under its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not by the process id alone: two containers that share a folder may have the same.
    name = f"{os.getpid()}-{secrets.token_hex(8)}"
    draft = folder / f".{name}"
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.pwrite(file, b"\n" * _ROOM, 0)
        draft.rename(folder / f"{name}{_SUFFIX}")
    except OSError:
        os.close(file)
        draft.unlink(missing_ok=True)
        raise
    return file


def of_the_dead(folder: Path) -> Generator[tuple[InHand, ...]]:
    """Give what each dead worker had in hand; who comes back for the next has done with it.

    Two that look at once see different notes. One at which the caller fails is there for the next
    look; close the generator then, to let go of it.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        file = _lock_unless_alive(path)
        if file is None:
            continue
        try:
            yield _read_note(file)
            path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _lock_unless_alive(path: Path) -> int | None:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return None  # somebody else has just counted it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
    except OSError:
        pass  # its writer lives
    os.close(file)
    return None


def _write_note(file: int, messages: Sequence[InHand]) -> None:
    words = (f"{message.id}:{message.attempts}" for message in messages)
    os.pwrite(file, " ".join(words).encode() + b"\n", 0)


def _read_note(file: int) -> tuple[InHand, ...]:
    line = os.pread(file, 1 << 20, 0).split(b"\n", 1)[0]
    return tuple(InHand(int(one[1]), int(one[2])) for one in _NOTED.finditer(line))
