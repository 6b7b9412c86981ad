"""What must become of messages, by rules so plain that they can be believed: the tests' model.

It knows a few kinds of texts only, and of each what it makes of a report, in which state the phone
is left, and what the inbox must say of it. It is told of messages in the order in which they were
handled; that this order is a right one is looked at elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DAY = timedelta(hours=24)


class Kind(StrEnum):
    """What a person may text."""

    REPORT = "report"
    URGENT = "urgent"
    DRAFT = "draft"
    ANSWER = "answer"
    NIHIL = "nihil"
    CHAT = "chat"
    HELP = "help"
    WITHDRAWAL = "withdrawal"
    JUNK = "junk"


#: Texts of which each is a new one, by a number up to 200.
NEW_TEXTS = {
    Kind.REPORT: "WNA {} jerman wisata",
    Kind.URGENT: "PMI {} Malaysia besok",
    Kind.DRAFT: "WNA {} wisata",
}
FIXED_TEXTS = {
    Kind.ANSWER: "australia",
    Kind.NIHIL: "NIHIL bulan ini",
    Kind.CHAT: "selamat siang bapak ibu semua warga dusun pagi tadi ramai",
    Kind.HELP: "BANTU WNA",
}
JUNK = ("", "\x00", "😀😀", "?????", "asdf qwer zxcv uiop hjkl bnm")


@dataclass
class Sent:
    """A message that a phone sent, whether or not it has reached the database."""

    key: int
    sender: str
    kind: Kind
    text: str
    sent_at: datetime
    """The network's time, if `has_time`."""
    has_id: bool
    has_time: bool
    withdraws: str = ""
    is_told: bool = False
    """The provider has heard 200: it must be there for good."""
    received_at: datetime | None = None
    """When it came into the database: later than sent, where that failed at first."""
    outcome: str = ""
    """What became of it; empty until it was handled."""


@dataclass
class Kept:
    """A report that must be there, or a draft."""

    made_by: int
    sender: str
    kind: Kind
    text: str
    received_at: datetime
    asked_at: datetime | None = None
    is_numbered: bool = False
    is_withdrawn: bool = False
    number: str = ""
    """Learnt from the database, as nobody can foresee it."""


class Model:
    """The reports that there must be after the messages of which it was told."""

    def __init__(self, registered: frozenset[str], mute: frozenset[str]) -> None:
        self._registered = registered
        self._mute = mute
        self.reports: list[Kept] = []

    def handle(self, sent: Sent, now: datetime) -> str:  # noqa: PLR0911  # one for each kind
        """Do what a message does, and say what the inbox must call it."""
        match sent.kind:
            case _ if sent.sender in self._mute:
                return "operator"
            case Kind.REPORT | Kind.URGENT:
                return self._report(sent)
            case Kind.DRAFT:
                return self._draft(sent, now)
            case Kind.ANSWER:
                return self._answer(sent, now)
            case Kind.NIHIL:
                return self._nihil(sent)
            case Kind.WITHDRAWAL:
                self._withdraw(sent)
                return "command"
        return "command" if sent.kind is Kind.HELP else "chat"

    def _of(self, sender: str) -> list[Kept]:
        return [one for one in self.reports if one.sender == sender]

    def _same(self, sent: Sent) -> list[Kept]:
        since = _received(sent) - DAY
        return [
            one
            for one in self._of(sent.sender)
            if one.text == sent.text and one.received_at > since and not one.is_withdrawn
        ]

    def _keep(self, sent: Sent, *, asked_at: datetime | None = None) -> None:
        self.reports.append(
            Kept(
                sent.key,
                sent.sender,
                sent.kind,
                sent.text,
                _received(sent),
                asked_at,
                is_numbered=asked_at is None,
            )
        )

    def _report(self, sent: Sent) -> str:
        if self._same(sent):
            return "again"
        self._keep(sent)
        return "report"

    def _draft(self, sent: Sent, now: datetime) -> str:
        same = self._same(sent)
        if same and not same[-1].is_numbered:
            same[-1].asked_at = now
            return "again"
        self._keep(sent, asked_at=now)
        return "draft"

    def _answer(self, sent: Sent, now: datetime) -> str:
        waiting = [
            (one.asked_at, place)
            for place, one in enumerate(self.reports)
            if one.sender == sent.sender and one.asked_at is not None and one.asked_at > now - DAY
        ]
        if not waiting:
            return "chat"
        _, newest = max(waiting)
        self.reports[newest].asked_at = None
        self.reports[newest].is_numbered = True
        return "answer"

    def _nihil(self, sent: Sent) -> str:
        if self._same(sent):
            return "again"
        if sent.sender in self._registered and any(
            one.kind is not Kind.NIHIL and one.is_numbered and not one.is_withdrawn
            for one in self._of(sent.sender)
        ):
            return "rejected"
        self._keep(sent)
        return "report"

    def _withdraw(self, sent: Sent) -> None:
        for one in self._of(sent.sender):
            if one.number == sent.withdraws and one.kind is not Kind.URGENT:
                one.is_withdrawn, one.asked_at = True, None


def _received(sent: Sent) -> datetime:
    if sent.received_at is None:
        raise ValueError("handled before it was received")
    return sent.received_at
