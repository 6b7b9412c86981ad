"""Which channel carries a message: rests, quotas, lines, and another one that takes over."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from support.africastalking_server import API_KEY, AfricasTalkingServer
from support.outbox import Outbox, drain
from support.payloads import phone
from support.waiting import free_port

from gateway import clock
from gateway.accounts import AfricasTalkingAccount, ChannelRules
from gateway.identity import Directory
from gateway.messaging import deliveries, sending, standing
from gateway.messaging.channels import Channels
from gateway.messaging.sending import deliver_some
from gateway.messaging.tries import BACKOFF
from gateway.providers.africastalking import AfricasTalking
from gateway.providers.base import (
    OutboundSms,
    Provider,
    ReportedDelivery,
    SendUnconfirmed,
)
from gateway.providers.loopback import Loopback
from models.channels import Alarm, ChannelState
from models.database.engine import Database
from models.outbox import OutboundMessage
from models.states import AlarmKind, Fault, Lane, MessageStatus

RULES = ChannelRules(webhook_secrets=(), allowed_from=())
QUEUED, SENT, FAILED = MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.FAILED


class Second(AfricasTalking):
    """The same adapter under another name: a second way out, with a stand-in of its own."""

    name = "second"


class Third(AfricasTalking):
    """And a third."""

    name = "third"


@pytest.fixture
def first() -> Iterator[AfricasTalkingServer]:
    with AfricasTalkingServer.running() as server:
        yield server


@pytest.fixture
def second() -> Iterator[AfricasTalkingServer]:
    with AfricasTalkingServer.running() as server:
        yield server


@pytest.fixture
def third() -> Iterator[AfricasTalkingServer]:
    with AfricasTalkingServer.running() as server:
        yield server


def account(url: str) -> AfricasTalkingAccount:
    return AfricasTalkingAccount("timpora", API_KEY, "TIMPORA", url)


def reaching(*servers: AfricasTalkingServer, **rules: ChannelRules) -> Channels:
    kinds = (AfricasTalking, Second, Third)
    made: list[Provider] = [Loopback()]
    made += [kind(account(server.url)) for kind, server in zip(kinds, servers, strict=False)]
    return Channels({one.name: one for one in made}, "africastalking", rules)


@pytest.fixture
def outbox(database: Database, directory: Directory) -> Outbox:
    return Outbox(database, directory)


# Rests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "reason", "alarm"),
    [
        ("refuse:405", "credit", AlarmKind.CREDIT),
        ("http:401", "account", AlarmKind.ACCOUNT),
        ("http:429", "throttled", None),
    ],
)
def test_a_channel_that_no_message_gets_through_rests_and_none_is_failed(
    outbox: Outbox,
    first: AfricasTalkingServer,
    behaviour: str,
    reason: str,
    alarm: AlarmKind | None,
):
    for _ in range(5):
        outbox.queue()
    first.behave(behaviour)

    drain(outbox.database, reaching(first))

    assert len(first.requests) == 1, "one message tries; the others need not meet the same"
    assert outbox.statuses() == {QUEUED: 5}
    state = outbox.state()
    assert state is not None
    assert state.pause_reason == reason
    assert outbox.alarms() == ([(alarm, "africastalking")] if alarm else [])

    first.behave("accept")
    outbox.let_rest_end()
    drain(outbox.database, reaching(first))

    assert outbox.statuses() == {SENT: 5}
    assert outbox.alarms() == []
    assert outbox.get(1).attempts == 1, "what the channel met is no try of the message"


def test_after_a_rest_one_message_tries_again_and_the_admin_is_not_told_twice(
    outbox: Outbox, first: AfricasTalkingServer
):
    for _ in range(3):
        outbox.queue()
    first.behave("refuse:405")
    for _ in range(4):
        drain(outbox.database, reaching(first))
        outbox.let_rest_end()

    assert len(first.requests) == 4
    with outbox.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Alarm)) == 1


def test_a_channel_that_nobody_answers_rests_after_three_messages(outbox: Outbox):
    for _ in range(6):
        outbox.queue()
    nobody = AfricasTalking(account(f"http://127.0.0.1:{free_port()}"))
    channels = Channels({"africastalking": nobody}, "africastalking")

    drain(outbox.database, channels)

    with outbox.database.reading() as session:
        attempts = session.scalars(sa.select(OutboundMessage.attempts)).all()
    assert sum(attempts) == 3
    assert outbox.alarms() == [(AlarmKind.UNREACHABLE, "africastalking")]


def test_one_failure_is_forgotten_when_the_next_message_leaves(
    outbox: Outbox, first: AfricasTalkingServer
):
    for behaviour in ("http:503", "accept") * 4:
        first.behave(behaviour)
        outbox.queue()
        drain(outbox.database, reaching(first))

    state = outbox.state()
    assert state is not None
    assert (state.failures, state.paused_until) == (0, None)


def test_a_person_can_end_a_rest(outbox: Outbox, first: AfricasTalkingServer):
    outbox.queue()
    first.behave("refuse:405")
    drain(outbox.database, reaching(first))
    first.behave("accept")

    with outbox.database.writing() as session:
        assert standing.resume(session, "africastalking")
        assert not standing.resume(session, "africastalking")
    drain(outbox.database, reaching(first))

    assert outbox.statuses() == {SENT: 1}
    assert outbox.alarms() == []


def test_urgent_messages_go_first_when_a_throttled_channel_is_back(
    outbox: Outbox, first: AfricasTalkingServer
):
    first.behave("http:429")
    for _ in range(200):
        outbox.queue(lane=Lane.BULK)
    drain(outbox.database, reaching(first))
    urgent = outbox.queue(number=phone(900), lane=Lane.URGENT)
    drain(outbox.database, reaching(first))
    assert outbox.statuses() == {QUEUED: 201}

    first.forget()
    first.behave("accept")
    outbox.let_rest_end()
    assert deliver_some(outbox.database, reaching(first))

    assert outbox.get(urgent).status is SENT
    assert len(first.requests) == 1


# Another channel takes over -----------------------------------------------------------------------


def test_another_channel_takes_over_while_one_rests(
    outbox: Outbox, first: AfricasTalkingServer, second: AfricasTalkingServer
):
    for _ in range(3):
        outbox.queue()
    first.behave("refuse:405")

    drain(outbox.database, reaching(first, second))

    assert outbox.statuses() == {SENT: 3}
    assert len(first.requests) == 1
    assert len(second.requests) == 3
    assert outbox.get(1).channel == "second"


def test_of_two_that_could_take_over_the_one_for_such_numbers_does_then_the_cheaper(
    outbox: Outbox,
    first: AfricasTalkingServer,
    second: AfricasTalkingServer,
    third: AfricasTalkingServer,
):
    channels = reaching(
        first,
        second,
        third,
        second=replace(RULES, prefixes=("+62811",), cost=900),
        third=replace(RULES, cost=350),
    )
    first.behave("http:401")
    of_prefix = outbox.queue(number="+628111000001")
    other = outbox.queue(number="+628579000001")

    drain(outbox.database, channels)

    assert outbox.get(of_prefix).channel == "second"
    assert outbox.get(other).channel == "third"


def test_what_one_channel_will_not_carry_goes_by_the_next_and_never_back(
    outbox: Outbox, first: AfricasTalkingServer, second: AfricasTalkingServer
):
    first.behave("refuse:407")  # CouldNotRoute
    second.behave("refuse:402")  # InvalidSenderId
    message_id = outbox.queue()

    drain(outbox.database, reaching(first, second))

    message = outbox.get(message_id)
    assert message.status is FAILED
    assert message.refused_by == ["africastalking", "second"]
    assert len(first.requests) == len(second.requests) == 1


def test_a_number_that_is_refused_is_refused_for_good(
    outbox: Outbox, first: AfricasTalkingServer, second: AfricasTalkingServer
):
    first.behave("refuse:403")
    message_id = outbox.queue()

    drain(outbox.database, reaching(first, second))

    assert outbox.get(message_id).status is FAILED
    assert second.requests == []


def test_a_channel_that_says_it_is_down_is_passed_over_while_there_is_another(
    outbox: Outbox, first: AfricasTalkingServer, second: AfricasTalkingServer
):
    def goes_down(since: timedelta) -> None:
        with outbox.database.writing() as session:
            standing.make_row(session, "africastalking")
            session.execute(
                sa.update(ChannelState).values(is_up=False, up_since=clock.now() - since)
            )

    goes_down(timedelta(minutes=1))
    outbox.queue()
    drain(outbox.database, reaching(first, second))
    assert len(first.requests) == 1, "it may only start anew"

    goes_down(timedelta(minutes=6))
    outbox.queue()
    drain(outbox.database, reaching(first, second))
    assert (len(first.requests), len(second.requests)) == (1, 1)

    outbox.queue()
    drain(outbox.database, reaching(first))
    assert len(first.requests) == 2, "with no other, it is tried all the same"


@pytest.mark.parametrize(("lane", "tries"), [(Lane.REPLY, 2), (Lane.URGENT, 1)])
def test_a_lone_message_tries_another_channel_though_no_other_tells_that_one_is_dead(
    outbox: Outbox, second: AfricasTalkingServer, lane: Lane, tries: int
):
    nobody = AfricasTalking(account(f"http://127.0.0.1:{free_port()}"))
    other = Second(account(second.url))
    channels = Channels({one.name: one for one in (nobody, other)}, "africastalking")
    message_id = outbox.queue(lane=lane)
    for _ in range(tries):
        assert second.requests == []
        drain(outbox.database, channels)
        outbox.let_time_pass(message_id)
    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert (message.status, message.channel) == (SENT, "second")
    assert message.attempts == tries + 1


def test_nothing_is_ever_handed_to_loopback_instead(outbox: Outbox, first: AfricasTalkingServer):
    first.behave("refuse:405")
    outbox.queue()

    drain(outbox.database, reaching(first))

    assert outbox.statuses() == {QUEUED: 1}


class Forgetful(AfricasTalking):
    """A provider that knows our token, and whose first answer is lost."""

    name = "africastalking"
    sends_once = True

    def __init__(self) -> None:
        super().__init__(account("http://127.0.0.1:9"))
        self.tokens: list[str] = []

    def send(self, message: OutboundSms) -> str | None:
        self.tokens.append(message.token)
        if len(self.tokens) == 1:
            raise SendUnconfirmed("no whole answer")
        return message.token


def test_where_a_token_is_known_an_unconfirmed_message_is_sent_again_and_by_no_other_channel(
    outbox: Outbox, second: AfricasTalkingServer
):
    provider = Forgetful()
    other = Second(account(second.url))
    channels = Channels({one.name: one for one in (provider, other)}, "africastalking")
    message_id = outbox.queue()
    drain(outbox.database, channels)
    assert outbox.get(message_id).status is QUEUED

    with outbox.database.writing() as session:
        session.execute(sa.update(OutboundMessage).values(next_attempt_at=None))
        standing.make_row(session, "africastalking")
        later = clock.now() + timedelta(hours=1)
        session.execute(sa.update(ChannelState).values(paused_until=later))
    drain(outbox.database, channels)
    assert second.requests == [], "it may have left by the one that knows it"

    outbox.let_rest_end()
    with outbox.database.writing() as session:
        session.execute(sa.update(OutboundMessage).values(next_attempt_at=None))
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is SENT
    assert provider.tokens == [provider.tokens[0]] * 2


# Quotas and lines ---------------------------------------------------------------------------------


def test_an_hourly_quota_is_kept_and_the_rest_waits(outbox: Outbox, first: AfricasTalkingServer):
    channels = reaching(first, africastalking=replace(RULES, per_hour=4))
    for _ in range(10):
        outbox.queue()

    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 4, QUEUED: 6}
    with outbox.database.reading() as session:
        assert sending.next_due(session, channels) is None, "nobody is rung for what must wait"

    with outbox.database.writing() as session:
        long_ago = clock.now() - timedelta(minutes=61)
        session.execute(
            sa.update(OutboundMessage)
            .where(OutboundMessage.status == SENT)
            .values(claimed_at=long_ago)
        )
    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 8, QUEUED: 2}


def test_a_quota_of_one_lets_one_through_of_any_lane(outbox: Outbox, first: AfricasTalkingServer):
    channels = reaching(first, africastalking=replace(RULES, per_minute=1))
    outbox.queue(lane=Lane.BULK)
    outbox.queue(lane=Lane.BULK)

    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 1, QUEUED: 1}


def test_a_rate_by_the_minute_is_kept(outbox: Outbox, first: AfricasTalkingServer):
    channels = reaching(first, africastalking=replace(RULES, per_minute=3))
    for _ in range(5):
        outbox.queue()

    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 3, QUEUED: 2}


def test_bulk_leaves_a_fifth_of_the_quota_to_what_is_urgent(
    outbox: Outbox, first: AfricasTalkingServer
):
    channels = reaching(first, africastalking=replace(RULES, per_hour=10))
    for _ in range(20):
        outbox.queue(lane=Lane.BULK)
    drain(outbox.database, channels)
    assert outbox.statuses() == {SENT: 8, QUEUED: 12}

    urgent = [outbox.queue(lane=Lane.URGENT), outbox.queue(lane=Lane.REPLY)]
    drain(outbox.database, channels)

    assert {outbox.get(one).status for one in urgent} == {SENT}
    assert outbox.statuses() == {SENT: 10, QUEUED: 12}


def test_a_long_message_counts_as_many_as_it_has_segments(
    outbox: Outbox, first: AfricasTalkingServer
):
    channels = reaching(first, africastalking=replace(RULES, per_hour=4))
    outbox.queue(text="x" * 400)
    outbox.queue()
    outbox.queue()

    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 2, QUEUED: 1}


def test_what_is_over_a_quota_goes_by_another_channel(
    outbox: Outbox, first: AfricasTalkingServer, second: AfricasTalkingServer
):
    channels = reaching(first, second, africastalking=replace(RULES, per_hour=2))
    for _ in range(5):
        outbox.queue()

    drain(outbox.database, channels)

    assert (len(first.requests), len(second.requests)) == (2, 3)


def test_messages_are_shared_among_the_lines_each_within_its_quota(
    outbox: Outbox, first: AfricasTalkingServer
):
    rules = replace(RULES, lines=("1", "2"), per_hour=3)
    channels = reaching(first, africastalking=rules)
    for _ in range(8):
        outbox.queue()

    drain(outbox.database, channels)

    with outbox.database.reading() as session:
        lines = Counter(session.scalars(sa.select(OutboundMessage.line)))
    assert lines == {"1": 3, "2": 3, None: 2}
    assert outbox.statuses() == {SENT: 6, QUEUED: 2}


def test_lines_without_a_quota_are_used_alike(outbox: Outbox, first: AfricasTalkingServer):
    channels = reaching(first, africastalking=replace(RULES, lines=("1", "2")))
    for _ in range(6):
        outbox.queue()

    drain(outbox.database, channels)

    with outbox.database.reading() as session:
        assert Counter(session.scalars(sa.select(OutboundMessage.line))) == {"1": 3, "2": 3}


# What is too late ---------------------------------------------------------------------------------


def test_an_old_reply_is_not_sent_when_a_channel_is_back_after_two_days(
    outbox: Outbox, first: AfricasTalkingServer
):
    old = outbox.queue(counted_from=datetime.now(UTC) - timedelta(days=2, seconds=1))
    fresh = outbox.queue(counted_from=datetime.now(UTC) - timedelta(days=1, hours=23))

    drain(outbox.database, reaching(first))

    assert outbox.get(old).status is MessageStatus.EXPIRED
    assert outbox.get(fresh).status is SENT
    assert len(first.requests) == 1


def test_a_deferred_message_still_fails_after_its_last_try(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue()
    first.behave("http:503")
    for _ in range(len(BACKOFF) + 1):
        with outbox.database.writing() as session:
            session.execute(sa.update(OutboundMessage).values(next_attempt_at=None))
            session.execute(sa.update(ChannelState).values(paused_until=None, failures=0))
        drain(outbox.database, reaching(first))

    assert outbox.get(message_id).status is FAILED


def test_a_report_for_another_channel_of_the_same_id_moves_nothing(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue()
    drain(outbox.database, reaching(first))
    given_id = outbox.get(message_id).provider_message_id
    assert given_id is not None

    with outbox.database.writing() as session:
        report = ReportedDelivery(given_id, "DELIVRD", "", MessageStatus.DELIVERED)
        deliveries.record(session, "second", report)
    assert outbox.get(message_id).status is SENT


# A phone that takes a message and then does not send it ------------------------------------------


def report_fault(outbox: Outbox, message_id: int, fault: Fault) -> None:
    token = outbox.get(message_id).provider_message_id
    assert token is not None
    with outbox.database.writing() as session:
        delivery = ReportedDelivery(token, "sms:failed", fault.value, FAILED, fault)
        deliveries.record(session, "africastalking", delivery)


def test_a_message_over_a_phones_limit_waits_and_leaves_after_the_window(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue()
    other = outbox.queue()
    drain(outbox.database, reaching(first))
    token = outbox.get(message_id).token

    report_fault(outbox, message_id, Fault.THROTTLED)
    late = outbox.queue()
    drain(outbox.database, reaching(first))

    message = outbox.get(message_id)
    assert (message.status, outbox.get(late).status) == (QUEUED, QUEUED)
    assert message.token != token, "the phone knows the old one, and would send nothing"
    state = outbox.state()
    assert state is not None
    assert state.pause_reason == "throttled"

    outbox.let_rest_end()
    with outbox.database.writing() as session:
        session.execute(sa.update(OutboundMessage).values(next_attempt_at=None))
    drain(outbox.database, reaching(first))
    assert outbox.get(message_id).status is outbox.get(late).status is SENT
    assert outbox.get(other).attempts == 1
    assert outbox.alarms() == []


def test_a_sim_that_fails_one_message_after_another_is_told_of(
    outbox: Outbox, first: AfricasTalkingServer
):
    ids = [outbox.queue() for _ in range(3)]
    drain(outbox.database, reaching(first))
    for one in ids[:-1]:
        report_fault(outbox, one, Fault.SIM)
    assert outbox.statuses() == {QUEUED: 2, SENT: 1}
    assert outbox.alarms() == []
    report_fault(outbox, ids[-1], Fault.SIM)

    assert outbox.alarms() == [(AlarmKind.SIM, "africastalking")]
    state = outbox.state()
    assert state is not None
    assert state.pause_reason == "sim"


def test_one_that_was_delivered_stays_delivered_whatever_is_told_afterwards(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue()
    drain(outbox.database, reaching(first))
    token = outbox.get(message_id).provider_message_id
    assert token is not None
    with outbox.database.writing() as session:
        delivered = ReportedDelivery(token, "sms:delivered", "", MessageStatus.DELIVERED)
        deliveries.record(session, "africastalking", delivered)
    report_fault(outbox, message_id, Fault.SIM)

    assert outbox.get(message_id).status is MessageStatus.DELIVERED
    assert outbox.alarms() == []


def test_a_long_message_of_which_parts_may_have_left_is_not_sent_again(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue(text="x" * 200)
    drain(outbox.database, reaching(first))
    report_fault(outbox, message_id, Fault.THROTTLED)

    assert outbox.get(message_id).status is FAILED


def test_a_fault_that_is_told_before_the_send_was_answered_is_heeded(
    outbox: Outbox, first: AfricasTalkingServer
):
    message_id = outbox.queue()
    told: list[str] = []

    class Overtaken(AfricasTalking):
        name = "africastalking"

        def send(self, message: OutboundSms) -> str | None:
            if not told:
                told.append(message.token)
                fault = ReportedDelivery(message.token, "sms:failed", "", FAILED, Fault.THROTTLED)
                with outbox.database.writing() as session:
                    deliveries.record(session, "africastalking", fault)
            return message.token

    overtaken = Overtaken(account(first.url))
    drain(outbox.database, Channels({"africastalking": overtaken}, "africastalking"))

    message = outbox.get(message_id)
    assert message.status is QUEUED
    assert message.token not in told


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_that_is_told_again_changes_nothing(
    outbox: Outbox, first: AfricasTalkingServer, fault: Fault
):
    message_id = outbox.queue()
    drain(outbox.database, reaching(first))
    token = outbox.get(message_id).provider_message_id
    assert token is not None

    def tell() -> None:
        delivery = ReportedDelivery(token, "sms:failed", fault.value, FAILED, fault)
        with outbox.database.writing() as session:
            deliveries.record(session, "africastalking", delivery)

    tell()
    tell()
    assert outbox.get(message_id).status is QUEUED

    outbox.let_time_pass(message_id)
    drain(outbox.database, reaching(first))
    tell()

    message = outbox.get(message_id)
    assert (message.status, message.attempts) == (SENT, 2)
    assert len(first.requests) == 2


def test_a_report_by_our_token_settles_a_message_that_nobody_confirmed(outbox: Outbox):
    message_id = outbox.queue()
    outbox.change(message_id, status=MessageStatus.UNCONFIRMED, attempts=1)

    outbox.report(outbox.get(message_id).token, MessageStatus.DELIVERED)

    assert outbox.get(message_id).status is MessageStatus.DELIVERED


def test_a_send_whose_worker_died_is_asked_again_where_our_token_is_known(outbox: Outbox):
    channels = Channels({"africastalking": Forgetful()}, "africastalking")
    message_id = outbox.queue()
    long_ago = clock.now() - timedelta(hours=1)
    outbox.change(message_id, status=MessageStatus.SENDING, attempts=1, claimed_at=long_ago)

    sending.sweep_outbox(outbox.database, channels, timedelta(minutes=1))

    message = outbox.get(message_id)
    assert (message.status, message.is_bound) == (QUEUED, True)


def test_a_message_that_a_person_has_sent_again_leaves_anew_by_any_channel(outbox: Outbox):
    message_id = outbox.queue()
    outbox.change(
        message_id, status=MessageStatus.UNCONFIRMED, is_bound=True, refused_by=["second"]
    )
    token = outbox.get(message_id).token

    with outbox.database.writing() as session:
        sending.settle(session.get_one(OutboundMessage, message_id), was_sent=False)

    message = outbox.get(message_id)
    assert message.token != token
    assert (message.status, message.is_bound, message.refused_by) == (QUEUED, False, [])


def test_a_channel_that_lost_its_account_is_not_tried(outbox: Outbox, second: AfricasTalkingServer):
    channels = Channels(
        {"africastalking": AfricasTalking(None), "second": Second(account(second.url))}, "second"
    )
    message_id = outbox.queue()

    drain(outbox.database, channels)

    assert (outbox.get(message_id).status, outbox.get(message_id).attempts) == (SENT, 1)
