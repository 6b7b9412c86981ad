"""USSD as JSON: what a bridge posts, the last input alone, and what it is answered."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.provider_contract import (
    MESSAGE,
    PIN,
    SCREENS,
    InboundCase,
    SendingCase,
    UssdContract,
)

from gateway.accounts import CHANNELS
from gateway.providers.base import (
    Answer,
    DialogueEnd,
    InboundRequest,
    Intake,
    KeyPress,
    PolledProvider,
    Screen,
    SendDeferred,
    Unreadable,
)
from gateway.providers.registry import providers
from gateway.providers.ussdjson import UssdJson
from gateway.settings import read_settings

JSON = "application/json"
OUR_CODE = "*384*22345#"
PHONE = "+6281200000123"
PLAIN: Mapping[str, Any] = {"session_id": "S1", "msisdn": PHONE, "event": "input", "input": "1"}
CLOSED = Answer(200, '{"close": true}', JSON)


def post(body: str | bytes | Mapping[str, Any]) -> InboundRequest:
    if isinstance(body, Mapping):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return InboundRequest("POST", "ussd", b"", {"content-type": JSON}, raw)


def request(**fields: Any) -> InboundRequest:
    """Write a request of a session under way, with what is named in place of the plain."""
    return post({**PLAIN, **fields})


def without(*names: str, **fields: Any) -> InboundRequest:
    return post({name: value for name, value in {**PLAIN, **fields}.items() if name not in names})


def pressed(label: str, sent: InboundRequest, **expected: Any) -> InboundCase:
    """Write a case of one key press; what is not named is as in the plain request."""
    press = KeyPress("S1", PHONE, service_code="", relayed="1", is_cumulative=False)
    return InboundCase(label, sent, Intake(key_presses=(replace(press, **expected),)))


def begun(label: str, dialled: Any, relayed: str, code: str | None = OUR_CODE) -> InboundCase:
    """Write a case of a session that begins with this dialled."""
    fields = {"event": "begin", "input": dialled, "service_code": code}
    expected = {"begins": True, "relayed": relayed, "service_code": code or ""}
    return pressed(label, request(**fields), **expected)


def ended(
    label: str, sent: InboundRequest, session_id: str = "S1", sender: str = PHONE
) -> InboundCase:
    notice = DialogueEnd(session_id, sender)
    return InboundCase(label, sent, Intake(dialogue_ends=(notice,), answer=CLOSED))


def unreadable(label: str, sent: InboundRequest, reason: str) -> InboundCase:
    """Write a case of what cannot be read: nothing of it is kept, and a phone waits anyway."""
    item = Unreadable(reason, b"")
    return InboundCase(label, sent, Intake(unreadable=(item,), awaits_screen=True))


BEGINS = [
    begun("the code alone is dialled", OUR_CODE, ""),
    begun("a path is dialled behind the code", "*384*22345*1*2#", "1*2"),
    begun("one step is dialled behind the code", "*384*22345*1#", "1"),
    begun("an empty step is dialled", "*384*22345**2#", "*2"),
    begun("a star is dialled behind the code", "*384*22345*#", ""),
    begun("a dial without its hash", "*384*22345*1", "1"),
    begun("a dial without its star", "384*22345*1#", "1"),
    begun("a code without its hash", "*384*22345*1#", "1", "*384*22345"),
    begun("a code without its star and hash", "*384*22345*1#", "1", "384*22345"),
    begun("a short code", "*384*1*2#", "1*2", "*384#"),
    begun("no code is named: ours", "*384*22345*1*2#", "1*2", None),
    begun("an empty code is named: ours", "*384*22345*1*2#", "1*2", ""),
    begun("another code than the one named", "*123*1*2#", "", OUR_CODE),
    begun("another code than ours", "*123*1*2#", "", None),
    begun("another code without its star", "123*1#", "", OUR_CODE),
    begun("another code that begins like ours", "*384*223456*1#", "", OUR_CODE),
    begun("a path from which the code is off already", "1*2", "1*2"),
    begun("nothing is dialled", "", ""),
    begun("null is dialled", None, ""),
    begun("a blank is dialled", " ", ""),
    begun("a number is dialled", 1, "1"),
    pressed("no input at a beginning", without("input", event="begin"), relayed="", begins=True),
    pressed(
        "an older session of the same id begins anew",
        request(event="begin", input=""),
        relayed="",
        begins=True,
    ),
    pressed(
        "a code that is a number",
        request(event="begin", input="*384*1#", service_code=384),
        service_code="384",
        begins=True,
    ),
]

KEYS = [
    pressed("the last key", request()),
    pressed("the last key as a number", request(input=1)),
    pressed("nought as a number", request(input=0), relayed="0"),
    pressed("a number that is less than nothing", request(input=-1), relayed="-1"),
    pressed("a text of several words", request(input="Desa Oinlasi"), relayed="Desa Oinlasi"),
    pressed("stars, which part nothing here", request(input="1*2"), relayed="1*2"),
    pressed("nothing but stars", request(input="****"), relayed="****"),
    pressed("a hash", request(input="#"), relayed="#"),
    pressed("a dial in mid-session, which is an input", request(input=OUR_CODE), relayed=OUR_CODE),
    pressed("blanks around a key", request(input=" 1 ")),
    pressed("an empty key", request(input=""), relayed=""),
    pressed("null for a key", request(input=None), relayed=""),
    pressed("no key", without("input"), relayed=""),
    pressed("an emoji, escaped", request(input="\U0001f600"), relayed="\U0001f600"),
    pressed(
        "letters in UTF-8",
        post(json.dumps({**PLAIN, "input": "é"}, ensure_ascii=False)),
        relayed="é",
    ),
    pressed("a key as long as any", request(input="x" * 200), relayed="x" * 200),
    pressed("a code in mid-session", request(service_code=OUR_CODE), service_code=OUR_CODE),
    pressed("blanks around an event", request(event=" input ")),
    pressed("members that nobody knows", request(network="51010", x={"y": [1.5, None, True]})),
    pressed(
        "a member that comes twice: the last",
        post(json.dumps(PLAIN)[:-1] + ', "input": "2"}'),
        relayed="2",
    ),
    pressed("line breaks and blanks between members", post(json.dumps(PLAIN, indent=4) + "\r\n")),
    pressed("no content type", replace(request(), headers={})),
    pressed("a query, which is ignored", replace(request(), query=b"input=2")),
]

WHO = [
    pressed("a number without a plus", request(msisdn=PHONE[1:])),
    pressed("a number that is a number", request(msisdn=int(PHONE))),
    pressed("a number with blanks around it", request(msisdn=f" {PHONE} ")),
    pressed(
        "a number of another country without a plus",
        request(msisdn="67077000001"),
        sender="+67077000001",
    ),
    pressed("a number with a nought", request(msisdn="081200000123"), sender="081200000123"),
    pressed("a sender that is a name", request(msisdn="TELKOMSEL"), sender="TELKOMSEL"),
    pressed("no session: the number", without("session_id"), session_id=PHONE),
    pressed("null for a session: the number", request(session_id=None), session_id=PHONE),
    pressed("an empty session: the number", request(session_id=" "), session_id=PHONE),
    pressed(
        "no session and no plus: the same number",
        without("session_id", msisdn=PHONE[1:]),
        session_id=PHONE,
    ),
    pressed("a session that is a number", request(session_id=17), session_id="17"),
    pressed("a session with blanks around it", request(session_id=" S1 ")),
    pressed("a session as long as any", request(session_id="S" * 200), session_id="S" * 200),
]

ENDS = [
    ended("the end of a session", request(event="end")),
    ended("a session that timed out", request(event="timeout")),
    ended("an end without an input", without("input", event="end")),
    ended("an end with members that nobody knows", request(event="end", exitCode=503, reason={})),
    ended("an end with an input that is none", request(event="end", input=[PIN])),
    ended("an end of no session: the number's", without("session_id", event="end"), PHONE),
    ended("an end with a number without a plus", request(event="timeout", msisdn=PHONE[1:])),
]

NO_EVENT = "`event` is none of begin, input, end, timeout"
NO_JSON = "not JSON in UTF-8"
BODY = json.dumps(PLAIN)


def wrong_type(name: str, value: Any) -> InboundCase:
    return unreadable(
        f"`{name}` that is {json.dumps(value)}",
        request(**{"event": "begin", name: value}),
        f"`{name}` is neither a text nor a whole number",
    )


def too_long(name: str, value: Any, what: str) -> InboundCase:
    return unreadable(f"`{name}` of {what}", request(**{name: value}), f"`{name}` is too long")


def no_character(name: str, value: str, what: str) -> InboundCase:
    label = f"{what} in `{name}`"
    return unreadable(label, request(**{name: value}), f"`{name}` has a character that is none")


MEMBERS = ("session_id", "msisdn", "service_code", "event", "input")

UNREADABLE = [
    *(
        wrong_type(name, value)
        for name in MEMBERS
        for value in (True, False, 1.0, [], {}, ["1"], {"x": "1"})
    ),
    *(too_long(name, "x" * 201, "201 letters") for name in MEMBERS),
    *(too_long(name, 10**200, "201 digits") for name in MEMBERS),
    *(no_character(name, "A\x00B", "NUL") for name in MEMBERS),
    *(no_character(name, "A\ud83dB", "half an emoji") for name in MEMBERS),
    unreadable("no number", without("msisdn"), "no `msisdn`"),
    unreadable("null for a number", request(msisdn=None), "no `msisdn`"),
    unreadable("an empty number", request(msisdn=" "), "no `msisdn`"),
    unreadable("an end of nobody", without("msisdn", event="end"), "no `msisdn`"),
    unreadable("no event", without("event"), NO_EVENT),
    unreadable("null for an event", request(event=None), NO_EVENT),
    unreadable("an event in capitals", request(event="BEGIN"), NO_EVENT),
    unreadable("an event that nobody knows", request(event="release"), NO_EVENT),
    unreadable("a number for an event", request(event=1), NO_EVENT),
    unreadable("a flag in place of an event", without("event", begin=True), NO_EVENT),
    unreadable("a byte order mark", post(b"\xef\xbb\xbf" + BODY.encode()), NO_JSON),
    unreadable("UTF-16", post(BODY.encode("utf-16")), NO_JSON),
    unreadable("Latin-1", post(BODY.replace("S1", "é").encode("latin-1")), NO_JSON),
    unreadable("half an object", post(BODY[:-1]), NO_JSON),
    unreadable("two objects", post(BODY + BODY), NO_JSON),
    unreadable("an object with a comma too many", post(BODY[:-1] + ",}"), NO_JSON),
    unreadable("a form", post("session_id=S1&msisdn=6281200000123&input=1"), NO_JSON),
    unreadable("a nought before a number", post(BODY.replace('"1"', "01")), NO_JSON),
    unreadable("a number of 5000 digits", post(BODY.replace('"1"', "9" * 5000)), NO_JSON),
    unreadable(
        "a number of 5000 digits in a member that is ignored",
        post(BODY[:-1] + f', "network": {"9" * 5000}}}'),
        NO_JSON,
    ),
    unreadable(
        "a member too deep to read",
        post(BODY[:-1] + f', "network": {"[" * 20_000}{"]" * 20_000}}}'),
        NO_JSON,
    ),
    unreadable(
        "a number without end",
        post(BODY.replace('"1"', "1e999")),
        "`input` is neither a text nor a whole number",
    ),
    unreadable(
        "a number that is none",
        post(BODY.replace('"1"', "NaN")),
        "`input` is neither a text nor a whole number",
    ),
    unreadable("a list", post(f"[{BODY}]"), "no JSON object"),
    unreadable("a text", post('"begin"'), "no JSON object"),
    unreadable("a number", post("1"), "no JSON object"),
    unreadable("null", post("null"), "no JSON object"),
    unreadable("true", post("true"), "no JSON object"),
]

NO_SMS = "the channel ussdjson carries no SMS; set TIMPORA_CHANNEL to one that does"


class TestUssdJson(UssdContract):
    NAME = "ussdjson"
    ROUTES: ClassVar[Mapping[str, str]] = {"ussd": "POST"}
    INBOUND: ClassVar = [*BEGINS, *KEYS, *WHO, *ENDS, *UNREADABLE]
    SENDING: ClassVar = [SendingCase("a message", None, SendDeferred, NO_SMS, requests=0)]
    PIECES: ClassVar = (
        *(f'"{name}":'.encode() for name in MEMBERS),
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"1", b"-", b"e9", b"null", b"true"),
        *(b'"begin"', b'"input"', b'"end"', b'"6281200000123"', b'"\\ud83d"', b'"\\u0000"'),
    )

    def adapter(self) -> UssdJson:
        return UssdJson(OUR_CODE)

    def keyed(self, relayed: str) -> InboundRequest:
        return request(input=relayed)

    def as_shown(self, answer: Answer) -> tuple[str, bool]:
        assert answer.content_type == JSON
        said = json.loads(answer.body)
        assert isinstance(said["text"], str)
        assert isinstance(said["close"], bool)
        return said["text"], said["close"]

    def test_it_cannot_be_the_channel_that_sends(self):
        assert not self.adapter().can_send
        assert "ussdjson" not in CHANNELS

    def test_it_is_not_polled_and_claims_one_at_a_time(self):
        assert not isinstance(self.adapter(), PolledProvider)
        assert self.adapter().claims_at_once == 1

    def test_the_registry_tells_it_the_code_that_officers_dial(self, tmp_path: Path):
        environ = {"TIMPORA_DATA_DIR": str(tmp_path), "TIMPORA_USSD_CODE": "*123*4#"}
        adapter = providers(read_settings(environ))["ussdjson"]

        (press,) = adapter.receive(without(event="begin", input="*123*4*1*2#")).key_presses

        assert press.relayed == "1*2"

    def test_a_code_that_nobody_named_is_not_guessed(self):
        sent = without(event="begin", input="*384*22345*1#")

        (press,) = UssdJson().receive(sent).key_presses

        assert press.relayed == ""

    @pytest.mark.parametrize(
        ("fields", "repeated"),
        [
            ({}, {"session_id": "S1", "msisdn": PHONE}),
            ({"msisdn": PHONE[1:]}, {"session_id": "S1", "msisdn": PHONE[1:]}),
            ({"msisdn": int(PHONE)}, {"session_id": "S1", "msisdn": int(PHONE)}),
            ({"msisdn": f" {PHONE}"}, {"session_id": "S1", "msisdn": f" {PHONE}"}),
            ({"session_id": None}, {"session_id": None, "msisdn": PHONE}),
            ({"session_id": ""}, {"session_id": "", "msisdn": PHONE}),
            ({"session_id": 17}, {"session_id": 17, "msisdn": PHONE}),
            ({"session_id": 'é "1"'}, {"session_id": 'é "1"', "msisdn": PHONE}),
        ],
        ids=[
            "a session and a number",
            "a number without a plus",
            "a number that is a number",
            "a number with a blank",
            "null for a session",
            "an empty session",
            "a session that is a number",
            "a session with signs in it",
        ],
    )
    def test_session_and_number_are_answered_as_they_were_given(
        self, fields: dict[str, Any], repeated: dict[str, Any]
    ):
        adapter = self.adapter()
        (press,) = adapter.receive(request(**fields)).key_presses

        answer = adapter.show(Screen("1 Ya\n2 Tidak", ends=False), press)

        assert answer.status == 200
        assert answer.content_type == JSON
        said = json.loads(answer.body)
        assert said == {**repeated, "text": "1 Ya\n2 Tidak", "close": False}
        # 17 and "17", or true and 1, are one to Python.
        assert [type(said[name]) for name in repeated] == [type(one) for one in repeated.values()]

    def test_no_session_is_answered_as_null(self):
        adapter = self.adapter()
        (press,) = adapter.receive(without("session_id")).key_presses

        assert json.loads(adapter.show(SCREENS[0], press).body)["session_id"] is None

    def test_without_a_key_press_the_screen_alone_is_answered(self):
        answer = self.adapter().show(Screen("Maaf.", ends=True), None)

        assert answer == Answer(200, '{"text": "Maaf.", "close": true}', JSON)

    def test_any_object_is_a_key_press_or_an_end_or_unreadable(self):
        adapter = self.adapter()
        leaves = (
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(st.characters(), max_size=5)
        )
        values = st.recursive(leaves, lambda one: st.lists(one) | st.dictionaries(st.text(), one))
        events = st.sampled_from(["begin", "input", "end", "timeout"])
        texts = st.sampled_from([PHONE, OUR_CODE, "*384*22345*1#", "1"]) | st.text(st.characters())
        objects = st.fixed_dictionaries(
            {"event": events | values, "msisdn": texts | values},
            optional=dict.fromkeys(
                ("session_id", "service_code", "input", "begin"), texts | values
            ),
        )

        @settings(max_examples=300, deadline=None)
        @given(objects)
        def read(sent: dict[str, Any]) -> None:
            intake = adapter.receive(post(sent))
            kinds = (intake.key_presses, intake.dialogue_ends, intake.unreadable)
            assert sum(map(len, kinds)) == 1
            intake.answer.body.encode("utf-8")
            for press in intake.key_presses:
                assert not press.is_cumulative
                assert press.begins == (sent["event"].strip() == "begin")
                said = json.loads(adapter.show(SCREENS[0], press).body.encode("utf-8"))
                assert said["msisdn"] == sent["msisdn"]
                assert said["session_id"] == sent.get("session_id")

        read()

    def test_an_error_quotes_no_key(self):
        for sent in (request(msisdn=[PIN], input=PIN), request(event=PIN), request(input=[PIN])):
            (item,) = self.adapter().receive(sent).unreadable
            assert PIN not in repr(item)

    def test_it_refuses_to_send_whatever_the_message(self):
        with pytest.raises(SendDeferred, match="carries no SMS"):
            self.adapter().send(MESSAGE)
