"""Africa's Talking: webhooks for messages, delivery reports and USSD, and its API to send.

Seen in their documentation and SDK 2.0.3 in November 2026; docs/providers/africastalking.md has the
details. What matters most:

- a message is posted as a form; it is posted again each minute, for up to 12 hours, until we answer
  200 exactly;
- `date` comes as `2026-11-25 01:18:52` (UTC) or `2026-11-25T01:18:52Z`;
- the status word `Success` means *accepted* in the answer to a send and *delivered* in a delivery
  report: hence two tables;
- a refusal comes with HTTP 201 and a status code for the recipient inside;
- nothing is signed: the secret in the path is the only proof.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from africastalking.SMS import SMSService

from gateway.accounts import AfricasTalkingAccount
from gateway.providers import forms, http
from gateway.providers.base import (
    Answer,
    DialogueEnd,
    InboundRequest,
    InboundSms,
    Intake,
    KeyPress,
    NoSuchRoute,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
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


class _Sms(SMSService):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's service, with our HTTP below it: theirs loses the status code and can hang."""

    def _make_request(  # noqa: PLR0917  # theirs
        self,
        url: str,
        method: str,  # noqa: ARG002  # theirs to give; a send is always a POST
        headers: Mapping[str, str],
        data: Mapping[str, Any],
        params: None,  # noqa: ARG002
        callback: None = None,  # noqa: ARG002
        timeout: object = None,  # noqa: ARG002
    ) -> http.HttpAnswer:
        return http.send(http.Call("POST", url, headers=headers, data=data))


class AfricasTalking:
    """The adapter."""

    name = "africastalking"
    claims_at_once = 1
    sends_once = False

    def __init__(self, account: AfricasTalkingAccount | None) -> None:
        """Take the account to send with; without one the adapter only receives."""
        self.can_send = account is not None
        self._service: _Sms | None = None
        if account is not None:
            self._service = _Sms(account.username, account.api_key)
            self._sender = account.sender
            if account.base_url:
                self._service._baseUrl = account.base_url + "/version1"  # noqa: SLF001  # no other way

    def receive(self, request: InboundRequest) -> Intake:
        """Read a callback; the path says which of the four it is."""
        readers = {
            "sms": _read_sms,
            "dlr": _read_delivery,
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
            raise SendDeferred("TIMPORA_AFRICASTALKING_USERNAME and _API_KEY are not set")
        try:
            answer = self._service.send(message.text, [message.to], sender_id=self._sender)
        except ValueError:
            # Without the error below, which quotes the number.
            raise NumberRefused("not a number that Africa's Talking takes") from None
        return _accepted(answer, (message.text, message.to.lstrip("+"), self._service._api_key))  # noqa: SLF001


def _accepted(answer: http.HttpAnswer, private: tuple[str, ...]) -> str | None:
    """Give the id of an accepted message, or raise what the answer means."""
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
    flags = ["odd_encoding"] if odd_encoding else []
    said = form.get("date", "").strip()
    moment = _moment(said)
    if said and moment is None:
        flags.append("odd_date")
    rest = {name: form[name] for name in form if name not in {"from", "text", "id", "to"}}
    message = InboundSms(
        sender=form["from"],
        recipient=form.get("to", "").strip() or None,
        text=form.get("text", ""),
        provider_message_id=forms.some_id(form.get("id", "")),
        network_time=moment,
        flags=tuple(flags),
        payload=rest,
    )
    return Intake(messages=(message,))


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
    """Read a moment; a day without an hour is none, as two messages of that day would look one."""
    if len(said) < len("2026-11-25 01:18"):
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
