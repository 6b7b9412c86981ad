"""A provider that does with each message what a test tells it, and keeps account of all of them."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from support.power_cut import PowerCut

from gateway.providers.base import (
    InboundRequest,
    Intake,
    NoSuchRoute,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
)


class Does(StrEnum):
    """What becomes of one message."""

    ACCEPTS = "accepts"
    REPORTS_FIRST = "accepts, and the delivery report overtakes the answer"
    REPORTS_AT_ONCE = "accepts, and the delivery report comes at the moment of the answer"
    IS_SLOW = "accepts, but so late that the sweeper has given it up"
    SILENT_AFTER = "sends it, and the answer is lost"
    SILENT_BEFORE = "answers nothing, and has not sent it"
    DIES_AFTER = "sends it, and we die before the answer"
    REFUSES = "will not carry it"
    REFUSES_NUMBER = "refuses the number"
    DEFERS = "is in trouble"
    THROTTLES = "takes no more for now"
    NO_CREDIT = "has no credit"


#: After these the message may be on its way, as far as we can tell.
MAY_HAVE_LEFT = frozenset(
    {
        Does.ACCEPTS,
        Does.REPORTS_FIRST,
        Does.REPORTS_AT_ONCE,
        Does.IS_SLOW,
        Does.SILENT_AFTER,
        Does.SILENT_BEFORE,
        Does.DIES_AFTER,
    }
)
_ERRORS: Mapping[Does, Exception] = {
    Does.SILENT_AFTER: SendUnconfirmed("no answer"),
    Does.SILENT_BEFORE: SendUnconfirmed("no answer"),
    Does.REFUSES: SendRefused("no route"),
    Does.REFUSES_NUMBER: NumberRefused("no mobile"),
    Does.DEFERS: SendDeferred("trouble of theirs"),
    Does.THROTTLES: Throttled("too fast", timedelta(minutes=1)),
    Does.NO_CREDIT: OutOfCredit("no credit"),
}


class Handed(NamedTuple):
    """One message that was handed over once."""

    channel: str
    token: str
    does: Does
    given_id: str


@dataclass
class Ledger:
    """What is to be done with the next messages, and all that were handed over, by any channel."""

    script: deque[Does] = field(default_factory=deque)
    handed: list[Handed] = field(default_factory=list)
    by_token: dict[str, list[Handed]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hand(self, channel: str, token: str) -> Handed:
        """Take a message and say what is done with it; where nothing is said, it is accepted."""
        with self.lock:
            does = self.script.popleft() if self.script else Does.ACCEPTS
            one = Handed(channel, token, does, f"{channel}-{len(self.handed)}")
            self.handed.append(one)
            self.by_token[token].append(one)
            return one


class ScriptedProvider:
    """One channel; what it does between taking and answering is done by the test."""

    can_send = True
    tells_time = True
    sends_once = False

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        claims_at_once: int,
        meanwhile: Callable[[Handed], None],
    ) -> None:
        self.name = name
        self.claims_at_once = claims_at_once
        self._ledger = ledger
        self._meanwhile = meanwhile

    def receive(self, request: InboundRequest) -> Intake:
        """Refuse: the test brings messages by itself."""
        raise NoSuchRoute(request.path)

    def send(self, message: OutboundSms) -> str | None:
        handed = self._ledger.hand(self.name, message.token)
        self._meanwhile(handed)
        if handed.does is Does.DIES_AFTER:
            raise PowerCut(handed.does)
        if (error := _ERRORS.get(handed.does)) is not None:
            raise error
        return handed.given_id
