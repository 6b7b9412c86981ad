"""What one message means for reports: everything it changes, and its one reply, in one transaction.

The caller holds the lock of the message's phone, so that two texts of one person are handled one
after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.messaging import alarms, canaries, sending
from gateway.reporting import (
    afterwards,
    commands,
    keeping,
    limits,
    linking,
    officers_texts,
    parts,
)
from gateway.reporting.desk import Desk
from gateway.reporting.parts import Gathered
from gateway.reporting.rounds import A_DAY, Round, key_hash
from gateway.reporting.senders import Sender
from gateway.reporting.voice import URGENT, Reply
from models.inbox import InboundMessage
from models.people import Phone, PhoneKind
from models.report import Report
from models.states import AlarmKind, Lane, ReportState
from parsers.answering import read_answer, read_correction
from parsers.reading import Item, Outcome, Reading

#: Later than this an answer names the day of what it answers.
_LATE_AFTER = timedelta(hours=6)
#: A text with more words is no answer to a question, but talk.
_SHORT_WORDS = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a message: a word for the inbox, and what to answer."""

    outcome: str
    reply: Reply | None = None
    reports: tuple[Report, ...] = ()
    also: tuple["Told", ...] = ()
    """What became of commands that stood beside reports; each is answered by itself."""

    @property
    def report(self) -> Report | None:
        """Give the report that the answer is about: the most urgent of several."""
        urgent = (one for one in self.reports if one.urgency == URGENT)
        return next(urgent, self.reports[0] if self.reports else None)

    @property
    def lane(self) -> Lane:
        """Say how soon the answer must leave."""
        is_urgent = any(one.urgency == URGENT for one in self.reports)
        return Lane.URGENT if is_urgent else Lane.REPLY


@dataclass(frozen=True, slots=True)
class Handled:
    """What is told of a handled message once its transaction is over: no row, no text."""

    outcome: str
    replies: tuple[str, ...] = ()
    """The keys of the texts that are sent for it."""


def handle(round_: Round, message: InboundMessage) -> Handled:
    """Do all that one message asks for; say what became of it and what is sent for it.

    A text without a code may only be put off, to wait for the rest of its report.
    """
    session, desk, phone = round_.session, round_.desk, round_.phone(message)
    unread = _without_reading(round_, message, phone)
    if unread is not None:
        return unread
    heard = round_.hear(message)
    sender, spoken_at = heard.sender, heard.spoken_at
    message.text_key = heard.text_key
    if sender.officer is not None:
        screen = officers_texts.answer(session, desk.switchboard, message, phone, heard.reading)
        if screen is not None:
            close(message, "menu")
            send_back(round_, message, screen, Told("menu"))
            return Handled("menu", (screen.key,))
    told = _Handling(round_, message, sender, spoken_at).tell(heard.reading)
    if told is None:
        message.handle_after = message.received_at + desk.piece_wait
        return Handled("waits")
    close(message, told.outcome)
    is_late = clock.now() - spoken_at > _LATE_AFTER
    replies = []
    for one in (told, *told.also):
        reply = _allowed(session, desk, sender, one)
        if reply is None:
            _look_for_flood(session, message, phone)
            continue
        if is_late:
            reply = desk.voice.dated(reply, spoken_at.date())
        send_back(round_, message, reply, one)
        replies.append(reply.key)
        if told.also:
            round_.write_out()  # what one message may still be told depends on what it was told
    return Handled(told.outcome, tuple(replies))


def end(round_: Round) -> None:
    """Do what is done once for all messages of a round, and write it all out."""
    keeping.link_received(round_)
    round_.write_out()


def _look_for_flood(session: Session, message: InboundMessage, phone: Phone) -> None:
    """Have a person look at a phone that sends more than any person types; it hears no more."""
    if limits.is_flood(session, message):
        says = f"more than {limits.FLOOD} messages in a minute"
        alarms.raise_alarm(session, AlarmKind.FLOOD, phone.alias, says)


def _without_reading(round_: Round, message: InboundMessage, phone: Phone) -> Handled | None:
    """Tell what is not read at all, or not yet, and is answered by nothing."""
    if canaries.take(round_.session, message):
        close(message, "canary")
    elif phone.number in round_.desk.channels.own_numbers:
        # One of our numbers to another, or to itself: they would answer each other for ever.
        close(message, "own")
    elif (gathered := parts.gather(round_, message)) is Gathered.WAITS:
        return Handled("waits")
    elif gathered is Gathered.LATE:
        close(message, "joined")
    elif gathered is Gathered.AGAIN:
        close(message, "part")
    elif phone.kind is not PhoneKind.MOBILE:
        # Short codes, operators and the like are never answered: two machines would not stop.
        close(message, "operator")
    return Handled(message.outcome) if message.outcome else None


def send_back(round_: Round, message: InboundMessage, reply: Reply, told: Told) -> None:
    """Send an answer to a message, by the channel that it belongs to."""
    row = sending.compose(
        channel=round_.desk.channels.for_reply(message.channel),
        phone_id=message.phone_id,
        text=reply.text,
        reply_key=reply.key,
        is_capped=reply.is_capped,
        lane=told.lane,
        counted_from=message.received_at,
        in_reply_to=message.id,
    )
    round_.send(row, told.report)


def close(message: InboundMessage, outcome: str) -> None:
    """Mark a message as handled."""
    message.handled_at = clock.now()
    message.outcome = outcome


def _allowed(session: Session, desk: Desk, sender: Sender, told: Told) -> Reply | None:
    reply = told.reply
    if reply is None:
        return None
    if not sender.is_registered:
        may_hear = reply.for_anyone or (
            reply.has_number
            and (
                told.outcome == "command"
                or not told.reports
                or any(desk.language.forms[one.code].never_waits for one in told.reports)
            )
        )
        reply = limits.to_stranger(session, desk.voice, sender, reply, may_hear=may_hear)
    if reply is None or (
        reply.is_capped
        and limits.is_over_cap(session, sender.phone.id, desk.capped_replies_an_hour)
    ):
        return None
    return reply


@dataclass(frozen=True, slots=True)
class _Handling:
    """One message on its way through the rules; the order of the rules is that of `tell`."""

    round_: Round
    message: InboundMessage
    sender: Sender
    spoken_at: datetime

    @property
    def session(self) -> Session:
        return self.round_.session

    @property
    def desk(self) -> Desk:
        return self.round_.desk

    def tell(self, reading: Reading) -> Told | None:
        """Find what the message means, and do it; None: let it wait for the rest of its report."""
        if _may_be_answer(reading) or len(self.message.text.split()) == 1:
            answered = self._answer()
            if answered is not None:
                return answered
        completed = afterwards.read_with_number(self.round_, self.message, self.spoken_at)
        if completed is not None:
            return self._unkept(completed.items)
        named = afterwards.named_code(self.session, self.desk, self.message, reading)
        if named is not None:
            return self._tell_under(named)
        only = reading.items[0] if len(reading.items) == 1 else None
        if only is not None and only.outcome is Outcome.CHAT:
            return self._chat(only)
        reports = [one for one in reading.items if one.outcome in {Outcome.REPORT, Outcome.DRAFT}]
        others = [one for one in reading.items if one not in reports]
        if not reports:
            return self._unkept(others)
        return self._same_again(reports) or self._keep(reports, others)

    def _keep(self, items: Sequence[Item], others: Sequence[Item]) -> Told:
        """Store reports and drafts; what else stands in the SMS is named in the same reply."""
        kept: list[tuple[Item, Report]] = []
        needless: list[Told] = []
        for item in items:
            arrival, refusal = self._arrival(item)
            refusal = refusal or self._needless(item)
            if refusal is not None:
                needless.append(refusal)
                continue
            report = keeping.keep(self.round_, self.message, self.sender, item)
            self.round_.changed(self.sender.phone.id)
            kept.append((item, report))
            if len(items) == 1 and report.asked_at is not None:
                self._take_early_answers(report)
            if arrival is not None:
                linking.link_departure(self.session, report, arrival)
                keeping.note_guest(self.round_, arrival, "left", self.sender, number=report.number)
        if not kept:
            return needless[0]
        first_item, first = kept[0]
        also = tuple(self._run(one) for one in others if one.outcome is Outcome.COMMAND)
        ignored = {Outcome.CHAT, Outcome.COMMAND}
        refused = [one for one in others if one.outcome not in ignored]
        if len(kept) == 1 and not refused:
            reply = self.desk.voice.kept(keeping.as_kept(first, self.sender))
            return Told(first_item.outcome.value, reply, (first,), also)
        reply = self.desk.voice.several(
            [keeping.as_kept(report, self.sender) for _, report in kept], refused
        )
        return Told("report", reply, tuple(report for _, report in kept), also)

    def _unkept(self, items: Iterable[Item]) -> Told:
        """Run commands, answer questions and refusals; the first answer is the one that is sent."""
        told = [
            self._run(item)
            if item.outcome is Outcome.COMMAND
            else Told(item.outcome.value, self.desk.voice.item(item))
            for item in items
        ]
        return next((one for one in told if one.reply is not None), told[0])

    def _run(self, item: Item) -> Told:
        reply, report = commands.run(self.round_, self.sender, item, self.spoken_at)
        return Told("command", reply, (report,) if report else ())

    def _take_early_answers(self, report: Report) -> None:
        """Take answers that overtook their report on the way: written after it, received before.

        They were read as texts without a code, as nothing had been asked yet.
        """
        for early in self.round_.overtook(self.message):
            question = keeping.question_of(report)
            answer = read_answer(early.text, self.desk.language, question, now=self.spoken_at)
            if answer is not None and keeping.take_answer(
                self.round_, self.sender, report, early, answer
            ):
                early.outcome = "answer"

    def _answer(self) -> Told | None:
        """Take the message as an answer to the newest question of ours that it fits."""
        for report in self._open_questions():
            if keeping.take_answer(
                self.round_,
                self.sender,
                report,
                self.message,
                read_answer(
                    self.message.text,
                    self.desk.language,
                    keeping.question_of(report),
                    now=self.spoken_at,
                ),
            ):
                reply = self.desk.voice.kept(keeping.as_kept(report, self.sender))
                return Told("answer", reply, (report,))
        return None

    def _open_questions(self) -> Sequence[Report]:
        """List what we have asked this phone within the day, the newest first."""
        return self.round_.open_questions(self.sender.phone.id)

    def _chat(self, item: Item) -> Told | None:
        """Answer a text without a code, once it is sure that it is no piece of a report."""
        understood = self._correction()
        if understood is not None:
            return understood
        if item.ask is None:
            return Told("chat")
        if self.sender.is_registered and self.message.text.strip() and self.desk.piece_wait:
            joined = keeping.join(self.round_, self.sender, self.message, self.spoken_at)
            if joined is not None:
                report, is_piece = joined
                return Told("joined", None if is_piece else self._joined(report), (report,))
            if self.message.handle_after is None:
                return None
        if limits.was_answered(self.session, self.message):
            # A machine that echoes us would go on for ever; a person has had this answer already.
            return Told("chat")
        return self._asked_again() or Told("chat", self.desk.voice.item(item))

    def _tell_under(self, code: str) -> Told:
        """Do what a code asks that came by itself, or after the text it belongs to."""
        whole = afterwards.read_with_text_before(self.round_, self.message, code, self.spoken_at)
        if whole.before is not None:
            whole.before.outcome = "joined"
            self.message.text_key = key_hash(whole.reading)
        items = whole.reading.items
        return self._same_again(items) or self._keep(items, ())

    def _correction(self) -> Told | None:
        """Put right the newest report of this phone: `salah, 3 org`."""
        newest = self.session.scalars(
            sa.select(Report)
            .where(
                Report.phone_id == self.sender.phone.id,
                Report.number.is_not(None),
                Report.received_at > clock.now() - A_DAY,
                Report.state.in_([ReportState.RECEIVED, ReportState.NOTIFIED]),
            )
            .order_by(Report.id.desc())
            .limit(1)
        ).first()
        if newest is None:
            return None
        said = read_correction(
            self.message.text, self.desk.language, newest.code, now=self.spoken_at
        )
        if said is None:
            return None
        voice = self.desk.voice
        if not said:
            # `salah, ada anak umur 15`: what it says of them counts, whatever field it meant.
            keeping.add_note(self.round_, newest, self.message.text, "added", self.spoken_at)
            reply = voice.of_report("ERR_RALAT", newest.number or "", newest.code, newest.state)
            return Told("rejected", reply, (newest,))
        keeping.correct(self.round_, self.sender, newest, self.message, said)
        return Told("corrected", voice.kept(keeping.as_kept(newest, self.sender)), (newest,))

    def _asked_again(self) -> Told | None:
        """Put the open question once more where a short text was no answer that we can read."""
        if len(self.message.text.split()) > _SHORT_WORDS:
            return None
        found = next(iter(self._open_questions()), None)
        if found is None or not (found.missing or found.problems):
            return None
        if found.number is not None:
            # No answer, and yet of this report: `anak umur 15 semua` makes it urgent.
            keeping.add_note(self.round_, found, self.message.text, "added", self.spoken_at)
        reply = self.desk.voice.question(keeping.as_kept(found, self.sender))
        return Told("chat", reply, (found,))

    def _joined(self, report: Report) -> Reply | None:
        """Tell where a text went that may have been meant as something else."""
        if report.number is None or report.missing or report.problems:
            # It may have been meant as the answer: what is still open is asked again.
            return self.desk.voice.kept(keeping.as_kept(report, self.sender))
        return self.desk.voice.of_report("OK_SAMBUNG", report.number, report.code, report.state)

    def _same_again(self, items: Sequence[Item]) -> Told | None:
        """Recognise the same text from the same phone within a day."""
        if any("repeat" in item.flags for item in items):
            return None
        is_whole = not any(item.outcome is Outcome.DRAFT or not item.fields for item in items)
        same = self.round_.same_text(self.message)
        if not same:
            return None
        first = same[0] if is_whole else same[-1]
        if not is_whole and first.number is not None and not (first.missing or first.problems):
            return None  # the code alone, or a draft that was completed since: it begins another
        if first.number is None or not is_whole:
            # What that text began is still open: ask again, do not open a second one.
            first.asked_at = clock.now()
            return Told(
                "again", self.desk.voice.kept(keeping.as_kept(first, self.sender)), (first,)
            )
        hour_ago = clock.now() - limits.HOUR
        if limits.was_sent(self.session, first.phone_id, "ERR_SAMA", hour_ago, first.id):
            return Told("again", None, (first,))
        return Told("again", self.desk.voice.same(first.number), (first,))

    def _arrival(self, item: Item) -> tuple[Report | None, Told | None]:
        """Find the report whose guests have left, by the number that was given, or refuse it."""
        about = self.desk.language.forms[item.code or ""].about
        number = item.fields.get("ref")
        if about is None or number is None:
            return None, None
        found, refusal = commands.find(self.round_, self.sender, str(number), about)
        return found, Told("rejected", refusal) if found is None else None

    def _needless(self, item: Item) -> Told | None:
        """Refuse `nothing to report` for a month in which this phone has reported something.

        Only this very phone's reports for that village count: of others it must learn nothing.
        """
        forms = self.desk.language.forms
        village = keeping.village_of(self.sender, self.message.text)
        if village is None or not forms[item.code or ""].denies:
            return None
        form = forms[item.code or ""]
        if form.code not in self.message.text.upper() and self._open_questions():
            # `aman` under a question about guests is an answer that nobody can read.
            ask = form.ask_if_unsure
            return Told("question", self.desk.voice.say(ask)) if ask else None
        month = int(item.fields.get("month", self.spoken_at.month))
        year = self.spoken_at.year - (month > self.spoken_at.month)
        begin = datetime(year, month, 1, tzinfo=self.sender.zone)
        end_of_month = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=self.sender.zone)
        already = self.round_.count_reported(
            self.sender.phone.id, village.code, begin, end_of_month
        )
        if not already:
            return None
        return Told("rejected", self.desk.voice.needless(month, village.name, already))


def _may_be_answer(reading: Reading) -> bool:
    """Tell a text that may only answer; one word (`turis`) can answer and begin a report."""
    return len(reading.items) == 1 and reading.items[0].outcome in {
        Outcome.CHAT,
        Outcome.QUESTION,
        Outcome.DRAFT,
    }
