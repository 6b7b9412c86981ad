"""Kannel: webhooks for messages and delivery reports, `sendsms`, and what its log kept for us.

Seen with Kannel 1.4.5 of Debian 12 in November 2026; docs/providers/kannel.md has the details. What
matters most:

- the body of our answer would be texted to the phone, and 204 is a failure: 200 and nothing;
- which parameters come is written in its configuration, `deploy/kannel/kannel.conf`; of the text
  only `hex` is exact, as `text` has its double blanks squeezed, or its bytes where it is UTF-16;
- it gives no id for what we send: ours stands in the address for delivery reports;
- text that is not GSM-7 would be mangled without `coding=2`, and one of too many parts be cut;
- it tries a webhook so often and then drops the message without a word; one that smsbox had in hand
  when it ended, too. Its log still has the address that it could not fetch: `poll` reads it;
- nothing is signed: the secret in the path is the only proof.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import gsm0338  # noqa: F401  # registers the codec

from gateway import clock
from gateway.accounts import KannelAccount
from gateway.providers import forms, http
from gateway.providers.base import (
    AccountRefused,
    Health,
    InboundRequest,
    InboundSms,
    Intake,
    NoSuchRoute,
    NotReached,
    NumberRefused,
    OutboundSms,
    Part,
    Polled,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    Unreadable,
    WrongMethod,
)
from models.states import MessageStatus
from parsers import msisdn, segments

_FORM = "application/x-www-form-urlencoded"

# What comes ----------------------------------------------------------------------------------

#: The names under which a text may come, the most exact first; `message` is what other gateways
#: call it.
_TEXT_NAMES = ("hex", "bin", "text", "message")
#: What an InboundSms has a place for, and `udh`, which is bytes: they stand not in the payload.
_KNOWN = {*_TEXT_NAMES, "from", "to", "id", "udh"}
#: How Kannel names a charset, and how we do. Only these: Python knows codecs that are none.
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "utf-16be": "utf-16-be",
    "ucs-2": "utf-16-be",
    "ucs-2be": "utf-16-be",
    "iso-10646-ucs-2": "utf-16-be",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "8-bit": "latin-1",
    "binary": "latin-1",
    "windows-1252": "windows-1252",
    "gsm": "gsm03.38",
    "gsm-7": "gsm03.38",
    "gsm7": "gsm03.38",
    "7-bit": "gsm03.38",
}
_CODINGS = {"1": "latin-1", "2": "utf-16-be"}
_LAST_ASCII = 0x7F

#: Information elements of a user data header that tell of parts, by the length of their reference.
_PARTS = {(0x00, 3): 1, (0x08, 4): 2}

_DELIVERY = {
    "1": MessageStatus.DELIVERED,
    "2": MessageStatus.FAILED,
    "4": MessageStatus.SENT,  # kept at the SMSC: the phone is off
    "8": MessageStatus.SENT,
    "16": MessageStatus.FAILED,
}

# What goes -----------------------------------------------------------------------------------

#: `max-messages` of deploy/kannel/kannel.conf: what is longer Kannel cuts, and says 202.
MOST_SEGMENTS = 10
#: A blank would be a second receiver.
_NUMBER = re.compile(r"\+\d{5,15}", re.ASCII)
#: Delivered, undeliverable, kept at the SMSC, taken by it, refused by it.
_ALL_REPORTS = "31"
_TAKEN, _BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 202, 400, 403, 404

# What its log kept ---------------------------------------------------------------------------

_WHEN = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
#: Written at each try that found no connection, or no whole answer in time.
_NOT_FETCHED = re.compile(_WHEN + rb"\[\d+\] \[\d+\] ERROR: Couldn't fetch <(?P<url>\S+)>")
#: Written once, when an answer was taken, or was a refusal at the last try. An apostrophe in a text
#: stands in the address as it is.
_ANSWERED = re.compile(
    _WHEN + rb"SMS HTTP-request .*? url: '(?P<url>\S*)' reply: (?P<status>-?\d+) '"
)
_SUCCESSES = {b"200", b"202"}
_ROTATED = re.compile(r"[.-]\d+")
_READ_AT_ONCE = 512 * 1024
_MOST_OFFERED = 200
_HEAD = 256
#: Where no mark says how far we have read, messages that are older than so long are left alone.
_OLDEST = timedelta(days=7)


class Kannel:
    """The adapter."""

    name = "kannel"
    claims_at_once = 1
    tells_time = True
    sends_once = False
    poll_every = timedelta(minutes=1)
    inbox_keeps_old = False

    def __init__(self, account: KannelAccount | None) -> None:
        """Take the account to send with; without one the adapter only receives."""
        self.can_send = account is not None
        self._account = account

    def receive(self, request: InboundRequest) -> Intake:
        """Read what Kannel fetches from us; the path says which of the two it is."""
        if request.path not in _READERS:
            raise NoSuchRoute(request.path)
        if request.method not in {"GET", "POST"}:
            raise WrongMethod(request.method)
        given = _fields(request)
        # The answer is 200 and empty: a body would be texted to the phone.
        return _READERS[request.path](given, request.body or request.query)

    def send(self, message: OutboundSms) -> str | None:
        """Ask `sendsms`; Kannel gives no id, so that ours stands in the address for reports."""
        account = self._account
        if account is None:
            raise SendDeferred("TIMPORA_KANNEL_BASE_URL, _USERNAME and _PASSWORD are not set")
        answer = http.send(_sendsms(account, message))
        if answer.status != _TAKEN:
            secret = account.callback_url.rpartition("/")[2]
            _refuse(answer, (message.text, message.to.lstrip("+"), account.password, secret))
        return message.token

    def health(self) -> Health:
        """Ask bearerbox how it and its links are; without its address, whether smsbox answers."""
        account = self._account
        if account is None:
            raise NotReached("TIMPORA_KANNEL_BASE_URL is not set")
        if account.admin_url is None:
            # There is no such page, and smsbox says so.
            answer = http.ask(http.Call("GET", f"{account.base_url}/is-it-up"))
            is_smsbox = answer.status == _NOT_FOUND
            return Health(is_smsbox, "smsbox answers" if is_smsbox else "not a smsbox")
        password = {"password": account.status_password} if account.status_password else {}
        answer = http.ask(http.Call("GET", f"{account.admin_url}/status.xml", params=password))
        return _health(answer.text, account.smsc)

    def poll(self, since: str | None) -> Polled:
        """Read on in Kannel's log, and bring what it could not bring us itself."""
        if self._account is None or self._account.access_log is None:
            return Polled(Intake(), since or "")
        secret = self._account.callback_url.rpartition("/")[2]
        try:
            return _read_log(self._account.access_log, since, secret)
        except OSError as error:
            raise NotReached(f"the access log cannot be read ({type(error).__name__})") from None

    def kept(self, polled: Polled) -> None:
        """Need not know: the mark says it all."""


# A message comes in --------------------------------------------------------------------------


def _fields(request: InboundRequest) -> Mapping[str, forms.Field]:
    """Give the fields of a form, then those of the query; of one that is repeated the first."""
    kind = request.headers.get("content-type", _FORM)
    fields = forms.read_fields(request.query)
    # A text alone is the body of Kannel's `post-url`: its fields stand in the query.
    if request.method == "POST" and kind.partition(";")[0].strip().lower() in {"", _FORM}:
        fields = [*forms.read_fields(request.body, kind), *fields]
    found: dict[str, forms.Field] = {}
    for one in fields:
        found.setdefault(one.name, one)
    return found


def _read_sms(given: Mapping[str, forms.Field], body: bytes) -> Intake:
    sender = _text_of(given, "from")
    if not sender.strip():
        return Intake(unreadable=(Unreadable("no sender (parameter `from`)", body),))
    read = _message_text(given)
    if read is None:
        return Intake(unreadable=(Unreadable("`hex` is not hexadecimal", body),))
    text, text_was_odd = read
    network_time, time_was_odd = _network_time(_text_of(given, "ts"), _text_of(given, "when"))
    others = [one for name, one in given.items() if name not in _KNOWN and one.text.strip()]
    was_odd = text_was_odd or any(one.was_odd for one in (*others, given["from"]))
    flags = {"odd_date": time_was_odd, "odd_encoding": was_odd}
    message = InboundSms(
        sender=sender,
        recipient=_text_of(given, "to") or None,
        text=text,
        provider_message_id=forms.some_id(_text_of(given, "id")),
        network_time=network_time,
        flags=tuple(flag for flag, is_so in flags.items() if is_so),
        payload={one.name: one.text for one in others},
        part=_part(given["udh"].raw) if "udh" in given else None,
    )
    return Intake((message,))


def _text_of(given: Mapping[str, forms.Field], name: str) -> str:
    return given[name].text if name in given else ""


def _message_text(given: Mapping[str, forms.Field]) -> tuple[str, bool] | None:
    """Give the text, and whether its encoding was odd; None where there is one and none can tell.

    Of several the most exact counts that says anything: whoever writes the configuration anew may
    leave some away, or misspell them.
    """
    charset = _text_of(given, "charset").strip().strip('"').lower()
    codec = _CHARSETS.get(charset) or _CODINGS.get(_text_of(given, "coding").strip(), "utf-8")
    is_lost = False
    for name in _TEXT_NAMES:
        if name not in given:
            continue
        raw: bytes | None = given[name].raw
        if name == "hex":
            raw = _from_hex(given[name].text)
            is_lost = raw is None
        if raw:
            text, was_odd = _decode(raw, codec)
            if _text_of(given, "coding").strip() == "0":
                # In seven bits a NUL is nothing but the at sign, which somebody took for a byte.
                text = text.replace("\x00", "@")
            return text, was_odd
    return None if is_lost else ("", False)


def _from_hex(said: str) -> bytes | None:
    try:
        return bytes.fromhex(said)
    except ValueError:
        return None


def _decode(raw: bytes, codec: str) -> tuple[str, bool]:
    """Read a text, and say whether it was not what it was said to be, or bytes of no charset."""
    if codec == "latin-1":
        return raw.decode(codec), any(byte > _LAST_ASCII for byte in raw)
    try:
        return raw.decode(codec), False
    except UnicodeDecodeError:
        pass
    if codec in {"utf-16-be", "windows-1252"}:
        return raw.decode(codec, "replace"), True
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("latin-1"), True


def _network_time(seconds: str, written: str) -> tuple[datetime | None, bool]:
    """Read `ts`, else `when`, and say whether there was something that could not be read."""
    seconds, written = seconds.strip(), written.strip()
    if re.fullmatch(r"\d{1,12}", seconds, re.ASCII):
        try:
            return datetime.fromtimestamp(int(seconds), UTC), False
        except (ValueError, OverflowError, OSError):
            pass
    # The minute alone is what its guide promises: two messages of a minute would look like one.
    if re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", written, re.ASCII):
        try:
            return datetime.fromisoformat(written).replace(tzinfo=UTC), False
        except ValueError:
            pass
    return None, bool(seconds or written)


def _part(header: bytes) -> Part | None:
    """Find in a user data header which piece of a long message this is."""
    elements = header[1 : 1 + header[0]] if header else b""
    while len(elements) >= 2:  # noqa: PLR2004  # its kind and its length
        kind, length = elements[:2]
        data, elements = elements[2 : 2 + length], elements[2 + length :]
        size = _PARTS.get((kind, len(data)))
        if size is not None and length == len(data):
            total, number = data[size:]
            if total > 1 and 1 <= number <= total:
                return Part(int.from_bytes(data[:size], "big"), number, total)
    return None


# A delivery report ---------------------------------------------------------------------------


def _read_delivery(given: Mapping[str, forms.Field], body: bytes) -> Intake:
    given_id = forms.some_id(_text_of(given, "id"))
    status = _text_of(given, "status").strip()
    if given_id is None or not status:
        return Intake(unreadable=(Unreadable("no `id` or no `status`", body),))
    delivery = ReportedDelivery(
        provider_message_id=given_id,
        raw_status=status[:60],
        reason=_reason(_text_of(given, "answer")),
        status=_DELIVERY.get(status),
    )
    return Intake(deliveries=(delivery,))


def _reason(said: str) -> str:
    """Shorten what the SMSC said; a receipt of SMPP quotes the number's message and its text."""
    receipt = re.search(r"\bstat:(\w+)(?:.*?\berr:(\w+))?", said, re.IGNORECASE)
    if receipt:
        return " ".join(word for word in receipt.groups() if word)[:60]
    plain = re.sub(r"\btext:.*", "", said, flags=re.IGNORECASE | re.DOTALL)
    return msisdn.hide_numbers(plain).strip()[:60]


_READERS = {"sms": _read_sms, "dlr": _read_delivery}


# A message goes out --------------------------------------------------------------------------


def _sendsms(account: KannelAccount, message: OutboundSms) -> http.Call:
    """Write the request, a query as Kannel reads it; refuse what it would take and spoil."""
    if not _NUMBER.fullmatch(message.to):
        raise NumberRefused("not a number that Kannel takes")
    if not message.text:
        raise SendRefused("an empty text, which Kannel would send")
    measure = segments.measure(message.text)
    if measure.segments > MOST_SEGMENTS:
        raise SendRefused(f"longer than {MOST_SEGMENTS} parts, to which Kannel would cut it")
    said: dict[str, str | bytes | None] = {
        "username": account.username,
        "password": account.password,
        "from": account.sender,
        "to": message.to,
        "text": message.text,
        "smsc": account.smsc,
        "dlr-mask": _ALL_REPORTS,
        # With the signs that Kannel fills in.
        "dlr-url": f"{account.callback_url}/dlr?id={message.token}&status=%d&answer=%A",
    }
    if measure.encoding == "GSM-7":
        said["charset"] = "UTF-8"
    else:
        # In bytes and without a charset: a Kannel that was built without iconv refuses any.
        said["coding"] = "2"
        try:
            said["text"] = message.text.encode("utf-16-be")
        except UnicodeEncodeError:
            raise SendRefused("a text that no encoding holds") from None
    query = urlencode({name: value for name, value in said.items() if value})
    return http.Call("GET", f"{account.base_url}/cgi-bin/sendsms", params=query.encode())


def _refuse(answer: http.HttpAnswer, private: tuple[str, ...]) -> NoReturn:
    """Raise what an answer other than 202 means."""
    said = f"HTTP {answer.status}: {http.quotable(answer.text, private).strip()}"
    if answer.status == _FORBIDDEN and "not routable" in answer.text.lower():
        raise SendRefused(said)
    if answer.status == _BAD_REQUEST:
        if "receiver" in answer.text.lower() or "black-list" in answer.text:
            raise NumberRefused(said)
        if "Sender missing" in answer.text:
            raise AccountRefused(said)
    if answer.status == _NOT_FOUND:
        raise AccountRefused(said)
    http.check_taken(answer, private)
    raise SendUnconfirmed(f"HTTP {answer.status} with an answer that is not Kannel's")


# How it is -----------------------------------------------------------------------------------


def _health(page: str, wanted: str | None) -> Health:
    """Read bearerbox's page of XML; of its links count all, or those that we send by."""
    try:
        root = ET.fromstring(page)  # noqa: S314  # the page of a Kannel that is our own
    except ET.ParseError:
        raise NotReached("an answer that is not bearerbox's") from None
    status = root.findtext("status", "").strip()
    if root.tag != "gateway" or not status:
        # A wrong password gets 200, too.
        raise NotReached("bearerbox does not tell: is TIMPORA_KANNEL_STATUS_PASSWORD right?")
    links = [
        link
        for link in root.iterfind("smscs/smsc")
        if wanted is None or link.findtext("id", "").strip().lower() == wanted.lower()
    ]
    online = sum(link.findtext("status", "").strip().startswith("online") for link in links)
    has_smsbox = any(
        box.findtext("type", "").strip() == "smsbox"
        and box.findtext("status", "").strip().startswith("on-line")
        for box in root.iterfind("boxes/box")
    )
    word = status.partition(",")[0]
    says = f"bearerbox {word}, {online} of {len(links)} links online"
    if not has_smsbox:
        says += ", no smsbox"
    queued = (
        root.findtext("sms/sent/queued"),
        *(link.findtext("queued") for link in root.iterfind("smscs/smsc")),
    )
    return Health(
        is_up=word == "running" and online > 0 and has_smsbox,
        says=says,
        backlog=sum(int(one) for one in queued if one and one.strip().isdecimal()),
    )


# What its log kept ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a log was read, and by what it is known again, whatever its name is by then."""

    offset: int
    node: int
    head: int
    """Of so many first bytes `digest` is."""
    digest: str

    @classmethod
    def read(cls, said: str | None) -> "_Mark | None":
        found = re.fullmatch(
            r"(\d{1,18}):(\d{1,20}):(\d{1,3}):([0-9a-f]{32})", said or "", re.ASCII
        )
        return cls(int(found[1]), int(found[2]), int(found[3]), found[4]) if found else None

    @classmethod
    def at(cls, path: Path, offset: int) -> "_Mark":
        head = min(offset, _HEAD)
        return cls(offset, path.stat().st_ino, head, _digest(path, head))

    def find(self, files: list[Path]) -> Path | None:
        """Find the file that was read, or a copy of it.

        Two logs that begin in the same second look alike, and tell apart by their nodes; a copy
        has another node, and so has all that comes back from a backup.
        """
        alike = [one for one in files if self._is_like(one)]
        same = [one for one in alike if one.stat().st_ino == self.node]
        return next(iter(same or alike[::-1]), None)

    def _is_like(self, path: Path) -> bool:
        is_long_enough = 0 < self.offset <= path.stat().st_size
        return is_long_enough and _digest(path, self.head) == self.digest

    def __str__(self) -> str:
        return f"{self.offset}:{self.node}:{self.head}:{self.digest}"


def _digest(path: Path, head: int) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(head)).hexdigest()[:32]


def _read_log(log: Path, since: str | None, secret: str) -> Polled:
    """Read whole lines after the mark, through files that were rotated away meanwhile."""
    files = _generations(log)
    mark = _Mark.read(since)
    known = mark.find(files) if mark is not None else None
    oldest = None
    if mark is None or known is None:
        # The mark was lost, or its file: all that is left is read, and what is new is told by the
        # age of a message alone.
        mark, known, oldest = _Mark.at(files[0], 0), files[0], clock.now() - _OLDEST
    budget = _READ_AT_ONCE
    found = _Found(secret, oldest)
    for path in files[files.index(known) :]:
        offset = mark.offset if path == known else 0
        with path.open("rb") as file:
            file.seek(offset)
            read = file.read(budget)
        taken = 0
        for line in _whole_lines(read):
            if found.is_full:
                break
            found.add(line)
            taken += len(line)
        budget -= len(read)
        if taken:
            # Not before: without a line of its own a file could not be known again, and Kannel
            # writes to the old one until it is told of the new.
            mark = _Mark.at(path, offset + taken)
    return Polled(found.intake, str(mark))


def _generations(log: Path) -> list[Path]:
    """List the log and those that it was before, the oldest first; compressed ones are over."""
    before = [
        one
        for one in log.parent.iterdir()
        if one.name.startswith(log.name)
        and _ROTATED.fullmatch(one.name[len(log.name) :])
        and one.is_file()
    ]
    before.sort(key=lambda one: (one.stat().st_mtime_ns, one.name))
    if not log.exists() and before:
        return before
    log.stat()
    return [*before, log]


def _whole_lines(read: bytes) -> Iterator[bytes]:
    """Give each line with its end; one that is not ended is still being written."""
    *lines, rest = read.split(b"\n")
    for line in lines:
        yield line + b"\n"
    if len(rest) == _READ_AT_ONCE:
        yield rest  # Longer than any line of theirs: it must not hold up what follows.


class _Found:
    """What was found in the lines so far: each address once."""

    def __init__(self, secret: str, oldest: datetime | None) -> None:
        self._secret = secret.encode()
        self._oldest = oldest
        self._intakes: dict[tuple[str, bytes], Intake] = {}

    @property
    def is_full(self) -> bool:
        return len(self._intakes) >= _MOST_OFFERED

    @property
    def intake(self) -> Intake:
        found = self._intakes.values()
        return Intake(
            messages=tuple(each for one in found for each in one.messages),
            deliveries=tuple(each for one in found for each in one.deliveries),
            unreadable=tuple(each for one in found for each in one.unreadable),
        )

    def add(self, line: bytes) -> None:
        """Take a line in, if it tells of a request to us that came to nothing.

        That it holds our secret is the proof: Kannel logs the texts that we send, too, line breaks
        and all, and a text could look like a line.
        """
        read = _NOT_FETCHED.match(line) or _ANSWERED.match(line)
        if read is None or read.groupdict().get("status") in _SUCCESSES:
            return
        address, _, query = read["url"].partition(b"?")
        for path, reader in _READERS.items():
            key = (path, query)
            if address.endswith(b"/%s/%s" % (self._secret, path.encode())):
                if key not in self._intakes:
                    intake = reader(_fields(InboundRequest("GET", path, query, {}, b"")), query)
                    if not self._is_too_old(intake):
                        self._intakes[key] = intake
                return

    def _is_too_old(self, intake: Intake) -> bool:
        return self._oldest is not None and any(
            one.network_time is not None and one.network_time < self._oldest
            for one in intake.messages
        )
