"""The audit: who looked at what. Rows are only ever added, each sealed with the one before it.

The database refuses a change (see the migration); whoever gets round that breaks the chain of
seals, which only the secret key can mend.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.keys import derived_key, digest
from models.database.locks import lock_name
from models.people import AuditEntry

_AT_ONCE = 1000


class Audit:
    """Writes entries and verifies their chain."""

    def __init__(self, secret_key: str) -> None:
        """Derive the key of the seals."""
        self._key = derived_key(secret_key, "audit")

    def write(
        self, session: Session, *, actor: str, action: str, subject: str, reason: str = ""
    ) -> None:
        """Add an entry; call it last in a transaction, as its lock is everybody's.

        One chain needs one writer at a time, until that writer's commit.
        """
        lock_name(session, "audit")
        newest = sa.select(AuditEntry.seal).order_by(AuditEntry.id.desc()).limit(1)
        before = session.scalars(newest).one_or_none() or ""
        entry = AuditEntry(
            at=clock.now(), actor=actor, action=action, subject=subject, reason=reason
        )
        entry.seal = self.seal(before, entry)
        session.add(entry)
        session.flush()

    def verify(self, session: Session, newest: int | None = None) -> int | None:
        """Give the id of the first entry that is not as it was written, or None when all are.

        Perhaps of so many newest alone, the one before them taken for true. Entries older than
        seals are passed over. That the newest were cut off shows only by comparison with a copy.
        """
        rows = sa.select(AuditEntry).order_by(AuditEntry.id)
        before = None
        if newest is not None:
            older = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).offset(newest).limit(1)
            before = session.scalars(older).one_or_none()
            rows = rows.where(AuditEntry.id > (before.id if before else 0)).limit(newest)
        found = session.scalars(rows.execution_options(yield_per=_AT_ONCE))
        with closing(found):
            return self._first_broken(found, before.seal if before else None)

    def _first_broken(self, rows: Iterable[AuditEntry], seal_before: str | None) -> int | None:
        before = seal_before or ""
        is_sealed = seal_before is not None
        for entry in rows:
            if entry.seal is None and not is_sealed:
                continue
            is_sealed = True
            if entry.seal != self.seal(before, entry):
                return entry.id
            before = entry.seal
        return None

    def seal(self, before: str, entry: AuditEntry) -> str:
        """Make the seal of an entry from the one before it, empty for the first."""
        at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
        return digest(self._key, before, at, entry.actor, entry.action, entry.subject, entry.reason)
