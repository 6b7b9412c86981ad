"""Messages that are handled together become what each of them becomes by itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from support.office_work import register

from gateway import clock
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.reporting import draining
from gateway.reporting.rounds import in_rounds
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import Report, ReportEvent, ReportLink

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
#: Two villages with two phones each, a phone of both, a stranger.
PHONES = [f"+62812370000{n:02d}" for n in range(6)]
VILLAGES = {0: ["53.02.02.2008"], 1: ["53.02.02.2008"], 2: ["53.02.02.2003"], 3: ["53.02.02.2003"]}
TEXTS = [
    "WNA 2 Australia wisata",
    "WNA 3 Australia wisata rumah bpk Anin",
    "WNA 2 wisata",
    "Australia",
    "2",
    "PMI 3 Malaysia besok naik kapal",
    "PMI",
    "NIHIL",
    "nihil bulan ini",
    "DARURAT hilang di hutan",
    "besok rapat jam 7",
    "BERHENTI",
    "STATUS 123456",
    "WNA 2 Australia wisata\nPMI 1 Batam besok",
    "BANTU",
]
said = st.lists(
    st.tuples(st.integers(0, len(PHONES) - 1), st.sampled_from(TEXTS)), min_size=1, max_size=14
)


def take_in(office: Wiring, messages: Sequence[tuple[int, str]], at: datetime) -> None:
    sent = tuple(
        InboundSms(sender=PHONES[who], recipient="22345", text=text, network_time=at)
        for who, text in messages
    )
    with office.database.writing() as session:
        receiving.accept(session, office.directory, "loopback", Intake(messages=sent))


def drain(office: Wiring) -> None:
    while draining.drain_some(office.database, office.desk).handled:
        pass


def forget_all(office: Wiring) -> None:
    """Empty what messages have become, so that the next ones begin anew."""
    with office.database.writing() as session:
        for table in (OutboundMessage, ReportLink, ReportEvent, Report, InboundMessage):
            session.execute(sa.delete(table))
        session.execute(sa.update(Phone).values(reminders_stopped_at=None))


def became(office: Wiring) -> list[Any]:
    """Tell what all messages became, by the order in which they came, without ids and numbers."""
    with office.database.reading() as session:
        inbox = list(session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id)))
        reports = list(session.scalars(sa.select(Report).order_by(Report.inbox_id, Report.id)))
        place = {message.id: n for n, message in enumerate(inbox)}
        which = {report.id: n for n, report in enumerate(reports)}
        events = session.execute(
            sa.select(ReportEvent.report_id, ReportEvent.event, ReportEvent.by).order_by(
                ReportEvent.report_id, ReportEvent.id
            )
        )
        answers = session.execute(
            sa.select(OutboundMessage.in_reply_to, OutboundMessage.reply_key).order_by(
                OutboundMessage.in_reply_to, OutboundMessage.id
            )
        )
        links = session.scalars(sa.select(ReportLink))
        return [
            [(message.outcome, message.handle_after is None) for message in inbox],
            [
                (place[one.inbox_id], one.code, one.state, one.fields, one.missing, one.note)
                for one in reports
            ],
            sorted((which[report_id], event, by) for report_id, event, by in events),
            [(place[reply_to], key) for reply_to, key in answers],
            sorted((which[link.report_id], which[link.other_id], link.kind) for link in links),
        ]


def test_messages_handled_together_become_what_each_becomes_alone(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who, villages in VILLAGES.items():
        register(office, PHONES[who], villages)
    register(office, PHONES[4], ["53.02.02.2003", "53.02.02.2008"])
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=1))

    @settings(max_examples=25, deadline=None)
    @given(said)
    def compare(messages: list[tuple[int, str]]) -> None:
        forget_all(office)
        for n, message in enumerate(messages):
            take_in(office, [message], NOON + timedelta(seconds=n))
            drain(office)
        alone = became(office)
        forget_all(office)
        for n, message in enumerate(messages):
            take_in(office, [message], NOON + timedelta(seconds=n))
        drain(office)
        assert became(office) == alone

    compare()


@given(st.lists(st.integers(1, 5), max_size=30), st.integers(1, 6))
def test_a_round_has_no_phone_twice_and_keeps_the_order(phones: list[int], most: int) -> None:
    messages = [InboundMessage(id=n, phone_id=phone_id) for n, phone_id in enumerate(phones)]
    rounds = list(in_rounds(messages, most))
    assert [message.id for some in rounds for message in some] == list(range(len(phones)))
    for some in rounds:
        assert len({message.phone_id for message in some}) == len(some) > 0
        assert len(some) <= most
