"""Conversations as tests: a file of gateway.simulator.script on its way through the real gateway.

Every reply and every screen must be read: one that no line expects fails the test, as does a wrong
order. USSD goes by either dialect, and the same file must come to the same.
"""

import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from flask.testing import FlaskClient
from support.carriers import AfricasTalkingCarrier, Carrier, Sms
from support.office_work import appoint, dismiss, do_all_work, register

from gateway.app import create_app
from gateway.simulator import script
from gateway.wiring import Wiring
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import Report
from models.states import ReportState
from parsers import segments

Dialect = Literal["africastalking", "ussdjson"]
_CODE = re.compile(r"(\*\d+\*\d+)(?:\*(.*))?#")
_NAME = re.compile(r"<([^\W\d]\w*)>")
_LONGEST_SCREEN = 160
_READS = timedelta(seconds=5)


class Mismatch(AssertionError):
    """The conversation went another way; says at which line."""


@dataclass
class Session:
    """A phone's USSD session as its operator keeps it."""

    id: str
    code: str
    inputs: list[str]
    last: dict[str, str] = field(default_factory=dict)
    shown: tuple[str, bool] = ("", False)


@dataclass
class Conversation:
    """One file on its way through the real webhooks, inbox, handling and outbox."""

    office: Wiring
    set_clock: Callable[[datetime], None]
    dialect: Dialect = "africastalking"
    carrier: Carrier = field(default_factory=AfricasTalkingCarrier)
    now: datetime = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
    numbers: dict[str, str] = field(default_factory=dict)
    phones: dict[str, str] = field(default_factory=dict)
    heard: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    screens: dict[str, deque[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(deque))
    sessions: dict[str, Session] = field(default_factory=dict)
    drafts: int = 0
    written: datetime | None = None
    _seen: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def play(self, path: Path) -> None:
        """Play a whole file."""
        client = create_app(self.office).test_client()
        self.set_clock(self.now)
        text = path.read_text(encoding="utf-8")
        for line in script.parse(text):
            try:
                self._do(line, client)
            except Mismatch as error:
                written = text.splitlines()[line.number - 1].strip()
                raise Mismatch(f"{path.name}:{line.number}: {written}\n  {error}") from None
        self._silence()

    def _do(self, line: script.Line, client: FlaskClient) -> None:  # noqa: C901, PLR0912
        match line:
            case script.Silence():
                self._silence()
            case script.OneMoreDraft():
                self._one_more_draft()
            case script.Now(moment=moment):
                self.now = moment
                self._pass_time()
            case script.Written(moment=moment):
                self.written = moment
            case script.Later(amount=amount):
                self.now += amount
                self._pass_time()
            case script.IsState(report=name, state=state):
                self._state(name, state)
            case script.Reporter(who=who, sender=sender, villages=villages):
                self.phones[who] = sender
                register(self.office, sender, villages)
            case script.Appointed(who=who, sender=sender):
                self.phones[who] = sender
                appoint(self.office, sender, line.institution, line.area, line.role, line.pin)
            case script.Removed(who=who):
                dismiss(self.office, self._phone(who))
            case script.Says(who=who, text=text):
                self._say(client, who, text)
            case script.Hears(who=who, text=text):
                self._hear(who, text)
            case script.Dials(who=who, code=code):
                self._dial(client, who, code)
            case script.Keys(who=who, key=key):
                session = self._session(who)
                session.inputs.append(self._filled(key))
                self._post(client, who, session, "input")
            case script.Again(who=who):
                self._again(client, who)
            case script.HangsUp(who=who):
                self._hang_up(client, who)
            case script.Drops(who=who):
                self._session(who)
                del self.sessions[who]
            case script.Sees(who=who, text=text, ends=ends):
                self._see(who, text, ends=ends)

    # --- USSD ------------------------------------------------------------------------------------

    def _dial(self, client: FlaskClient, who: str, dialled: str) -> None:
        found = _CODE.fullmatch(dialled)
        if found is None:
            raise Mismatch("a code looks like *384*22345#, perhaps with a path")
        path = found[2].split("*") if found[2] else []
        self._phone(who)
        session = Session(f"session-{next(self._ids)}", f"{found[1]}#", path)
        self.sessions[who] = session
        self._post(client, who, session, "begin", dialled)

    def _post(
        self, client: FlaskClient, who: str, session: Session, event: str, dialled: str = ""
    ) -> None:
        phone = self._phone(who)
        if self.dialect == "africastalking":
            body = {
                "sessionId": session.id,
                "phoneNumber": phone,
                "networkCode": "99999",
                "serviceCode": session.code,
                "text": "*".join(session.inputs),
            }
        else:
            body = {
                "session_id": session.id,
                "msisdn": phone.removeprefix("+"),
                "service_code": session.code,
                "event": event,
                "input": dialled or session.inputs[-1],
            }
        session.last = body
        # A person reads a screen before the next key; what comes at once is a request again.
        self.now += _READS
        self.set_clock(self.now)
        self._send(client, who, session)

    def _again(self, client: FlaskClient, who: str) -> None:
        """Post the last request once more: a provider that got no answer must get the same one."""
        session = self._session(who)
        before = session.shown
        self._send(client, who, session)
        if session.shown != before:
            raise Mismatch(f"another screen than before: {session.shown[0]!r}, not {before[0]!r}")

    def _send(self, client: FlaskClient, who: str, session: Session) -> None:
        body = session.last
        secret = self.office.settings.secret_of("africastalking")
        url = f"/webhooks/{self.dialect}/{secret}/ussd"
        given = {"data": body} if self.dialect == "africastalking" else {"json": body}
        answer = client.post(url, **given)
        if answer.status_code != 200:
            raise Mismatch(f"the webhook answered {answer.status_code}")
        if self.dialect == "africastalking":
            verb, _, text = answer.text.partition(" ")
            ends = verb == "END"
            if verb not in {"CON", "END"}:
                raise Mismatch(f"no screen of this dialect: {answer.text!r}")
        else:
            said = json.loads(answer.text)
            text, ends = said["text"], said["close"]
        if "\r" in text or text != text.strip() or not segments.is_plain_gsm7(text):
            raise Mismatch(f"not plain: {text!r}")
        if len(f"CON {text}") > _LONGEST_SCREEN:
            raise Mismatch(f"too long for the smallest screens: {text!r}")
        session.shown = text, ends
        self.screens[self._phone(who)].append(session.shown)
        self._work()

    def _hang_up(self, client: FlaskClient, who: str) -> None:
        session = self._session(who)
        del self.sessions[who]
        secret = self.office.settings.secret_of("africastalking")
        base = f"/webhooks/{self.dialect}/{secret}/ussd"
        if self.dialect == "africastalking":
            text, ends = session.shown
            notice = {
                "date": self.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
                "sessionId": session.id,
                "serviceCode": session.code,
                "networkCode": "99999",
                "phoneNumber": self._phone(who),
                "status": "Incomplete",
                "hopsCount": str(len(session.inputs) + 1),
                "input": session.last["text"],
                "lastAppResponse": f"{'END' if ends else 'CON'} {text}",
            }
            answer = client.post(f"{base}/end", data=notice)
        else:
            told = {"session_id": session.id, "msisdn": session.last["msisdn"], "event": "end"}
            answer = client.post(base, json=told)
        if answer.status_code != 200:
            raise Mismatch(f"the webhook answered {answer.status_code}")

    def _see(self, who: str, expected: str, *, ends: bool) -> None:
        waiting = self.screens[self._phone(who)]
        if not waiting:
            raise Mismatch("nothing was shown")
        text, did_end = waiting.popleft()
        shown = text.replace("\n", " | ")
        if did_end != ends:
            raise Mismatch(f"the session {'ended' if did_end else 'goes on'} with: {shown}")
        self._match(expected, text, f"seen: {shown}")

    def _session(self, who: str) -> Session:
        if who not in self.sessions:
            raise Mismatch(f"{who} has no session; {who} dials first")
        return self.sessions[who]

    # --- SMS -------------------------------------------------------------------------------------

    def _pass_time(self) -> None:
        self.set_clock(self.now)
        self._work()

    def _phone(self, who: str) -> str:
        if who not in self.phones:
            raise Mismatch(f"nobody is called {who}; write [{who} = +62...] above")
        return self.phones[who]

    def _filled(self, text: str) -> str:
        return _NAME.sub(lambda it: self._known(it[1]), text)

    def _known(self, name: str) -> str:
        if name not in self.numbers:
            raise Mismatch(f"no number was heard or seen that is called <{name}>")
        return self.numbers[name]

    def _say(self, client: FlaskClient, who: str, text: str) -> None:
        sms = Sms(
            sender=self._phone(who),
            to="22345",
            text=self._filled(text),
            at=self.written or self.now,
            id=f"conversation-{next(self._ids)}",
        )
        status = self.carrier.bring(client, self.office, sms)
        if status != 200:
            raise Mismatch(f"the webhook answered {status}")
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
        waiting = self.heard[self._phone(who)]
        if not waiting:
            raise Mismatch("nothing was heard")
        text = waiting.popleft()
        self._match(expected, text, f"heard: {text}")

    def _match(self, expected: str, text: str, otherwise: str) -> None:
        pattern = ""
        for place, part in enumerate(_NAME.split(expected)):
            pattern += self._number(part, pattern) if place % 2 else re.escape(part)
        found = re.fullmatch(pattern, text)
        if found is None:
            raise Mismatch(otherwise)
        self.numbers |= found.groupdict()

    def _number(self, name: str, before: str) -> str:
        """Give what a number must look like: the one that is known by that name, or a new one."""
        if name in self.numbers:
            return self.numbers[name]
        group = f"(?P<{name}>"
        return f"(?P={name})" if group in before else rf"{group}\d{{4,8}})"

    def _silence(self) -> None:
        left = [text for waiting in self.heard.values() for text in waiting]
        if left:
            raise Mismatch("not expected, but heard: " + " | ".join(left))
        shown = [text for waiting in self.screens.values() for text, _ in waiting]
        if shown:
            raise Mismatch("not expected, but shown: " + " | ".join(shown))

    def _state(self, name: str, state: str) -> None:
        with self.office.database.reading() as session:
            report = session.scalars(
                sa.select(Report).where(Report.number == self._known(name))
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
