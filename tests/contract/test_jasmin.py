"""Jasmin, as it really speaks: what its throwers bring, and what it makes of our messages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.jasmin_server import (
    PASSWORD,
    USERNAME,
    JasminServer,
    Left,
    call,
    level_1,
    level_2,
    message,
)
from support.provider_contract import (
    FORM_PIECES,
    MESSAGE,
    DeliveryCase,
    IdGiven,
    InboundCase,
    ProviderContract,
    Reached,
    SeenRequest,
    SendingCase,
    is_an_id,
    reaching_raw,
    send_to_any_answer,
)
from support.raw_server import RawServer, body_of, http_answer
from support.waiting import free_port, wait_until

from gateway.accounts import JasminAccount
from gateway.providers.base import (
    AccountRefused,
    Answer,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NotReached,
    NumberRefused,
    OutboundSms,
    OutOfCredit,
    Part,
    PolledProvider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Throttled,
    Unreadable,
    WatchedProvider,
)
from gateway.providers.jasmin import Jasmin
from models.states import MessageStatus

FORM = "application/x-www-form-urlencoded"
TAKEN = Answer(200, "ACK/Jasmin", "text/plain; charset=utf-8")
SENDER = "TIMPORA"
SECRET = "kunci-jalan-08"  # noqa: S105
CALLBACK = f"http://127.0.0.1:8000/webhooks/jasmin/{SECRET}"
TOKEN = "00000000000000a8"  # noqa: S105

PHONE = "6281200000123"
FROM = f"from={PHONE}"
NO_SENDER = "no sender (field `from`)"


def post(path: str, body: str | bytes, query: bytes = b"") -> InboundRequest:
    raw = body.encode() if isinstance(body, str) else body
    return InboundRequest("POST", path, query, {"content-type": FORM}, raw)


def get(path: str, query: str) -> InboundRequest:
    return InboundRequest("GET", path, query.encode(), {}, b"")


def read(label: str, request: InboundRequest, **expected: Any) -> InboundCase:
    """Write a case of one message; what is not named is as in the shortest call there is."""
    plain: dict[str, Any] = {"sender": PHONE, "recipient": None, "text": ""}
    sms = InboundSms(**(plain | expected))
    return InboundCase(label, request, Intake((sms,), answer=TAKEN))


def sms(label: str, body: str | bytes, **expected: Any) -> InboundCase:
    return read(label, post("sms", body), **expected)


def coded(
    label: str, coding: str, data: bytes, text: str, *, odd: bool = False
) -> list[InboundCase]:
    """Write two cases of a text: in `binary`, and by its raw bytes alone, as older versions do."""
    expected: dict[str, Any] = {
        "text": text,
        "payload": {"coding": coding},
        "flags": ("odd_encoding",) if odd else (),
    }
    raw = f"{FROM}&coding={coding}&content={quote(data)}"
    return [
        sms(f"{label}, in hex", f"{raw}&binary={data.hex()}", **expected),
        sms(f"{label}, in bytes", raw, **expected),
    ]


def set_apart(label: str, request: InboundRequest, raw: bytes, reason: str) -> InboundCase:
    return InboundCase(label, request, Intake(unreadable=(Unreadable(reason, raw),), answer=TAKEN))


ENCODINGS = [
    *coded("letters of GSM 03.38", "0", b"Caf\x05", "Café"),
    *coded("NUL, which is the at sign of GSM", "0", b"agen\x00contoh", "agen@contoh"),
    *coded("a sign of two bytes", "0", b"\x1b\x65 5 \x1b\x3c3\x1b\x3e", "€ 5 [3]"),
    *coded("dollar, underscore and line ends", "0", b"\x02\x11\r\n", "$_\r\n"),
    *coded("an escape of nothing", "0", b"a\x1bAb", "a\ufffdb", odd=True),
    *coded("an escape at the end", "0", b"NIHIL\x1b", "NIHIL", odd=True),
    *coded("UTF-8 where GSM was named", "0", b"caf\xc3\xa9", "café", odd=True),
    *coded("Latin-1 where GSM was named", "0", b"caf\xe9", "café", odd=True),
    *coded("no coding at all", "", b"Caf\x05", "Café"),
    *coded("ASCII", "1", b"a@b_$", "a@b_$"),
    *coded("more than ASCII where ASCII was named", "1", b"caf\xe9", "café", odd=True),
    *coded("Latin-1", "3", b"caf\xe9 @", "café @"),
    *coded("eight bits that are plain", "4", b"NIHIL", "NIHIL"),
    *coded("eight bits of UTF-8", "4", b"caf\xc3\xa9", "café", odd=True),
    *coded("octets", "2", b"\xe9", "é", odd=True),
    *coded("UTF-16", "8", "café ☺".encode("utf-16-be"), "café ☺"),
    *coded("UTF-16 with a pair", "8", "\U0001f600".encode("utf-16-be"), "\U0001f600"),
    *coded("UTF-16 that tells its order", "8", b"\xfe\xff\x00a", "a"),
    *coded("UTF-16 in the other order", "8", b"\xff\xfea\x00", "a"),
    *coded("UTF-16 that is cut off", "8", b"\x00a\x00", "a\ufffd", odd=True),
    *coded("half of a pair", "8", b"\x00a\xd8\x3d", "a\ufffd", odd=True),
    *coded("ASCII where UTF-16 was named", "8", b"NIHIL", "NIHIL", odd=True),
    *coded("Cyrillic", "6", b"NIHIL", "NIHIL", odd=True),
    *coded("a coding of no number", "gsm", b"NIHIL", "NIHIL", odd=True),
    sms("hex in capitals", f"{FROM}&binary=4E4948494C", text="NIHIL"),
    sms(
        "hex alone, of two bytes each",
        f"{FROM}&coding=8&binary=263a",
        text="☺",
        payload={"coding": "8"},
    ),
    sms(
        "hex of half a byte: the content",
        f"{FROM}&content=NIHIL&binary=4e4",
        text="NIHIL",
        flags=("odd_encoding",),
    ),
    sms(
        "hex that is none: the content",
        f"{FROM}&content=NIHIL&binary=%F0%9F",
        text="NIHIL",
        flags=("odd_encoding",),
    ),
    sms("an empty hex: the content", f"{FROM}&content=NIHIL&binary=", text="NIHIL"),
    sms(
        "another field that is no UTF-8",
        f"{FROM}&content=NIHIL&x=%E9",
        text="NIHIL",
        payload={"x": "é"},
        flags=("odd_encoding",),
    ),
]

SAR = '{"sar_msg_ref_num": 7, "sar_total_segments": 3, "sar_segment_seqnum": 2}'


def tagged(label: str, tags: str, part: Part | None, name: str = "tlv_params") -> InboundCase:
    """Write a case of a message with tags of SMPP; those of its own are kept, ours are not."""
    payload = {"custom_tlvs": tags} if name == "custom_tlvs" else {}
    return sms(
        label, f"{FROM}&content=x&" + urlencode({name: tags}), text="x", part=part, payload=payload
    )


PARTS = [
    tagged("a piece of a long message", SAR, Part(7, 2, 3)),
    tagged(
        "a piece that is told by numbers",
        '{"0x020C": "7", "0x020F:Int1": 2, "0x020E": 3}',
        Part(7, 2, 3),
    ),
    tagged(
        "a piece that is told by a list",
        '[[524, 2, "Int2", 7], [526, 1, "Int1", 3], [527, 1, "Int1", 1]]',
        Part(7, 1, 3),
        "custom_tlvs",
    ),
    tagged("a tag of the operator's own", '{"0x1400": "ref"}', None, "custom_tlvs"),
    tagged("a piece of one", SAR.replace("3", "1").replace("2}", "1}"), None),
    tagged("a piece beyond the last", SAR.replace("2}", "4}"), None),
    tagged("the piece before the first", SAR.replace("2}", "0}"), None),
    tagged("a piece of many without a count", '{"sar_msg_ref_num": 7}', None),
    tagged("a count that is true", SAR.replace("7", "true"), None),
    tagged("a count beyond two bytes", SAR.replace("7", "65536"), None),
    tagged("a count without end", SAR.replace("7", "9" * 5000), None),
    tagged("tags that are no JSON", "{", None),
    tagged("tags too deep to read", "[" * 9000, None),
    tagged("tags that are a word", '"sar"', None),
    tagged("tags in a list of words", '["sar", [], [[]]]', None),
]

INBOUND = [
    sms(
        "a message with every field",
        "id=16fd2706-8baf-433b-82eb-8c7fada847da&from=%2B6281200000123&to=22345"
        "&origin-connector=operator&content=WNA%23Australia%232&binary=574e41234175737472616c69612332"
        "&priority=0&coding=0&validity=2026-11-26+01%3A18%3A52&tlv_params=%7B%7D&custom_tlvs=%5B%5D",
        sender="+6281200000123",
        recipient="22345",
        text="WNA#Australia#2",
        provider_message_id="16fd2706-8baf-433b-82eb-8c7fada847da",
        payload={
            "origin-connector": "operator",
            "priority": "0",
            "coding": "0",
            "validity": "2026-11-26 01:18:52",
            "custom_tlvs": "[]",
        },
    ),
    read("a message in the query", get("sms", f"{FROM}&content=NIHIL"), text="NIHIL"),
    read(
        "a posted message, and a query that is not it",
        post("sms", f"{FROM}&content=NIHIL", b"content=PMI&from=1"),
        text="NIHIL",
    ),
    sms(
        "names in capitals",
        f"From={PHONE}&To=22345&ID=5&CONTENT=NIHIL&Coding=0",
        recipient="22345",
        text="NIHIL",
        provider_message_id="5",
        payload={"coding": "0"},
    ),
    *ENCODINGS,
    *PARTS,
    sms("no text at all", FROM),
    sms("an empty text", f"{FROM}&content=&binary=&coding=0", payload={"coding": "0"}),
    sms("one blank", f"{FROM}&content=+", text=" "),
    sms("a long text, which was joined", f"{FROM}&content={'x' * 2000}", text="x" * 2000),
    sms("a text that is repeated: the first", f"{FROM}&content=WNA&content=PMI", text="WNA"),
    sms("None for an id", f"{FROM}&id=None"),
    sms("null for an id", f"{FROM}&id=null"),
    sms("an empty id", f"{FROM}&id="),
    sms("blanks around an id", f"{FROM}&id=+A-1+", provider_message_id="A-1"),
    sms("a sender that is a name", "from=TELKOMSEL&content=x", sender="TELKOMSEL", text="x"),
    sms("a sender that is a short code", "from=3636&content=x", sender="3636", text="x"),
    sms("a raw plus, which is a blank in a form", f"from=+{PHONE}", sender=f" {PHONE}"),
    set_apart("no sender", post("sms", "content=NIHIL"), b"content=NIHIL", NO_SENDER),
    set_apart("a blank sender", post("sms", "from=+&id=5"), b"from=+&id=5", NO_SENDER),
    set_apart("nothing", post("sms", ""), b"", NO_SENDER),
    set_apart("bytes", post("sms", b"\xff\x00\xfe"), b"\xff\x00\xfe", NO_SENDER),
    set_apart("JSON", post("sms", '{"from": "1"}'), b'{"from": "1"}', NO_SENDER),
    set_apart("a query without a sender", get("sms", "id=5"), b"id=5", NO_SENDER),
    set_apart(
        "a report in the query, of nothing",
        get("dlr", "level=1"),
        b"level=1",
        "no `id` or no `message_status`",
    ),
]


def report(
    label: str,
    fields: Mapping[str, str],
    raw_status: str,
    status: MessageStatus | None,
    reason: str = "",
    given_id: str = "A-1",
) -> DeliveryCase:
    expected = ReportedDelivery(given_id, raw_status, reason, status)
    return DeliveryCase(label, post("dlr", urlencode(fields)), expected)


def taken(status: str, meaning: MessageStatus | None) -> DeliveryCase:
    return report(f"level 1 {status}", level_1("A-1", status), status, meaning)


def ended(status: str, meaning: MessageStatus | None) -> DeliveryCase:
    return report(f"level 2 {status}", level_2("A-1", status), status, meaning)


def no_report(label: str, body: str) -> DeliveryCase:
    return DeliveryCase(label, post("dlr", body), None)


DELIVERY = [
    taken("ESME_ROK", MessageStatus.SENT),
    taken("ESME_RINVDSTADR", MessageStatus.FAILED),
    taken("ESME_RSUBMITFAIL", MessageStatus.FAILED),
    # Jasmin tells these and tries again.
    taken("ESME_RTHROTTLED", None),
    taken("ESME_RMSGQFUL", None),
    taken("ESME_RSYSERR", None),
    taken("ESME_RINVSCHED", None),
    ended("DELIVRD", MessageStatus.DELIVERED),
    ended("delivrd", MessageStatus.DELIVERED),
    ended("ACCEPTD", MessageStatus.SENT),
    ended("ENROUTE", MessageStatus.SENT),
    ended("UNKNOWN", None),
    ended("UNDELIV", MessageStatus.FAILED),
    ended("REJECTD", MessageStatus.FAILED),
    ended("EXPIRED", MessageStatus.FAILED),
    ended("DELETED", MessageStatus.FAILED),
    ended("SKIPPED", None),
    report(
        "a reason, and the text of ours left out",
        level_2("A-1", "UNDELIV", "027"),
        "UNDELIV",
        MessageStatus.FAILED,
        "err 027",
    ),
    report(
        "ND for a reason",
        level_2("A-1", "EXPIRED", "ND"),
        "EXPIRED",
        MessageStatus.FAILED,
    ),
    report(
        "a number for a reason",
        level_2("A-1", "REJECTD", "+6281200000123"),
        "REJECTD",
        MessageStatus.FAILED,
        "err ...",
    ),
    report(
        "the name of its own list before the status",
        level_1("A-1", "CommandStatus.ESME_ROK"),
        "ESME_ROK",
        MessageStatus.SENT,
    ),
    report(
        "an id in capitals, as it comes",
        level_2("1D6A811"),
        "DELIVRD",
        MessageStatus.DELIVERED,
        given_id="1D6A811",
    ),
    report(
        "names in capitals and blanks around it all",
        {"ID": " A-1 ", "Message_Status": " DELIVRD "},
        "DELIVRD",
        MessageStatus.DELIVERED,
    ),
    report(
        "a status and a reason longer than any",
        {"id": "A-1", "message_status": "s" * 300, "err": "r" * 300},
        "s" * 60,
        None,
        "err " + "r" * 56,
    ),
    no_report("no id", "message_status=DELIVRD"),
    no_report("None for an id", "id=None&message_status=DELIVRD"),
    no_report("no status", "id=A-1&level=1"),
    no_report("an empty status", "id=A-1&message_status="),
    no_report("an empty form", ""),
]

# What we send -------------------------------------------------------------------------------------


def raw(
    label: str, answer: str | bytes, outcome: Any, said: str | None = None, status: str = "200 OK"
) -> SendingCase:
    return SendingCase(label, http_answer(answer, status, "text/plain"), outcome, said)


def error(status: int, words: str, outcome: type[Exception]) -> SendingCase:
    said = f"HTTP {status}: {words}"
    return SendingCase(f"{status} {words}", f"error:{status}:{words}", outcome, said)


def texted(label: str, text: str) -> SendingCase:
    return SendingCase(label, "accept", IdGiven, message=OutboundSms(TOKEN, MESSAGE.to, text))


def refused(label: str, text: str, said: str) -> SendingCase:
    """Write a case of a text that is not even asked for."""
    unsent = OutboundSms(TOKEN, MESSAGE.to, text)
    return SendingCase(label, "accept", SendRefused, said, message=unsent, requests=0)


NOT_THEIRS = "HTTP 200 with an answer that is not theirs"
TOO_LONG = "longer than the five parts that Jasmin sends"
OF_USER = f"for user [{USERNAME}]"
FAILURE = (
    "[Failure instance: Traceback: <class 'txamqp.client.Closed'>: Method(name=close, id=40) "
    "(406, 'PRECONDITION_FAILED')"
)

SENDING = [
    SendingCase("taken", "accept", IdGiven),
    texted("signs of two units", "{5} [6] ~ € ^ \\ |"),
    texted("letters of GSM 03.38", "é à Ñ ß @ $ _\n"),
    texted("a letter that GSM 03.38 has not", "“Selamat”"),
    texted("a smile", "Terima kasih ☺"),
    texted("an emoji, which takes a pair", "Terima kasih \U0001f600"),
    texted("as much as goes into five parts", "x" * 765),
    texted("as much as goes into five parts of UTF-16", "☺" * 335),
    refused("more than goes into five parts, which would be cut off", "x" * 766, TOO_LONG),
    refused("more than goes into five parts of UTF-16", "☺" * 336, TOO_LONG),
    refused("a text that no encoding holds", "salah \ud800", "a text that no encoding holds"),
    error(403, f"Authentication failure for username:{USERNAME}", AccountRefused),
    error(403, "User throughput exceeded", Throttled),
    error(403, "Cannot charge submit_sm, check RouterPB log file for details", OutOfCredit),
    error(403, "Not enough balance (1.0) for charging: 2.0", OutOfCredit),
    error(412, "No route found", SendRefused),
    error(412, "Failover route has no bound connectors", SendDeferred),
    error(
        500,
        "Cannot send submit_sm, check SMPPClientManagerPB log file for details",
        SendDeferred,
    ),
    error(503, "InterceptorPB not connected !", SendDeferred),
    error(503, "InterceptorPB not set !", SendDeferred),
    error(400, "Failed running interception script, check log for details", SendDeferred),
    error(403, "Interception specific error code 403", SendRefused),
    error(500, "Interception specific error code 500", SendDeferred),
    error(400, "Argument [to] has an invalid value: [abc].", NumberRefused),
    error(400, "Argument [coding] has an invalid value: [99].", SendRefused),
    error(400, "Argument [tags] has an invalid value: [a b].", AccountRefused),
    error(400, "Argument [dlr-method] is unknown.", AccountRefused),
    error(400, "Mandatory argument [dlr] is not found.", AccountRefused),
    error(400, f"Authorization failed {OF_USER} (Cannot send MT messages).", AccountRefused),
    error(
        400, f"Authorization failed {OF_USER} (Setting dlr level not authorized).", AccountRefused
    ),
    error(400, f"Authorization failed {OF_USER} (Long content not authorized).", SendRefused),
    error(
        400, f"Authorization failed {OF_USER} (Setting hex content not authorized).", SendRefused
    ),
    error(
        400, f"Value filter failed {OF_USER} (destination_address filter mismatch).", SendRefused
    ),
    error(400, f"Value filter failed {OF_USER} (content filter mismatch).", SendRefused),
    error(400, f"Value filter failed {OF_USER} (source_address filter mismatch).", AccountRefused),
    error(200, "No route found", SendRefused),
    # It may have been queued before the exception; and its words are anybody's.
    SendingCase(
        "an exception of theirs",
        "error:500:Unknown error: 'Deferred' object has no attribute 'result'",
        SendUnconfirmed,
        "HTTP 500: Unknown error",
    ),
    raw(
        "a failure that calls itself a success", f'Success "{FAILURE}"', SendUnconfirmed, NOT_THEIRS
    ),
    raw("an id of the owner's own", 'Success "toko:2026.11_a@b-1"', "toko:2026.11_a@b-1"),
    raw("an id and a line end", 'Success "A-1"\r\n', "A-1"),
    raw("an id and more behind it", 'Success "A-1" "B"', SendUnconfirmed, NOT_THEIRS),
    raw("an empty id", 'Success ""', SendUnconfirmed, NOT_THEIRS),
    raw("an error that nobody knows, with 200", 'Error "Later"', SendUnconfirmed, NOT_THEIRS),
    raw("an error without an end", 'Error "No route found', SendRefused),
    raw("an empty answer", "", SendUnconfirmed, NOT_THEIRS),
    raw("a page of somebody else", "<html>OK</html>", SendUnconfirmed, NOT_THEIRS),
    raw("bytes", b"\xff\xfe\x00", SendUnconfirmed, NOT_THEIRS),
    raw("the page of a proxy that is asked for a name", "Who?", AccountRefused, status="401 No"),
    raw("too many at once for a proxy", "Slower", Throttled, "HTTP 429", "429 Too Many Requests"),
    raw("a proxy without a Jasmin", "Bad gateway", SendDeferred, "HTTP 502", "502 Bad Gateway"),
    raw("a proxy that waited too long", "", SendUnconfirmed, "HTTP 504", "504 Gateway Timeout"),
    raw("an address that is wrong", "No Such Resource", SendRefused, status="404 Not Found"),
    raw("another address, which is not followed", "", AccountRefused, status="302 Found"),
    SendingCase("nobody there", None, SendDeferred, "no connection (ConnectionError)", requests=0),
    SendingCase("hung up without an answer", "close", SendUnconfirmed),
    SendingCase("half an answer", http_answer('Success "A-1"', "200 OK")[:60], SendUnconfirmed),
    SendingCase("half of a body", http_answer('Success "A-1"', "200 OK")[:-3], SendUnconfirmed),
    SendingCase("no HTTP at all", b"SSH-2.0-OpenSSH_9.2\r\n", SendUnconfirmed),
    SendingCase(
        "a number that is none",
        "accept",
        NumberRefused,
        "not a number that Jasmin takes",
        OutboundSms(TOKEN, "TELKOMSEL", MESSAGE.text),
        requests=0,
    ),
    SendingCase(
        "a number with a line end",
        "accept",
        NumberRefused,
        "not a number that Jasmin takes",
        OutboundSms(TOKEN, f"{MESSAGE.to}\n", MESSAGE.text),
        requests=0,
    ),
    # Whatever they repeat of ours ends in our log and in a row of the outbox.
    raw(
        "a password that they do not like, and repeat",
        f'Error "Argument [password] has an invalid value: [{PASSWORD}]."',
        AccountRefused,
        "HTTP 400: Argument [password] has an invalid value: [...].",
        "400 Bad Request",
    ),
    raw(
        "an address of ours that they repeat, secret and all",
        f'Error "Argument [dlr-url] has an invalid value: [{CALLBACK}/dlr]."',
        AccountRefused,
        "HTTP 400: Argument [dlr-url] has an invalid value: [.../dlr].",
        "400 Bad Request",
    ),
    raw(
        "a number that they repeat",
        f'Error "Argument [to] has an invalid value: [{MESSAGE.to}]."',
        NumberRefused,
        "HTTP 400: Argument [to] has an invalid value: [+...].",
        "400 Bad Request",
    ),
    SendingCase(
        "a hex text that they repeat",
        http_answer(
            f"Error \"Invalid hex-content data: '{'☺ rahasia'.encode('utf-16-be').hex()}'\"",
            "400 Bad Request",
        ),
        SendRefused,
        "HTTP 400: Invalid hex-content data: '...'",
        OutboundSms(TOKEN, MESSAGE.to, "☺ rahasia"),
    ),
    SendingCase(
        "a refusal that repeats the request",
        lambda request: http_answer(b"Bad form: " + body_of(request)[:180], "400 Bad Request"),
        SendRefused,
    ),
]


def account(base_url: str, sender: str | None = SENDER) -> JasminAccount:
    return JasminAccount(base_url, USERNAME, PASSWORD, sender, CALLBACK)


class TestJasmin(ProviderContract):
    NAME = "jasmin"
    ANSWER = TAKEN
    ROUTES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sms": ("GET", "POST"),
        "dlr": ("GET", "POST"),
    }
    INBOUND: ClassVar = INBOUND
    DELIVERY: ClassVar = DELIVERY
    SENDING: ClassVar = SENDING
    SECRETS: ClassVar = (PASSWORD, SECRET)
    PIECES: ClassVar = (
        *FORM_PIECES,
        b"from=6",
        b"content=",
        b"binary=",
        b"4e49",
        b"coding=0",
        b"coding=8",
        b"tlv_params=",
        b"message_status=",
        b"%1b%80",
    )

    def adapter(self) -> Jasmin:
        return Jasmin(None)

    @contextmanager
    def reaching(self, behaviour: Any) -> Iterator[Reached]:
        """Reach nobody (None), the stand-in that behaves so, or a server with that very answer."""
        if behaviour is None:
            yield Reached(Jasmin(account(f"http://127.0.0.1:{free_port()}")))
        elif isinstance(behaviour, str):
            with JasminServer.running() as stand_in:
                stand_in.behave(behaviour)
                yield Reached(
                    Jasmin(account(stand_in.url)),
                    lambda: [
                        SeenRequest(one.path, one.headers, one.fields, one.message_id)
                        for one in stand_in.requests
                    ],
                )
        else:
            with reaching_raw(lambda url: Jasmin(account(url)), behaviour) as reached:
                yield reached

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        fields = dict(seen.fields)
        if fields["coding"] == "8":
            text = bytes.fromhex(fields.pop("hex-content")).decode("utf-16-be")
        else:
            text = fields.pop("content")
            text.encode("gsm03.38")
        assert text == message.text
        assert seen.path == "/send"
        assert fields.pop("coding") in {"0", "8"}
        assert fields == {
            "username": USERNAME,
            "password": PASSWORD,
            "to": message.to.removeprefix("+"),
            "from": SENDER,
            "dlr": "yes",
            "dlr-level": "3",
            "dlr-url": f"{CALLBACK}/dlr",
            "dlr-method": "POST",
        }

    def test_a_delivery_report_in_the_query_is_read_the_same(self):
        request = get("dlr", urlencode(level_2("A-1")))

        (delivery,) = self.adapter().receive(request).deliveries

        assert delivery == ReportedDelivery("A-1", "DELIVRD", "", MessageStatus.DELIVERED)

    @pytest.mark.parametrize("path", ["sms", "dlr"])
    @settings(max_examples=100, deadline=None)
    @given(raw=st.binary(max_size=60))
    def test_the_answer_is_theirs_whatever_comes(self, path: str, raw: bytes):
        for request in (post(path, raw), InboundRequest("GET", path, raw, {}, b"")):
            assert self.adapter().receive(request).answer == TAKEN

    @pytest.mark.parametrize("coding", [0, 3, 8])
    def test_a_message_that_their_thrower_writes_is_read(self, coding: int):
        fields = message("Café @ ñ", PHONE, coding=coding)

        (sms,) = self.adapter().receive(post("sms", urlencode(fields))).messages

        assert (sms.text, sms.sender, sms.recipient) == ("Café @ ñ", PHONE, "22345")
        assert sms.provider_message_id == fields["id"]
        assert sms.flags == ()

    @settings(max_examples=60, deadline=None)
    @given(st.text(st.characters(codec="utf-16-be"), max_size=40))
    def test_any_text_comes_and_goes_whole(self, text: str):
        data = text.encode("utf-16-be")
        fields = {"from": PHONE, "coding": "8", "content": data, "binary": data.hex()}

        (sms,) = self.adapter().receive(post("sms", urlencode(fields))).messages

        # The mark of an order of bytes is no letter.
        assert sms.text == text or text.startswith(("\ufeff", "\ufffe"))

    def test_it_sends_only_with_an_account(self):
        assert not Jasmin(None).can_send
        assert Jasmin(account("http://127.0.0.1:9")).can_send
        with pytest.raises(SendDeferred, match="TIMPORA_JASMIN_BASE_URL, _USERNAME and _PASSWORD"):
            Jasmin(None).send(MESSAGE)

    def test_it_is_watched_and_has_nothing_to_poll(self):
        assert isinstance(self.adapter(), WatchedProvider)
        assert not isinstance(self.adapter(), PolledProvider)
        assert not self.adapter().sends_once

    def test_without_a_sender_the_field_is_left_out(self):
        with JasminServer.running() as stand_in:
            Jasmin(account(stand_in.url, sender=None)).send(MESSAGE)

            assert "from" not in stand_in.requests[0].fields

    def test_a_line_is_told_as_a_tag_by_which_a_route_can_be_chosen(self):
        with JasminServer.running() as stand_in:
            Jasmin(account(stand_in.url)).send(OutboundSms(TOKEN, MESSAGE.to, "ya", line="sim-2"))

            assert stand_in.requests[0].fields["tags"] == "sim-2"

    def test_a_channel_that_is_too_fast_rests_for_seconds(self):
        with JasminServer.running() as stand_in:
            stand_in.behave("error:403:User throughput exceeded")

            with pytest.raises(Throttled) as raised:
                Jasmin(account(stand_in.url)).send(MESSAGE)

        assert raised.value.rest == timedelta(seconds=5)

    def test_a_password_that_is_too_long_is_an_account_to_be_mended(self):
        with JasminServer.running() as stand_in:
            long = JasminAccount(stand_in.url, USERNAME, "p" * 17, None, CALLBACK)

            with pytest.raises(AccountRefused) as raised:
                Jasmin(long).send(MESSAGE)

        assert "ppp" not in str(raised.value)

    def test_both_reports_of_the_stand_in_come_to_the_address_that_was_told(self):
        told = RawServer.answering(http_answer("ACK/Jasmin", "200 OK", "text/plain"))
        with told as webhook, JasminServer.running(reports=True) as stand_in:
            ours = JasminAccount(stand_in.url, USERNAME, PASSWORD, None, webhook.url)
            given_id = Jasmin(ours).send(MESSAGE)
            wait_until(lambda: len(webhook.requests) == 2, within=5, what="both reports come")
            paths = [path for path, _ in webhook.heads()]
            bodies = [body_of(one) for one in webhook.requests]

        assert paths == ["/dlr", "/dlr"]
        reports = [self.adapter().receive(post("dlr", body)).deliveries[0] for body in bodies]
        assert [(one.provider_message_id, one.status) for one in reports] == [
            (given_id, MessageStatus.SENT),
            (given_id, MessageStatus.DELIVERED),
        ]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_stand_in_calls_a_webhook_by_either_method(self, method: str):
        with RawServer.answering(http_answer("ACK/Jasmin", "200 OK", "text/plain")) as webhook:
            answer = call(f"{webhook.url}/sms", message("NIHIL", PHONE), method)
            path, query = webhook.heads()[0][0].partition("?")[::2]
            request = InboundRequest(
                method, path[1:], query.encode(), {}, body_of(webhook.requests[0])
            )

        assert answer == "ACK/Jasmin"
        assert self.adapter().receive(request).messages[0].text == "NIHIL"

    def test_any_answer_ends_in_an_id_or_one_of_the_three(self):
        pieces = st.sampled_from(
            ['Success "', 'Error "', "A-1", '"', "Unknown error", "\n", "[to]"]
        )
        bodies = st.lists(pieces, max_size=4).map("".join).map(str.encode) | st.binary()
        statuses = ["200 OK", "202 No", "204 No Content", "418 Teapot", "600"]

        send_to_any_answer(lambda url: Jasmin(account(url)), bodies, statuses, is_an_id)


class TestHealth:
    """What it says of itself."""

    @pytest.mark.parametrize(
        ("left", "expected"),
        [
            (Left(), Health(is_up=True, says="answers")),
            (Left(100.0), Health(is_up=True, says="answers", balance="100.0")),
            (Left(0.0, 12), Health(is_up=True, says="answers; 12 messages left", balance="0.0")),
            (Left("ND", 0), Health(is_up=True, says="answers; 0 messages left")),
        ],
        ids=["no bound", "money", "money and messages", "no messages"],
    )
    def test_it_tells_what_the_account_has_left(self, left: Left, expected: Health):
        with JasminServer.running() as stand_in:
            stand_in.left = left

            assert Jasmin(account(stand_in.url)).health() == expected

    @pytest.mark.parametrize("password", ["salah", "p" * 17], ids=["wrong", "too long"])
    def test_an_account_that_it_does_not_take_is_down(self, password: str):
        with JasminServer.running() as stand_in:
            wrong = JasminAccount(stand_in.url, USERNAME, password, None, CALLBACK)

            assert Jasmin(wrong).health() == Health(
                is_up=False, says="it does not take our name and password"
            )

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            ("400 Bad Request", '"Authorization failed for user [x] (Cannot check balance)."'),
            ("500 Internal Server Error", '"System error"'),
            ("200 OK", "null"),
            ("200 OK", "[" * 9000),
            ("200 OK", "\x00"),
        ],
        ids=["not allowed", "trouble of theirs", "null", "too deep to read", "bytes"],
    )
    def test_a_balance_that_is_not_told_is_no_trouble(self, status: str, body: str):
        def answer(request: bytes) -> bytes:
            pong = b"/ping" in request.split(b"\r\n")[0]
            return http_answer("Jasmin/PONG", "200 OK") if pong else http_answer(body, status)

        with RawServer.answering(answer) as server:
            assert Jasmin(account(server.url)).health() == Health(
                is_up=True, says="answers, and tells no balance"
            )

    @pytest.mark.parametrize("odd", ["true", "NaN", "1e999", '"100"', "[]", "null"])
    def test_a_balance_that_is_no_number_is_none(self, odd: str):
        def answer(request: bytes) -> bytes:
            pong = b"/ping" in request.split(b"\r\n")[0]
            body = "Jasmin/PONG" if pong else f'{{"balance": {odd}, "sms_count": {odd}}}'
            return http_answer(body, "200 OK")

        with RawServer.answering(answer) as server:
            assert Jasmin(account(server.url)).health() == Health(is_up=True, says="answers")

    @pytest.mark.parametrize(
        ("status", "body"), [("502 Bad Gateway", "nginx"), ("200 OK", "nginx")]
    )
    def test_whoever_answers_in_its_place_is_not_it(self, status: str, body: str):
        with RawServer.answering(http_answer(body, status)) as server:
            health = Jasmin(account(server.url)).health()

        assert not health.is_up
        assert health.says == f"HTTP {status[:3]}, and no word of Jasmin's"

    def test_nobody_there_is_said_by_an_error(self):
        with pytest.raises(NotReached):
            Jasmin(account(f"http://127.0.0.1:{free_port()}")).health()
        with pytest.raises(NotReached, match="TIMPORA_JASMIN_BASE_URL"):
            Jasmin(None).health()
