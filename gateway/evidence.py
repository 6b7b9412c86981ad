"""Evidence: requests kept as they came, encrypted, for a time, and opened only for a reason.

Everywhere else numbers are replaced by aliases and documents are masked. Where somebody disputes
what was sent, only the very bytes tell. They are kept only where a key for them is set.
"""

import base64
import json
from datetime import timedelta

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.orm import Session

from gateway import clock, keys
from gateway.audit import Audit
from gateway.providers.base import InboundRequest
from models.evidence import Evidence

#: So many old ones are deleted in one transaction.
_MOST_FORGOTTEN = 200
#: What of a request's headers may tell who sent it and how it is to be read.
_TELLING = ("content-type", "user-agent", "x-signature", "x-timestamp")


class CannotOpen(Exception):
    """There is no such evidence, or no key that opens it; the text says which."""


class Safe:
    """Seals and opens; the first key seals, any opens, so that keys can be changed."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        """Take the keys; without any, nothing is kept."""
        derived = [keys.derived_key(secret, "evidence") for secret in secrets]
        fernets = [Fernet(base64.urlsafe_b64encode(key)) for key in derived]
        self._fernet = MultiFernet(fernets) if fernets else None

    def keep(
        self, session: Session, channel: str, request: InboundRequest, inbox_id: int | None
    ) -> None:
        """Keep a request; do nothing where no key is set."""
        if self._fernet is None:
            return
        sealed = self._fernet.encrypt(json.dumps(_told(request)).encode()).decode()
        session.add(
            Evidence(channel=channel, inbox_id=inbox_id, sealed=sealed, received_at=clock.now())
        )

    def open(
        self, session: Session, audit: Audit, evidence_id: int, actor: str, reason: str
    ) -> dict[str, str]:
        """Give a request as it came, and keep who looked at it and why; raise CannotOpen."""
        found = session.get(Evidence, evidence_id)
        if found is None:
            raise CannotOpen(f"there is no evidence {evidence_id}; perhaps its time was over")
        if self._fernet is None:
            raise CannotOpen("TIMPORA_ENCRYPTION_KEY is not set; set the one it was kept with")
        try:
            told: dict[str, str] = json.loads(self._fernet.decrypt(found.sealed.encode()))
        except InvalidToken:
            raise CannotOpen(
                f"evidence {evidence_id} was kept with another TIMPORA_ENCRYPTION_KEY; add that"
                " one, parted by a comma"
            ) from None
        subject = f"evidence {evidence_id}"
        audit.write(session, actor=actor, action="evidence_opened", subject=subject, reason=reason)
        return told


def forget_old(session: Session, keep_for: timedelta) -> int:
    """Delete what is older than it may be, a bounded number at once; say how many."""
    old = (
        sa.select(Evidence.id)
        .where(Evidence.received_at < clock.now() - keep_for)
        .order_by(Evidence.id)
        .limit(_MOST_FORGOTTEN)
    )
    deleted = session.execute(
        sa.delete(Evidence).where(Evidence.id.in_(old)).returning(Evidence.id)
    )
    return len(deleted.all())


def _told(request: InboundRequest) -> dict[str, str]:
    """Write a request down; of bytes that are no UTF-8 none is lost."""
    headers = {name: request.headers[name] for name in _TELLING if name in request.headers}
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query.decode("utf-8", "backslashreplace"),
        "headers": json.dumps(headers),
        "body": request.body.decode("utf-8", "backslashreplace"),
        "body_base64": base64.b64encode(request.body).decode(),
    }
