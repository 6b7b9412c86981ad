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
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from africastalking.SMS import SMSService

from gateway.providers import http
from gateway.providers.base import (
    SEND_WITHIN,
    Answer,
    DialogueEnd,
    InboundRequest,
    InboundSms,
    Intake,
    KeyPress,
    NoSuchRoute,
    OutboundSms,
    ReportedDelivery,
    Screen,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Unreadable,
    WrongMethod,
)
from gateway.settings import AfricasTalkingSettings
from models.states import MessageStatus
from parsers import msisdn

#: In the answer to a send: these mean that they took the message.
_ACCEPTED = {100, 101, 102}
#: In the answer to a send: not now, perhaps later (no credit, their own trouble).
_LATER = {405, 500, 501}

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
_NO_ID = {"", "none", "null"}


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
        return http.post(url, headers=headers, data=data, within=SEND_WITHIN)


class AfricasTalking:
    """The adapter."""

    name = "africastalking"
    claims_at_once = 1

    def __init__(self, account: AfricasTalkingSettings | None) -> None:
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
            raise SendRefused("not a number that Africa's Talking takes") from None
        return _accepted(answer, (message.text, message.to.lstrip("+"), self._service._api_key))  # noqa: SLF001


def _accepted(answer: http.HttpAnswer, private: tuple[str, ...]) -> str | None:
    """Give the id of an accepted message, or raise what the answer means."""
    said = f"HTTP {answer.status}"
    if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
        raise SendUnconfirmed(said)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= 500:  # noqa: PLR2004
        raise SendDeferred(said)
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        # 401 (our key) and 3xx (our address) mend nothing by being tried again, but the message can
        # still leave once somebody has mended the settings.
        is_ours = answer.status in {401, 403} or answer.status < 400  # noqa: PLR2004
        raise (SendDeferred if is_ours else SendRefused)(
            f"{said}: {_quotable(answer.text, private)}"
        )
    try:
        data = json.loads(answer.text)["SMSMessageData"]
        nobody = {"statusCode": 0, "status": data.get("Message", "no recipient was taken")}
        first = data["Recipients"][0] if data["Recipients"] else nobody
        code, status = int(first["statusCode"]), str(first["status"])
        message_id = str(first.get("messageId", ""))
    # An answer is anybody's: a number can be infinite, and a list too deep to be read.
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise SendUnconfirmed(f"{said} with an answer that is not theirs") from None
    if code in _ACCEPTED:
        return None if message_id.lower() in _NO_ID else message_id
    raise (SendDeferred if code in _LATER else SendRefused)(
        f"{code or ''} {_quotable(status, private)}".strip()
    )


def _quotable(said: str, private: tuple[str, ...]) -> str:
    """Quote them without what is ours alone: an error page may repeat the whole request."""
    for secret in private:
        for form in {
            secret,
            quote_plus(secret, errors="replace"),
            json.dumps(secret)[1:-1],
            escape(secret),
        } - {""}:
            said = said.replace(form, "...")
    return msisdn.hide_numbers(said)[:120]


def _form(request: InboundRequest) -> tuple[dict[str, str], bool]:
    """Read a form; of a field that is repeated the first counts. Says whether it was no UTF-8."""
    pairs, was_odd = _pairs(request, request.body)
    return _first_of_each(pairs), was_odd


def _end_notice(request: InboundRequest) -> tuple[dict[str, str], bool]:
    """Read a notice that a session is over, from its form or its query, names in lower case.

    Operators write it as they like: of a repeated field the first that says anything counts.
    """
    pairs, was_odd = _pairs(request, request.body + b"&" + request.query)
    said = [(name.strip().lower(), value) for name, value in pairs if value.strip()]
    return _first_of_each(said), was_odd


def _first_of_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    form: dict[str, str] = {}
    for name, value in pairs:
        form.setdefault(name, value)
    return form


def _pairs(request: InboundRequest, raw_form: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Read names and values from raw bytes: in UTF-8, else in the charset named, else in Latin-1.

    Werkzeug would give the bad escape as it stands, and no field at all for a raw bad byte.
    """
    charset = "latin-1"
    for part in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() in {"iso-8859-1", "windows-1252"}:
            charset = "windows-1252"
    pairs: list[tuple[str, str]] = []
    was_odd = False
    for pair in raw_form.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        values = []
        for raw in (raw_name, raw_value):
            data = unquote_to_bytes(raw.replace(b"+", b" "))
            try:
                values.append(data.decode("utf-8"))
            except UnicodeDecodeError:
                was_odd = True
                values.append(data.decode(charset, "replace"))
        if values[0]:
            pairs.append((values[0], values[1]))
    return pairs, was_odd


def _read_sms(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:
    if not form.get("from", "").strip():
        return Intake(unreadable=(Unreadable("no sender (field `from`)", body),))
    flags = ["odd_encoding"] if odd_encoding else []
    said = form.get("date", "").strip()
    moment = _moment(said)
    if said and moment is None:
        flags.append("odd_date")
    rest = {name: form[name] for name in form if name not in {"from", "text", "id", "to"}}
    given_id = form.get("id", "").strip()
    message = InboundSms(
        sender=form["from"],
        recipient=form.get("to", "").strip() or None,
        text=form.get("text", ""),
        provider_message_id=None if given_id.lower() in _NO_ID else given_id,
        network_time=moment,
        flags=tuple(flags),
        payload=rest,
    )
    return Intake(messages=(message,))


def _read_delivery(form: Mapping[str, str], body: bytes, *, odd_encoding: bool) -> Intake:  # noqa: ARG001
    given_id = form.get("id", "").strip()
    status = form.get("status", "").strip()
    if given_id.lower() in _NO_ID or not status:
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
