"""PINs: how one is kept, which are too easy, and how many wrong ones are borne."""

import hmac
import os
import threading
from enum import StrEnum

import sqlalchemy as sa
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from gateway import clock
from gateway.keys import derived_key
from gateway.messaging import alarms
from gateway.settings import PinRules
from models.database.locks import lock_name
from models.officers import Officer, PinTry
from models.people import Phone
from models.states import AlarmKind

_MEMORY_KIB = 19 * 1024
#: So many hashes are reckoned at once in a process: a core is left for screens that need none.
_AT_ONCE = threading.Semaphore(max(1, (os.cpu_count() or 2) - 1))
_SHORTEST, _LONGEST = 4, 6
_RUNS = ("01234567890", "09876543210")
_A_PAIR = 2
#: The years in which people are born, marry and have children: four digits that others know.
_YEARS = range(1940, 2031)


class Verdict(StrEnum):
    """What became of a try."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"


class Pins:
    """Hashes PINs and counts tries, across sessions and channels."""

    def __init__(self, secret_key: str, rules: PinRules) -> None:
        """Derive the key that stands before the hash: a stolen table alone tells no PIN."""
        self._key = derived_key(secret_key, "PINs")
        self._hasher = PasswordHasher(
            time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1, type=Type.ID
        )
        self.rules = rules

    def make_hash(self, pin: str) -> str:
        """Hash a PIN: argon2id, 19 MiB, two passes. Tens of ms: never inside a transaction."""
        with _AT_ONCE:
            return self._hasher.hash(self._peppered(pin))

    def is_right(self, pin: str, pin_hash: str) -> bool:
        """Say whether it is this PIN. Tens of ms: never inside a transaction."""
        try:
            with _AT_ONCE:
                return self._hasher.verify(pin_hash, self._peppered(pin))
        except (VerificationError, InvalidHashError):
            return False

    def _peppered(self, pin: str) -> bytes:
        return hmac.digest(self._key, pin.encode(), "sha256")

    def begin_try(self, session: Session, officer: Officer, channel: str) -> bool:
        """Keep a try as a wrong one before it is checked; False where no try is left.

        So neither guesses in parallel pass the bound, nor one whose process is killed half-way.
        """
        self._hold(session, officer)
        if self.is_locked(officer):
            return False
        if self.tries_left(session, officer) == 0:
            self._lock(session, officer)
            return False
        session.add(PinTry(officer_id=officer.id, at=clock.now(), channel=channel))
        session.flush()
        return True

    def finish_try(self, session: Session, officer: Officer, *, was_right: bool) -> Verdict:
        """Say what the try came to: a right one clears the count, the last wrong one locks."""
        self._hold(session, officer)
        if self.is_locked(officer):
            return Verdict.LOCKED
        if was_right:
            self._clear(session, officer)
            return Verdict.RIGHT
        if self.tries_left(session, officer) == 0:
            self._lock(session, officer)
            return Verdict.LOCKED
        return Verdict.WRONG

    def tries_left(self, session: Session, officer: Officer) -> int:
        """Say how many wrong PINs are still borne.

        Those that led to a lock are paid for with it; otherwise one that is shorter than the window
        would not end in its time.
        """
        counted = sa.select(sa.func.count()).where(
            PinTry.officer_id == officer.id,
            PinTry.counts,
            PinTry.at > clock.now() - self.rules.window,
        )
        if officer.locked_until is not None:
            counted = counted.where(PinTry.at >= officer.locked_until)
        return max(0, self.rules.tries - session.scalars(counted).one())

    def is_locked(self, officer: Officer) -> bool:
        """Say whether the officer is locked out now."""
        return officer.locked_until is not None and officer.locked_until > clock.now()

    def unlock(self, session: Session, officer: Officer) -> None:
        """Let an officer try again."""
        self._hold(session, officer)
        officer.locked_until = None
        self._clear(session, officer)

    def set_pin(self, session: Session, officer: Officer, pin_hash: str) -> None:
        """Give an officer a PIN, by its hash; who has a new one is not locked out by the old."""
        self.unlock(session, officer)
        officer.pin_hash = pin_hash
        officer.pin_set_at = clock.now()

    def _lock(self, session: Session, officer: Officer) -> None:
        """Lock an officer out; an admin is told, as somebody may be guessing."""
        officer.locked_until = clock.now() + self.rules.lock
        alias = session.get_one(Phone, officer.phone_id).alias
        says = f"{self.rules.tries} wrong PINs"
        alarms.raise_alarm(session, AlarmKind.LOCKOUT, alias, says)

    def _clear(self, session: Session, officer: Officer) -> None:
        session.execute(
            sa.update(PinTry)
            .where(PinTry.officer_id == officer.id, PinTry.counts)
            .values(counts=False)
        )

    def _hold(self, session: Session, officer: Officer) -> None:
        """Hold the officer's own lock, and see the row as it stands under it."""
        session.flush()
        lock_name(session, f"officer:{officer.id}")
        session.refresh(officer)


def fault_of(pin: str) -> str | None:
    """Name by its text key what is wrong with a new PIN: its form, or that anybody guesses it."""
    if not (pin.isascii() and pin.isdigit() and _SHORTEST <= len(pin) <= _LONGEST):
        return "PIN_BENTUK"
    is_run = any(pin in run for run in _RUNS)
    is_pairs = len(pin) % _A_PAIR == 0 and pin == pin[:_A_PAIR] * (len(pin) // _A_PAIR)
    is_year = len(pin) == _SHORTEST and int(pin) in _YEARS
    is_halves = len(pin) % 2 == 0 and pin[: len(pin) // 2] == pin[len(pin) // 2 :]
    if len(set(pin)) == 1 or is_run or is_pairs or is_year or is_halves:
        return "PIN_MUDAH"
    return None
