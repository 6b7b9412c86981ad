"""Requests as they came, sealed: what was really sent to us, for when that is disputed."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, BigId, Numbered


class Evidence(Numbered, Base):
    """One request to a webhook that brought something new; it is deleted after its time."""

    __tablename__ = "evidence"

    channel: Mapped[str]
    inbox_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("inbox.id"), index=True)
    """The first message that it brought; none where it could not be read."""
    sealed: Mapped[str]
    """Encrypted: numbers and documents stand in it as they were sent."""
    received_at: Mapped[datetime] = mapped_column(index=True)
