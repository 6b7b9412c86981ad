"""Conversations as tests: who texts what, who hears what, in order, with a clock, and silence.

A file is a list of lines:

    # a comment
    [kades.oinlasi = +6281237000111, 53.02.02.2008]   a phone, and the villages it reports for
    [now = 2026-11-25 10:10 WITA]                     the time; then it goes on by itself
    [+30 menit] or [+25 jam]                          let time pass
    [written 2026-11-24 20:15 WITA]                   the next text is that old, and arrives now
    kades.oinlasi > wna 2 aus wisata                  a text arrives
    kades.oinlasi < Terima kasih, … No <a>: …         what that phone hears next; <a> is a number,
                                                      the same one wherever <a> stands again
    [report <a> is received]                          the state of a report, or its urgency
    [draft]                                           one more draft than at the last such line
    [nobody hears anything more]                      silence: also checked at the end of each file

Every reply must be read: one that no line expects fails the test, as does a wrong order.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask.testing import FlaskClient
from support.office_work import do_all_work, register

from gateway.app import create_app
from gateway.wiring import Wiring
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import Report
from models.states import ReportState

WITA = ZoneInfo("Asia/Makassar")
_SETUP = re.compile(r"\[([\w.]+) = (\+?\w+)(?:, (.*))?\]")
_NOW = re.compile(r"\[now = (\d{4}-\d\d-\d\d \d\d:\d\d) WITA\]")
_WRITTEN = re.compile(r"\[written (\d{4}-\d\d-\d\d \d\d:\d\d) WITA\]")
_LATER = re.compile(r"\[\+(\d+) (detik|menit|jam|hari)\]")
_REPORT = re.compile(r"\[report <(\w+)> is (\w+)\]")
_SAYS = re.compile(r"([\w.]+) > (.*)")
_HEARS = re.compile(r"([\w.]+) < (.*)")
_UNITS = {"detik": "seconds", "menit": "minutes", "jam": "hours", "hari": "days"}


class Mismatch(AssertionError):
    """The conversation went another way; says at which line."""


@dataclass
class Conversation:
    """One file on its way through the real webhook, inbox, handling and outbox."""

    office: Wiring
    set_clock: Callable[[datetime], None]
    now: datetime = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    numbers: dict[str, str] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)
    heard: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    drafts: int = 0
    written: datetime | None = None
    _seen: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def play(self, path: Path) -> None:
        """Play a whole file."""
        client = create_app(self.office).test_client()
        self.set_clock(self.now)
        for line_number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            try:
                self._do(line, client)
            except Mismatch as error:
                raise Mismatch(f"{path.name}:{line_number}: {line}\n  {error}") from None
        self._silence()

    def _do(self, line: str, client: FlaskClient) -> None:
        if line == "[nobody hears anything more]":
            self._silence()
        elif line == "[draft]":
            self._one_more_draft()
        elif found := _NOW.fullmatch(line):
            self.now = _moment(found[1])
            self._pass_time()
        elif found := _WRITTEN.fullmatch(line):
            self.written = _moment(found[1])
        elif found := _LATER.fullmatch(line):
            self.now += timedelta(**{_UNITS[found[2]]: int(found[1])})
            self._pass_time()
        elif found := _REPORT.fullmatch(line):
            self._state(found[1], found[2])
        elif found := _SETUP.fullmatch(line):
            self.phones[found[1]] = found[2]
            register(self.office, found[2], [one for one in (found[3] or "").split(", ") if one])
        elif found := _SAYS.fullmatch(line):
            self._say(client, found[1], found[2])
        elif found := _HEARS.fullmatch(line):
            self._hear(found[1], found[2])
        else:
            raise Mismatch("this line means nothing here")

    def _pass_time(self) -> None:
        self.set_clock(self.now)
        self._work()

    def _say(self, client: FlaskClient, who: str, text: str) -> None:
        form = {
            "from": self.phones[who],
            "to": "22345",
            "id": f"conversation-{next(self._ids)}",
            "date": (self.written or self.now).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "text": re.sub(r"<(\w+)>", lambda it: self.numbers[it[1]], text).replace("\\n", "\n"),
        }
        secret = self.office.settings.webhook_secrets[0]
        answer = client.post(f"/webhooks/africastalking/{secret}/sms", data=form)
        if answer.status_code != 200:
            raise Mismatch(f"the webhook answered {answer.status_code}")
        self.written = None
        # People do not type twice in one second, and the fingerprint of a message knows seconds.
        self.now += timedelta(seconds=1)
        self.set_clock(self.now)
        self._work()

    def _work(self) -> None:
        do_all_work(self.office)
        with self.office.database.reading() as session:
            rows = session.execute(
                sa.select(OutboundMessage.id, Phone.number, OutboundMessage.text)
                .join(Phone, Phone.id == OutboundMessage.phone_id)
                .where(OutboundMessage.id > self._seen)
                .order_by(OutboundMessage.id)
            ).all()
        for row_id, number, text in rows:
            self._seen = row_id
            self.heard[number].append(text)

    def _hear(self, who: str, expected: str) -> None:
        waiting = self.heard[self.phones[who]]
        if not waiting:
            raise Mismatch("nothing was heard")
        text = waiting.popleft()
        pattern = ""
        for place, part in enumerate(re.split(r"<(\w+)>", expected)):
            pattern += self._number(part, pattern) if place % 2 else re.escape(part)
        found = re.fullmatch(pattern, text)
        if found is None:
            raise Mismatch(f"heard: {text}")
        self.numbers |= found.groupdict()

    def _number(self, name: str, before: str) -> str:
        """Give what a number must look like: the one that is known by that name, or a new one."""
        if name in self.numbers:
            return self.numbers[name]
        group = f"(?P<{name}>"
        return f"(?P={name})" if group in before else rf"{group}\d{{6,8}})"

    def _silence(self) -> None:
        left = [text for waiting in self.heard.values() for text in waiting]
        if left:
            raise Mismatch("not expected, but heard: " + " | ".join(left))

    def _state(self, name: str, state: str) -> None:
        with self.office.database.reading() as session:
            report = session.scalars(
                sa.select(Report).where(Report.number == self.numbers[name])
            ).one()
        if state not in {report.state.value, report.urgency}:
            raise Mismatch(f"it is {report.state.value} and {report.urgency}")

    def _one_more_draft(self) -> None:
        with self.office.database.reading() as session:
            found = session.scalars(
                sa.select(sa.func.count())
                .select_from(Report)
                .where(Report.state == ReportState.DRAFT)
            ).one()
        if found != self.drafts + 1:
            raise Mismatch(f"there are {found} drafts, and there were {self.drafts}")
        self.drafts = found


def _moment(said: str) -> datetime:
    return datetime.strptime(said, "%Y-%m-%d %H:%M").replace(tzinfo=WITA)
