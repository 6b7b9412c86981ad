"""The whole life of messages as a state machine: nothing lost, nothing doubled, whatever happens.

Hypothesis makes up what happens to a gateway: people text, providers deliver again, refuse, time
out and throttle, workers die at any statement, sweepers give up, people decide. After each step the
database is compared, by plain SQL, with a model that is too simple to be wrong.
`TEST_LIVES` says how many lives are lived, however long it takes; a failure prints the
shortest life that shows it, as a program.
"""
# ruff: noqa: FBT001  # Hypothesis gives the arguments of rules by name

import json
import math
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.office_work import register
from support.payloads import phone
from support.power_cut import ENDS, BreakableDatabase, Cut, Point, PowerCut
from support.scripted_provider import MAY_HAVE_LEFT, Does, Handed, Ledger, ScriptedProvider
from support.village_life import FIXED_TEXTS, JUNK, NEW_TEXTS, Kind, Model, Sent

from gateway import clock
from gateway.messaging import deliveries, receiving, sending
from gateway.messaging.channels import Channels
from gateway.providers.base import InboundSms, Intake, ReportedDelivery
from gateway.reporting import draining
from gateway.wiring import Wiring
from models.database.engine import Database
from models.outbox import OutboundMessage
from models.states import MESSAGE_MOVES, REPORT_MOVES, Fault, Lane, MessageStatus, ReportState

#: Unless a number is asked for, no more than these are lived, nor longer than that, in seconds.
LIVES, SECONDS = 24, 20.0
STEPS = 40
_AT_A_TIME = 4

#: Two reporters of one village, a stranger, and an operator that is never answered.
KADES, SEKDES, STRANGER, OPERATOR = phone(1), phone(2), phone(3), "2345"
SENDERS = (KADES, SEKDES, STRANGER, OPERATOR)
OINLASI = "53.02.02.2008"
BEGINS = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
#: One month holds a life: what a NIHIL denies is counted by the month.
ENDS_BY = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
STUCK_AFTER = timedelta(seconds=60)
EMPTIED = (
    *("moves", "report_links", "report_events", "outbox", "delivery_reports", "reports"),
    *("confirmation_numbers", "inbox", "quarantine", "alarms", "channel_states"),
)

CUTS = st.builds(
    Cut,
    st.sampled_from([Point.BEFORE_COMMIT, Point.AFTER_COMMIT]),
    st.integers(1, 2),
) | st.builds(
    Cut,
    st.sampled_from([Point.STATEMENT, Point.CONNECTION]),
    st.integers(1, 14),
)
RARELY = st.none() | st.none() | CUTS
FAILS = (
    st.none()
    | CUTS
    | st.builds(
        Cut,
        st.sampled_from([Point.ERROR, Point.STATEMENT, Point.CONNECTION]),
        st.integers(3, 50),
    )
)
ANY = st.integers(0, 10_000)

_SAID = (MessageStatus.DELIVERED, MessageStatus.FAILED, None)
_POSTGRES_LOG = """
CREATE TABLE moves (id bigserial PRIMARY KEY, what text, row_id bigint, was text, became text);
CREATE FUNCTION note_move() RETURNS trigger AS $$
BEGIN
  INSERT INTO moves (what, row_id, was, became)
  VALUES (TG_ARGV[0], NEW.id, to_jsonb(OLD) ->> TG_ARGV[1], to_jsonb(NEW) ->> TG_ARGV[1]);
  RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER moved AFTER UPDATE ON outbox FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_move('outbox', 'status');
CREATE TRIGGER moved AFTER UPDATE ON reports FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_move('reports', 'state');
CREATE TRIGGER moved AFTER UPDATE ON inbox FOR EACH ROW
  WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome) EXECUTE FUNCTION note_move('inbox', 'outcome');
"""
_SQLITE_LOG = """
CREATE TABLE moves (id INTEGER PRIMARY KEY, what TEXT, row_id INTEGER, was TEXT, became TEXT);
CREATE TRIGGER outbox_moved AFTER UPDATE ON outbox WHEN OLD.status IS NOT NEW.status BEGIN
  INSERT INTO moves (what, row_id, was, became)
  VALUES ('outbox', NEW.id, OLD.status, NEW.status); END;
CREATE TRIGGER reports_moved AFTER UPDATE ON reports WHEN OLD.state IS NOT NEW.state BEGIN
  INSERT INTO moves (what, row_id, was, became)
  VALUES ('reports', NEW.id, OLD.state, NEW.state); END;
CREATE TRIGGER inbox_moved AFTER UPDATE ON inbox WHEN OLD.outcome IS NOT NEW.outcome BEGIN
  INSERT INTO moves (what, row_id, was, became)
  VALUES ('inbox', NEW.id, OLD.outcome, NEW.outcome); END;
"""
#: Moves of two steps that one transaction may write down as one: a delivery report that came before
#: the answer to the send.
_AT_ONCE = {(MessageStatus.SENDING, MessageStatus.DELIVERED)}


@dataclass(frozen=True)
class Stage:
    """Where lives are lived: one database, emptied for each."""

    office: Wiring
    database: BreakableDatabase
    set_clock: Callable[[Callable[[], datetime]], None]
    happened: Counter[str]
    """What its lives have seen, to know that they saw much."""


@pytest.fixture
def stage(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Any:
    register(office, KADES, [OINLASI])
    register(office, SEKDES, [OINLASI])
    database = BreakableDatabase(office.settings.database_url)
    with database.engine.begin() as connection:
        script = _SQLITE_LOG if database.is_sqlite else _POSTGRES_LOG
        if database.is_sqlite:
            for statement in script.split("END;"):
                if statement.strip():
                    for one in _split(statement):
                        connection.exec_driver_sql(one)
        else:
            connection.exec_driver_sql(script)
    yield Stage(office, database, lambda now: monkeypatch.setattr(clock, "now", now), Counter())
    database.dispose()


def _split(statement: str) -> Iterable[str]:
    if "CREATE TRIGGER" not in statement:
        return [statement]
    before, _, trigger = statement.partition("CREATE TRIGGER")
    return [one for one in (before.strip(), f"CREATE TRIGGER{trigger}END") if one]


@pytest.mark.timeout(0)  # it ends by itself; a failure is made as short as it can be first
def test_whatever_happens_nothing_is_lost_and_nothing_doubled(stage: Stage):
    asked_for = os.environ.get("TEST_LIVES")
    until = time.monotonic() + (math.inf if asked_for else SECONDS)
    for _ in range(math.ceil(int(asked_for or LIVES) / _AT_A_TIME)):
        run_state_machine_as_test(
            lambda: Life(stage),
            settings=settings(
                max_examples=_AT_A_TIME,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if time.monotonic() > until:
            break


class Life(RuleBasedStateMachine):
    """One gateway from its first message on, until all that came has come to its end."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.now = BEGINS
        stage.set_clock(lambda: self.now)
        self.database = stage.database
        self.aside = stage.office.database  # for what happens beside a step, and is not cut
        self.directory = stage.office.directory
        self.ledger = Ledger()
        made = (
            ScriptedProvider("first", self.ledger, 1, self._meanwhile),
            ScriptedProvider("second", self.ledger, 1, self._meanwhile),
        )
        self.channels = Channels({one.name: one for one in made}, "first")
        self.desk = replace(stage.office.desk, channels=self.channels)
        self.sent: list[Sent] = []
        self._note = lambda what: stage.happened.update([what])
        self.model = Model(frozenset({KADES, SEKDES}), frozenset({OPERATOR}))
        self.moves_seen = 0
        self.reporting: list[threading.Thread] = []
        self.wrongly_handed: list[Exception] = []
        with self.database.writing() as session:
            for table in EMPTIED:
                session.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608  # a constant

    # What happens: people and their providers --------------------------------------------------

    @rule(
        sender=st.sampled_from(SENDERS),
        kind=st.sampled_from([*NEW_TEXTS, *FIXED_TEXTS, Kind.ANSWER, Kind.JUNK, Kind.WITHDRAWAL]),
        which=ANY,
        keys=st.sampled_from([(True, True), (True, True), (True, False), (False, True)]),
        at_once=st.booleans(),
        cut=RARELY,
    )
    def text(
        self,
        sender: str,
        kind: Kind,
        which: int,
        keys: tuple[bool, bool],
        at_once: bool,
        cut: Cut | None,
    ) -> None:
        """A phone sends a new message; its provider may tell of it twice at once."""
        withdraws = ""
        if kind in NEW_TEXTS:
            text = NEW_TEXTS[kind].format(len(self.sent) + 1)
        elif kind is Kind.JUNK:
            text = JUNK[which % len(JUNK)]
        elif kind is Kind.WITHDRAWAL:
            withdraws = self._number_of(sender, which)
            text = f"BATAL {withdraws}"
        else:
            text = FIXED_TEXTS[kind]
        self._send_new(sender, kind, text, keys, withdraws, at_once=at_once, cut=cut)

    @precondition(lambda self: self.sent)
    @rule(which=ANY, cut=RARELY)
    def text_the_same_again(self, which: int, cut: Cut | None) -> None:
        """A phone sends the words of an earlier message in a new one."""
        first = self.sent[which % len(self.sent)]
        self._send_new(first.sender, first.kind, first.text, (True, True), first.withdraws, cut=cut)

    @precondition(lambda self: self.sent)
    @rule(
        which=ANY,
        how=st.sampled_from(["as it was", "without its id", "by another channel"]),
        at_once=st.booleans(),
        cut=RARELY,
    )
    def redeliver(self, which: int, how: str, at_once: bool, cut: Cut | None) -> None:
        """A provider tells of a message once more."""
        sent = self.sent[which % len(self.sent)]
        channel = "first"
        has_id = sent.has_id
        if how != "as it was" and sent.has_time:
            channel = "second" if how == "by another channel" else channel
            has_id = has_id and channel == "second"
        self._bring(sent, channel, has_id=has_id, at_once=at_once, cut=cut)

    def _send_new(
        self,
        sender: str,
        kind: Kind,
        text: str,
        keys: tuple[bool, bool],
        withdraws: str = "",
        *,
        at_once: bool = False,
        cut: Cut | None = None,
    ) -> None:
        # The fingerprint of a message knows seconds, and people do not type twice in one.
        self.now += timedelta(seconds=1)
        sent = Sent(len(self.sent), sender, kind, text, self.now, *keys, withdraws)
        self.sent.append(sent)
        self._bring(sent, "first", has_id=sent.has_id, at_once=at_once, cut=cut)

    def _bring(
        self, sent: Sent, channel: str, *, has_id: bool, at_once: bool, cut: Cut | None
    ) -> None:
        message = InboundSms(
            sender=sent.sender,
            recipient="22345",
            text=sent.text,
            provider_message_id=f"id-{sent.key}" if has_id else None,
            network_time=sent.sent_at if sent.has_time else None,
            payload={"key": f"{sent.key}"},
        )

        def accept() -> int:
            with self.database.writing() as session:
                intake = Intake(messages=(message,))
                return len(
                    receiving.accept(session, self.directory, channel, intake, self.channels)
                )

        heard = self._do(accept, at_once=at_once, cut=cut)
        if heard and not sent.is_told:
            sent.is_told = True
        assert sum(heard) <= 1, "one message was taken for two new ones"

    def _number_of(self, sender: str, which: int) -> str:
        known = [one.number for one in self.model.reports if one.sender == sender and one.number]
        return known[which % len(known)] if known else "104277"

    # What happens: workers, sweepers and persons -----------------------------------------------

    @rule(at_once=st.booleans(), cut=FAILS)
    def handle(self, at_once: bool, cut: Cut | None) -> None:
        """A worker takes its turn at the inbox, or two do at once."""
        self._do(
            lambda: draining.drain_some(self.database, self.desk).handled, at_once=at_once, cut=cut
        )

    @rule(
        script=st.lists(st.sampled_from(Does), max_size=4),
        at_once=st.booleans(),
        cut=RARELY,
    )
    def send(self, script: list[Does], at_once: bool, cut: Cut | None) -> None:
        """A worker sends what is due, or two do at once, and the provider does as it pleases."""
        handed_before = len(self.ledger.handed)
        if at_once:
            # The slow one would have the other's message swept too, before it is handed over.
            script = [one for one in script if one is not Does.IS_SLOW]
        self.ledger.script = deque(script)
        heard = self._do(
            lambda: sum(
                sending.deliver_some(self.database, self.channels) for _ in range(1 + len(script))
            ),
            at_once=at_once,
            cut=cut,
        )
        for thread in self.reporting:
            thread.join()
        self.reporting.clear()
        if len(heard) != 1 + at_once:
            return
        for handed in self.ledger.handed[handed_before:]:
            if handed.does in {Does.REPORTS_FIRST, Does.REPORTS_AT_ONCE}:
                status = self._outbox()[handed.token].status
                assert status == "delivered", f"its delivery report was missed: {status}"

    @rule(
        which=ANY,
        status=st.sampled_from(_SAID),
        fault=st.sampled_from([None, None, *Fault]),
        by=st.sampled_from(["id", "id", "token", "nobody's id"]),
        cut=RARELY,
    )
    def report_delivery(
        self,
        which: int,
        status: MessageStatus | None,
        fault: Fault | None,
        by: str,
        cut: Cut | None,
    ) -> None:
        """A delivery report comes: right, again, after a better one, or of nothing we know."""
        if not self.ledger.handed:
            return  # no precondition: what two at once come to is not the same each time
        handed = self.ledger.handed[which % len(self.ledger.handed)]
        named = {"id": handed.given_id, "token": handed.token}.get(by, f"nobody-{which}")
        if status is not MessageStatus.FAILED:
            fault = None
        before = self._outbox()
        self._do(lambda: self._record(self.database, handed.channel, named, status, fault), cut=cut)
        after = self._outbox()
        for row_id, row in before.items():
            is_meant = row.channel == handed.channel and named in {row.provider_key, row.token}
            allowed = {row.status}
            if is_meant and row.status in {"sent", "unconfirmed"} and status is not None:
                allowed = {"queued", "failed"} if fault else {status.value}
                if self.database.was_cut:
                    allowed.add(row.status)
            found = [one for one in after.values() if one.id == row.id]
            assert [one.status in allowed for one in found] == [True], (row_id, row, found)

    @rule()
    def sweep(self) -> None:
        """The sweeper lets go of sends whose worker died."""
        sending.sweep_outbox(self.database, self.channels, STUCK_AFTER)

    @precondition(lambda self: self.now < ENDS_BY)
    @rule(
        by=st.sampled_from(
            [timedelta(seconds=2), timedelta(seconds=90), timedelta(minutes=16)] * 3
            + [timedelta(hours=5), timedelta(hours=25)]
        )
    )
    def time_passes(self, by: timedelta) -> None:
        """Time goes by, and with it rests, waits and lives of messages."""
        self.now += by

    @rule(is_urgent=st.booleans(), which=st.integers(10, 12))
    def give_a_task(self, is_urgent: bool, which: int) -> None:
        """A message that answers nobody is queued; one that is urgent may be sent twice."""
        with self.database.writing() as session:
            to = self.directory.phone(session, receiving.msisdn.read_sender(phone(which)))
            sending.queue(
                session,
                channel="first",
                phone_id=to.id,
                text="Ada laporan baru.",
                reply_key="TASK",
                lane=Lane.URGENT if is_urgent else Lane.FOLLOW_UP,
                counted_from=self.now,
                resend_if_unconfirmed=is_urgent,
            )

    @rule(which=ANY, was_sent=st.booleans())
    def settle(self, which: int, was_sent: bool) -> None:
        """A person decides what became of a message that was not confirmed."""
        unconfirmed = [row.id for row in self._outbox().values() if row.status == "unconfirmed"]
        if not unconfirmed:
            return
        with self.database.writing() as session:
            message = session.get_one(OutboundMessage, unconfirmed[which % len(unconfirmed)])
            assert sending.settle(message, was_sent=was_sent)

    @rule()
    def requeue(self) -> None:
        """A person has what was set aside handled again."""
        with self.database.writing() as session:
            draining.requeue(session, None)

    # What must be so after each step -----------------------------------------------------------

    @invariant()
    def each_message_is_there_once_and_has_at_most_one_outcome(self) -> None:
        inbox = self._inbox()
        there = Counter(row.key for row in inbox)
        assert not [key for key, times in there.items() if times > 1], "a message is there twice"
        lost = [one.key for one in self.sent if one.is_told and one.key not in there]
        assert not lost, f"accepted and not there: {lost}"
        for row in inbox:
            sent = self.sent[row.key]
            sent.received_at = sent.received_at or self.now
            assert (row.handled_at is None) == (row.outcome is None)
            if row.outcome is None:
                assert not sent.outcome, f"message {row.key} was handled and is so no more"
            elif not sent.outcome:
                sent.outcome = row.outcome
                self._note(f"outcome: {row.outcome}")
                assert row.outcome == self.model.handle(sent, self.now), (sent, row.outcome)

    @invariant()
    def each_report_is_what_the_model_says(self) -> None:
        rows = self._rows(
            "SELECT r.number, r.state, i.payload FROM reports r JOIN inbox i ON i.id = r.inbox_id"
        )
        found = {_key(row.payload): row for row in rows}
        assert len(found) == len(rows), "a message made two reports"
        assert found.keys() == {one.made_by for one in self.model.reports}
        for kept in self.model.reports:
            row = found[kept.made_by]
            assert (row.number is not None) == kept.is_numbered, kept
            assert kept.number in {"", row.number}, "a report has another number than before"
            kept.number = row.number or ""
            assert (row.state == "invalid") == kept.is_withdrawn, kept
        numbers = [row.number for row in rows if row.number is not None]
        assert len(numbers) == len(set(numbers)), "a number was given twice"

    @invariant()
    def each_message_of_a_phone_is_handled_after_those_before_it(self) -> None:
        waits: set[str] = set()
        for row in self._inbox():
            sender = self.sent[row.key].sender
            if row.outcome is None and not row.attempts:
                waits.add(sender)
            assert row.outcome is None or sender not in waits, f"{row.key} overtook another"

    @invariant()
    def each_answer_is_there_once(self) -> None:
        answers = Counter(
            row.in_reply_to
            for row in self._outbox().values()
            if row.in_reply_to is not None and row.reply_key != "ERR_SISTEM"
        )
        assert not [one for one, times in answers.items() if times > 1], "answered twice"

    @invariant()
    def statuses_move_only_as_they_may(self) -> None:
        rows = self._rows(
            "SELECT id, what, row_id, was, became FROM moves WHERE id > :seen ORDER BY id",
            seen=self.moves_seen,
        )
        for row in rows:
            self.moves_seen = row.id
            if row.what == "inbox":
                assert row.was is None, f"an outcome was changed: {row.was} to {row.became}"
            elif row.what == "outbox":
                was, became = MessageStatus(row.was), MessageStatus(row.became)
                self._note(f"outgoing: {was} to {became}")
                assert became in MESSAGE_MOVES[was] or (was, became) in _AT_ONCE, (was, became)
            else:
                state, then = ReportState(row.was), ReportState(row.became)
                assert then in REPORT_MOVES[state], (state, then)

    # The end -----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let all come to its end, and see that it does; nothing more where a step failed."""
        if sys.exc_info()[0] is not None:
            return
        self.requeue()
        for _ in range(60):
            self.ledger.script.clear()
            busy = draining.drain_some(self.database, self.desk).handled
            self.each_message_is_there_once_and_has_at_most_one_outcome()
            busy += sending.deliver_some(self.database, self.channels)
            if not busy and not self._is_anything_left():
                break
            if not busy:
                self.now += timedelta(minutes=20)
                self.sweep()
        if self.wrongly_handed:
            raise self.wrongly_handed[0]
        self._check_all()
        assert not self._is_anything_left(), "something never comes to its end"
        for row in self._inbox():
            assert row.outcome is not None, f"message {row.key} has no outcome"
        self._numbers_are_told()

    def _check_all(self) -> None:
        self.each_message_is_there_once_and_has_at_most_one_outcome()
        self.each_report_is_what_the_model_says()
        self.each_message_of_a_phone_is_handled_after_those_before_it()
        self.each_answer_is_there_once()
        self.statuses_move_only_as_they_may()

    def _is_anything_left(self) -> bool:
        rows = self._rows("SELECT id FROM inbox WHERE handled_at IS NULL")
        return bool(rows) or any(
            row.status in {"queued", "sending"} for row in self._outbox().values()
        )

    def _numbers_are_told(self) -> None:
        """See that whoever made a report was told its number, once."""
        rows = self._rows(
            "SELECT i.payload, r.number, o.text FROM inbox i"
            " JOIN reports r ON r.inbox_id = i.id"
            " LEFT JOIN outbox o ON o.in_reply_to = i.id AND o.reply_key <> 'ERR_SISTEM'"
            " WHERE i.outcome = 'report'"
        )
        for row in rows:
            sent = self.sent[_key(row.payload)]
            if sent.sender == STRANGER and sent.kind is not Kind.URGENT:
                continue  # a stranger hears how to register
            assert row.text is not None, f"message {sent.key} was never answered"
            assert f"No {row.number}" in row.text

    # How it is done ----------------------------------------------------------------------------

    def _do(
        self, step: Callable[[], int], *, at_once: bool = False, cut: Cut | None = None
    ) -> list[int]:
        """Do a step, or twice at once; give what those said that came to their end."""
        said: list[int] = []
        errors: list[BaseException] = []
        barrier = threading.Barrier(1 + at_once)

        def run() -> None:
            try:
                barrier.wait(10)
                said.append(step())
            except BaseException as error:  # noqa: BLE001  # looked at below
                errors.append(error)

        with self.database.armed(cut):
            if at_once:
                threads = [threading.Thread(target=run) for _ in range(2)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            else:
                run()
        if self.wrongly_handed:
            raise self.wrongly_handed[0]
        if self.database.was_cut and cut is not None:
            self._note(f"cut: {cut.point}")
        for error in errors:
            if not (
                isinstance(error, PowerCut) or (self.database.was_cut and isinstance(error, ENDS))
            ):
                raise error
        return said

    def _meanwhile(self, handed: Handed) -> None:
        """See that a message may be handed over; do what happens before its provider answers."""
        try:
            self._look_at(handed)
        except Exception as error:
            # What an adapter raises is a matter of the product; what is wrong here is the test's.
            self.wrongly_handed.append(error)
            raise
        if handed.does is Does.REPORTS_FIRST:
            self._record_delivered(handed)
        elif handed.does is Does.REPORTS_AT_ONCE:
            thread = threading.Thread(target=self._record_delivered, args=(handed,))
            self.reporting.append(thread)
            thread.start()
        elif handed.does is Does.IS_SLOW:
            self.now += 2 * STUCK_AFTER
            sending.sweep_outbox(self.aside, self.channels, STUCK_AFTER)

    def _look_at(self, handed: Handed) -> None:
        with self.aside.reading() as session:
            row = session.execute(
                sa.select(
                    OutboundMessage.status,
                    OutboundMessage.expires_at,
                    OutboundMessage.resend_if_unconfirmed,
                ).where(OutboundMessage.token == handed.token)
            ).one()
        assert row.status is MessageStatus.SENDING, f"handed over while it is {row.status}"
        assert row.expires_at > self.now, "handed over when it was too old"
        before = self.ledger.by_token[handed.token][:-1]
        if not row.resend_if_unconfirmed:
            assert not [one for one in before if one.does in MAY_HAVE_LEFT], "sent twice"
        refused_by = {one.channel for one in before if one.does is Does.REFUSES}
        assert handed.channel not in refused_by, "it went back to who had refused it"

    def _record_delivered(self, handed: Handed) -> None:
        self._record(self.aside, handed.channel, handed.given_id, MessageStatus.DELIVERED, None)

    @staticmethod
    def _record(
        database: Database,
        channel: str,
        named: str,
        status: MessageStatus | None,
        fault: Fault | None,
    ) -> int:
        said = status.value if status else "interim"
        delivery = ReportedDelivery(named, said, fault or "", status, fault)
        with database.writing() as session:
            deliveries.record(session, channel, delivery)
        return 1

    def _inbox(self) -> list[Any]:
        rows = self._rows(
            "SELECT id, payload, handled_at, outcome, attempts, set_aside_at FROM inbox ORDER BY id"
        )
        return [_Keyed(_key(row.payload), row) for row in rows]

    def _outbox(self) -> Mapping[str, Any]:
        rows = self._rows(
            "SELECT id, token, channel, status, in_reply_to, reply_key, provider_key FROM outbox"
        )
        return {row.token: row for row in rows}

    def _rows(self, query: str, **values: object) -> list[Any]:
        with self.database.reading() as session:
            return list(session.execute(sa.text(query), values))


class _Keyed:
    """An inbox row, with the key of the message that it holds."""

    def __init__(self, key: int, row: Any) -> None:
        self.key = key
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


def _key(payload: Any) -> int:
    """Read the test's own key out of what the provider sent beside the message."""
    return int((json.loads(payload) if isinstance(payload, str) else payload)["key"])
