"""Africa's Talking, as it really speaks: what it posts to us, and what it makes of our messages."""
# ruff: noqa: SLF001  # the guard of the SDK's private parts has to name them

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote_plus

import pytest
from africastalking.Service import validate_phone
from africastalking.SMS import SMSService
from hypothesis import given, settings
from hypothesis import strategies as st
from support.africastalking_server import (
    API_KEY,
    PAGE,
    SEND_PATH,
    USER_PATH,
    AfricasTalkingServer,
)
from support.provider_contract import (
    FORM_PIECES,
    MESSAGE,
    DeliveryCase,
    IdGiven,
    InboundCase,
    Reached,
    SeenRequest,
    SendingCase,
    UssdContract,
    everything_told,
    private_forms,
    reaching_raw,
    send_to_any_answer,
)
from support.raw_server import RawServer, body_of, http_answer, lasting_at_most
from support.waiting import free_port

from gateway.accounts import AfricasTalkingAccount
from gateway.providers.africastalking import AfricasTalking
from gateway.providers.base import (
    AccountRefused,
    Answer,
    DialogueEnd,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    KeyPress,
    NotReached,
    NumberRefused,
    OptOut,
    OutboundSms,
    OutOfCredit,
    Polled,
    PolledProvider,
    ReportedDelivery,
    Screen,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WatchedProvider,
)
from models.states import MessageStatus
from parsers import msisdn

FORM = "application/x-www-form-urlencoded"
LATIN = f"{FORM}; charset=iso-8859-1"
USERNAME = "timpora"
TOKEN = "00000000000000a8"  # noqa: S105
SENDER = "TIMPORA"

PHONE = "+6281200000123"
FROM = "from=%2B6281200000123"
AT_0604 = datetime(2026, 3, 1, 6, 4, 45, tzinfo=UTC)


def post(
    path: str, body: str | bytes, content_type: str = FORM, query: bytes = b""
) -> InboundRequest:
    raw = body.encode() if isinstance(body, str) else body
    return InboundRequest("POST", path, query, {"content-type": content_type}, raw)


def sms(
    label: str, body: str | bytes, content_type: str = FORM, query: bytes = b"", **expected: Any
) -> InboundCase:
    """Write a case of one message; what is not named is as in the shortest post there is."""
    plain: dict[str, Any] = {"sender": PHONE, "recipient": None, "text": ""}
    message = InboundSms(**(plain | expected))
    return InboundCase(label, post("sms", body, content_type, query), Intake((message,)))


def dated(label: str, said: str, moment: datetime | None) -> InboundCase:
    """Write a case of a date: whatever it is, the message is kept, and the date as it was sent."""
    return sms(
        label,
        f"{FROM}&text=NIHIL&date={quote_plus(said)}",
        text="NIHIL",
        network_time=moment,
        flags=() if moment else ("odd_date",),
        payload={"date": said},
    )


def odd(label: str, body: str | bytes, text: str, content_type: str = FORM) -> InboundCase:
    """Write a case of a text that is not in UTF-8."""
    return sms(label, body, content_type, text=text, flags=("odd_encoding",))


def unreadable(label: str, request: InboundRequest, reason: str) -> InboundCase:
    return InboundCase(label, request, Intake(unreadable=(Unreadable(reason, request.body),)))


def unkeyed(label: str, body: str | bytes, reason: str) -> InboundCase:
    """Write a case of keys that cannot be read: a PIN may be among them, so that none are kept."""
    item = Unreadable(reason, b"")
    return InboundCase(label, post("ussd", body), Intake(unreadable=(item,), awaits_screen=True))


def ended(
    label: str,
    body: str,
    query: bytes = b"",
    session_id: str = "ATUid_1",
    sender: str | None = PHONE,
) -> InboundCase:
    notice = DialogueEnd(session_id, sender)
    request = post("ussd/end", body, query=query)
    return InboundCase(label, request, Intake(dialogue_ends=(notice,)))


def unended(label: str, body: str | bytes, query: bytes = b"") -> InboundCase:
    """Write a case of an end of nothing; it tells what a PIN was and what the last screen said."""
    item = Unreadable("no `sessionId` in the end notice", b"")
    return InboundCase(label, post("ussd/end", body, query=query), Intake(unreadable=(item,)))


DATES = [
    dated("a date without a zone is UTC", "2026-03-01 06:04:45", AT_0604),
    dated("a date in the ISO shape", "2026-03-01T06:04:45Z", AT_0604),
    dated("a date with milliseconds, as the inbox has it", "2026-03-01T06:04:45.000Z", AT_0604),
    dated("a date with milliseconds, which are cut", "2026-03-01T06:04:45.999Z", AT_0604),
    dated("a date in the zone of Timor", "2026-03-01T14:04:45+08:00", AT_0604),
    dated("a date with blanks around it", " 2026-03-01 06:04:45 ", AT_0604),
    dated("a date in seconds since 1970", "1772345085", None),
    dated("a date with the day first", "01/03/2026 06:04:45", None),
    dated("a date in the year nought", "00000101000000", None),
    dated("a date that no calendar has", "2026-02-30 06:04:45", None),
    dated("a date before all time", "0001-01-01T00:00:00+23:59", None),
    dated("a date after all time", "9999-12-31T23:59:59-23:59", None),
    dated("a day without an hour, which two messages may share", "2026-03-01", None),
    sms("an empty date is not an odd one", f"{FROM}&date=", payload={"date": ""}),
]

ENCODINGS = [
    sms(
        "letters and signs in UTF-8", f"{FROM}&text=caf%C3%A9+%F0%9F%98%80", text="café \U0001f600"
    ),
    sms("raw UTF-8", FROM.encode() + b"&text=caf\xc3\xa9", text="café"),
    sms("UTF-8 under another name", f"{FROM}&text=caf%C3%A9", LATIN, text="café"),
    odd("escaped Latin-1, declared", f"{FROM}&text=caf%E9", "café", LATIN),
    odd("escaped Latin-1, declared nowhere", f"{FROM}&text=caf%E9", "café"),
    odd("raw Latin-1, declared", FROM.encode() + b"&text=caf\xe9", "café", LATIN),
    odd("raw Latin-1, declared nowhere", FROM.encode() + b"&text=caf\xe9", "café"),
    odd("one raw byte that is nothing", FROM.encode() + b"&text=NIHIL\x80", "NIHIL\x80"),
    odd("a quoted name of a charset", f"{FROM}&text=%80", "€", f'{FORM}; Charset="Windows-1252"'),
    odd("a byte that the charset has not", f"{FROM}&text=%81", "\ufffd", LATIN),
    odd("half of a surrogate pair", f"{FROM}&text=%ED%A0%80", "\xed\xa0\x80"),
    odd("UTF-8 that is cut off", f"{FROM}&text=%F0%9F", "\xf0\x9f"),
    sms("a charset that nobody knows", f"{FROM}&text=ok", f"{FORM}; charset=klingon", text="ok"),
    sms("NUL, which is the at sign of GSM", f"{FROM}&text=agen%00contoh", text="agen\x00contoh"),
    sms("a percent sign that escapes nothing", f"{FROM}&text=50%+orang%zz", text="50% orang%zz"),
    sms("an equals sign in the text", f"{FROM}&text=a=b", text="a=b"),
    sms("line ends", f"{FROM}&text=PMI%0D%0A3", text="PMI\r\n3"),
]

NO_SENDER = "no sender (field `from`)"
NO_DIALOGUE = "no `sessionId` or no `phoneNumber`"


def with_id(label: str, given_id: str, expected: str | None) -> InboundCase:
    return sms(label, f"{FROM}&id={given_id}", provider_message_id=expected)


def from_sender(label: str, sent: str, sender: str) -> InboundCase:
    return sms(label, f"from={sent}&text=NIHIL", sender=sender, text="NIHIL")


def pressed(
    label: str,
    body: str | bytes,
    relayed: str,
    service_code: str = "*384*1234#",
    sender: str = PHONE,
) -> InboundCase:
    press = KeyPress("ATUid_1", sender, service_code, relayed, is_cumulative=True)
    return InboundCase(label, post("ussd", body), Intake(key_presses=(press,)))


DIAL = "sessionId=ATUid_1&phoneNumber=%2B6281200000123&serviceCode=%2A384%2A1234%23"
DIAL_OF = "sessionId=ATUid_1&serviceCode=%2A384%2A1234%23&text=&phoneNumber="
TOO_LONG = "`text` or `sessionId` is too long"

DIALOGUES = [
    pressed("the first request of a dialogue", f"{DIAL}&networkCode=99999&text=", ""),
    pressed("all keys of a dialogue so far", f"{DIAL}&text=1%2A2", "1*2"),
    pressed("raw stars", f"{DIAL}&text=1*2", "1*2"),
    pressed("an empty key", f"{DIAL}&text=1%2A%2A2", "1**2"),
    pressed("stars for an answer", f"{DIAL}&text=1*2*****", "1*2*****"),
    pressed("blanks around a key, which are left to the menus", f"{DIAL}&text=+1+", " 1 "),
    pressed("a name with a letter of its own", f"{DIAL}&text=1*caf%C3%A9", "1*café"),
    pressed("a key in Latin-1", DIAL.encode() + b"&text=1*caf\xe9", "1*café"),
    pressed("no text and no service code", DIAL.partition("&serviceCode")[0], "", ""),
    pressed(
        "a dialogue field that comes twice: the first", f"{DIAL}&text=1&text=2&sessionId=B", "1"
    ),
    pressed("fields that nobody knows", f"{DIAL}&text=1&=x&&hops=3&at-ussd=", "1"),
    pressed("blanks around a session", DIAL.replace("ATUid_1", "+ATUid_1+"), ""),
    pressed("as many keys as are read", f"{DIAL}&text={'1*' * 1000}", "1*" * 1000),
    pressed("a caller with a raw plus", f"{DIAL_OF}+6281200000123", "", sender=PHONE[1:]),
    pressed("a caller without a plus", f"{DIAL_OF}6281200000123", "", sender=PHONE[1:]),
    pressed("a caller with a nought", f"{DIAL_OF}081200000123", "", sender="081200000123"),
    unkeyed("keys of no dialogue", f"phoneNumber={PHONE[1:]}&text=1%2A123456", NO_DIALOGUE),
    unkeyed("keys of an empty dialogue", f"{DIAL[:10]}&phoneNumber=6&text=1", NO_DIALOGUE),
    unkeyed("keys of nobody", "sessionId=A&text=1%2A123456", NO_DIALOGUE),
    unkeyed("keys of a blank number", "sessionId=A&phoneNumber=+&text=1", NO_DIALOGUE),
    unkeyed("more keys than anybody presses", f"{DIAL}&text={'1*' * 1000}1", TOO_LONG),
    unkeyed("a session longer than any", f"phoneNumber=6&sessionId={'A' * 201}", TOO_LONG),
    unkeyed(
        "a session with NUL, which PostgreSQL has not",
        "phoneNumber=6&sessionId=A%00&text=123456",
        "a `sessionId` that no database keeps",
    ),
    unkeyed("keys in JSON", '{"sessionId": "A", "phoneNumber": "6", "text": "1"}', NO_DIALOGUE),
]

END = (
    "date=2026-03-01+06%3A04%3A45&sessionId=ATUid_1&serviceCode=%2A384%2A1234%23&networkCode=99999"
    "&phoneNumber=%2B6281200000123&status=Success&cost=KES+0.10&durationInMillis=6000&hopsCount=3"
    "&input=1%2A123456&lastAppResponse=END+Terima+kasih"
)
OF_ODD = b"clean=cleann&error=523&SessionID=S1&=&=&en="

ENDS = [
    ended("the end of a dialogue, with every field", END),
    ended("the end of a dialogue that broke off", f"{DIAL}&status=Incomplete&errorMessage=x"),
    ended("an end with nothing but the session", "sessionId=ATUid_1", sender=None),
    ended("an end in the query", "", DIAL.encode()),
    ended(
        "an end half in the form, half in the query",
        "sessionId=ATUid_1",
        b"phonenumber=%2B6281200000123",
    ),
    ended("an end in the form and in the query: the form", DIAL, b"sessionId=B&phoneNumber=7"),
    ended("an end with odd parameters in the query", "", OF_ODD, "S1", None),
    ended("an end with odd parameters in the form", OF_ODD.decode(), b"", "S1", None),
    ended("an end with names in capitals", DIAL.upper().replace("ATUID", "ATUid")),
    ended("an end with names in small letters", DIAL.lower().replace("atuid", "ATUid")),
    ended("an end with blanks around its names", "+sessionId+=+ATUid_1+", sender=None),
    ended("an end whose session is empty before it is told", f"sessionId=&SESSIONID=+&{DIAL}"),
    ended("an end whose session the form has empty", "sessionId=&phoneNumber=", DIAL.encode()),
    ended("an end that tells the session twice: the first", f"{DIAL}&SessionID=B"),
    ended("an end of nobody", "sessionId=ATUid_1&phoneNumber=+", sender=None),
    ended("an end with bytes that are nothing", f"{DIAL}&lastAppResponse=%FF%00%E9&%=%"),
    unended("an end without a word", b""),
    unended("an end of no session", END.replace("sessionId", "session")),
    unended("an end of an empty session", "sessionId=+&input=1%2A123456", b"SessionID="),
    unended("an end of a session with NUL", "sessionId=A%00&input=1%2A123456"),
    unended("an end in JSON", '{"sessionId": "ATUid_1", "input": "123456"}'),
    unended("an end in bytes", b"\xff\x00\xfe"),
]

NO_PHONE = "no `phoneNumber` in an opt-out"
NO_UPDATE = "an `updateType` that is none"
JOINED = "phoneNumber=%2B6281200000123&shortCode=22345&keyword=info&updateType="


def opted_out(label: str, path: str, body: str, sender: str = PHONE) -> InboundCase:
    return InboundCase(label, post(path, body), Intake(opt_outs=(OptOut(sender),)))


OPT_OUTS = [
    opted_out("an opt-out", "optout", "senderId=TIMPORA&phoneNumber=%2B6281200000123"),
    opted_out("an opt-out of nobody's messages", "optout", "phoneNumber=%2B6281200000123"),
    opted_out("an opt-out with a raw plus", "optout", "phoneNumber=+6281200000123", PHONE[1:]),
    opted_out("an opt-out, told twice in one", "optout", "phoneNumber=1&phoneNumber=2", "1"),
    unreadable("an opt-out of no phone", post("optout", "senderId=TIMPORA"), NO_PHONE),
    unreadable("an opt-out of a blank phone", post("optout", "phoneNumber=+"), NO_PHONE),
    unreadable("an opt-out in bytes", post("optout", b"\xff\x00"), NO_PHONE),
    unreadable("an opt-out in the query", post("optout", "", query=b"phoneNumber=6281"), NO_PHONE),
    opted_out("who leaves a service", "subscription", f"{JOINED}deletion"),
    opted_out("who leaves a service, in capitals", "subscription", f"{JOINED}+Deletion+"),
    InboundCase("who joins a service", post("subscription", f"{JOINED}addition"), Intake()),
    InboundCase(
        "who joins a service, in capitals", post("subscription", f"{JOINED}ADDITION"), Intake()
    ),
    unreadable("who does something else", post("subscription", f"{JOINED}renewal"), NO_UPDATE),
    unreadable("who does nothing", post("subscription", JOINED), NO_UPDATE),
    unreadable("nobody leaves", post("subscription", "updateType=deletion"), NO_PHONE),
    unreadable("a service in JSON", post("subscription", "{}"), NO_UPDATE),
]

INBOUND = [
    sms(
        "a message with every field",
        "date=2026-03-01+06%3A04%3A45&from=%2B6281200000123&id=5f0c-demo&linkId="
        "&text=WNA%23Australia%232&to=31234&networkCode=99999&cost=KES+1.00",
        recipient="31234",
        text="WNA#Australia#2",
        provider_message_id="5f0c-demo",
        network_time=AT_0604,
        payload={
            "date": "2026-03-01 06:04:45",
            "linkId": "",
            "networkCode": "99999",
            "cost": "KES 1.00",
        },
    ),
    *DATES,
    *ENCODINGS,
    # An empty text is a message too: a refusal would only bring it again, each minute.
    sms("no text at all", FROM),
    sms("an empty text", f"{FROM}&text="),
    sms("one blank", f"{FROM}&text=+", text=" "),
    sms("a long text", f"{FROM}&text={'x' * 2000}", text="x" * 2000),
    with_id("no id but the field", "", None),
    with_id("null for an id", "null", None),
    with_id("None for an id", "None", None),
    with_id("NULL for an id", "NULL", None),
    with_id("blanks for an id", "+", None),
    with_id("an id with blanks around it", "+AT-1+", "AT-1"),
    from_sender("a raw plus, which is a blank in a form", "+6281200000123", " 6281200000123"),
    from_sender("a number without a plus", "6281200000123", "6281200000123"),
    from_sender("a sender that is a name", "TELKOMSEL", "TELKOMSEL"),
    from_sender("a sender that is a short code", "31234", "31234"),
    sms("a field that comes twice: the first", f"{FROM}&text=WNA&text=PMI&from=MTN", text="WNA"),
    sms("fields that have no name", f"{FROM}&=x&&text=NIHIL&", text="NIHIL"),
    sms("a query, which is not the form", f"{FROM}&text=NIHIL", query=b"text=PMI", text="NIHIL"),
    unreadable("no sender", post("sms", "text=NIHIL&id=5"), NO_SENDER),
    unreadable("a blank sender", post("sms", "from=+&text=NIHIL"), NO_SENDER),
    unreadable("a sender in the query", post("sms", "", query=FROM.encode()), NO_SENDER),
    unreadable("an empty body", post("sms", b""), NO_SENDER),
    unreadable("JSON", post("sms", '{"from": "+62812"}', "application/json"), NO_SENDER),
    unreadable("bytes", post("sms", b"\xff\x00\xfe"), NO_SENDER),
    *OPT_OUTS,
    *DIALOGUES,
    *ENDS,
]


def report(
    label: str, body: str, raw_status: str, status: MessageStatus | None, reason: str = ""
) -> DeliveryCase:
    expected = ReportedDelivery("ATXid_1", raw_status, reason, status)
    return DeliveryCase(label, post("dlr", body), expected)


def status(word: str, meaning: MessageStatus | None) -> DeliveryCase:
    body = f"id=ATXid_1&status={quote_plus(word)}&phoneNumber=%2B6281200000123&networkCode=99999"
    return report(f"the status {word!r}", body, word, meaning)


def no_report(label: str, body: str) -> DeliveryCase:
    return DeliveryCase(label, post("dlr", body), None)


DELIVERY = [
    # `Success` is `delivered` here, and no more than `accepted` in the answer to a send.
    status("Success", MessageStatus.DELIVERED),
    status("success", MessageStatus.DELIVERED),
    status("SUCCESS", MessageStatus.DELIVERED),
    status("Sent", MessageStatus.SENT),
    status("SUBMITTED", MessageStatus.SENT),
    status("buffered", MessageStatus.SENT),
    status("Rejected", MessageStatus.FAILED),
    status("FAILED", MessageStatus.FAILED),
    status("Expired", MessageStatus.FAILED),
    # A phone without coverage may still get the message: it is the rule in the hills.
    status("AbsentSubscriber", None),
    status("Teleported", None),
    status("66", None),
    report(
        "a reason, with the slip of their pen, and a count",
        "id=ATXid_1&status=Failed&failureReason=NotNetworkSubcriber&retryCount=0",
        "Failed",
        MessageStatus.FAILED,
        "NotNetworkSubcriber",
    ),
    report(
        "blanks around all of it",
        "id=+ATXid_1+&status=+Rejected+&failureReason=+UserInBlackList+",
        "Rejected",
        MessageStatus.FAILED,
        "UserInBlackList",
    ),
    report(
        "a status and a reason longer than any",
        f"id=ATXid_1&status={'s' * 300}&failureReason={'r' * 300}",
        "s" * 60,
        None,
        "r" * 60,
    ),
    report(
        "a reason without the slip of their pen",
        "id=ATXid_1&status=Rejected&failureReason=NotNetworkSubscriber",
        "Rejected",
        MessageStatus.FAILED,
        "NotNetworkSubscriber",
    ),
    report(
        "a count that is no number",
        "id=ATXid_1&status=Buffered&retryCount=none",
        "Buffered",
        MessageStatus.SENT,
    ),
    no_report("no id", "status=Success"),
    no_report("None for an id", "id=None&status=Success"),
    no_report("an empty id", "id=&status=Success"),
    no_report("no status", "id=ATXid_1"),
    no_report("an empty status", "id=ATXid_1&status="),
    no_report("an empty form", ""),
]

# What we send -------------------------------------------------------------------------------------


def answered(*recipients: Any, message: str = "Sent to 1/1 Total Cost: KES 0.8000") -> str:
    return json.dumps({"SMSMessageData": {"Message": message, "Recipients": recipients}})


def recipient(**fields: Any) -> dict[str, Any]:
    plain = {"statusCode": 101, "number": MESSAGE.to, "status": "Success", "messageId": "ATXid_1"}
    return plain | fields


def raw(label: str, answer: str | bytes, outcome: Any, said: str | None = None) -> SendingCase:
    return SendingCase(label, http_answer(answer), outcome, said)


def refused(code: int, name: str, outcome: type[Exception]) -> SendingCase:
    return SendingCase(f"their code {code}", f"refuse:{code}", outcome, f"{code} {name}")


NOT_THEIRS = "HTTP 201 with an answer that is not theirs"
QUOTING = json.dumps(MESSAGE.text)[1:-1]

SENDING = [
    SendingCase("taken", "accept", IdGiven),
    SendingCase("taken, and processed already", "accept:100", IdGiven),
    SendingCase("taken into their queue", "accept:102", IdGiven),
    SendingCase("an answer that names its charset", "charset", IdGiven),
    # A refusal comes with HTTP 201: the code of the recipient alone says what became of it.
    refused(401, "RiskHold", SendRefused),
    refused(402, "InvalidSenderId", SendRefused),
    refused(403, "InvalidPhoneNumber", NumberRefused),
    refused(404, "UnsupportedNumberType", NumberRefused),
    refused(405, "InsufficientBalance", OutOfCredit),
    refused(406, "UserInBlacklist", NumberRefused),
    refused(407, "CouldNotRoute", SendRefused),
    refused(409, "DoNotDisturbRejection", NumberRefused),
    refused(500, "InternalServerError", SendDeferred),
    refused(501, "GatewayError", SendDeferred),
    refused(502, "RejectedByGateway", SendRefused),
    SendingCase("nobody taken, and why", "empty:InvalidSenderId", SendRefused, "InvalidSenderId"),
    raw("nobody taken, and no word", '{"SMSMessageData": {"Recipients": []}}', SendRefused),
    SendingCase(
        "a key that is wrong, which somebody may mend",
        "http:401",
        AccountRefused,
        "HTTP 401: The supplied authentication is invalid",
    ),
    SendingCase("forbidden", "http:403", AccountRefused),
    SendingCase("a form that they do not like", "http:400", SendRefused),
    SendingCase("an address that is wrong", "http:404", SendRefused),
    SendingCase(
        "a number that wants none, told by the status",
        "http:409",
        NumberRefused,
        "HTTP 409: Conflict",
    ),
    SendingCase("too many at once", "http:429", Throttled, "HTTP 429"),
    SendingCase("trouble of theirs", "http:500", SendDeferred, "HTTP 500"),
    SendingCase("out of service", "http:503", SendDeferred, "HTTP 503"),
    SendingCase("a time-out behind their door", "http:504", SendUnconfirmed, "HTTP 504"),
    SendingCase("another address, which is not followed", "http:302", AccountRefused),
    SendingCase(
        "nobody there",
        None,
        SendDeferred,
        "no connection (ConnectionError)",
        requests=0,
    ),
    SendingCase("hung up without an answer", "close", SendUnconfirmed),
    raw("half an answer", http_answer(answered(recipient()))[:90], SendUnconfirmed),
    SendingCase("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n", SendUnconfirmed),
    SendingCase(
        "half of a body",
        http_answer(answered(recipient()))[:-40],
        SendUnconfirmed,
    ),
    SendingCase(
        "an answer without a content type",
        http_answer(answered(recipient()), content_type=""),
        "ATXid_1",
    ),
    raw("a code that is written as a text", answered(recipient(statusCode="101")), "ATXid_1"),
    raw("taken, and no id", answered(recipient(messageId="None")), None),
    raw("taken, and null for an id", answered(recipient(messageId=None)), None),
    raw("taken, and no field for an id", answered({"statusCode": 100, "status": "Ok"}), None),
    raw("no JSON", "Sent to 1/1", SendUnconfirmed, NOT_THEIRS),
    raw("an empty body", "", SendUnconfirmed, NOT_THEIRS),
    raw("JSON of somebody else", '{"ok": true}', SendUnconfirmed, NOT_THEIRS),
    raw("JSON that is a list", "[1]", SendUnconfirmed, NOT_THEIRS),
    raw("JSON that is null", "null", SendUnconfirmed, NOT_THEIRS),
    raw("JSON too deep to read", "[" * 60000, SendUnconfirmed, NOT_THEIRS),
    raw("bytes", b"\xff\xfe\x00", SendUnconfirmed, NOT_THEIRS),
    raw("a recipient of no fields", answered({}), SendUnconfirmed, NOT_THEIRS),
    raw("a recipient that is a word", answered("Success"), SendUnconfirmed, NOT_THEIRS),
    raw("no code", answered(recipient(statusCode=None)), SendUnconfirmed, NOT_THEIRS),
    raw(
        "a code without end",
        answered(recipient(statusCode=float("inf"))),
        SendUnconfirmed,
        NOT_THEIRS,
    ),
    raw("a code that they do not have", answered(recipient(statusCode=999)), SendRefused),
    SendingCase(
        "a number that is none",
        "accept",
        NumberRefused,
        "not a number that Africa's Talking takes",
        OutboundSms(TOKEN, "TELKOMSEL", MESSAGE.text),
        requests=0,
    ),
    SendingCase(
        "a number without a plus",
        "accept",
        NumberRefused,
        "not a number that Africa's Talking takes",
        OutboundSms(TOKEN, "081290000001", MESSAGE.text),
        requests=0,
    ),
    SendingCase(
        "a number with a line end, which their SDK lets pass",
        "accept",
        NumberRefused,
        "not a number that Africa's Talking takes",
        OutboundSms(TOKEN, f"{MESSAGE.to}\n", MESSAGE.text),
        requests=0,
    ),
    SendingCase(
        "a text of three parts with an emoji",
        "accept",
        IdGiven,
        message=OutboundSms(TOKEN, MESSAGE.to, "Terima kasih \U0001f600 " * 10),
    ),
    SendingCase(
        "a text that no encoding holds",
        "accept",
        SendDeferred,
        "no connection (UnicodeEncodeError)",
        OutboundSms(TOKEN, MESSAGE.to, "salah \ud800"),
        requests=0,
    ),
    # Whatever they repeat of ours ends in our log and in a row of the outbox.
    SendingCase(
        "a refusal that repeats the request",
        lambda request: http_answer(b"Bad form: " + body_of(request), "400 Bad Request"),
        SendRefused,
        f"HTTP 400: Bad form: username={USERNAME}"
        f"&to=%2B...&message=...&bulkSMSMode=1&from={SENDER}",
    ),
    SendingCase(
        "an error that repeats the key",
        http_answer(f"The key {API_KEY} is not known", "401 Unauthorized", "text/plain"),
        AccountRefused,
        "HTTP 401: The key ... is not known",
    ),
    raw(
        "a status that repeats the number",
        answered(recipient(statusCode=403, status=f"Invalid: {MESSAGE.to}")),
        NumberRefused,
        "403 Invalid: +...",
    ),
    raw(
        "a reason that repeats the text",
        answered(message=f"Spam: {QUOTING} or {MESSAGE.text}"),
        SendRefused,
        "Spam: ... or ...",
    ),
]


def account(base_url: str | None, sender: str | None = SENDER) -> AfricasTalkingAccount:
    return AfricasTalkingAccount(USERNAME, API_KEY, sender, base_url)


class TestAfricasTalking(UssdContract):
    NAME = "africastalking"
    ROUTES: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("sms", "dlr", "optout", "subscription", "ussd", "ussd/end"), "POST"
    )
    INBOUND: ClassVar = INBOUND
    DELIVERY: ClassVar = DELIVERY
    SENDING: ClassVar = SENDING
    SECRETS: ClassVar = (API_KEY,)
    PIECES: ClassVar = (
        *FORM_PIECES,
        b"sessionId=",
        b"sessionid=S",
        b"phoneNumber=",
        b"phonenumber=6",
        b"text=1*",
        b"updateType=deletion",
    )

    def adapter(self) -> AfricasTalking:
        return AfricasTalking(None)

    @contextmanager
    def reaching(self, behaviour: Any) -> Iterator[Reached]:
        """Reach nobody (None), the stand-in that behaves so, or a server with that very answer."""
        if behaviour is None:
            yield Reached(AfricasTalking(account(f"http://127.0.0.1:{free_port()}")))
        elif isinstance(behaviour, str):
            with AfricasTalkingServer.running() as stand_in:
                stand_in.behave(behaviour)
                yield Reached(
                    AfricasTalking(account(stand_in.url)),
                    lambda: [
                        SeenRequest(
                            one.path, one.headers, one.fields, one.message_ids.get(MESSAGE.to)
                        )
                        for one in stand_in.requests
                    ],
                )
        else:
            with reaching_raw(lambda url: AfricasTalking(account(url)), behaviour) as reached:
                yield reached

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        headers = {name.lower(): value for name, value in seen.headers.items()}
        assert seen.path == SEND_PATH
        assert headers["apikey"] == API_KEY
        # Without it they answer in XML.
        assert headers["accept"] == "application/json"
        assert headers["content-type"] == FORM
        assert seen.fields == {
            "username": USERNAME,
            "to": message.to,
            "message": message.text,
            "bulkSMSMode": "1",
            "from": SENDER,
        }

    def keyed(self, relayed: str) -> InboundRequest:
        return post("ussd", f"{DIAL}&text={quote_plus(relayed)}")

    def as_shown(self, answer: Answer) -> tuple[str, bool]:
        assert answer.content_type == "text/plain; charset=utf-8"
        word, text = answer.body[:4], answer.body[4:]
        assert word in {"CON ", "END "}
        return text, word == "END "

    def test_a_screen_is_the_word_and_the_text(self):
        adapter = self.adapter()

        assert adapter.show(Screen("1 Ya\n2 Tidak", ends=False), None) == Answer(
            200, "CON 1 Ya\n2 Tidak", "text/plain; charset=utf-8"
        )
        assert adapter.show(Screen("Terima kasih.", ends=True), None) == Answer(
            200, "END Terima kasih.", "text/plain; charset=utf-8"
        )

    @pytest.mark.parametrize(
        "given",
        ["%2B6281200000123", "+6281200000123", "6281200000123", "081200000123", "%206281200000123"],
        ids=["an escaped plus", "a raw plus", "no plus", "a nought", "an escaped blank"],
    )
    def test_a_number_is_the_same_phone_however_its_plus_comes(self, given: str):
        (press,) = self.adapter().receive(post("ussd", DIAL_OF + given)).key_presses
        end = post("ussd/end", f"sessionId=A&phoneNumber={given}")
        (notice,) = self.adapter().receive(end).dialogue_ends

        assert notice.sender is not None
        assert msisdn.read_sender(press.sender).number == PHONE
        assert msisdn.read_sender(notice.sender).number == PHONE

    def test_it_sends_only_with_an_account(self):
        assert not AfricasTalking(None).can_send
        assert AfricasTalking(account(None)).can_send
        with pytest.raises(SendDeferred, match="TIMPORA_AFRICASTALKING_USERNAME and _API_KEY"):
            AfricasTalking(None).send(MESSAGE)

    def test_it_is_polled_and_watched_and_claims_one_at_a_time(self):
        assert isinstance(self.adapter(), PolledProvider)
        assert isinstance(self.adapter(), WatchedProvider)
        assert self.adapter().claims_at_once == 1

    def test_an_opt_out_that_comes_again_says_the_same(self):
        body = "senderId=TIMPORA&phoneNumber=%2B6281200000123"

        first, second = (self.adapter().receive(post("optout", body)) for _ in range(2))

        assert first == second == Intake(opt_outs=(OptOut(PHONE),))

    def test_without_a_sender_the_field_is_left_out(self):
        with AfricasTalkingServer.running() as stand_in:
            AfricasTalking(account(stand_in.url, sender=None)).send(MESSAGE)

            assert set(stand_in.requests[0].fields) == {"username", "to", "message", "bulkSMSMode"}

    def test_any_answer_ends_in_an_id_or_one_of_the_three(self):
        words = st.sampled_from(["SMSMessageData", "Recipients", "statusCode", "status", "Message"])
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
        values = st.recursive(
            leaves, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=8
        )
        theirs = st.builds(
            lambda fields, rest: {"SMSMessageData": {"Recipients": [fields], **rest}},
            st.dictionaries(words | st.just("messageId"), leaves) | values,
            st.dictionaries(st.just("Message"), leaves),
        )
        bodies = (theirs | values).map(json.dumps).map(str.encode) | st.binary()
        statuses = ["200 OK", "201 Created", "204 No Content", "418 Teapot", "600"]

        def an_id_or_none(given_id: str | None) -> None:
            assert given_id is None or isinstance(given_id, str)

        send_to_any_answer(
            lambda url: AfricasTalking(account(url)), bodies, statuses, an_id_or_none
        )

    @pytest.mark.slow
    def test_a_send_to_a_server_that_drips_ends_in_time(self):
        with AfricasTalkingServer.running() as stand_in:
            stand_in.behave("drip-headers")

            with lasting_at_most(11), pytest.raises(SendUnconfirmed):
                AfricasTalking(account(stand_in.url)).send(MESSAGE)


def page(*rows: Any) -> bytes:
    return http_answer(json.dumps({"SMSMessageData": {"Messages": rows}}), "200 OK")


def row(**fields: Any) -> dict[str, Any]:
    plain = {
        "linkId": "",
        "text": "WNA#Australia#2",
        "to": "22345",
        "id": 15071,
        "date": "2026-03-01T06:04:45.000Z",
        "from": PHONE,
    }
    return {name: value for name, value in (plain | fields).items() if value is not None}


def polled(*rows: Any, since: str | None = None) -> Polled:
    """Poll a server that has these rows."""
    with RawServer.answering(page(*rows)) as server:
        return AfricasTalking(account(server.url)).poll(since)


class TestInbox:
    """What a callback missed can be read from their inbox."""

    def test_a_row_is_the_message_that_a_callback_would_have_brought(self):
        (read,) = polled(row()).intake.messages
        callback = (
            "linkId=&text=WNA%23Australia%232&to=22345&id=5f0c-demo&date=2026-03-01+06%3A04%3A45"
            "&from=%2B6281200000123"
        )
        (called,) = AfricasTalking(None).receive(post("sms", callback)).messages

        # The ids are of two kinds: what makes them one for us is sender, text and time.
        assert read == InboundSms(
            sender=PHONE,
            recipient="22345",
            text="WNA#Australia#2",
            provider_message_id="15071",
            network_time=AT_0604,
            payload={"linkId": "", "date": "2026-03-01T06:04:45.000Z"},
        )
        assert (read.sender, read.text, read.network_time) == (
            called.sender,
            called.text,
            called.network_time,
        )

    def test_milliseconds_do_not_tell_two_readings_of_one_message_apart(self):
        (read,) = polled(row(date="2026-03-01T06:04:45.731Z")).intake.messages

        assert read.network_time == AT_0604

    def test_the_inbox_is_asked_as_they_want_it(self):
        with AfricasTalkingServer.running() as stand_in:
            adapter = AfricasTalking(account(stand_in.url))
            adapter.poll(None)
            adapter.poll("15071")

            asked = stand_in.asked
        assert [one.path for one in asked] == [SEND_PATH, SEND_PATH]
        assert [one.params for one in asked] == [
            {"username": USERNAME, "lastReceivedId": "0"},
            {"username": USERNAME, "lastReceivedId": "15071"},
        ]
        headers = {name.lower(): value for name, value in asked[0].headers.items()}
        assert headers["apikey"] == API_KEY
        assert headers["accept"] == "application/json"

    def test_page_after_page_is_read_until_nothing_is_left(self):
        with AfricasTalkingServer.running() as stand_in:
            for number in range(PAGE * 2 + 1):
                stand_in.gets(PHONE, f"NIHIL {number}")
            adapter = AfricasTalking(account(stand_in.url))
            mark: str | None = None
            pages = []
            for _ in range(4):
                found = adapter.poll(mark)
                adapter.kept(found)
                pages.append([message.text for message in found.intake.messages])
                mark = found.since

        assert [len(one) for one in pages] == [PAGE, PAGE, 1, 0]
        assert len({text for one in pages for text in one}) == PAGE * 2 + 1
        assert mark == str(15071 + PAGE * 2)

    def test_nothing_new_leaves_the_mark_where_it_was(self):
        assert polled(since="15071") == Polled(Intake(), "15071")
        assert polled() == Polled(Intake(), "0")

    @pytest.mark.parametrize(
        ("since", "ids", "mark"),
        [
            (None, [7, 8, 9], "9"),
            ("8", [9, 7], "9"),
            ("9", [7, 8], "9"),
            ("99", ["100", "98"], "100"),
            (None, ["a-1", "a-2"], "a-2"),
            ("a-1", [5], "5"),
            ("5", [None, "None", ""], "5"),
            ("5", [None, 6, None], "6"),
            ("5", ["a\x00b", "9" * 61, "\ud800", {}, 1.5e300], "5"),
        ],
        ids=[
            "in order",
            "out of order",
            "old rows again",
            "numbers in quotes",
            "ids that are no numbers",
            "numbers after words",
            "no ids",
            "rows without ids beside one that has its own",
            "ids that no database keeps",
        ],
    )
    def test_the_mark_moves_over_what_was_read_and_never_back(
        self, since: str | None, ids: list[Any], mark: str
    ):
        found = polled(*(row(id=one) for one in ids), since=since)

        assert found.since == mark
        assert len(found.intake.messages) == len(ids)

    @pytest.mark.parametrize(
        "bad",
        [
            row(**{"from": None, "id": 15072}),
            row(**{"from": " ", "id": 15072}),
            {"id": 15072},
            {},
            "PMI",
            None,
            [],
            5,
        ],
        ids=["no sender", "a blank one", "an id alone", "nothing", "a word", "null", "a list", "5"],
    )
    def test_a_row_that_cannot_be_read_spoils_none_beside_it(self, bad: Any):
        found = polled(row(text="WNA"), bad, row(text="NIHIL", id=15073))

        assert [message.text for message in found.intake.messages] == ["WNA", "NIHIL"]
        (apart,) = found.intake.unreadable
        assert apart.reason == "a row of the inbox without a sender"
        assert json.loads(apart.body) == bad
        assert found.since == "15073"

    def test_a_bad_row_at_the_end_is_not_read_for_ever(self):
        assert polled(row(), row(**{"from": None, "id": 15072})).since == "15072"

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"text": None}, {"text": ""}),
            ({"text": ""}, {"text": ""}),
            ({"text": 5}, {"text": "5"}),
            ({"text": "café \U0001f600"}, {"text": "café \U0001f600"}),
            ({"from": "MTN"}, {"sender": "MTN"}),
            ({"from": 22345}, {"sender": "22345"}),
            ({"to": None}, {"recipient": None}),
            ({"id": None}, {"provider_message_id": None}),
            ({"id": "None"}, {"provider_message_id": None}),
            ({"id": "5f0c-demo"}, {"provider_message_id": "5f0c-demo"}),
            ({"date": None}, {"network_time": None, "flags": ()}),
            ({"date": "yesterday"}, {"network_time": None, "flags": ("odd_date",)}),
            ({"date": 1772345085}, {"network_time": None, "flags": ("odd_date",)}),
        ],
        ids=[
            "no text",
            "an empty text",
            "a text that is a number",
            "letters and signs",
            "a name",
            "a short code that is a number",
            "no recipient",
            "no id",
            "None for an id",
            "an id as a callback has it",
            "no date",
            "a date that is none",
            "a date in seconds",
        ],
    )
    def test_a_field_is_read_as_well_as_it_can_be(
        self, fields: dict[str, Any], expected: dict[str, Any]
    ):
        (read,) = polled(row(**fields)).intake.messages

        assert {name: getattr(read, name) for name in expected} == expected

    def test_null_stands_for_nothing(self):
        nulls = dict.fromkeys(("text", "to", "date", "linkId", "id"))

        found = polled({"from": PHONE, **nulls})

        assert found == Polled(Intake((InboundSms(PHONE, None, ""),)), "0")

    def test_half_of_a_surrogate_pair_harms_nothing(self):
        (read,) = polled(row(text="salah \ud800")).intake.messages

        assert read.text.startswith("salah ")

    def test_of_a_page_that_is_cut_off_the_whole_rows_count(self):
        rows = [row(id=number, text="x" * 900) for number in range(1, PAGE + 1)]

        found = polled(*rows)
        rest = polled(*rows[len(found.intake.messages) :], since=found.since)

        # Of an answer no more than 64 KiB is read.
        assert 50 < len(found.intake.messages) < PAGE
        assert found.since == str(len(found.intake.messages))
        assert found.intake.unreadable == ()
        assert rest.since == str(PAGE)

    @pytest.mark.parametrize(
        "answer",
        [
            http_answer("The supplied authentication is invalid", "401 Unauthorized"),
            http_answer("trouble", "500 Internal Server Error"),
            page(row()).replace(b"200 OK", b"500 Trouble"),
            http_answer("", "302 Found"),
            http_answer("", "200 OK"),
            http_answer("<AfricasTalkingResponse/>", "200 OK"),
            http_answer("null", "200 OK"),
            http_answer("[]", "200 OK"),
            http_answer('{"SMSMessageData": {}}', "200 OK"),
            http_answer('{"SMSMessageData": {"Messages": {}}}', "200 OK"),
            http_answer('{"SMSMessageData": {"Messages": [', "200 OK"),
            http_answer('{"SMSMessageData": {"Messages": [{"from": "6', "200 OK"),
            http_answer("[" * 60_000, "200 OK"),
            http_answer('{"SMSMessageData": {"Messages": [' + "9" * 5000 + "]}}", "200 OK"),
            http_answer(b"\xff\xfe\x00", "200 OK"),
            page(row())[:60],
            b"",
        ],
        ids=[
            "a key that is wrong",
            "trouble of theirs",
            "trouble of theirs with a page",
            "another address",
            "nothing",
            "XML",
            "null",
            "a list",
            "no messages",
            "messages that are no list",
            "a page cut off before the first row",
            "a page cut off in the first row",
            "JSON too deep to read",
            "a number without end",
            "bytes",
            "half of the headers",
            "no answer",
        ],
    )
    def test_trouble_is_said_by_one_error_that_quotes_nothing(self, answer: bytes):
        with RawServer.answering(answer) as server:
            adapter = AfricasTalking(account(server.url))

            with pytest.raises(NotReached) as raised:
                adapter.poll("15071")

        assert re.fullmatch(
            r"HTTP \d{3}|an answer that is not theirs|no answer within 9.5 s \(\w+\)",
            str(raised.value),
        )

    def test_nobody_there_is_said_by_the_same_error(self):
        with pytest.raises(NotReached):
            AfricasTalking(account(f"http://127.0.0.1:{free_port()}")).poll(None)

    def test_a_row_of_whatever_depth_is_kept(self):
        deep = "[" * 400 + "]" * 400

        body = json.dumps({"SMSMessageData": {"Messages": [{"from": "6", "id": 1, "x": 0}]}})
        body = body.replace('"x": 0', f'"x": {deep}')
        with RawServer.answering(http_answer(body, "200 OK")) as server:
            found = AfricasTalking(account(server.url)).poll(None)

        assert found.since == "1"
        assert found.intake.messages[0].payload == {"x": deep}

    def test_without_an_account_it_brings_nothing(self):
        assert AfricasTalking(None).poll(None) == Polled(Intake(), "0")
        assert AfricasTalking(None).poll("7") == Polled(Intake(), "7")
        assert AfricasTalking(None).poll_every == timedelta(minutes=5)

    def test_a_poll_tells_nothing_at_all(
        self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ):
        with everything_told(caplog, capfd) as told:
            polled(row(), row(**{"from": None}))

        private = private_forms(API_KEY, PHONE, "WNA#Australia#2")
        assert [form for form in private if any(form in line for line in told)] == []

    def test_any_page_ends_in_messages_or_in_the_one_error(self):
        words = st.sampled_from(["SMSMessageData", "Messages", "from", "text", "id", "date"])
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
        values = st.recursive(
            leaves, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=8
        )
        theirs = st.lists(st.dictionaries(words, leaves) | values).map(
            lambda rows: {"SMSMessageData": {"Messages": rows}}
        )
        bodies = (theirs | values).map(json.dumps).map(str.encode) | st.binary()

        with RawServer.answering() as server:
            adapter = AfricasTalking(account(server.url))

            @settings(max_examples=100, deadline=None)
            @given(bodies, st.integers(min_value=0))
            def poll(body: bytes, cut: int) -> None:
                server.answer = lambda _request: http_answer(body[: cut or None], "200 OK")
                try:
                    found = adapter.poll("1")
                except NotReached:
                    return
                assert isinstance(found.since, str)

            poll()


class TestHealth:
    """What the account says of itself."""

    @pytest.mark.parametrize("name", ["UserData", "userData"])
    def test_the_balance_is_read_by_either_name(self, name: str):
        body = json.dumps({name: {"balance": "KES 1785.50"}})
        with RawServer.answering(http_answer(body, "200 OK")) as server:
            health = AfricasTalking(account(server.url)).health()

        assert health == Health(is_up=True, says="answers", balance="KES 1785.50")

    def test_the_balance_is_asked_for_as_they_want_it(self):
        with AfricasTalkingServer.running() as stand_in:
            stand_in.balance = "USD -0.05"
            health = AfricasTalking(account(stand_in.url)).health()
            (asked,) = stand_in.asked

        assert health == Health(is_up=True, says="answers", balance="USD -0.05")
        assert (asked.path, asked.params) == (USER_PATH, {"username": USERNAME})
        assert API_KEY in asked.headers.values()

    @pytest.mark.parametrize(
        ("balance", "expected"),
        [
            (1785.5, "1785.5"),
            ("KES 1,785.50", "KES 1,785.50"),
            ("", None),
            (None, None),
            ("call +6281200000123 now", None),
            ("KES " + "9" * 30, None),
            ({"KES": 5}, None),
        ],
        ids=["a number", "thousands", "nothing", "null", "a sentence", "too long", "an object"],
    )
    def test_only_an_amount_is_shown(self, balance: Any, expected: str | None):
        body = json.dumps({"UserData": {"balance": balance}})
        with RawServer.answering(http_answer(body, "200 OK")) as server:
            health = AfricasTalking(account(server.url)).health()

        assert health == Health(is_up=True, says="answers", balance=expected)

    @pytest.mark.parametrize(
        ("status", "body", "says"),
        [
            ("401 Unauthorized", "The key is wrong", "it does not take our name and key"),
            ("403 Forbidden", "", "it does not take our name and key"),
            ("500 Trouble", "", "HTTP 500"),
            ("200 OK", "<UserData/>", "an answer that is not theirs"),
            ("200 OK", "null", "an answer that is not theirs"),
            ("200 OK", '{"UserData": 5}', "an answer that is not theirs"),
            ("200 OK", '{"UserData": {}}', "an answer that is not theirs"),
            ("200 OK", "[" * 60_000, "an answer that is not theirs"),
        ],
        ids=["401", "403", "500", "XML", "null", "a number", "no balance", "too deep to read"],
    )
    def test_an_answer_that_is_no_balance_is_trouble(self, status: str, body: str, says: str):
        with RawServer.answering(http_answer(body, status)) as server:
            health = AfricasTalking(account(server.url)).health()

        assert health == Health(is_up=False, says=says)

    def test_nobody_there_is_said_by_an_error(self):
        with pytest.raises(NotReached):
            AfricasTalking(account(f"http://127.0.0.1:{free_port()}")).health()
        with pytest.raises(NotReached, match="TIMPORA_AFRICASTALKING_USERNAME and _API_KEY"):
            AfricasTalking(None).health()


class TestTheirSdk:
    """What we use of the SDK that it does not promise: a new version may have it no more."""

    @pytest.mark.parametrize("sender", [SENDER, None])
    def test_a_send_goes_through_the_hook_that_we_replace(self, sender: str | None):
        calls = []

        class Listening(SMSService):
            def _make_request(self, *args: Any, **kwargs: Any) -> str:
                calls.append(inspect.signature(super()._make_request).bind(*args, **kwargs))
                return "what the hook returns"

        service = Listening(USERNAME, API_KEY)
        service._baseUrl = "http://127.0.0.1:9/version1"

        returned = service.send(MESSAGE.text, [MESSAGE.to], sender_id=sender)

        assert returned == "what the hook returns"
        assert len(calls) == 1
        said = calls[0].arguments
        assert said["url"] == "http://127.0.0.1:9/version1/messaging"
        assert said["method"] == "POST"
        assert said["headers"]["apiKey"] == API_KEY
        assert said["headers"]["Accept"] == "application/json"
        assert said["data"] == {
            "username": USERNAME,
            "to": MESSAGE.to,
            "message": MESSAGE.text,
            "bulkSMSMode": 1,
            **({"from": sender} if sender else {}),
        }

    def test_the_hook_has_the_parameters_that_we_take(self):
        adapter = AfricasTalking(account(None))

        theirs = inspect.signature(SMSService._make_request).parameters
        for ours in (adapter._service, adapter._application):
            assert list(inspect.signature(type(ours)._make_request).parameters) == list(theirs)

    @pytest.mark.parametrize("number", [MESSAGE.to, "+1234", "+628111234567890"])
    def test_it_takes_every_number_that_we_let_pass(self, number: str):
        assert validate_phone(number)

    @pytest.mark.parametrize(
        ("username", "host"),
        [("timpora", "api.africastalking.com"), ("sandbox", "api.sandbox.africastalking.com")],
    )
    def test_the_user_name_chooses_the_host(self, username: str, host: str):
        service = AfricasTalking(AfricasTalkingAccount(username, API_KEY, None, None))._service

        application = AfricasTalking(
            AfricasTalkingAccount(username, API_KEY, None, None)
        )._application

        assert service is not None
        assert application is not None
        assert service._make_url("/messaging") == f"https://{host}/version1/messaging"
        assert application._make_url("/user") == f"https://{host}/version1/user"
