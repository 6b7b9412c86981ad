"""What every provider's adapter is: readers that know no web and no database, and one sender.

An adapter turns an `InboundRequest` into an `Intake`: any number of messages, delivery reports and
key presses, whatever in it cannot be read (quarantine), and the answer that this provider expects.
It sends one message at a time, within a bounded time, and says by an error of one small family why
it could not:

    SendRefused            it will never leave by this channel
      NumberRefused        nor by any other: the number is at fault, or wants no more
    SendDeferred           it surely did not leave, and may later
      OutOfCredit          nothing leaves until somebody pays
      AccountRefused       nothing leaves until somebody mends our key, address or sender
      Throttled            not so fast
    SendUnconfirmed        it may have left

A provider that is asked instead of asking (a modem's tables), or that can be asked for what a
webhook missed, also offers `poll`; one that can tell how it is offers `health`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from models.states import Fault, MessageStatus

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
class Part:
    """Which piece of a long message a text is, where nobody before us has joined them."""

    reference: int
    """The sender's own count of long messages: it comes round after 256, or 65536."""
    number: int
    """From 1 on."""
    total: int
    """Two or more."""


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
    part: Part | None = None
    """As told; None for a whole message."""

    @property
    def real_part(self) -> Part | None:
        """Give the part that it is of a long message; None where what is told cannot be one."""
        part = self.part
        is_real = part is not None and part.total > 1 and 1 <= part.number <= part.total
        return part if is_real else None


@dataclass(frozen=True, slots=True)
class ReportedDelivery:
    """What a provider says of a message that we sent."""

    provider_message_id: str
    """As `send` returned it: the provider's own, or the token that we gave it."""
    raw_status: str
    reason: str
    status: MessageStatus | None
    """What it means: sent, delivered or failed; None when it is interim or not known."""
    fault: Fault | None = None
    """With `failed`: that it surely did not leave, and why; it is then sent again later."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person has told the provider to get no more messages from us."""

    sender: str
    """As given."""


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
    opt_outs: tuple[OptOut, ...] = ()
    key_presses: tuple[KeyPress, ...] = ()
    """At most one: a request waits for one screen."""
    dialogue_ends: tuple[DialogueEnd, ...] = ()
    awaits_screen: bool = False
    """Whether a phone waits for a screen, though the request could not be read."""
    unreadable: tuple[Unreadable, ...] = ()
    answer: Answer = Answer()

    @property
    def brings_anything(self) -> bool:
        """Say whether there is anything to keep; a key press is answered by itself."""
        return bool(
            self.messages
            or self.deliveries
            or self.opt_outs
            or self.dialogue_ends
            or self.unreadable
        )


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought, and the mark from which the next one goes on."""

    intake: Intake
    since: str

    def brings_anything(self, since: str | None) -> bool:
        """Say whether there is anything to keep, be it only the mark."""
        return self.intake.brings_anything or self.since != since


@dataclass(frozen=True, slots=True)
class OutboundSms:
    """A message that is to leave now."""

    token: str
    """Ours, of 16 hex digits: the same at every try of this message, and never of another one, not
    even of another database. A provider that takes an id of the caller can send only once by it."""
    to: str
    """E.164."""
    text: str
    line: str | None = None
    """Which of the channel's SIMs is to send it; None leaves it to the provider."""


class SendRefused(Exception):
    """It will never leave by this channel: no route, a sender that they do not let us use."""


class NumberRefused(SendRefused):
    """The number is at fault: no mobile, not in service, blocked, or its owner wants no more."""


class SendDeferred(Exception):
    """It surely did not leave, and may later: no connection, trouble of theirs."""


class OutOfCredit(SendDeferred):
    """The account or the SIM has no credit: every message meets the same until somebody pays."""


class AccountRefused(SendDeferred):
    """They do not take our key, address or sender: until somebody mends it, nothing leaves."""


class Throttled(SendDeferred):
    """Too many at once, or in this hour: the channel rests for a while."""

    def __init__(self, said: str, rest: timedelta = timedelta(minutes=1)) -> None:
        """Take how long they ask us to wait; a minute where they do not say."""
        super().__init__(said)
        self.rest = rest


class SendUnconfirmed(Exception):
    """It may have left: the request went out and no answer came that says so."""


class NotReached(Exception):
    """A provider that was polled, or asked how it is, gave no answer that can be used."""


class NoSuchRoute(Exception):
    """The provider has no webhook of that name."""


class WrongMethod(Exception):
    """The webhook takes another method."""


class NotSigned(Exception):
    """The request bears no signature of theirs, or an old one; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel says that it is; None for what it does not tell."""

    is_up: bool
    says: str
    """A few words for a person, without numbers, names and keys."""
    signal: int | None = None
    """Percent."""
    battery: int | None = None
    """Percent."""
    balance: str | None = None
    """As they write it: `KES 1785.50`."""
    backlog: int | None = None
    """Messages that it has taken from us and not sent yet."""


class Provider(Protocol):
    """An adapter. Its errors are those of the family above, and three for a request."""

    name: str
    can_send: bool
    """Whether it is set up to send; receiving needs no account."""
    claims_at_once: int
    """How many messages a worker may claim before it sends: one, unless sending cannot fail."""
    tells_time: bool
    """Whether its messages come with the network's time, by which one that comes twice is known."""
    sends_once: bool
    """Whether it knows our token, and sends a message once however often it is asked: then one that
    is unconfirmed is simply sent again."""

    def receive(self, request: InboundRequest) -> Intake:
        """Read one webhook request; raise NoSuchRoute, WrongMethod or NotSigned, nothing else."""

    def send(self, message: OutboundSms) -> str | None:
        """Send within SEND_WITHIN and return the provider's id, or the token it knows."""


@runtime_checkable
class UssdProvider(Provider, Protocol):
    """An adapter through which USSD dialogues come."""

    def show(self, screen: Screen, press: KeyPress | None) -> Answer:
        """Write a screen as this provider expects it; no press where it could not be read."""


@runtime_checkable
class PolledProvider(Provider, Protocol):
    """An adapter that must be asked, or that can be asked for what a webhook missed."""

    poll_every: timedelta
    """How long to wait between two polls; after one that failed, the same."""
    inbox_keeps_old: bool
    """Whether its inbox also holds what somebody has read long ago: then what was old at the first
    poll is left out. Where only the unread is brought, nothing is, however old its time says."""

    def poll(self, since: str | None) -> Polled:
        """Read what came after the mark, within ten seconds; None means from the beginning.

        Raises NotReached. Reading changes nothing on their side.
        """

    def kept(self, polled: Polled) -> None:
        """Take note that all of a poll is committed with us; it may be told twice, or never.

        Raises NotReached.
        """


@runtime_checkable
class WatchedProvider(Provider, Protocol):
    """An adapter that can say how its provider is."""

    def health(self) -> Health:
        """Ask, within ten seconds; raise NotReached where nobody answers."""
