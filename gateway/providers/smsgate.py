"""SMS Gateway for Android (SMSGate): a phone's signed webhooks, and its API to send.

Read from its source (app 1.68), its documentation and the source of its server in November 2026;
docs/providers/smsgate.md has the details. What matters most:

- a webhook is signed over its very bytes and the time in `X-Timestamp`, by a key that the app makes
  up with eight characters only: it must be replaced by a long one;
- whatever is not answered by 2xx comes again for two days: what cannot be read is set apart and
  answered by 200;
- any event may come on any of the two paths, as each is registered by hand;
- the id of a message that came is a hash of 32 bits, and in old apps one without the date: only
  with the time is it known again;
- a message that the webhook missed stands in the app's list, with the same text, sender and time;
- we give each message its id: asked again, the app answers 409 and sends once. An id that has
  failed stays failed, so that a new try of the same message needs the next id;
- the reason of a failure comes later, by `sms:failed`: `fault_of` says what it means.
"""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from gateway import clock
from gateway.accounts import SmsgateAccount
from gateway.providers import forms, http
from gateway.providers.base import (
    SEND_WITHIN,
    AccountRefused,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NoSuchRoute,
    NotReached,
    NotSigned,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    Polled,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WrongMethod,
)
from models.states import Fault, MessageStatus
from parsers import msisdn

_ROUTES = {"sms", "dlr"}
_NO_ACCOUNT = "TIMPORA_SMSGATE_BASE_URL, _USERNAME and _PASSWORD are not set"
#: Their cloud; a server of one's own has the same API below its own path.
_CLOUD_HOST = "api.sms-gate.app"
_SERVER_PATH = "/3rdparty/v1"

_DELIVERIES = {
    "sms:sent": MessageStatus.SENT,
    # Once for each part of a long message, and any of them counts, as in the app itself.
    "sms:delivered": MessageStatus.DELIVERED,
    "sms:failed": MessageStatus.FAILED,
    "sms:cancelled": MessageStatus.FAILED,
}
#: Signs of life.
_OF_THE_APP = {"system:ping", "app:started"}
#: What a person sent, and nobody but a person can read.
_OF_OTHER_KINDS = {"sms:data-received", "mms:received", "mms:downloaded"}
_ENCRYPTED = "encrypted: switch encryption off in the app"
#: What a message has a place of its own for.
_READ_FIELDS = {"sender", "phoneNumber", "recipient", "message", "contentPreview", "messageId"}

_NUMBER = re.compile(r"\+\d{4,15}", re.ASCII)
_SIM = re.compile(r"[1-9]", re.ASCII)
#: A phone may be without signal for days; what is older helps nobody.
_LIFE = timedelta(days=2)
#: So often is one message tried at all, each time under an id of its own.
_MOST_TRIES = 5
_QUEUE_IS_FULL = timedelta(minutes=10)


class Smsgate:
    """The adapter."""

    name = "smsgate"
    claims_at_once = 1
    tells_time = True
    sends_once = True
    poll_every = timedelta(minutes=10)
    inbox_keeps_old = True

    def __init__(self, account: SmsgateAccount | None, *, takes_unsigned: bool = False) -> None:
        """Take the account, and whether webhooks need no signature where there is no key."""
        self._keys = (
            tuple(key.encode("utf-8", "replace") for key in account.signing_keys) if account else ()
        )
        self._clock_window = account.clock_window if account else timedelta(0)
        self._takes_unsigned = takes_unsigned
        self._api = _api_of(account) if account else None
        self.can_send = self._api is not None

    def receive(self, request: InboundRequest) -> Intake:
        """Read a webhook, once its signature is found to be right."""
        if request.path not in _ROUTES:
            raise NoSuchRoute(request.path)
        if request.method != "POST":
            raise WrongMethod(request.method)
        self._check_signature(request)
        return _read_event(request.body)

    def send(self, message: OutboundSms) -> str | None:
        """Hand a message to the phone under our id, or under the next one where that has failed."""
        if self._api is None:
            raise SendDeferred(_NO_ACCOUNT)
        if not _NUMBER.fullmatch(message.to):
            raise NumberRefused("not a number that a phone sends to")
        return _Sending(self._api, message).send()

    def poll(self, since: str | None) -> Polled:
        """Read what the app has received, or have it told again by webhook where it has no list."""
        if self._api is None:
            return Polled(Intake(), since or "")
        return _Polling(self._api, clock.now(), since).poll()

    def kept(self, polled: Polled) -> None:
        """Need not know: the mark says it all."""

    def health(self) -> Health:
        """Ask the phone how it is, or its server when it was last heard of."""
        if self._api is None:
            raise NotReached(_NO_ACCOUNT)
        if self._api.is_server:
            return _read_devices(self._api.ask("GET", "/devices"), self._api.device)
        return _read_health(self._api.ask("GET", "/health"))

    def _check_signature(self, request: InboundRequest) -> None:
        if not self._keys:
            if self._takes_unsigned:
                return
            raise NotSigned("no signing key is set")
        said = request.headers.get("x-timestamp", "").strip()
        given = request.headers.get("x-signature", "").strip().lower().encode("utf-8", "replace")
        signed = request.body + said.encode("utf-8", "replace")
        # Every key is tried, in a time that tells nothing of which it was.
        matches = [
            hmac.compare_digest(hmac.new(key, signed, hashlib.sha256).hexdigest().encode(), given)
            for key in self._keys
        ]
        if not any(matches):
            raise NotSigned("no signature, or a wrong one")
        if not re.fullmatch(r"\d{1,12}", said, re.ASCII):
            raise NotSigned("a time that is none")
        if abs(clock.now().timestamp() - int(said)) > self._clock_window.total_seconds():
            raise NotSigned("signed too long ago, or ahead")


@dataclass(frozen=True, slots=True)
class _Api:
    """Where the phone or its server is, and how to ask it."""

    root: str
    is_server: bool
    """Whether a server stands between, with the phone at the other end of a queue."""
    login: tuple[str, str]
    device: str | None

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> http.Call:
        return http.Call(method, self.root + path, params=params or {}, json=body, login=self.login)

    def ask(self, method: str, path: str, within: timedelta = SEND_WITHIN) -> http.HttpAnswer:
        return http.ask(self.call(method, path), within)


def _api_of(account: SmsgateAccount) -> _Api | None:
    """Find the API: a path in the address is it; a device, or their own host, means a server."""
    if account.base_url is None or account.username is None or account.password is None:
        return None
    base_url = account.base_url.rstrip("/")
    address = urlsplit(base_url)
    is_server = bool(address.path or account.device) or address.hostname == _CLOUD_HOST
    path = _SERVER_PATH if is_server and not address.path else ""
    login = (account.username, account.password)
    return _Api(base_url + path, is_server, login, account.device)


# What a webhook brings ----------------------------------------------------------------------------


def _read_event(body: bytes) -> Intake:
    event = _object(body) or {}
    name, payload = event.get("event"), event.get("payload")
    if not isinstance(name, str):
        return _set_apart("no event of SMS Gateway", body)
    if name in _OF_THE_APP:
        return Intake()
    kind = name.replace(":batch:", ":")
    problem = None
    if not isinstance(payload, dict):
        problem, payload = "an event without a `payload`", {}
    if kind not in {"sms:received", *_DELIVERIES, *_OF_OTHER_KINDS}:
        problem = "an event that is not known"
    elif event.get("isEncrypted") is True or payload.get("isEncrypted") is True:
        problem = _ENCRYPTED
    if problem is not None:
        return _set_apart(problem, body)
    if kind in _DELIVERIES:
        return _read_delivery(kind, payload, body)
    return _together([_read_item(kind, item, event, raw) for item, raw in _items(event, body)])


def _items(event: Mapping[str, Any], body: bytes) -> list[tuple[object, bytes]]:
    """Give what an event brings, each piece by itself, and as it is kept if it cannot be read."""
    payload = event["payload"]
    if ":batch:" not in event["event"]:
        return [(payload, body)]
    batch = payload.get("messages")
    if not isinstance(batch, list):
        return [(None, body)]
    return [(item, _as_bytes(item, body)) for item in batch]


def _read_item(
    kind: str, item: object, event: Mapping[str, Any], body: bytes
) -> InboundSms | Unreadable:
    if not isinstance(item, dict):
        return Unreadable("a message that is no object", body)
    if kind != "sms:received":
        return _read_other_kind(item, body)
    given_id = forms.some_id(_said(item.get("messageId")) or "")
    whole = {**item, "deviceId": event.get("deviceId"), "eventId": event.get("id")}
    return _message(whole, "message", "receivedAt", given_id, body)


def _read_delivery(name: str, payload: Mapping[str, Any], body: bytes) -> Intake:
    given_id = forms.some_id(_said(payload.get("messageId")) or "")
    if given_id is None:
        return _set_apart("a report without a `messageId`", body)
    said = (_said(payload.get("reason")) or "") if name == "sms:failed" else ""
    report = ReportedDelivery(
        given_id, name, short_reason(said), _DELIVERIES[name], fault_of(said) if said else None
    )
    return Intake(deliveries=(report,))


def _message(
    item: Mapping[str, Any], text_in: str, time_in: str, given_id: str | None, body: bytes
) -> InboundSms | Unreadable:
    """Make a message of an event's payload, or of a row of the app's list: alike to the letter."""
    sender = _first_said(item, "sender", "phoneNumber")
    text = _said(item.get(text_in))
    if sender is None:
        return Unreadable("no sender (`sender`, `phoneNumber`)", body)
    if text is None:
        return Unreadable(f"a `{text_in}` that is no text", body)
    dated = item.get(time_in)
    moment = _moment(dated)
    return InboundSms(
        sender=sender,
        recipient=_first_said(item, "recipient"),
        text=text,
        provider_message_id=given_id,
        network_time=moment,
        flags=() if moment or _said(dated) == "" else ("odd_date",),
        payload={
            field: _said(value) or ""
            for field, value in item.items()
            if field not in _READ_FIELDS and value is not None and _is_plain(value)
        },
        id_is_a_hash=True,
    )


def _read_other_kind(item: Mapping[str, Any], body: bytes) -> Unreadable:
    """Set apart what is no plain SMS, without its pictures: they are large, and private."""
    pictures = item.get("attachments")
    if isinstance(pictures, list) and pictures:
        body = _as_bytes({**item, "attachments": len(pictures)}, b"")
    return Unreadable("an MMS or a data message, which only a person can read", body)


def _together(read: list[InboundSms | Unreadable]) -> Intake:
    return Intake(
        messages=tuple(one for one in read if isinstance(one, InboundSms)),
        unreadable=tuple(one for one in read if isinstance(one, Unreadable)),
    )


def _set_apart(reason: str, body: bytes) -> Intake:
    return Intake(unreadable=(Unreadable(reason, body),))


def _object(said: bytes | str) -> dict[str, Any] | None:
    """Read a JSON object; None for whatever is none."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _as_bytes(item: object, otherwise: bytes) -> bytes:
    try:
        return json.dumps(item, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        return otherwise


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _said(value: object) -> str | None:
    """Read a text, or a number as one; nothing is an empty text, and None means that it is none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not _is_plain(value):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _first_said(item: Mapping[str, Any], *fields: str) -> str | None:
    for field in fields:
        said = (_said(item.get(field)) or "").strip()
        if said:
            return said
    return None


def _moment(said: object) -> datetime | None:
    """Read a moment in whole seconds; one without a zone could be any, as the phone has its own."""
    if not isinstance(said, str):
        return None
    try:
        moment = datetime.fromisoformat(said.strip())
        return moment.astimezone(UTC).replace(microsecond=0) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


# Why a message has failed -------------------------------------------------------------------------

_HOUR = timedelta(hours=1)


def _at_the_phone(said: str) -> AccountRefused:
    return AccountRefused(f"{said}: look at the phone and its SIM")


#: What a reason means, by a word in it; the first that is found counts.
_FAILURES: Mapping[str, Callable[[str], SendRefused | SendDeferred]] = {
    # Android lets an app send so many messages in half an hour; operators have limits, too.
    "LIMIT_EXCEEDED|RATE_LIMITED|STOP_SENDING": lambda said: Throttled(said, rest=_HOUR),
    "GENERIC_(FAILURE|ERROR)": lambda said: OutOfCredit(f"{said}: check pulsa, signal and SIM"),
    "SIM_ABSENT|SIMs? .*not found|No SIMs? found|SIM selection|permission": _at_the_phone,
    "NO_DEFAULT_SMS_APP|FDN_CHECK|INVALID_SMSC_ADDRESS": _at_the_phone,
    "SHORT_CODE|phone ?number": NumberRefused,
    # It has left the phone, and did not arrive; or it is too old; or will never do.
    "Delivery result|TTL expired|NULL_PDU|ENCODING|SMS_FORMAT": SendRefused,
}


def failure_of(reason: str) -> SendRefused | SendDeferred:
    """Say what the reason of a failed message means, as the error that `send` would have raised."""
    said = short_reason(reason)
    for words, make in _FAILURES.items():
        if re.search(words, reason, re.IGNORECASE):
            return make(said)
    # No service, the radio, the modem, the network: it will pass.
    return SendDeferred(said)


def fault_of(reason: str) -> Fault | None:
    """Say why a message surely did not leave the phone; None where it may have, or never will."""
    failure = failure_of(reason)
    if isinstance(failure, Throttled):
        return Fault.THROTTLED
    is_sure = re.search(r"RESULT_|Send result|Can't send|sendSMS|\bSIMs?\b", reason)
    return Fault.SIM if is_sure and isinstance(failure, SendDeferred) else None


def short_reason(reason: str) -> str:
    """Shorten the reason of a failure to what tells something, without numbers of phones."""
    if code := re.search(r"RESULT_[A-Z_]{3,60}", reason):
        return code[0]
    if result := re.search(r"(?i)(delivery result)\b[^:]*:\s*(-?\d{1,9})\s*$", reason):
        return f"{result[1]} {result[2]}"
    return msisdn.hide_numbers(reason.strip())[:60]


# Sending ------------------------------------------------------------------------------------------


class _Sending:
    """One message on its way out, within one time for all that is asked."""

    def __init__(self, api: _Api, message: OutboundSms) -> None:
        self._api = api
        self._message = message
        self._private = (message.text, message.to, message.to.lstrip("+"), api.login[1])
        self._ends_at = time.monotonic() + SEND_WITHIN.total_seconds()

    def send(self) -> str:
        """Send under our token; under the next id where the app has one that failed a while ago."""
        failed: SendRefused | SendDeferred | None = None
        for number in range(_MOST_TRIES):
            given_id = f"{self._message.token}-{number}" if number else self._message.token
            answer = http.send(self._request(given_id), self._time_left())
            if answer.status != HTTPStatus.CONFLICT:
                return self._accepted(answer, given_id)
            failed = self._fate_of(given_id)
            if failed is None:
                return given_id
        raise SendRefused(f"{_MOST_TRIES} tries have failed, the last one: {failed}")

    def _request(self, given_id: str) -> http.Call:
        body: dict[str, Any] = {
            "id": given_id,
            "textMessage": {"text": self._message.text},
            "phoneNumbers": [self._message.to],
            "withDeliveryReport": True,
            "ttl": int(_LIFE.total_seconds()),
        }
        if _SIM.fullmatch(self._message.line or ""):
            body["simNumber"] = int(self._message.line or "")
        if self._api.is_server and self._api.device:
            body["deviceId"] = self._api.device
        # Our numbers are checked; the app's own list may be older than an operator's new prefix.
        params = {"skipPhoneValidation": "true"}
        return self._api.call("POST", "/messages", params, body)

    def _accepted(self, answer: http.HttpAnswer, given_id: str) -> str:
        """Give the id of a message that was taken, or raise what the answer means."""
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            self._refused(answer)
        state = _object(answer.text)
        if state is None or not ("id" in state or "state" in state):
            raise SendUnconfirmed(f"HTTP {answer.status} with an answer that is not theirs")
        if state.get("state") == "Failed":
            raise failure_of(http.quotable(_error_in(state), self._private))
        return forms.some_id(_said(state.get("id")) or "") or given_id

    def _refused(self, answer: http.HttpAnswer) -> None:
        said = f"HTTP {answer.status}: {http.quotable(answer.text, self._private)}"
        lower = answer.text.lower()
        match answer.status:
            case HTTPStatus.BAD_REQUEST if "device" in lower:
                raise AccountRefused(said)
            case HTTPStatus.BAD_REQUEST if "phone" in lower:
                raise NumberRefused(said)
            case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
                # A server without a device in our settings, a phone with one, or somebody else.
                raise AccountRefused(f"{said} (is TIMPORA_SMSGATE_DEVICE right?)")
            case HTTPStatus.SERVICE_UNAVAILABLE:
                raise Throttled(said, rest=_QUEUE_IS_FULL)
        http.check_taken(answer, self._private)

    def _fate_of(self, given_id: str) -> SendRefused | SendDeferred | None:
        """Say what became of a message that they have already: None where it is on its way.

        A failure that may be tried again by now is returned; any other one is raised.
        """
        try:
            answer = self._api.ask("GET", f"/messages/{quote(given_id)}", self._time_left())
        except NotReached:
            raise SendUnconfirmed("they have it, and do not say what became of it") from None
        state = _object(answer.text) if answer.status == HTTPStatus.OK else None
        if state is None or not isinstance(state.get("state"), str):
            raise SendUnconfirmed(f"they have it; HTTP {answer.status} for what became of it")
        if state["state"] in {"Cancelled", "Cancelling"}:
            raise SendRefused("it was cancelled on the phone")
        if state["state"] != "Failed":
            return None
        failure = failure_of(http.quotable(_error_in(state), self._private))
        if isinstance(failure, SendRefused):
            raise failure
        left = _rest_of(failure) - _age_of_failure(state)
        if left <= timedelta(0):
            return failure
        if isinstance(failure, Throttled):
            failure.rest = max(left, timedelta(minutes=1))
        raise failure

    def _time_left(self) -> timedelta:
        return timedelta(seconds=max(self._ends_at - time.monotonic(), 0.05))


def _error_in(state: Mapping[str, Any]) -> str:
    recipients = state.get("recipients")
    for recipient in recipients if isinstance(recipients, list) else []:
        if isinstance(recipient, dict) and (said := _first_said(recipient, "error")):
            return said
    return "it failed, and they do not say why"


def _rest_of(failure: SendDeferred) -> timedelta:
    """Say how long after a failure the next try makes sense."""
    if isinstance(failure, Throttled):
        return failure.rest
    if isinstance(failure, OutOfCredit | AccountRefused):
        return timedelta(minutes=10)
    return timedelta(seconds=30)


def _age_of_failure(state: Mapping[str, Any]) -> timedelta:
    """Say how long ago a message failed, by the phone's clock; one that is not told is long ago."""
    states = state.get("states")
    failed_at = _moment(states.get("Failed")) if isinstance(states, dict) else None
    if failed_at is None:
        return _LIFE
    return abs(clock.now() - failed_at)


# Reading what the webhook missed ------------------------------------------------------------------

#: Each poll looks back so far again: a message may enter the list after younger ones.
_OVERLAP = timedelta(minutes=30)
#: And now and then so far: a message that waited for a phone without signal is dated long before.
#: No more often, as each look that finds a message again counts as a redelivery of it.
_DEEP_LOOK = timedelta(days=2)
_DEEP_EVERY = timedelta(hours=6)
#: Clocks may be ahead, or in a wrong zone.
_AHEAD = timedelta(days=1)
_PAGE = 50
_MOST_ROWS = 500
#: Of an answer so much is read, in bytes.
_CUT_AT = 64 * 1024
_REFRESH_WITHIN = timedelta(seconds=3.5)
_PAGE_WITHIN = timedelta(seconds=3)
_TOLD_WITHIN = timedelta(seconds=4.5)
_POLL_WITHIN = 9.5


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far the list has been read; a stretch that was too long for one poll is gone on with."""

    read_to: datetime
    looked_deep_at: datetime
    stretch: tuple[datetime, datetime, int] | None = None
    """From when to when, and how many rows of it are read."""

    @classmethod
    def read(cls, said: str | None) -> "_Mark | None":
        """Read a mark; None for nothing, and for what is none of ours."""
        parts = (said or "").split()
        moments = [_moment(part) for part in (*parts[:2], *parts[2:4])]
        found = [moment for moment in moments if moment is not None]
        if len(found) != len(moments):
            return None
        if len(parts) == len(("to", "deep")):
            return cls(found[0], found[1])
        if len(parts) == len(("to", "deep", "begin", "end", "count")):
            count = parts[4]
            if re.fullmatch(r"\d{1,9}", count, re.ASCII):
                return cls(found[0], found[1], (found[2], found[3], int(count)))
        return None

    def __str__(self) -> str:
        """Write it as it is kept."""
        parts = [_iso(self.read_to), _iso(self.looked_deep_at)]
        if self.stretch is not None:
            begin, end, count = self.stretch
            parts += [_iso(begin), _iso(end), str(count)]
        return " ".join(parts)


class _Polling:
    """One poll, within ten seconds."""

    def __init__(self, api: _Api, now: datetime, since: str | None) -> None:
        self._api = api
        self._ends_at = time.monotonic() + _POLL_WITHIN
        # At first no further back than the app itself tries: before us it was somebody's phone.
        mark = _Mark.read(since) or _Mark(now - _DEEP_LOOK, now)
        self._is_new = mark.stretch is None
        if mark.stretch is None:
            begin, deep = min(mark.read_to, now) - _OVERLAP, mark.looked_deep_at
            if not timedelta(0) <= now - deep < _DEEP_EVERY:
                begin, deep = min(begin, now - _DEEP_LOOK), now
            mark = _Mark(now, deep, (begin, now + _AHEAD, 0))
        self._mark = mark

    def poll(self) -> Polled:
        """Have the list filled from the phone's own inbox, and read it page by page."""
        if self._api.is_server:
            return self._have_it_told()
        if self._is_new:
            # It may fail, or take its time; what the app has seen by itself is listed all the same.
            with suppress(NotReached):
                self._refresh("/inbox/refresh", _REFRESH_WITHIN, webhooks=False)
        first = self._page(self._stretch[2])
        if first.status == HTTPStatus.NOT_FOUND:
            return self._have_it_told()
        return self._read_pages(first)

    def _have_it_told(self) -> Polled:
        """Ask that what came be told again by webhook, under the same ids and times."""
        answer = self._refresh("/inbox/refresh", _TOLD_WITHIN, webhooks=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            answer = self._refresh("/messages/inbox/export", _TOLD_WITHIN, webhooks=True)
        _check_asked(answer)
        return Polled(Intake(), str(_Mark(self._mark.read_to, self._mark.looked_deep_at)))

    def _refresh(self, path: str, within: timedelta, *, webhooks: bool) -> http.HttpAnswer:
        begin, end, _ = self._stretch
        body: dict[str, Any] = {
            "since": _iso(begin),
            "until": _iso(end),
            # Two names for one thing, of two versions.
            "triggerWebhooks": webhooks,
            "webhookDelivery": "Individual" if webhooks else "Disabled",
        }
        if self._api.is_server and self._api.device:
            body["deviceId"] = self._api.device
        return http.ask(self._api.call("POST", path, body=body), self._time_left(within))

    def _read_pages(self, answer: http.HttpAnswer) -> Polled:
        """Read pages while there is time; the newest come first, and we give the oldest first."""
        begin, end, done = self._stretch
        stretch: tuple[datetime, datetime, int] | None = None
        rows, is_last = _rows(answer)
        read = rows
        while not is_last:
            done += max(len(rows), 1)
            stretch = (begin, end, done)
            is_late = time.monotonic() + _PAGE_WITHIN.total_seconds() > self._ends_at
            if is_late or len(read) >= _MOST_ROWS:
                break
            try:
                rows, is_last = _rows(self._page(done))
            except NotReached:
                # What is read already is kept; the next poll goes on here.
                break
            read = [*read, *rows]
            stretch = None if is_last else stretch
        mark = _Mark(self._mark.read_to, self._mark.looked_deep_at, stretch)
        return Polled(_together([_read_row(row) for row in reversed(read)]), str(mark))

    def _page(self, done: int) -> http.HttpAnswer:
        begin, end, _ = self._stretch
        params = {
            "type": "SMS",
            "from": _iso(begin),
            "to": _iso(end),
            "limit": str(_PAGE),
            "offset": str(done),
        }
        return http.ask(self._api.call("GET", "/inbox", params), self._time_left(_PAGE_WITHIN))

    def _time_left(self, most: timedelta) -> timedelta:
        return min(most, timedelta(seconds=max(self._ends_at - time.monotonic(), 0.05)))

    @property
    def _stretch(self) -> tuple[datetime, datetime, int]:
        assert self._mark.stretch is not None  # noqa: S101  # made in __init__
        return self._mark.stretch


def _check_asked(answer: http.HttpAnswer) -> None:
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise NotReached("it does not take our name and password")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise NotReached(f"HTTP {answer.status}")


def _rows(answer: http.HttpAnswer) -> tuple[list[Any], bool]:
    """Give the rows of a page, and whether it is the last one.

    A page may be longer than what is read of an answer: then those that are whole are given.
    """
    _check_asked(answer)
    try:
        rows = json.loads(answer.text)
    except json.JSONDecodeError:
        return _rows_up_to_the_cut(answer.text), False
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise NotReached("an answer that is not theirs")
    return rows, len(rows) < _PAGE


def _rows_up_to_the_cut(said: str) -> list[Any]:
    start = re.match(r"\s*\[\s*", said)
    if start is None or len(said.encode("utf-8", "replace")) < _CUT_AT:
        raise NotReached("an answer that is not theirs")
    rows: list[Any] = []
    place = start.end()
    decoder = json.JSONDecoder()
    with suppress(ValueError, RecursionError):
        while place < len(said):
            row, place = decoder.raw_decode(said, place)
            rows.append(row)
            while place < len(said) and said[place] in ", \t\r\n":
                place += 1
    # One row that fills a page by itself is passed over, and set apart as a sign of it.
    return rows or [None]


def _read_row(row: object) -> InboundSms | Unreadable:
    body = _as_bytes(row, b"")
    if not isinstance(row, dict):
        return Unreadable("a row of the app's list that is no object", body)
    if row.get("isEncrypted") is True:
        return Unreadable(_ENCRYPTED, body)
    if row.get("type", "SMS") != "SMS":
        return _read_other_kind(row, body)
    own = {field: value for field, value in row.items() if field not in {"id", "attachments"}}
    return _message(own, "contentPreview", "createdAt", _webhook_id(row.get("id")), body)


def _webhook_id(listed: object) -> str | None:
    """Give the id that the webhook has for a row: there the same hash is in hex, unsigned."""
    found = (
        re.fullmatch(r"text:(-?\d{1,10})", listed, re.ASCII) if isinstance(listed, str) else None
    )
    return f"{int(found[1]) & 0xFFFFFFFF:x}" if found else None


def _iso(moment: datetime) -> str:
    """Write a moment as every version of the app reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


# How it is ----------------------------------------------------------------------------------------

#: Without a push a phone asks its server four times an hour.
_SILENT_FOR = timedelta(hours=1)
_MOST_OBSERVED = 1_000_000
#: Fewer failures than this may be the fault of a number.
_SOME = 3


def _read_health(answer: http.HttpAnswer) -> Health:
    """Read what the app says of its phone; a whole that `fails` may only be without internet."""
    health = _object(answer.text)
    checks = health.get("checks") if health is not None else None
    if not isinstance(checks, dict):
        return Health(is_up=False, says=f"HTTP {answer.status}, and no word of SMS Gateway's")
    battery = _observed(checks, "battery:level")
    failed = _observed(checks, "messages:failed")
    of_sending = checks.get("messages:failed")
    all_failed = isinstance(of_sending, dict) and of_sending.get("status") == "fail"
    if all_failed and (failed or 0) >= _SOME:
        says = "every message of the last hour has failed: check pulsa, signal and SIM"
        return Health(is_up=False, says=says, battery=_percent(battery))
    says = "answers"
    if _observed(checks, "battery:charging") == 0:
        says += "; does not charge"
    if failed:
        says += f"; {failed} messages failed in the last hour"
    return Health(is_up=True, says=says, battery=_percent(battery))


def _observed(checks: Mapping[str, Any], name: str) -> int | None:
    check = checks.get(name)
    value = check.get("observedValue") if isinstance(check, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_OBSERVED else None


def _percent(value: int | None) -> int | None:
    return value if value is not None and value <= 100 else None  # noqa: PLR2004


def _read_devices(answer: http.HttpAnswer, wanted: str | None) -> Health:
    """Read when a server has last heard of the phone."""
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Health(is_up=False, says="it does not take our name and password")
    try:
        devices = json.loads(answer.text) if answer.status == HTTPStatus.OK else None
    except (ValueError, RecursionError):
        devices = None
    if not isinstance(devices, list):
        return Health(is_up=False, says=f"HTTP {answer.status}, and no word of its phones")
    seen = [
        _moment(device.get("lastSeen"))
        for device in devices
        if isinstance(device, dict) and (wanted is None or device.get("id") == wanted)
    ]
    if not seen:
        return Health(is_up=False, says="the server knows no such phone")
    last = max((moment for moment in seen if moment is not None), default=None)
    if last is None:
        return Health(is_up=True, says="the server answers, and does not say when it heard of it")
    silent = max(clock.now() - last, timedelta(0))
    minutes = int(silent.total_seconds() // 60)
    return Health(is_up=silent < _SILENT_FOR, says=f"the phone asked its server {minutes} min ago")
