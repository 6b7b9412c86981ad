"""Where what providers bring is kept before they hear 200: together, where much comes at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dialogue import talking
from gateway.messaging import receiving, standing
from gateway.messaging.group_commit import GroupCommit
from gateway.messaging.queues import Job
from gateway.messaging.receiving import Brought
from gateway.providers.base import InboundRequest, Intake
from gateway.wiring import Wiring
from models.database.engine import UNAVAILABLE

#: More than threads of a web process that wait at once; a bound, lest a transaction grow long.
_MOST_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class Delivered:
    """A request that a provider made, and what it brings."""

    channel: str
    request: InboundRequest
    intake: Intake
    is_sign_of_life: bool
    """Whether it is to be noted that the channel is alive."""

    @property
    def waits_for_others(self) -> bool:
        """Say whether keeping it may wait for a lock that others hold for long."""
        return bool(self.intake.deliveries or self.intake.dialogue_ends)


class Doorstep:
    """Keeps what is delivered, and rings for it."""

    def __init__(self, office: Wiring) -> None:
        """Keep in this office's database; nothing is opened yet."""
        self._office = office
        self._group = GroupCommit(self._keep_all, UNAVAILABLE, _MOST_TOGETHER)

    def keep(self, delivered: Delivered) -> None:
        """Commit what a request brings; raise one of UNAVAILABLE where nothing of it was kept."""
        if delivered.waits_for_others:
            self._keep_all([delivered])
        else:
            self._group.keep(delivered)

    def _keep_all(self, all_: Sequence[Delivered]) -> Sequence[None]:
        office = self._office
        with office.database.writing() as session:
            brought = [Brought(one.channel, one.intake) for one in all_]
            accepted = receiving.accept_together(
                session, office.directory, brought, office.channels
            )
            for one, ids in zip(all_, accepted, strict=True):
                # What an adapter sets apart without its body may hold a PIN, and is kept nowhere.
                if ids or any(item.body for item in one.intake.unreadable):
                    office.safe.keep(session, one.channel, one.request, ids[0] if ids else None)
                if one.is_sign_of_life:
                    brings = bool(one.intake.messages)
                    standing.note_heard(session, one.channel, with_message=brings)
                for notice in one.intake.dialogue_ends:
                    talking.end(session, office.switchboard, one.channel, notice)
        first = next((ids[0] for ids in accepted if ids), None)
        if first is not None:
            office.doorbell.ring(Job.VALIDATE_MESSAGE, first)
        return [None] * len(all_)
