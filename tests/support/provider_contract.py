"""What every provider's adapter is held to: its own tables, and what nobody would remember.

A test class takes ProviderContract as its base, fills the tables, and says how to reach a stand-in;
pytest then runs every row, and the rest, for that provider.
"""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote_plus

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.base import (
    InboundRequest,
    Intake,
    NoSuchRoute,
    OutboundSms,
    Provider,
    ReportedDelivery,
    SendDeferred,
    SendRefused,
    SendUnconfirmed,
    WrongMethod,
)

SEND_ERRORS = (SendRefused, SendDeferred, SendUnconfirmed)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "")

MESSAGE = OutboundSms(7, "+6281290000001", 'Terima kasih, "No 104277" & {salam} 5+5=10%')


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


class ProviderContract:
    """The shared runner."""

    NAME: ClassVar[str]
    ROUTES: ClassVar[Mapping[str, str]] = {}
    """The path of each webhook, and the one method that it takes."""
    INBOUND: ClassVar[Sequence[InboundCase]] = ()
    DELIVERY: ClassVar[Sequence[DeliveryCase]] = ()
    SENDING: ClassVar[Sequence[SendingCase]] = ()
    SECRETS: ClassVar[Sequence[str]] = ()
    """Keys and passwords, which nothing may tell."""

    def adapter(self) -> Provider:
        """Make the adapter as it is without an account."""
        raise NotImplementedError

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

    def test_inbound_is_read_as_in_the_table(self, inbound: InboundCase):
        assert self.adapter().receive(inbound.request) == inbound.expected

    def test_delivery_is_read_as_in_the_table(self, delivery: DeliveryCase):
        intake = self.adapter().receive(delivery.request)

        if delivery.expected is None:
            assert len(intake.unreadable) == 1
            assert intake.unreadable[0].body == delivery.request.body
            assert intake == Intake(unreadable=intake.unreadable)
        else:
            assert intake == Intake(deliveries=(delivery.expected,))

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

    def test_route_takes_one_method(self, route: str):
        for method in METHODS:
            request = InboundRequest(method, route, b"", {}, b"")
            if method == self.ROUTES[route]:
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
        pieces = st.sampled_from([b"from=", b"&", b"=", b"%", b"%00", b"+", b"date=", b"id=", b";"])
        bodies = st.lists(pieces | st.binary(max_size=8), max_size=20).map(b"".join)

        # Made here: one test that several classes inherit would be one to Hypothesis, too.
        @settings(max_examples=200, deadline=None)
        @given(
            st.builds(
                InboundRequest,
                method=st.sampled_from(METHODS) | st.sampled_from(["POST", "GET"]),
                path=st.sampled_from([*self.ROUTES, "elsewhere"]) | st.text(max_size=8),
                query=st.binary(max_size=40),
                headers=st.dictionaries(names, values, max_size=4),
                body=bodies | st.binary(),
            )
        )
        def read(request: InboundRequest) -> None:
            try:
                intake = adapter.receive(request)
            except (NoSuchRoute, WrongMethod):
                return
            assert isinstance(intake, Intake)
            for message in intake.messages:
                assert message.network_time is None or message.network_time.tzinfo is not None

        read()
