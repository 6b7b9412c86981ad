"""Africa's Talking: webhooks for messages, delivery reports and USSD, and its API to send.

Seen in their documentation and SDK 2.0.3 in November 2026; docs/providers/africastalking.md has the
details. What matters most:

- a message is posted as a form; it is posted again each minute, for up to 12 hours, until we answer
  200 exactly;
- what a callback missed can be read from the account's inbox, under another id: the same message is
  known by sender, text and time;
- `date` comes as `2026-11-25 01:18:52` (UTC) or `2026-11-25T01:18:52Z`, and in the inbox as
  `2026-11-25T01:18:52.000Z`: all are cut to whole seconds, that they may be equal;
- the status word `Success` means *accepted* in the answer to a send and *delivered* in a delivery
  report: hence two tables;
- a refusal comes with HTTP 201 and a status code for the recipient inside;
- nothing is signed: the secret in the path is the only proof.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from africastalking.Application import ApplicationService
from africastalking.SMS import SMSService

from gateway.accounts import AfricasTalkingAccount
from gateway.providers import forms, http
from gateway.providers.base import (
    Answer,
    DialogueEnd,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    KeyPress,
    NoSuchRoute,
    NotReached,
    NumberRefused,
    OptOut,
    OutboundSms,
    OutOfCredit,
    Polled,
    ReportedDelivery,
    Screen,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Unreadable,
    WrongMethod,
)
from models.states import MessageStatus

#: In the answer to a send: these mean that they took the message.
_ACCEPTED = {100, 101, 102}
#: In the answer to a send: what a code means that is more than `never by this channel`.
_REFUSALS: Mapping[int, type[SendRefused | SendDeferred]] = {
    403: NumberRefused,  # InvalidPhoneNumber
    404: NumberRefused,  # UnsupportedNumberType
    405: OutOfCredit,  # InsufficientBalance
    406: NumberRefused,  # UserInBlacklist: it has asked them for no more
    409: NumberRefused,  # DoNotDisturbRejection
    500: SendDeferred,  # InternalServerError
    501: SendDeferred,  # GatewayError
}

#: In a delivery report. `AbsentSubscriber` (phone off, no coverage) is left out on purpose: they do
#: not call it final, in the hills it is the rule, and a later `Success` must win.
_DELIVERY = {
    "success": MessageStatus.DELIVERED,
    "sent": MessageStatus.SENT,
    "submitted": MessageStatus.SENT,
    "buffered": MessageStatus.SENT,
    "rejected": MessageStatus.FAILED,
    "failed": MessageStatus.FAILED,
    "expired": MessageStatus.FAILED,
}


#: An id that can be a mark: no database would keep a NUL, or an id without end.
_SOME_ID = re.compile(r"[\w.:-]{1,60}", re.ASCII)
_NO_ACCOUNT = "TIMPORA_AFRICASTALKING_USERNAME and _API_KEY are not set"
#: A number as their SDK wants it, but without the line end that it lets pass.
_NUMBER = re.compile(r"\+\d{4,}", re.ASCII)


class _OurHttp:
    """Our HTTP below a service of the SDK: theirs loses the status code and can hang."""

    def _make_request(  # noqa: PLR0917  # theirs
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        data: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
        callback: None = None,  # noqa: ARG002
        timeout: object = None,  # noqa: ARG002
    ) -> http.HttpAnswer:
        call = http.Call(method, url, headers=headers, params=params or {}, data=data)
        return http.ask(call) if method == "GET" else http.send(call)


class _Sms(_OurHttp, SMSService):  # type: ignore[misc]  # the SDK ships no types
    """To send, and to read the inbox."""


class _Application(_OurHttp, ApplicationService):  # type: ignore[misc]
    """To ask for the balance."""


class AfricasTalking:
    """The adapter."""

    name = "africastalking"
    claims_at_once = 1
    tells_time = True
    sends_once = False
    poll_every = timedelta(minutes=5)
    inbox_keeps_old = True

    def __init__(self, account: AfricasTalkingAccount | None) -> None:
        """Take the account to send with; without one the adapter only receives."""
        self.can_send = account is not None
        self._service: _Sms | None = None
        self._application: _Application | None = None
        if account is not None:
            self._service = _Sms(account.username, account.api_key)
            self._application = _Application(account.username, account.api_key)
            self._sender = account.sender
            if account.base_url:
                base_url = account.base_url + "/version1"
                self._service._baseUrl = base_url  # noqa: SLF001  # no other way
                self._application._baseUrl = base_url  # noqa: SLF001

    def receive(self, request: InboundRequest) -> Intake:
        """Read a callback; the path says which of the six it is."""
        readers: Mapping[str, Callable[..., Intake]] = {
            "sms": _read_sms,
            "dlr": _read_delivery,
            "optout": _read_opt_out,
            "subscription": _read_subscription,
            "ussd": _read_key_press,
            "ussd/end": _read_end,
        }
        if request.path not in readers:
            raise NoSuchRoute(request.path)
        if request.method != "POST":
            raise WrongMethod(request.method)
        form, was_odd = _end_notice(request) if request.path == "ussd/end" else _form(request)
        return readers[request.path](form, request.body, odd_encoding=was_odd)

    def show(self, screen: Screen, press: KeyPress | None) -> Answer:  # noqa: ARG002
        """Write a screen as text that begins with CON or END."""
        return Answer(body=f"{'END' if screen.ends else 'CON'} {screen.text}")

    def send(self, message: OutboundSms) -> str | None:
        """Send through the SDK's service and read the recipient's own status."""
        if self._service is None:
            raise SendDeferred(_NO_ACCOUNT)
        # Before their SDK does, whose error quotes the number.
        if not _NUMBER.fullmatch(message.to):
            raise NumberRefused("not a number that Africa's Talking takes")
        answer = self._service.send(message.text, [message.to], sender_id=self._sender)
        return _accepted(answer, (message.text, message.to.lstrip("+"), self._service._api_key))  # noqa: SLF001

    def poll(self, since: str | None) -> Polled:
        """Read one page of the inbox after the mark: about a hundred messages, oldest first."""
        mark = since or "0"
        if self._service is None:
            return Polled(Intake(), mark)
        return _read_inbox(self._service.fetch_messages(last_received_id=mark), mark)

    def kept(self, polled: Polled) -> None:
        """Need not know: the mark says it all."""

    def health(self) -> Health:
        """Ask for the balance: who answers that is up, and takes our key."""
        if self._application is None:
            raise NotReached(_NO_ACCOUNT)
        return _read_balance(self._application.fetch_application_data())


def _accepted(answer: http.HttpAnswer, private: tuple[str, ...]) -> str | None:
    """Give the id of an accepted message, or raise what the answer means."""
    if answer.status == HTTPStatus.CONFLICT:
        # In Nigeria, of a number that wants no messages of this kind.
        raise NumberRefused(f"HTTP 409: {http.quotable(answer.text, private)}")
    http.check_taken(answer, private)
    try:
        data = json.loads(answer.text)["SMSMessageData"]
        nobody = {"statusCode": 0, "status": data.get("Message", "no recipient was taken")}
        first = data["Recipients"][0] if data["Recipients"] else nobody
        code, status = int(first["statusCode"]), str(first["status"])
        message_id = str(first.get("messageId", ""))
    # An answer is anybody's: a number can be infinite, and a list too deep to be read.
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise SendUnconfirmed(f"HTTP {answer.status} with an answer that is not theirs") from None
    if code in _ACCEPTED:
        return message_id if forms.some_id(message_id) else None
    raise _REFUSALS.get(code, SendRefused)(f"{code or ''} {http.quotable(status, private)}".strip())


def _form(request: InboundRequest) -> tuple[dict[str, str], bool]:
    """Read a form; says whether it was no UTF-8."""
    fields = forms.read_fields(request.body, request.headers.get("content-type", ""))
    return forms.first_of_each(fields), any(field.was_odd for field in fields)


def _end_notice(request: InboundRequest) -> tuple[dict[str, str], bool]:
    """Read a notice that a session is over, from its form or its query, names in lower case.

    Operators write it as they like: of a repeated field the first that says anything counts.
    """
    raw = request.body + b"&" + request.query
    fields = forms.read_fields(raw, request.headers.get("content-type", ""))
    form: dict[str, str] = {}
    for field in fields:
        if field.text.strip():
            form.setdefault(field.name.strip().lower(), field.text)
    return form, any(field.was_odd for field in fields)


def _read_sms(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:
    if not form.get("from", "").strip():
        return Intake(unreadable=(Unreadable("no sender (field `from`)", body),))
    return Intake(messages=(_message(form, odd_encoding=odd_encoding),))


def _message(form: Mapping[str, str], *, odd_encoding: bool) -> InboundSms:
    flags = ["odd_encoding"] if odd_encoding else []
    said = form.get("date", "").strip()
    moment = _moment(said)
    if said and moment is None:
        flags.append("odd_date")
    return InboundSms(
        sender=form["from"],
        recipient=form.get("to", "").strip() or None,
        text=form.get("text", ""),
        provider_message_id=forms.some_id(form.get("id", "")),
        network_time=moment,
        flags=tuple(flags),
        payload={name: form[name] for name in form if name not in {"from", "text", "id", "to"}},
    )


# What the inbox and the account say ---------------------------------------------------------------


def _read_inbox(answer: http.HttpAnswer, mark: str) -> Polled:
    """Read the rows that came, each for itself; the mark moves over all that have an id."""
    if answer.status != HTTPStatus.OK:
        raise NotReached(f"HTTP {answer.status}")
    messages: list[InboundSms] = []
    unreadable: list[Unreadable] = []
    for row in _rows(answer.text):
        fields = _fields(row)
        if fields is None or not fields.get("from", "").strip():
            body = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")
            unreadable.append(Unreadable("a row of the inbox without a sender", body))
        else:
            messages.append(_message(fields, odd_encoding=False))
        mark = _further(mark, forms.some_id(fields.get("id", "")) if fields else None)
    return Polled(Intake(tuple(messages), unreadable=tuple(unreadable)), mark)


def _rows(said: str) -> list[Any]:
    """Give the rows of a page.

    A page may be longer than what is read of an answer: then those that are whole are given, and
    the next poll goes on behind them.
    """
    try:
        rows = json.loads(said)["SMSMessageData"]["Messages"]
    except json.JSONDecodeError:
        rows = _whole_rows(said)
    except (LookupError, TypeError, ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise NotReached("an answer that is not theirs")
    return rows


def _whole_rows(said: str) -> list[Any] | None:
    """Read the rows of a page that is cut off, up to the cut; None where there is no whole one."""
    start = re.search(r'"SMSMessageData"\s*:\s*\{.*?"Messages"\s*:\s*\[\s*(?=\{)', said, re.DOTALL)
    rows: list[Any] = []
    place = start.end() if start else len(said)
    decoder = json.JSONDecoder()
    while place < len(said):
        try:
            row, place = decoder.raw_decode(said, place)
        except (ValueError, RecursionError):
            break
        rows.append(row)
        while place < len(said) and said[place] in ", \t\r\n":
            place += 1
    return rows or None


def _fields(row: object) -> dict[str, str] | None:
    """Read a row as the form that a callback would have; an id may be a number."""
    if not isinstance(row, dict):
        return None
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in row.items()
        if value is not None
    }


def _further(mark: str, row_id: str | None) -> str:
    """Move the mark to a row's id, and never back where both are numbers."""
    if row_id is None or not _SOME_ID.fullmatch(row_id):
        return mark
    if _is_number(mark) and _is_number(row_id):
        return max(mark, row_id, key=int)
    return row_id


def _is_number(said: str) -> bool:
    return re.fullmatch(r"\d{1,30}", said, re.ASCII) is not None


def _read_balance(answer: http.HttpAnswer) -> Health:
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Health(is_up=False, says="it does not take our name and key")
    if answer.status != HTTPStatus.OK:
        return Health(is_up=False, says=f"HTTP {answer.status}")
    try:
        given = json.loads(answer.text)
        # One spelling in the table of their documentation, the other in its example.
        balance = (given.get("UserData") or given["userData"])["balance"]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return Health(is_up=False, says="an answer that is not theirs")
    # Kept short and checked, as it is shown.
    is_amount = re.fullmatch(r"([A-Z]{3} )?-?\d[\d.,]{0,20}", str(balance), re.ASCII)
    return Health(is_up=True, says="answers", balance=str(balance) if is_amount else None)


# The other callbacks ------------------------------------------------------------------------------


def _read_delivery(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:  # noqa: ARG001
    given_id = forms.some_id(form.get("id", ""))
    status = form.get("status", "").strip()
    if given_id is None or not status:
        return Intake(unreadable=(Unreadable("no `id` or no `status`", body),))
    return Intake(
        deliveries=(
            ReportedDelivery(
                provider_message_id=given_id,
                raw_status=status[:60],
                reason=form.get("failureReason", "").strip()[:60],
                status=_DELIVERY.get(status.lower()),
            ),
        )
    )


def _read_opt_out(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:  # noqa: ARG001
    if not (sender := form.get("phoneNumber", "").strip()):
        return Intake(unreadable=(Unreadable("no `phoneNumber` in an opt-out", body),))
    return Intake(opt_outs=(OptOut(sender),))


def _read_subscription(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:
    """Read who has joined or left a premium service; who has left wants no more of us."""
    update = form.get("updateType", "").strip().lower()
    if update == "deletion":
        return _read_opt_out(form, body, odd_encoding=odd_encoding)
    if update == "addition":
        return Intake()
    return Intake(unreadable=(Unreadable("an `updateType` that is none", body),))


#: Longer than all that a person keys in one session of three minutes.
_LONGEST_INPUT = 2000
#: Theirs have about forty characters.
_LONGEST_SESSION_ID = 200


def _read_key_press(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:  # noqa: ARG001
    session_id = form.get("sessionId", "").strip()
    sender = form.get("phoneNumber", "").strip()
    relayed = form.get("text", "")
    problem = None
    if not session_id or not sender:
        problem = "no `sessionId` or no `phoneNumber`"
    elif len(relayed) > _LONGEST_INPUT or len(session_id) > _LONGEST_SESSION_ID:
        problem = "`text` or `sessionId` is too long"
    elif "\x00" in session_id:
        problem = "a `sessionId` that no database keeps"
    if problem is not None:
        # The body may hold a PIN, which is kept nowhere: not even here.
        return Intake(unreadable=(Unreadable(problem, b""),), awaits_screen=True)
    press = KeyPress(
        session_id=session_id,
        sender=sender,
        service_code=form.get("serviceCode", ""),
        relayed=relayed,
        is_cumulative=True,
    )
    return Intake(key_presses=(press,))


def _read_end(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:  # noqa: ARG001
    session_id = form.get("sessionid", "").strip()
    if not session_id or "\x00" in session_id:
        # `input` holds the PIN and `lastAppResponse` what was looked up: the body is not kept.
        return Intake(unreadable=(Unreadable("no `sessionId` in the end notice", b""),))
    sender = form.get("phonenumber", "").strip() or None
    return Intake(dialogue_ends=(DialogueEnd(session_id, sender),))


def _moment(said: str) -> datetime | None:
    """Read a moment, in whole seconds, as the inbox has milliseconds and a callback has none.

    A day without an hour is none, as two messages of that day would look one.
    """
    if len(said) < len("2026-11-25 01:18"):
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
