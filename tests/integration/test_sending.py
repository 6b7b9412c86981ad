"""Sending: each message once, and what becomes of it is recorded, whatever the provider does."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from support.africastalking_server import API_KEY, AfricasTalkingServer, ReceivedRequest
from support.outbox import Outbox, drain
from support.payloads import phone
from support.provider_contract import everything_told, private_forms
from support.raw_server import RawServer, body_of, http_answer

from gateway.accounts import AfricasTalkingAccount
from gateway.identity import Directory
from gateway.messaging import deliveries, sending
from gateway.messaging.channels import Channels
from gateway.messaging.sending import LIFE, deliver_some
from gateway.messaging.tries import BACKOFF
from gateway.providers.africastalking import AfricasTalking
from gateway.providers.base import OutboundSms, Provider, ReportedDelivery
from gateway.providers.loopback import Loopback
from models.database.engine import Database
from models.outbox import OutboundMessage
from models.states import Lane, MessageStatus
from parsers import msisdn

QUEUED, SENDING, SENT = MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.SENT
DELIVERED, FAILED = MessageStatus.DELIVERED, MessageStatus.FAILED
UNCONFIRMED, EXPIRED = MessageStatus.UNCONFIRMED, MessageStatus.EXPIRED

STUCK_AFTER = timedelta(seconds=60)
LONG_AGO = timedelta(days=30)


@contextmanager
def stand_in_that(
    does: Callable[[ReceivedRequest], None] | None = None,
) -> Iterator[AfricasTalkingServer]:
    """Run the stand-in; what it does is done after it took a message and before it answers."""
    server = AfricasTalkingServer(on_request=does)
    server.start()
    try:
        yield server
    finally:
        server.stop()


#: For a sweep that asks no provider anything.
_NO_ACCOUNTS = Channels({}, "africastalking")


@pytest.fixture
def stand_in() -> Iterator[AfricasTalkingServer]:
    with stand_in_that() as server:
        yield server


def reaching(url: str) -> Channels:
    account = AfricasTalkingAccount("timpora", API_KEY, "TIMPORA", url)
    made: tuple[Provider, ...] = (AfricasTalking(account), Loopback())
    return Channels({one.name: one for one in made}, "africastalking")


@pytest.fixture
def channels(stand_in: AfricasTalkingServer) -> Channels:
    return reaching(stand_in.url)


@pytest.fixture
def outbox(database: Database, directory: Directory) -> Outbox:
    return Outbox(database, directory)


def at_once(*steps: Callable[[], None]) -> None:
    """Run steps in threads that begin together; an error of one is an error of all."""
    barrier = threading.Barrier(len(steps))
    errors: list[BaseException] = []

    def run(step: Callable[[], None]) -> None:
        barrier.wait(10)
        try:
            step()
        except BaseException as error:  # noqa: BLE001  # it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class BrokenLoopback(Loopback):
    """An adapter with a fault: one text breaks it, as an answer that nobody foresaw would."""

    def send(self, message: OutboundSms) -> str | None:
        if message.text == "racun":
            raise KeyError(message.to)
        return super().send(message)


def test_an_adapter_that_breaks_at_one_message_keeps_none_beside_it(outbox: Outbox):
    ids = [outbox.queue(text, channel="loopback") for text in ("satu", "racun", "tiga", "empat")]

    drain(outbox.database, Channels({"loopback": BrokenLoopback()}, "loopback"))

    rows = [outbox.get(message_id) for message_id in ids]
    assert [row.status for row in rows] == [SENT, UNCONFIRMED, SENT, SENT]
    assert rows[1].error is not None
    assert rows[1].error.startswith("the adapter failed: KeyError at ")
    assert phone(2) not in rows[1].error


def test_an_alarm_at_which_an_adapter_breaks_is_tried_again_and_again_but_not_for_ever(
    outbox: Outbox,
):
    message_id = outbox.queue("racun", channel="loopback", resend_if_unconfirmed=True)
    channels = Channels({"loopback": BrokenLoopback()}, "loopback")

    for _ in range(len(BACKOFF) + 3):
        drain(outbox.database, channels)
        if outbox.get(message_id).status is QUEUED:
            outbox.let_time_pass(message_id)

    message = outbox.get(message_id)
    assert (message.status, message.attempts) == (UNCONFIRMED, len(BACKOFF) + 1)


# What becomes of an attempt -----------------------------------------------------------------------


def test_a_queued_message_is_sent_once_and_recorded(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue("Terima kasih. No 104277.")

    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert message.status is SENT
    assert (message.attempts, message.error) == (1, None)
    assert message.sent_at is not None
    assert [one.text for one in stand_in.sent_to(phone(1))] == ["Terima kasih. No 104277."]
    assert message.provider_message_id == stand_in.requests[0].message_ids[phone(1)]


def test_nothing_is_due_in_an_empty_outbox(outbox: Outbox, channels: Channels):
    assert deliver_some(outbox.database, channels) is False


def test_a_message_leaves_only_with_the_transaction_that_queued_it(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer, directory: Directory
):
    class PowerCutError(Exception):
        pass

    def cut_off() -> None:
        with outbox.database.writing() as session:
            to = directory.phone(session, msisdn.read_sender(phone(1)))
            sending.queue(
                session,
                channel="africastalking",
                phone_id=to.id,
                text="Terima kasih.",
                reply_key="OK_WNA",
                lane=Lane.REPLY,
                counted_from=datetime.now(UTC),
            )
            raise PowerCutError

    with pytest.raises(PowerCutError):
        cut_off()
    drain(outbox.database, channels)

    assert stand_in.requests == []


def test_urgent_messages_go_first_and_older_ones_before_newer(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    lanes = [Lane.BULK, Lane.REPLY, Lane.FOLLOW_UP, Lane.URGENT, Lane.REPLY, Lane.URGENT]
    for number, lane in enumerate(lanes):
        outbox.queue(f"{lane.value} {number}", lane=lane)

    drain(outbox.database, channels)

    assert [one.text for one in stand_in.requests] == [
        "urgent 3",
        "urgent 5",
        "reply 1",
        "reply 4",
        "follow_up 2",
        "bulk 0",
    ]


@pytest.mark.parametrize("behaviour", ["http:503", "refuse:500", "refuse:501"])
def test_a_deferred_message_waits_for_its_time_and_then_leaves(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer, behaviour: str
):
    message_id = outbox.queue()
    stand_in.behave(behaviour)
    began = datetime.now(UTC)

    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert message.status is QUEUED
    assert message.error
    assert message.next_attempt_at is not None
    assert BACKOFF[0] * 0.8 <= message.next_attempt_at - began <= BACKOFF[0] * 1.2 + STUCK_AFTER
    assert len(stand_in.requests) == 1, "not asked again before its time"

    stand_in.behave("accept")
    outbox.let_time_pass(message_id)
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is SENT
    assert outbox.get(message_id).error is None


def test_a_message_that_is_deferred_again_and_again_has_failed_at_last(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue()
    stand_in.behave("http:503")
    waits = []

    for _ in range(len(BACKOFF) + 1):
        began = datetime.now(UTC)
        drain(outbox.database, channels)
        message = outbox.get(message_id)
        if message.status is QUEUED:
            assert message.next_attempt_at is not None
            waits.append(message.next_attempt_at - began)
            outbox.let_time_pass(message_id)

    assert outbox.get(message_id).status is FAILED
    assert outbox.get(message_id).error == "HTTP 503"
    assert len(waits) == len(BACKOFF)
    assert all(
        wanted * 0.8 <= wait <= wanted * 1.2 + STUCK_AFTER
        for wait, wanted in zip(waits, BACKOFF, strict=True)
    )
    drain(outbox.database, channels)
    assert len(stand_in.requests) == len(BACKOFF) + 1


def test_a_refused_message_has_failed_and_is_not_tried_again(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue()
    stand_in.behave("refuse:403")

    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert (message.status, message.error) == (FAILED, "403 InvalidPhoneNumber")
    assert message.provider_message_id is None
    assert len(stand_in.requests) == 1


def test_a_reply_that_may_have_left_is_not_sent_again_unasked(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue()
    stand_in.behave("close")
    drain(outbox.database, channels)

    stand_in.behave("accept")
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is UNCONFIRMED
    assert len(stand_in.requests) == 1


def test_an_urgent_task_that_may_have_left_is_sent_again(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue(lane=Lane.URGENT, resend_if_unconfirmed=True)
    stand_in.behave("close")
    drain(outbox.database, channels)
    assert outbox.get(message_id).status is QUEUED
    assert outbox.get(message_id).next_attempt_at is not None

    stand_in.behave("accept")
    outbox.let_time_pass(message_id)
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is SENT
    assert len(stand_in.requests) == 2


def test_an_urgent_task_is_not_sent_again_for_ever(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue(lane=Lane.URGENT, resend_if_unconfirmed=True)
    stand_in.behave("close")

    for _ in range(len(BACKOFF) + 2):
        drain(outbox.database, channels)
        outbox.let_time_pass(message_id)

    assert outbox.get(message_id).status is UNCONFIRMED
    assert len(stand_in.requests) == len(BACKOFF) + 1


def test_a_message_older_than_its_lane_allows_expires_unsent(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    def aged(lane: Lane, part_of_life: float) -> int:
        counted_from = datetime.now(UTC) - LIFE[lane] * part_of_life
        return outbox.queue(f"{lane} {part_of_life}", lane=lane, counted_from=counted_from)

    too_old = [aged(lane, 1) for lane in Lane]
    in_time = [aged(lane, 0.99) for lane in Lane]

    drain(outbox.database, channels)

    assert {outbox.get(one).status for one in too_old} == {EXPIRED}
    assert {outbox.get(one).status for one in in_time} == {SENT}
    assert [one.text for one in stand_in.requests] == [f"{lane} 0.99" for lane in Lane]


def test_a_message_of_a_channel_that_is_not_there_any_more_leaves_by_another(
    outbox: Outbox, channels: Channels
):
    message_id = outbox.queue(channel="telegraph")

    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert (message.status, message.channel) == (SENT, "africastalking")


def test_a_message_of_a_channel_that_is_not_there_waits_where_there_is_no_other(
    outbox: Outbox, channels: Channels
):
    message_id = outbox.queue(channel="telegraph")
    alone = {"loopback": channels.by_name["loopback"]}

    drain(outbox.database, replace(channels, by_name=alone))

    message = outbox.get(message_id)
    assert (message.status, message.attempts) == (QUEUED, 0), "nobody was there to be tried"


def test_loopback_takes_many_in_one_turn(outbox: Outbox, channels: Channels):
    ids = [outbox.queue(channel="loopback") for _ in range(10)]

    assert deliver_some(outbox.database, replace(channels, default="loopback"))

    assert {outbox.get(one).provider_message_id for one in ids} == {
        f"loopback-{outbox.get(one).token}" for one in ids
    }
    assert not deliver_some(outbox.database, channels)


def test_a_batch_holds_one_channel_only(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    for name in ("loopback", "africastalking", "loopback", "africastalking"):
        outbox.queue(channel=name)

    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 4}
    assert len(stand_in.requests) == 2


#: Ids and words that one database or the other does not hold: NUL, half of a pair, too long.
UNSTORABLE = ("AT\x00Xid", "ATXid \ud83d", "".join(map(chr, range(32, 4000))) * 2)


def test_an_id_that_no_database_holds_does_not_undo_the_sending(outbox: Outbox):
    with RawServer.answering() as server:
        for given_id in UNSTORABLE:
            recipient = {"statusCode": 101, "status": "Success", "messageId": given_id}
            body = {"SMSMessageData": {"Message": "", "Recipients": [recipient]}}
            server.answer = lambda _request, body=body: http_answer(json.dumps(body))
            message_id = outbox.queue()
            drain(outbox.database, reaching(server.url))
            assert outbox.get(message_id).status is SENT

            outbox.report(given_id, DELIVERED)

            assert outbox.get(message_id).status is DELIVERED
        assert len(server.requests) == len(UNSTORABLE)


def test_a_reason_that_no_database_holds_does_not_undo_the_record(outbox: Outbox):
    body = {"SMSMessageData": {"Message": "no\x00pe \ud83d", "Recipients": []}}
    message_id = outbox.queue()

    with RawServer.answering(http_answer(json.dumps(body))) as server:
        drain(outbox.database, reaching(server.url))

    message = outbox.get(message_id)
    assert (message.status, message.error) == (FAILED, "no@pe \ufffd")


# Delivery reports ---------------------------------------------------------------------------------


def test_a_report_that_overtakes_the_answer_to_the_send_is_not_lost(outbox: Outbox):
    message_id = outbox.queue()

    def deliver(request: ReceivedRequest) -> None:
        outbox.report(request.message_ids[phone(1)], DELIVERED)
        assert outbox.get(message_id).status is SENDING

    with stand_in_that(deliver) as server:
        drain(outbox.database, reaching(server.url))

    assert outbox.get(message_id).status is DELIVERED


def test_a_report_at_the_moment_of_the_record_is_not_lost(outbox: Outbox):
    threads = []

    def deliver(request: ReceivedRequest) -> None:
        given_id = next(iter(request.message_ids.values()))
        thread = threading.Thread(target=outbox.report, args=(given_id, DELIVERED))
        threads.append(thread)
        thread.start()

    for _ in range(25):
        outbox.queue()
    with stand_in_that(deliver) as server:
        drain(outbox.database, reaching(server.url))
        for thread in threads:
            thread.join()

    assert outbox.statuses() == {DELIVERED: 25}


@pytest.fixture
def sent(outbox: Outbox, channels: Channels) -> OutboundMessage:
    """A message that has been sent."""
    message_id = outbox.queue()
    drain(outbox.database, channels)
    return outbox.get(message_id)


def test_a_report_that_comes_twice_is_counted_and_changes_nothing_more(
    outbox: Outbox, sent: OutboundMessage
):
    assert sent.provider_message_id
    outbox.report(sent.provider_message_id, DELIVERED)
    outbox.report(sent.provider_message_id, DELIVERED)

    assert outbox.get(sent.id).status is DELIVERED
    assert [one.times for one in outbox.reports()] == [2]


def test_no_report_takes_a_delivery_back(outbox: Outbox, sent: OutboundMessage):
    assert sent.provider_message_id
    for status in (DELIVERED, SENT, FAILED, None):
        outbox.report(sent.provider_message_id, status)

        message = outbox.get(sent.id)
        assert (message.status, message.error) == (DELIVERED, None)
    assert len(outbox.reports()) == 4


def test_an_absent_phone_is_shown_and_a_later_success_wins(outbox: Outbox, sent: OutboundMessage):
    assert sent.provider_message_id
    outbox.report(sent.provider_message_id, None, "AbsentSubscriber")
    assert (outbox.get(sent.id).status, outbox.get(sent.id).error) == (SENT, "AbsentSubscriber")

    outbox.report(sent.provider_message_id, DELIVERED, "Success")

    assert (outbox.get(sent.id).status, outbox.get(sent.id).error) == (DELIVERED, None)


def test_a_failure_keeps_its_reason(outbox: Outbox, sent: OutboundMessage):
    assert sent.provider_message_id
    outbox.report(sent.provider_message_id, FAILED, "Failed", "UserDoesNotExist")

    message = outbox.get(sent.id)
    assert (message.status, message.error) == (FAILED, "Failed UserDoesNotExist")


def test_a_report_of_a_message_that_nobody_knows_is_kept(outbox: Outbox, sent: OutboundMessage):
    outbox.report("ATXid_of_somebody_else", FAILED)

    assert outbox.get(sent.id).status is SENT
    assert [one.provider_key for one in outbox.reports()] == ["atxid_of_somebody_else"]


def test_a_report_is_matched_in_any_letter_case(outbox: Outbox, sent: OutboundMessage):
    assert sent.provider_message_id
    outbox.report(f" {sent.provider_message_id.swapcase()} ", DELIVERED)

    assert outbox.get(sent.id).status is DELIVERED


def test_a_report_through_another_channel_is_of_another_message(
    outbox: Outbox, sent: OutboundMessage
):
    assert sent.provider_message_id
    with outbox.database.writing() as session:
        deliveries.record(
            session, "kannel", ReportedDelivery(sent.provider_message_id, "8", "", FAILED)
        )

    assert outbox.get(sent.id).status is SENT


def test_a_report_that_no_database_holds_as_it_is_is_kept(outbox: Outbox):
    for words in UNSTORABLE:
        outbox.report(words, None, words[:60], words[:60])
        outbox.report(words, None, words[:60], words[:60])

    assert [one.times for one in outbox.reports()] == [2, 2, 2]


def test_reports_of_one_message_at_once_are_counted_each(outbox: Outbox, sent: OutboundMessage):
    assert sent.provider_message_id
    given_id = sent.provider_message_id

    at_once(*[lambda: outbox.report(given_id, DELIVERED) for _ in range(6)])

    assert [one.times for one in outbox.reports()] == [6]
    assert outbox.get(sent.id).status is DELIVERED


# Several at once, and one that died ---------------------------------------------------------------


@pytest.mark.parametrize("channel", ["africastalking", "loopback"])
def test_workers_that_claim_at_once_never_send_a_message_twice(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer, channel: str
):
    for _ in range(40):
        outbox.queue(channel=channel)
    # Each worker is a process of its own, with its own database object.
    workers = [Database(outbox.database.url) for _ in range(4)]

    def work(own: Database) -> Callable[[], None]:
        return lambda: drain(own, channels)

    try:
        at_once(*[work(own) for own in workers])
    finally:
        for own in workers:
            own.dispose()
    drain(outbox.database, channels)

    assert outbox.statuses() == {SENT: 40}
    sends = Counter(one.recipients[0] for one in stand_in.requests)
    assert set(sends.values()) <= {1}
    assert len(sends) == (40 if channel == "africastalking" else 0)
    with outbox.database.reading() as session:
        assert set(session.scalars(sa.select(OutboundMessage.attempts))) == {1}


def test_no_transaction_is_open_while_a_message_is_being_sent(outbox: Outbox):
    message_id = outbox.queue()
    other_id = outbox.queue(lane=Lane.BULK)

    def look(request: ReceivedRequest) -> None:
        if phone(1) in request.recipients:
            assert outbox.get(message_id).status is SENDING, "others see that it is claimed"
            outbox.change(other_id, text="written meanwhile")

    with stand_in_that(look) as server:
        drain(outbox.database, reaching(server.url))
        assert [one.text for one in server.requests] == ["Terima kasih.", "written meanwhile"]


def claimed_long_ago(outbox: Outbox, **fields: Any) -> int:
    """Leave a message as a worker does that dies while it sends."""
    message_id = outbox.queue(**fields)
    outbox.change(
        message_id,
        status=SENDING,
        attempts=1,
        claimed_at=datetime.now(UTC) - STUCK_AFTER - timedelta(seconds=1),
    )
    return message_id


def test_a_message_whose_worker_died_is_unconfirmed_and_not_sent_again(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = claimed_long_ago(outbox)

    sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)
    drain(outbox.database, channels)

    message = outbox.get(message_id)
    assert message.status is UNCONFIRMED
    assert message.error == "the worker stopped while it was sending"
    assert stand_in.requests == []


def test_an_urgent_task_whose_worker_died_is_sent_again(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = claimed_long_ago(outbox, lane=Lane.URGENT, resend_if_unconfirmed=True)

    sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)
    assert outbox.get(message_id).status is QUEUED
    outbox.let_time_pass(message_id)
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is SENT
    assert len(stand_in.requests) == 1


def test_a_message_that_is_being_sent_right_now_is_left_alone(outbox: Outbox):
    message_id = outbox.queue()
    outbox.change(message_id, status=SENDING, attempts=1, claimed_at=datetime.now(UTC))

    sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)

    assert outbox.get(message_id).status is SENDING


def test_sweeps_at_once_do_no_harm(outbox: Outbox):
    for _ in range(15):
        claimed_long_ago(outbox)

    at_once(*[lambda: sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)] * 4)
    sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)

    assert outbox.statuses() == {UNCONFIRMED: 15}


def given_up_while_it_is_sent(outbox: Outbox, message_id: int) -> Callable[[ReceivedRequest], None]:
    def give_up(_request: ReceivedRequest) -> None:
        if outbox.get(message_id).attempts == 1:
            outbox.change(message_id, claimed_at=datetime.now(UTC) - LONG_AGO)
            sending.sweep_outbox(outbox.database, _NO_ACCOUNTS, STUCK_AFTER)

    return give_up


def test_a_slow_worker_still_confirms_a_message_that_was_given_up(outbox: Outbox):
    message_id = outbox.queue()

    with stand_in_that(given_up_while_it_is_sent(outbox, message_id)) as server:
        drain(outbox.database, reaching(server.url))
        given_id = server.requests[0].message_ids[phone(1)]

    message = outbox.get(message_id)
    assert (message.status, message.error) == (SENT, None)
    assert message.provider_message_id == given_id


def test_a_slow_worker_that_confirms_nothing_changes_nothing(outbox: Outbox):
    message_id = outbox.queue()

    with stand_in_that(given_up_while_it_is_sent(outbox, message_id)) as server:
        server.behave("http:503")
        drain(outbox.database, reaching(server.url))
        assert len(server.requests) == 1

    assert outbox.get(message_id).status is UNCONFIRMED


def test_a_late_word_of_one_attempt_says_nothing_of_the_next(outbox: Outbox):
    message_id = outbox.queue(lane=Lane.URGENT, resend_if_unconfirmed=True)

    def claimed_anew(_request: ReceivedRequest) -> None:
        given_up_while_it_is_sent(outbox, message_id)(_request)
        outbox.change(message_id, status=SENDING, attempts=2, claimed_at=datetime.now(UTC))

    with stand_in_that(claimed_anew) as server:
        server.behave("refuse:403")
        drain(outbox.database, reaching(server.url))

    assert outbox.get(message_id).status is SENDING


# What a person decides, and which way a message takes ---------------------------------------------


def test_a_person_may_say_that_an_unconfirmed_message_was_sent(outbox: Outbox):
    message_id = outbox.queue()
    outbox.change(message_id, status=UNCONFIRMED)

    with outbox.database.writing() as session:
        assert sending.settle(session.get_one(OutboundMessage, message_id), was_sent=True)

    assert outbox.get(message_id).status is SENT


def test_a_person_may_have_an_unconfirmed_message_sent_again(
    outbox: Outbox, channels: Channels, stand_in: AfricasTalkingServer
):
    message_id = outbox.queue()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    outbox.change(message_id, status=UNCONFIRMED, attempts=3, expires_at=yesterday)

    with outbox.database.writing() as session:
        assert sending.settle(session.get_one(OutboundMessage, message_id), was_sent=False)
    drain(outbox.database, channels)

    assert outbox.get(message_id).status is SENT
    assert len(stand_in.requests) == 1


def test_a_person_decides_only_what_is_unconfirmed(outbox: Outbox):
    message_id = outbox.queue()
    for status in set(MessageStatus) - {UNCONFIRMED}:
        outbox.change(message_id, status=status)

        with outbox.database.writing() as session:
            assert not sending.settle(session.get_one(OutboundMessage, message_id), was_sent=False)

        assert outbox.get(message_id).status is status


def test_what_is_next_is_the_most_urgent_that_is_due(outbox: Outbox, channels: Channels):
    later = outbox.queue(lane=Lane.URGENT)
    outbox.change(later, next_attempt_at=datetime.now(UTC) + timedelta(minutes=5))
    outbox.queue(lane=Lane.BULK)
    reply = outbox.queue()

    with outbox.database.reading() as session:
        assert sending.next_due(session, channels) == reply


# What is told of it -------------------------------------------------------------------------------


def test_no_row_and_no_line_tells_number_text_or_key(
    outbox: Outbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    text = "Terima kasih. No 104277: 2 org Australia"
    ids = [outbox.queue(text), outbox.queue(text)]
    answers = [
        lambda request: http_answer(b"Bad: " + body_of(request), "400 Bad Request"),
        lambda request: http_answer(b"Key? " + request, "401 Unauthorized"),
    ]

    with everything_told(caplog, capfd) as told, RawServer.answering() as server:
        for answer in answers:
            server.answer = answer
            deliver_some(outbox.database, reaching(server.url))
        assert len(server.requests) == 2

    rows = [str(outbox.get(one).error) for one in ids]
    assert "HTTP 400: Bad: username=timpora" in rows[0]
    assert "HTTP 401: Key? POST" in rows[1]
    assert "send_ended" in "".join(told)
    for form in private_forms(phone(1), phone(2), text, API_KEY):
        assert [line for line in [*told, *rows] if form in line] == []
