"""What every provider's adapter is held to: its own tables, and what nobody would remember.

A test class takes ProviderContract as its base, fills the tables, and says how to reach a stand-in;
pytest then runs every row, and the rest, for that provider.
"""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar
from urllib.parse import quote_plus

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from support.raw_server import RawServer, http_answer

from gateway.providers.base import (
    SCREEN_LIMIT,
    Answer,
    InboundRequest,
    Intake,
    KeyPress,
    NoSuchRoute,
    NotSigned,
    OutboundSms,
    Provider,
    ReportedDelivery,
    Screen,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    UssdProvider,
    WrongMethod,
)

SEND_ERRORS = (SendRefused, SendDeferred, SendUnconfirmed)
#: Pieces of a form, of which nonsense can be made that looks like one.
FORM_PIECES = (b"from=", b"&", b"=", b"%", b"%00", b"+", b"date=", b"id=", b";")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "")

MESSAGE = OutboundSms(
    "00000000000000a7", "+6281290000001", 'Terima kasih, "No 104277" & {salam} 5+5=10%'
)


@dataclass(frozen=True)
class InboundCase:
    """A request, and all that is to be read from it, the answer included."""

    label: str
    request: InboundRequest
    expected: Intake


@dataclass(frozen=True)
class DeliveryCase:
    """A delivery report, and what it says; None when it is unreadable."""

    label: str
    request: InboundRequest
    expected: ReportedDelivery | None


@dataclass(frozen=True)
class SendingCase:
    """What the stand-in does with a message, the request it must have seen, and the outcome.

    The outcome is the id that send returns (or IdGiven: the one that the stand-in gave), or the
    error that it raises; `said` is the whole text of that error.
    """

    label: str
    behaviour: Any
    outcome: Any
    said: str | None = None
    message: OutboundSms = MESSAGE
    requests: int = 1


class IdGiven:
    """An outcome: the id that the stand-in gave."""


@dataclass(frozen=True)
class SeenRequest:
    """A request as the stand-in saw it."""

    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    given_id: str | None = None


@dataclass(frozen=True)
class Reached:
    """An adapter that is set up to reach a stand-in, and what the stand-in has seen."""

    adapter: Provider
    seen: Callable[[], Sequence[SeenRequest]] = field(default=list)


def unique(cases: Sequence[Any]) -> Sequence[Any]:
    """Refuse two cases of one label: the second would hide behind the first."""
    labels = [case.label for case in cases]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"two cases are labelled {', '.join(map(repr, twice))}")
    return cases


def private_forms(*secrets: str) -> set[str]:
    """Give the forms in which a secret could be told: as it is, in a form, without its plus."""
    return {
        form
        for secret in secrets
        for form in (secret, quote_plus(secret, errors="replace"), secret.removeprefix("+"))
        if form
    }


@contextmanager
def everything_told(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[list[str]]:
    """Collect what is logged, printed or warned of, by anybody and at any level."""
    told: list[str] = []
    capfd.readouterr()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        yield told
    told += [str(line) for line in lines]
    told += [record.getMessage() for record in caplog.records]
    told += capfd.readouterr()


def plain(intake: Intake) -> Intake:
    """Give what all the world sees of an intake: an adapter may have its own kind of KeyPress."""
    names = [one.name for one in fields(KeyPress)]
    presses = [
        KeyPress(**{name: getattr(press, name) for name in names}) for press in intake.key_presses
    ]
    return replace(intake, key_presses=tuple(presses))


def nonsense(pieces: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Make bodies of any bytes, and such as look nearly right."""
    return (
        st.lists(st.sampled_from(pieces) | st.binary(max_size=8), max_size=20).map(b"".join)
        | st.binary()
    )


def send_to_any_answer(
    reach: Callable[[str], Provider],
    bodies: st.SearchStrategy[bytes],
    statuses: Sequence[str],
    check: Callable[[str | None], None],
) -> None:
    """Send to a server that answers anything; what is not one of the send errors is checked."""
    with RawServer.answering() as server:
        adapter = reach(server.url)

        @settings(max_examples=150, deadline=None)
        @given(bodies, st.sampled_from(statuses))
        def send(body: bytes, status: str) -> None:
            server.answer = lambda _request: http_answer(body, status)
            try:
                given_id = adapter.send(MESSAGE)
            except SEND_ERRORS:
                return
            check(given_id)

        send()


def is_an_id(given_id: str | None) -> None:
    """Check that a send that was taken gave an id."""
    assert given_id
    assert isinstance(given_id, str)


@contextmanager
def reaching_raw(reach: Callable[[str], Provider], answer: Any) -> Iterator[Reached]:
    """Set up an adapter to send a form to a server with that very answer."""
    with RawServer.answering(answer) as server:
        yield Reached(
            reach(server.url),
            lambda: [
                SeenRequest(*head, form)
                for head, form in zip(server.heads(), server.forms(), strict=True)
            ],
        )


class ProviderContract:
    """The shared runner."""

    NAME: ClassVar[str]
    ROUTES: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    """The path of each webhook, and the method or methods that it takes."""
    ANSWER: ClassVar[Answer] = Answer()
    """What it expects to hear where all is well."""
    INBOUND: ClassVar[Sequence[InboundCase]] = ()
    DELIVERY: ClassVar[Sequence[DeliveryCase]] = ()
    SENDING: ClassVar[Sequence[SendingCase]] = ()
    SECRETS: ClassVar[Sequence[str]] = ()
    """Keys and passwords, which nothing may tell."""
    PIECES: ClassVar[Sequence[bytes]] = FORM_PIECES
    """What its requests are made of; bodies of nonsense are put together of these."""

    def adapter(self) -> Provider:
        """Make the adapter as it is without an account."""
        raise NotImplementedError

    def empty_request(self, method: str, route: str) -> InboundRequest:
        """Write a request that says nothing, but is theirs: signed, where they sign."""
        return InboundRequest(method, route, b"", {}, b"")

    def reaching(self, behaviour: Any) -> AbstractContextManager[Reached]:
        """Set up the adapter to send to a stand-in that behaves so."""
        assert behaviour is None
        return nullcontext(Reached(self.adapter()))

    def check_request(self, seen: SeenRequest, message: OutboundSms) -> None:
        """Check that a message was asked for exactly as the provider wants it."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of each row of each table."""
        for name in ("inbound", "delivery", "sending"):
            if name in metafunc.fixturenames:
                cases = unique(getattr(metafunc.cls, name.upper()))
                metafunc.parametrize(name, cases, ids=[case.label for case in cases])
        if "route" in metafunc.fixturenames:
            metafunc.parametrize("route", metafunc.cls.ROUTES)

    # With an empty table pytest would mark the one test that is left as skipped.
    def __init_subclass__(cls) -> None:
        """Leave out the tests that a provider has no rows for."""
        super().__init_subclass__()
        if not hasattr(cls, "NAME"):
            return  # not of one provider: those that build on it have the rows
        tests = {"INBOUND": "inbound", "DELIVERY": "delivery", "SENDING": "sending"}
        for table, name in {**tests, "ROUTES": "route"}.items():
            if not getattr(cls, table):
                for test in [one for one in dir(cls) if one.startswith(f"test_{name}_")]:
                    setattr(cls, test, None)

    def test_it_says_who_it_is_and_what_it_can(self):
        adapter = self.adapter()

        assert adapter.name == self.NAME
        assert isinstance(adapter.can_send, bool)
        assert adapter.claims_at_once >= 1
        assert isinstance(adapter.sends_once, bool)

    def test_it_is_held_to_what_its_kind_must_do(self):
        assert isinstance(self.adapter(), UssdProvider) == isinstance(self, UssdContract)

    def test_inbound_is_read_as_in_the_table(self, inbound: InboundCase):
        assert plain(self.adapter().receive(inbound.request)) == inbound.expected

    def test_delivery_is_read_as_in_the_table(self, delivery: DeliveryCase):
        intake = self.adapter().receive(delivery.request)

        if delivery.expected is None:
            assert len(intake.unreadable) == 1
            assert intake.unreadable[0].body == delivery.request.body
            assert intake == Intake(unreadable=intake.unreadable, answer=self.ANSWER)
        else:
            assert intake == Intake(deliveries=(delivery.expected,), answer=self.ANSWER)

    def test_sending_asks_and_ends_as_in_the_table(self, sending: SendingCase):
        with self.reaching(sending.behaviour) as reached:
            if isinstance(sending.outcome, type) and issubclass(sending.outcome, Exception):
                with pytest.raises(sending.outcome) as raised:
                    reached.adapter.send(sending.message)
                assert type(raised.value) is sending.outcome
                if sending.said is not None:
                    assert str(raised.value) == sending.said
            else:
                given_id = reached.adapter.send(sending.message)
                if sending.outcome is IdGiven:
                    assert given_id == reached.seen()[0].given_id
                else:
                    assert given_id == sending.outcome

            assert len(reached.seen()) == sending.requests
            for seen in reached.seen():
                self.check_request(seen, sending.message)

    def test_sending_tells_no_key_no_number_and_no_text(
        self,
        sending: SendingCase,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ):
        with everything_told(caplog, capfd) as told, self.reaching(sending.behaviour) as reached:
            try:
                reached.adapter.send(sending.message)
            except SEND_ERRORS as error:
                # With all that hangs on the error: a traceback may end up in a log.
                trace = traceback.TracebackException.from_exception(error)
                told += [str(error), *trace.format(chain=True)]

        private = private_forms(*self.SECRETS, sending.message.to, sending.message.text)
        assert [form for form in private if any(form in line for line in told)] == []

    def test_inbound_tells_nothing_at_all(
        self,
        inbound: InboundCase,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ):
        with everything_told(caplog, capfd) as told:
            self.adapter().receive(inbound.request)

        assert "".join(told) == ""

    def test_route_takes_its_methods(self, route: str):
        for method in METHODS:
            request = self.empty_request(method, route)
            takes = self.ROUTES[route]
            if method in ((takes,) if isinstance(takes, str) else takes):
                self.adapter().receive(request)
            else:
                with pytest.raises(WrongMethod):
                    self.adapter().receive(request)

    def test_a_path_that_is_none_is_no_route(self):
        near = [path + "/" for path in self.ROUTES] + [path.upper() for path in self.ROUTES]

        for path in ("", "/", "nothing", "../sms", "sms?x=1", "\x00", *near):
            for method in METHODS:
                with pytest.raises(NoSuchRoute):
                    self.adapter().receive(InboundRequest(method, path, b"", {}, b""))

    def test_reading_any_bytes_raises_nothing_but_the_two(self):
        adapter = self.adapter()
        kinds = ["application/x-www-form-urlencoded", "text/plain; charset=", ";charset=iso-8859-1"]
        values = st.sampled_from(kinds) | st.text()
        names = st.sampled_from(["content-type", "content-length", "x"]) | st.text()
        bodies = nonsense(self.PIECES)

        # Made here: one test that several classes inherit would be one to Hypothesis, too.
        @settings(max_examples=200, deadline=None)
        @given(
            st.builds(
                InboundRequest,
                method=st.sampled_from(METHODS) | st.sampled_from(["POST", "GET"]),
                path=st.sampled_from([*self.ROUTES, "elsewhere"]) | st.text(max_size=8),
                query=st.binary(max_size=40),
                headers=st.dictionaries(names, values, max_size=4),
                body=bodies,
            )
        )
        def read(request: InboundRequest) -> None:
            try:
                intake = adapter.receive(request)
            except (NoSuchRoute, WrongMethod, NotSigned):
                return
            assert isinstance(intake, Intake)
            for message in intake.messages:
                assert message.network_time is None or message.network_time.tzinfo is not None

        read()


#: Nobody's PIN. It must not be found in anything that may be kept, logged or shown.
PIN = "481516"
SCREENS = (
    Screen("Maaf, layanan ini belum dibuka untuk nomor ini.", ends=True),
    Screen("Menu\n1 Laporan\n2 Ringkasan", ends=False),
    Screen("1", ends=False),
    Screen("a blank line\n\nin between", ends=False),
    Screen("END as a word of its own, then CON", ends=False),
    Screen(' "quoted" \\ & <b> 100% {x} café \U0001f600 ', ends=True),
    Screen("x" * SCREEN_LIMIT, ends=True),
)
RUBBISH = {
    "nothing": b"",
    "a blank": b" ",
    "one NUL": b"\x00",
    "bytes that are no UTF-8": b"\xff\xfe\xfa",
    "UTF-16": '{"event": "begin"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf",
    "names without values": b"sessionId&phoneNumber&text",
    "values without names": b"=S1&=%2B6281200000123&=1",
    "percent signs that escape nothing": b"%&%zz=%&sessionId=%",
    "half an object": b'{"session_id": "S1", "msisdn": "+6281200000123", ',
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "a number without end": b"9" * 5000,
    "an object with a number without end": b'{"msisdn": ' + b"9" * 5000 + b"}",
    "a list too deep to read": b"[" * 60_000,
    "an object too deep to read": b'{"a":' * 10_000,
    "XML": b'<?xml version="1.0"?><ussd><msisdn>6281200000123</msisdn></ussd>',
    "parts": b'--x\r\nContent-Disposition: form-data; name="sessionId"\r\n\r\nS1\r\n--x--\r\n',
    "the largest body that is let in": b"1*" * (32 * 1024),
}


class UssdContract(ProviderContract):
    """What holds beside for an adapter through which USSD dialogues come."""

    USSD: ClassVar[str] = "ussd"
    """The path of its key presses."""

    def ussd_adapter(self) -> UssdProvider:
        """Give the adapter as what it must be."""
        adapter = self.adapter()
        assert isinstance(adapter, UssdProvider)
        return adapter

    def keyed(self, relayed: str) -> InboundRequest:
        """Write a request of a session under way, in which this was keyed."""
        raise NotImplementedError

    def as_shown(self, answer: Answer) -> tuple[str, bool]:
        """Read an answer as the provider does: what the phone shows, and whether that is all."""
        raise NotImplementedError

    def check_screen(self, screen: Screen, press: KeyPress | None) -> None:
        answer = self.ussd_adapter().show(screen, press)

        # Anything but 200, or a body that is not theirs, and the phone shows an error of theirs.
        assert answer.status == 200
        answer.body.encode("utf-8")
        assert "\r" not in answer.body
        assert answer.body[0] in "CE{"
        assert self.as_shown(answer) == (screen.text, screen.ends)

    @pytest.mark.parametrize("is_read", [True, False], ids=["of a key press", "of no key press"])
    @pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.text[:12].strip())
    def test_a_screen_is_shown_whole(self, screen: Screen, *, is_read: bool):
        adapter = self.ussd_adapter()
        press = adapter.receive(self.keyed("1")).key_presses[0] if is_read else None

        self.check_screen(screen, press)

    def test_a_screen_is_shown_for_a_key_press_that_is_not_its_own(self):
        press = KeyPress("S1", MESSAGE.to, "*384#", "1", is_cumulative=False)

        self.check_screen(SCREENS[0], press)

    def test_any_screen_is_shown_whole(self):
        press = self.ussd_adapter().receive(self.keyed("1")).key_presses[0]

        @settings(max_examples=200, deadline=None)
        @given(text=st.text(st.characters(codec="utf-8")), ends=st.booleans())
        def show(*, text: str, ends: bool) -> None:
            try:
                screen = Screen(text, ends)
            except ValueError:
                assert not text or "\r" in text or "\n" in text[0] + text[-1]
                return
            self.check_screen(screen, press)

        show()

    def test_what_was_keyed_is_read_and_never_shown(self):
        intake = self.ussd_adapter().receive(self.keyed(PIN))

        (press,) = intake.key_presses
        assert press.relayed == PIN
        for shown in (repr(press), str(press), f"{press}", repr(intake)):
            assert PIN not in shown

    @pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH)
    def test_rubbish_gets_a_screen_and_is_not_kept(self, body: bytes):
        adapter = self.ussd_adapter()

        intake = adapter.receive(InboundRequest("POST", self.USSD, b"", {}, body))

        assert len(intake.unreadable) == 1
        assert intake.unreadable[0].reason
        # It may hold a PIN; and a phone waits for a screen all the same.
        assert intake.unreadable[0].body == b""
        assert intake == Intake(unreadable=intake.unreadable, awaits_screen=True)
        self.check_screen(SCREENS[0], None)

    @pytest.mark.parametrize("cut", [1, 2, 5, 20], ids=lambda cut: f"{cut} bytes short")
    def test_half_a_request_around_a_pin_tells_nothing_of_it(
        self, cut: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ):
        whole = self.keyed(f"1*{PIN}")
        parts = (whole.body[:-cut], whole.body[cut:], whole.body + whole.body)
        with everything_told(caplog, capfd) as told:
            for body in parts:
                told.append(repr(self.adapter().receive(replace(whole, body=body))))

        assert [line for line in told if PIN in line] == []

    def test_any_bytes_are_one_key_press_or_a_request_for_a_screen_or_an_end(self):
        adapter = self.ussd_adapter()

        @settings(max_examples=300, deadline=None)
        @given(nonsense(self.PIECES), st.binary(max_size=40), st.sampled_from([*self.ROUTES]))
        def read(body: bytes, query: bytes, path: str) -> None:
            request = InboundRequest(self.ROUTES[path], path, query, {}, body)
            intake = adapter.receive(request)
            if path == self.USSD:
                kinds = (intake.key_presses, intake.unreadable, intake.dialogue_ends)
                assert sum(map(len, kinds)) == 1
                assert intake.awaits_screen == bool(intake.unreadable)
            if path.startswith(self.USSD):
                assert all(one.body == b"" for one in intake.unreadable)
                assert not intake.messages
            for press in intake.key_presses:
                assert press.session_id
                assert press.sender
                press.session_id.encode("utf-8")
                assert "\x00" not in press.session_id
                answer = adapter.show(SCREENS[1], press)
                answer.body.encode("utf-8")
                assert self.as_shown(answer) == (SCREENS[1].text, SCREENS[1].ends)
            for notice in intake.dialogue_ends:
                assert notice.session_id
                assert notice.sender is None or notice.sender
                assert "\x00" not in notice.session_id

        read()
