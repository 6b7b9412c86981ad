"""Jasmin: webhooks for messages and delivery reports, and its HTTP API to send.

Read from its source (0.11) and its documentation in November 2026; docs/providers/jasmin.md has the
details. What matters most:

- any webhook is answered by `ACK/Jasmin`; whatever else we say brings the same again after 30 s,
  and after three times it is lost, as Jasmin keeps nothing that can be read back;
- `content` is the very bytes of the message in the alphabet that `coding` names, so that a plain
  `é` comes as `%05`; `binary` has the same bytes in hex;
- the answer to a send is `Success "id"`, or `Error "why"` with a status that says less than the
  words do; a failure inside may come as `Success "[Failure instance: …"`;
- a delivery report of level 1 says that the operator took the message, one of level 2 what became
  of it; we ask for both;
- nothing is signed, and no message has a time: the secret in the path is the only proof.
"""

import json
import math
import re
from binascii import Error as BinasciiError
from binascii import unhexlify
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from gateway.accounts import JasminAccount
from gateway.providers import forms, http
from gateway.providers.base import (
    AccountRefused,
    Answer,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NoSuchRoute,
    NotReached,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    Part,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WrongMethod,
)
from models.states import MessageStatus
from parsers import segments  # it registers the codec of GSM 03.38, too

_TAKEN = Answer(200, "ACK/Jasmin", "text/plain; charset=utf-8")
_NO_ACCOUNT = "TIMPORA_JASMIN_BASE_URL, _USERNAME and _PASSWORD are not set"
_GSM = "gsm03.38"
#: Two questions in ten seconds.
_ASK_WITHIN = timedelta(seconds=4.5)

#: In a delivery report of level 2. `ENROUTE` and `ACCEPTD` are no end; `UNKNOWN` says nothing.
_DELIVERY = {
    "ESME_ROK": MessageStatus.SENT,
    "ENROUTE": MessageStatus.SENT,
    "ACCEPTD": MessageStatus.SENT,
    "DELIVRD": MessageStatus.DELIVERED,
    "UNDELIV": MessageStatus.FAILED,
    "REJECTD": MessageStatus.FAILED,
    "EXPIRED": MessageStatus.FAILED,
    "DELETED": MessageStatus.FAILED,
}
#: Of level 1: Jasmin tells these, and by its own settings tries again after each.
_TRIED_AGAIN = {"ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSCHED"}

#: An id is a UUID, or what the owner's interceptor gives; a Python error in its place is none.
_SUCCESS = re.compile(r'Success "([\w.:@-]{1,100})"', re.ASCII)
_ERROR = re.compile(r'Error "(.*?)"?', re.DOTALL)


def _throttled(said: str) -> Exception:
    # A user's throughput is told in messages a second.
    return Throttled(said, timedelta(seconds=5))


#: What the words of an error mean; the first that fits counts.
_ERRORS: tuple[tuple[str, Callable[[str], Exception]], ...] = (
    (r"Argument \[to\] has an invalid value", NumberRefused),
    (r"Argument \[(content|hex-content|coding)\] has an invalid value", SendRefused),
    (r"Invalid hex-content", SendRefused),
    # Our name, our password, our address, or a Jasmin too old for what we ask: all meet the same.
    (r"Argument \[|Mandatory argument", AccountRefused),
    (r"Authentication failure", AccountRefused),
    (r"Authorization failed .*\((Long content|Setting hex content)", SendRefused),
    (r"Authorization failed", AccountRefused),
    (r"Value filter failed .*\(source_address", AccountRefused),
    (r"Value filter failed", SendRefused),
    (r"User throughput exceeded", _throttled),
    (r"Cannot charge|Not enough (balance|submit_sm_count)", OutOfCredit),
    (r"No route found", SendRefused),
    (r".*no bound connector", SendDeferred),
    (r"InterceptorPB not|Failed running interception script", SendDeferred),
    (r"Interception specific error code 5", SendDeferred),
    (r"Interception specific error code", SendRefused),
    (r"Cannot send submit_sm", SendDeferred),
)


class Jasmin:
    """The adapter."""

    name = "jasmin"
    claims_at_once = 1
    tells_time = False
    sends_once = False

    def __init__(self, account: JasminAccount | None) -> None:
        """Take the account to send with; without one the adapter only receives."""
        self.can_send = account is not None
        self._account = account

    def receive(self, request: InboundRequest) -> Intake:
        """Read a webhook; the path says whether it is a message or a delivery report."""
        readers = {"sms": _read_sms, "dlr": _read_delivery}
        if request.path not in readers:
            raise NoSuchRoute(request.path)
        if request.method not in {"GET", "POST"}:
            raise WrongMethod(request.method)
        raw = request.query if request.method == "GET" else request.body
        return readers[request.path](_fields(raw, request), raw)

    def send(self, message: OutboundSms) -> str | None:
        """Send, and read in their words what became of it."""
        account = self._account
        if account is None:
            raise SendDeferred(_NO_ACCOUNT)
        number = message.to.removeprefix("+")
        if not re.fullmatch(r"\d+", number, re.ASCII):
            raise NumberRefused("not a number that Jasmin takes")
        content = _content(message.text)
        form = {
            "username": account.username,
            "password": account.password,
            "to": number,
            **content,
            "dlr": "yes",
            "dlr-level": "3",
            "dlr-url": f"{account.callback_url}/dlr",
            "dlr-method": "POST",
        }
        if account.sender:
            form["from"] = account.sender
        if message.line:
            form["tags"] = message.line
        private = (
            account.callback_url,
            account.password,
            content.get("hex-content", ""),
            message.text,
            number,
        )
        answer = http.send(http.Call("POST", f"{account.base_url}/send", data=form))
        return _accepted(answer, private)

    def health(self) -> Health:
        """Ask whether it answers, and what the account has left."""
        account = self._account
        if account is None:
            raise NotReached(_NO_ACCOUNT)
        pong = http.ask(http.Call("GET", f"{account.base_url}/ping"), _ASK_WITHIN)
        if pong.status != HTTPStatus.OK or pong.text.strip() != "Jasmin/PONG":
            return Health(is_up=False, says=f"HTTP {pong.status}, and no word of Jasmin's")
        login = {"username": account.username, "password": account.password}
        answer = http.ask(
            http.Call("GET", f"{account.base_url}/balance", params=login), _ASK_WITHIN
        )
        if answer.status == HTTPStatus.FORBIDDEN or "Argument [" in answer.text:
            return Health(is_up=False, says="it does not take our name and password")
        return _health(answer)


def _fields(raw: bytes, request: InboundRequest) -> dict[str, forms.Field]:
    """Read the fields, by their names in lower case: some write `From` and `To`."""
    found: dict[str, forms.Field] = {}
    for field in forms.read_fields(raw, request.headers.get("content-type", "")):
        found.setdefault(field.name.strip().lower(), field)
    return found


def _text_of(fields: Mapping[str, forms.Field], name: str) -> str:
    return fields[name].text.strip() if name in fields else ""


def _set_apart(reason: str, raw: bytes) -> Intake:
    return Intake(unreadable=(Unreadable(reason, raw),), answer=_TAKEN)


# A message comes in -------------------------------------------------------------------------------

#: What is told by a field of its own, or tells the text once more, where no mask would find it.
_NOT_KEPT = {"from", "to", "id", "content", "binary", "tlv_params"}


def _read_sms(fields: Mapping[str, forms.Field], raw: bytes) -> Intake:
    if not _text_of(fields, "from"):
        return _set_apart("no sender (field `from`)", raw)
    text, is_odd = _message_text(fields)
    others = {name: field for name, field in fields.items() if name not in {"content", "binary"}}
    is_odd = is_odd or any(field.was_odd for field in others.values())
    message = InboundSms(
        sender=fields["from"].text,
        recipient=_text_of(fields, "to") or None,
        text=text,
        provider_message_id=forms.some_id(_text_of(fields, "id")),
        flags=("odd_encoding",) if is_odd else (),
        payload={name: field.text for name, field in others.items() if name not in _NOT_KEPT},
        part=_part(fields),
    )
    return Intake(messages=(message,), answer=_TAKEN)


def _message_text(fields: Mapping[str, forms.Field]) -> tuple[str, bool]:
    """Read the text from `binary`, or where that is no hex from `content`; and whether it is odd.

    Both are the same bytes. Older versions have no `binary`.
    """
    data = fields["content"].raw if "content" in fields else b""
    was_bad = False
    if hexed := _text_of(fields, "binary"):
        try:
            data = unhexlify(hexed)
        except (BinasciiError, ValueError):
            was_bad = True
    text, is_odd = _decode(data, _text_of(fields, "coding"))
    return text, is_odd or was_bad


def _decode(data: bytes, coding: str) -> tuple[str, bool]:
    """Read bytes in the alphabet that was named; say whether they cannot be of that alphabet."""
    if coding in {"", "0"}:
        return _decode_gsm(data)
    if coding == "8":
        return _decode_utf16(data)
    if coding == "3":
        return data.decode("latin-1"), False
    # 1 is ASCII; 2 and 4 are eight bits of no alphabet; the others nobody in Indonesia uses.
    if coding in {"1", "2", "4"} and data.isascii():
        return data.decode("ascii"), False
    return _guess(data), True


def _decode_gsm(data: bytes) -> tuple[str, bool]:
    """Read GSM 03.38, one character a byte: it has no byte from 0x80 on, so others show."""
    if not data.isascii():
        return _guess(data), True
    try:
        # A lone escape at the end says nothing, and the codec would drop it without a word.
        return data.decode(_GSM), data.endswith(b"\x1b")
    except UnicodeDecodeError:
        return data.decode(_GSM, "replace"), True


def _decode_utf16(data: bytes) -> tuple[str, bool]:
    if len(data) % 2 and 0 not in data:
        # Half a character too many, and no Latin letter: it was never UTF-16.
        return _guess(data), True
    encoding = "utf-16-be"
    if data.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        encoding = "utf-16"
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError:
        return data.decode(encoding, "replace"), True


def _guess(data: bytes) -> str:
    """Read bytes of no known alphabet without losing one."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


#: The tags of SMPP 3.4 by which a long message tells its pieces, by name and by number.
_REFERENCE = ("sar_msg_ref_num", "0x020c", "524")
_NUMBER = ("sar_segment_seqnum", "0x020f", "527")
_TOTAL = ("sar_total_segments", "0x020e", "526")


def _part(fields: Mapping[str, forms.Field]) -> Part | None:
    """Find which piece of a long message this is; Jasmin joins them, and then tells none."""
    tags = {**_tags(_text_of(fields, "custom_tlvs")), **_tags(_text_of(fields, "tlv_params"))}
    found = [
        next((tags[name] for name in names if name in tags), None)
        for names in (_REFERENCE, _NUMBER, _TOTAL)
    ]
    reference, number, total = (_small(value) for value in found)
    if reference is None or number is None or total is None or not 1 <= number <= total >= 2:  # noqa: PLR2004
        return None
    return Part(reference, number, total)


def _tags(said: str) -> dict[str, Any]:
    """Read tags from an object, or from a list of lists: the tag first, its value last."""
    try:
        given = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    if isinstance(given, dict):
        return {name.partition(":")[0].lower(): value for name, value in given.items()}
    if isinstance(given, list):
        return {str(one[0]).lower(): one[-1] for one in given if isinstance(one, list) and one}
    return {}


def _small(value: object) -> int | None:
    """Read a number of two bytes."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,5}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFF:  # noqa: PLR2004
        return None
    return value


# A delivery report comes in -----------------------------------------------------------------------


def _read_delivery(fields: Mapping[str, forms.Field], raw: bytes) -> Intake:
    given_id = forms.some_id(_text_of(fields, "id"))
    # Seen as `CommandStatus.ESME_ROK` in its log of today.
    status = _text_of(fields, "message_status").rpartition(".")[2]
    if given_id is None or not status:
        return _set_apart("no `id` or no `message_status`", raw)
    # `text` is left out: it is the beginning of our own message. `ND` stands for nothing.
    err = _text_of(fields, "err")
    says_why = err.strip("0").upper() not in {"", "ND"}
    report = ReportedDelivery(
        provider_message_id=given_id,
        raw_status=status[:60],
        reason=f"err {http.quotable(err, ())}"[:60] if says_why else "",
        status=_meaning(status.upper()),
    )
    return Intake(deliveries=(report,), answer=_TAKEN)


def _meaning(status: str) -> MessageStatus | None:
    if status in _TRIED_AGAIN:
        return None
    if status not in _DELIVERY and status.startswith("ESME_"):
        return MessageStatus.FAILED
    return _DELIVERY.get(status)


# A message goes out -------------------------------------------------------------------------------


#: Five parts, as `long_content_max_parts` is unless it was changed: what is longer Jasmin cuts off,
#: and says that all is well.
_LONGEST = {"GSM-7": 5 * 153, "UCS-2": 5 * 67}


def _content(text: str) -> dict[str, str]:
    """Write a text as Jasmin wants it: in GSM 03.38 it would put `?` for what is not in there."""
    measured = segments.measure(text)
    if measured.units > _LONGEST[measured.encoding]:
        raise SendRefused("longer than the five parts that Jasmin sends")
    if measured.encoding == "GSM-7":
        return {"coding": "0", "content": text}
    try:
        return {"coding": "8", "hex-content": text.encode("utf-16-be").hex()}
    except UnicodeEncodeError:
        # Without the error below, which holds the text.
        raise SendRefused("a text that no encoding holds") from None


def _accepted(answer: http.HttpAnswer, private: tuple[str, ...]) -> str:
    """Give the id of an accepted message, or raise what the answer means."""
    said = answer.text.strip()
    is_good = 200 <= answer.status < 300  # noqa: PLR2004
    if is_good and (success := _SUCCESS.fullmatch(said)):
        return success[1]
    status = f"HTTP {answer.status}"
    error = _ERROR.fullmatch(said)
    words = error[1] if error else ""
    for pattern, meaning in _ERRORS:
        if error and re.match(pattern, words, re.DOTALL):
            raise meaning(f"{status}: {http.quotable(words, private)}")
    if words.startswith("Unknown error"):
        # It may have been put into the queue before; the words are any exception's.
        raise SendUnconfirmed(f"{status}: Unknown error")
    http.check_taken(answer, private)
    raise SendUnconfirmed(f"{status} with an answer that is not theirs")


# How it is ----------------------------------------------------------------------------------------


def _health(answer: http.HttpAnswer) -> Health:
    """Read what is left of money and of messages; `ND` is no bound, a text is a refusal."""
    left: object = None
    with suppress(ValueError, RecursionError):
        left = json.loads(answer.text)
    if answer.status != HTTPStatus.OK or not isinstance(left, dict):
        return Health(is_up=True, says="answers, and tells no balance")
    money, messages = (_amount(left.get(name)) for name in ("balance", "sms_count"))
    says = "answers" if messages is None else f"answers; {messages} messages left"
    return Health(is_up=True, says=says, balance=money)


def _amount(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return str(value)[:40]
