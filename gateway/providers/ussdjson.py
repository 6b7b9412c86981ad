"""USSD as JSON with the last input alone: for an aggregator, or an operator's own bridge.

`POST ussd` with one object:

- `session_id`: a text; absent or null where the bridge has none, and then the number is the key;
- `msisdn`: with or without `+`;
- `event`: `begin`, `input`, `end` or `timeout`;
- `input`: what was keyed last, a text or a whole number; at `begin` the dialled string, such as
  `*384*22345*1#`, or nothing;
- `service_code`: what of the dialled string is the code, else ours; what follows it are inputs.

The answer is `{"session_id", "msisdn", "text", "close"}`, with the first two as they were given.
Anything else in the request is ignored.
See docs/providers/ussdjson.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from gateway.providers.base import (
    Answer,
    DialogueEnd,
    InboundRequest,
    Intake,
    KeyPress,
    NoSuchRoute,
    OutboundSms,
    Screen,
    SendDeferred,
    Unreadable,
    WrongMethod,
)

_JSON = "application/json"
_LONGEST = 200
_ENDS = {"end", "timeout"}


class _Odd(Exception):
    """A request that makes no sense; says why, and quotes nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Press(KeyPress):
    """A key press that remembers what its answer must repeat."""

    given: Mapping[str, Any] = field(default_factory=dict, repr=False)


class UssdJson:
    """The adapter; it carries dialogues alone."""

    name = "ussdjson"
    can_send = False
    claims_at_once = 1
    sends_once = False
    tells_time = True

    def __init__(self, service_code: str = "") -> None:
        """Take the code that officers dial, for bridges that do not say which it was."""
        self._service_code = service_code

    def receive(self, request: InboundRequest) -> Intake:
        """Read one event of a session."""
        if request.path != "ussd":
            raise NoSuchRoute(request.path)
        if request.method != "POST":
            raise WrongMethod(request.method)
        try:
            return _read(request.body, self._service_code)
        except _Odd as odd:
            # What was keyed may be a PIN, so nothing of the body is kept.
            return Intake(unreadable=(Unreadable(str(odd), b""),), awaits_screen=True)

    def show(self, screen: Screen, press: KeyPress | None) -> Answer:
        """Write a screen as an object."""
        said: dict[str, Any] = {}
        if isinstance(press, _Press):
            said.update(press.given)
        elif press is not None:
            said.update(session_id=press.session_id, msisdn=press.sender)
        return _answer({**said, "text": screen.text, "close": screen.ends})

    def send(self, message: OutboundSms) -> str | None:  # noqa: ARG002
        """Send nothing: there is no SMS here."""
        raise SendDeferred(
            "the channel ussdjson carries no SMS; set TIMPORA_CHANNEL to one that does"
        )


def _answer(said: dict[str, Any]) -> Answer:
    return Answer(HTTPStatus.OK, json.dumps(said, ensure_ascii=False), _JSON)


def _read(body: bytes, our_code: str) -> Intake:
    try:
        given = json.loads(body.decode())
    # RecursionError: nested too deep to be read; ValueError: no UTF-8, no JSON, a huge number.
    except (ValueError, RecursionError):
        raise _Odd("not JSON in UTF-8") from None
    if not isinstance(given, dict):
        raise _Odd("no JSON object")
    sender = _with_plus(_text(given, "msisdn"))
    if not sender:
        raise _Odd("no `msisdn`")
    session_id = _text(given, "session_id") or sender
    event = _text(given, "event")
    if event in _ENDS:
        return Intake(
            dialogue_ends=(DialogueEnd(session_id, sender),), answer=_answer({"close": True})
        )
    if event not in {"begin", "input"}:
        raise _Odd("`event` is none of begin, input, end, timeout")
    code, keyed = _text(given, "service_code"), _text(given, "input")
    begins = event == "begin"
    press = _Press(
        session_id=session_id,
        sender=sender,
        service_code=code,
        relayed=_after_code(keyed, code or our_code) if begins else keyed,
        is_cumulative=False,
        begins=begins,
        given={name: given.get(name) for name in ("session_id", "msisdn")},
    )
    return Intake(key_presses=(press,))


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Odd(f"`{name}` is neither a text nor a whole number")
    text = str(value)
    if len(text) > _LONGEST:
        raise _Odd(f"`{name}` is too long")
    # JSON can spell NUL and half of a surrogate pair, which neither database nor answer holds.
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _Odd(f"`{name}` has a character that is none")
    return text.strip()


def _with_plus(number: str) -> str:
    return f"+{number}" if number[:1].isdigit() and not number.startswith("0") else number


def _after_code(dialled: str, code: str) -> str:
    """Give what was dialled after the service code: inputs, joined by stars."""
    bare, prefix = dialled.removeprefix("*").removesuffix("#"), code.strip("*#")
    if prefix and f"{bare}*".startswith(f"{prefix}*"):
        return bare[len(prefix) + 1 :]
    # Another code: its digits are no input. Without star and hash it is off already.
    return "" if dialled.startswith("*") or dialled.endswith("#") else dialled
