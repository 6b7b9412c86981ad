"""What every provider's adapter is: readers that know no web and no database, and one sender.

An adapter turns an `InboundRequest` into an `Intake`: any number of messages, delivery reports and
key presses, whatever in it cannot be read (quarantine), and the answer that this provider expects.
It sends one message at a time, within a bounded time, and says by one of three errors why it could
not. A provider that is asked instead of asking (a modem's tables, an inbox to back-fill from) also
offers `poll`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from models.states import MessageStatus

#: One send ends within so long in all, a dripping answer included: ten seconds, with half a second
#: left for what stands around it.
SEND_WITHIN = timedelta(seconds=9.5)


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """An HTTP request to a provider's webhook, as raw as it came."""

    method: str
    path: str
    """What follows the secret: `sms`, `dlr`, `ussd`, `ussd/end`."""
    query: bytes
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message from a phone, as its provider tells it."""

    sender: str
    """As given: perhaps without `+`, perhaps a name."""
    recipient: str | None
    text: str
    provider_message_id: str | None = None
    """None where the provider gives none, or says `null`, `None` or nothing."""
    network_time: datetime | None = None
    """When the network took it; aware; None where not given or not readable."""
    flags: tuple[str, ...] = ()
    """What was odd about it: `odd_date`, `odd_encoding`."""
    payload: Mapping[str, str] = field(default_factory=dict)
    """The provider's other fields, as sent."""
    id_is_a_hash: bool = False
    """Whether two true messages can share an id, so that the time must tell them apart."""


@dataclass(frozen=True, slots=True)
class ReportedDelivery:
    """What a provider says of a message that we sent."""

    provider_message_id: str
    raw_status: str
    reason: str
    status: MessageStatus | None
    """What it means: sent, delivered or failed; None when it is interim or not known."""


@dataclass(frozen=True, slots=True)
class KeyPress:
    """One request of a USSD dialogue."""

    session_id: str
    """The provider's; where it gives none, the sender's number does."""
    sender: str
    service_code: str
    relayed: str = field(repr=False)
    """All input so far joined by `*`, or the last one alone, as the provider does it. It may hold a
    PIN: it is never kept, logged or shown."""
    is_cumulative: bool
    begins: bool = False
    """Whether the provider says that a session starts; where it never says so, always False."""


@dataclass(frozen=True, slots=True)
class DialogueEnd:
    """A provider's notice that a USSD session is over."""

    session_id: str
    sender: str | None


@dataclass(frozen=True, slots=True)
class Screen:
    """What a phone is to show in a USSD dialogue: at most SCREEN_LIMIT characters, lines by LF."""

    text: str
    ends: bool
    """Whether the session is over with it; else the phone asks for the next key."""

    def __post_init__(self) -> None:
        """Refuse an empty screen, and one with a line break at its edge or a CR in it."""
        if not self.text or self.text != self.text.strip("\r\n") or "\r" in self.text:
            raise ValueError("a screen has text, and breaks its lines by LF between them")


#: Characters that fit a screen at every operator known to us, with Africa's Talking's `CON ` before
#: them (160 in all; Safaricom has the smallest screens).
SCREEN_LIMIT = 156


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A request, or a piece of one, that no sense could be made of; kept for a person."""

    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider is to be told."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Intake:
    """All that one request, or one poll, brought."""

    messages: tuple[InboundSms, ...] = ()
    deliveries: tuple[ReportedDelivery, ...] = ()
    key_presses: tuple[KeyPress, ...] = ()
    """At most one: a request waits for one screen."""
    dialogue_ends: tuple[DialogueEnd, ...] = ()
    awaits_screen: bool = False
    """Whether a phone waits for a screen, though the request could not be read."""
    unreadable: tuple[Unreadable, ...] = ()
    answer: Answer = Answer()


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought, and the mark from which the next one goes on."""

    intake: Intake
    since: str


@dataclass(frozen=True, slots=True)
class OutboundSms:
    """A message that is to leave now."""

    id: int
    """Ours: a provider that takes an id of the caller can use it to send only once."""
    to: str
    """E.164."""
    text: str


class SendRefused(Exception):
    """It will never leave: a bad number, a blocked one, a sender that is not ours."""


class SendDeferred(Exception):
    """It surely did not leave, and may later: no connection, throttled, out of credit."""


class SendUnconfirmed(Exception):
    """It may have left: the request went out and no answer came that says so."""


class NoSuchRoute(Exception):
    """The provider has no webhook of that name."""


class WrongMethod(Exception):
    """The webhook takes another method."""


class Provider(Protocol):
    """An adapter. Its errors are the three above, and the two for a route."""

    name: str
    can_send: bool
    """Whether it is set up to send; receiving needs no account."""
    claims_at_once: int
    """How many messages a worker may claim before it sends: one, unless sending cannot fail."""

    def receive(self, request: InboundRequest) -> Intake:
        """Read one webhook request; raise NoSuchRoute or WrongMethod, and nothing else."""

    def send(self, message: OutboundSms) -> str | None:
        """Send within SEND_WITHIN and return the provider's id, if it gives one."""


@runtime_checkable
class UssdProvider(Provider, Protocol):
    """An adapter through which USSD dialogues come."""

    def show(self, screen: Screen, press: KeyPress | None) -> Answer:
        """Write a screen as this provider expects it; no press where it could not be read."""


@runtime_checkable
class PolledProvider(Provider, Protocol):
    """An adapter that must be asked, or that can be asked for what a webhook missed."""

    def poll(self, since: str | None) -> Polled:
        """Read what came after the mark; None means from the beginning."""
