"""An officer's dialogue within one transaction: its row, its checks and deeds, its next screen."""

import secrets
from collections import deque
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock
from gateway.dialogue import machine, screens
from gateway.dialogue.answers import QUESTIONS, Asker, Found
from gateway.dialogue.machine import Audience, Check, Content, Dialogue, Ending, Listing, Passage
from gateway.dialogue.switchboard import Switchboard
from gateway.messaging import sending
from gateway.officers import figures, pins
from gateway.officers.figures import Scope
from gateway.officers.pins import Verdict
from gateway.providers.base import KeyPress, Screen
from models.officers import DialogueRow, Officer
from models.people import AuditEntry, Phone
from models.states import Lane
from parsers import numbers

#: Stands in the place of a session's key for the dialogue that goes by SMS.
SMS_KEY = "sms"
_CODE_LASTS = timedelta(minutes=10)
#: Numbers that do not exist, keyed in within an hour, before no more are looked up.
_MOST_MISSES = 5
_MISSES_WITHIN = timedelta(hours=1)
#: A list takes at most so many messages.
_MOST_SMS = 5
#: What was heard at so many steps back is still known when it comes again.
_STEPS_KNOWN = 12
#: Where nothing is to be gone on with.
_NOT_RESUMED = {"login", "login_by_sms", "resume", "main", "new_pin", "pin_again", "pin_changed"}


@dataclass(frozen=True, slots=True)
class Told:
    """The screen to show, and a message that was queued with it, to ring for."""

    screen: Screen
    queued: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A check that takes too long for a transaction, and what it needs."""

    row_id: int
    check: Check
    pin_hash: str
    rest: tuple[str, ...]


class Talk:
    """One officer's dialogue within one transaction."""

    def __init__(
        self, session: Session, board: Switchboard, officer: Officer, phone: Phone, row: DialogueRow
    ) -> None:
        self.session, self.board, self.officer, self.row = session, board, officer, row
        self.alias = phone.alias
        self.is_ussd = row.session_key != SMS_KEY
        self.now = clock.now()
        self._was_locked = board.pins.is_locked(officer)
        institution = board.institutions[officer.institution]
        self.asker = Asker(
            officer=officer,
            institution=institution,
            scope=Scope(officer.area, institution.sees_about_officials),
            is_ussd=self.is_ussd,
            now=self.now,
            zone=board.timezone,
            language=board.language,
            texts=board.texts,
        )
        self.audience = Audience(officer.role.value, self.is_ussd)
        self._looks: list[tuple[str, str]] = []
        self._content = Content()
        self._queued: int | None = None
        self._earlier: list[str] = []
        if row.at:
            self.dialogue = machine.from_json(row.at, row.place)
            self._earlier = row.place.get("earlier", [])

    # --- the row ---------------------------------------------------------------------------------

    def start(self, at: str) -> None:
        """Begin at the first screen, whatever was before."""
        self.row.officer_id = self.officer.id
        self.row.started_at = self.now
        self.row.closed_at = None
        self.row.is_logged_in = False
        if self.board.pins.is_locked(self.officer):
            at = "locked"
        elif self.officer.pin_hash is None:
            at = "no_pin"
        self.move(Dialogue(at=at))
        self._keep()

    def note_heard(self, press: KeyPress, *, is_start: bool) -> None:
        """Keep length and hash of what was relayed: it may hold a PIN."""
        if is_start:
            self._earlier = []
        elif self.row.heard_length:
            earlier = dict.fromkeys([*self._earlier, self.row.heard_hash])
            self._earlier = list(earlier)[-_STEPS_KNOWN:]
        self.row.heard_length = len(press.relayed)
        self.row.heard_hash = self.board.directory.digest(press.relayed)

    def _keep(self) -> None:
        state = self.board.tree[self.dialogue.at]
        self.row.at = self.dialogue.at
        self.row.place = {**self.dialogue.as_json(), "earlier": self._earlier}
        self.row.touched_at = self.now
        if isinstance(state, Ending):
            self.row.closed_at = self.now
            self.row.is_logged_in = False
        self.session.flush()
        for action, subject in self._looks:
            self.board.audit.write(
                self.session,
                actor=f"officer {self.alias}",
                action=action,
                subject=subject,
                reason="ussd" if self.is_ussd else SMS_KEY,
            )
        self._looks.clear()

    # --- going on --------------------------------------------------------------------------------

    def run(self, inputs: tuple[str, ...]) -> Told | Pending:
        """Take inputs one after the other; stop where a check needs more than a transaction."""
        left = deque(inputs)
        while left:
            heard = machine.hear(self.board.tree, self.audience, self.dialogue, left.popleft())
            if isinstance(heard, Dialogue):
                self.move(heard)
                continue
            pending = self._check(heard, tuple(left))
            if pending is not None:
                self._keep()
                return pending
        self._keep()
        return Told(self.screen, self._queued)

    def shown_again(self) -> Screen:
        """Show the present screen again: nothing is done and nobody has looked anew."""
        self._content = self._ask().content
        return self._show()

    def move(self, to: Dialogue) -> None:
        """Go to a state, do what is done there, and find what it shows."""
        is_new = not hasattr(self, "dialogue") or to.at != self.dialogue.at
        self.dialogue = to
        while isinstance(state := self.board.tree[self.dialogue.at], Passage):
            self.dialogue = self._do(state)
            is_new = True
        found = self._ask()
        self._content = found.content
        if is_new and found.subject:
            self.look(f"looked_at_{self.dialogue.at}", found.subject)
        # Now: the keys of a listing mean what is shown, and the next input may come with this one.
        self.screen = self._show()

    def look(self, action: str, subject: str) -> None:
        """Remember something for the audit, which is written last: its lock is everybody's."""
        self._looks.append((action, subject))

    def _ask(self) -> Found:
        state = self.board.tree[self.dialogue.at]
        asks = getattr(state, "asks", "")
        if not asks:
            return Found(Content())
        return QUESTIONS[asks](self.session, self.asker, self.dialogue.answers)

    def _show(self) -> Screen:
        values = {
            "wilayah": self._area(),
            "sisa": self.dialogue.answers.get("sisa", ""),
            "jam": self._locked_until(),
            **self._content.values,
        }
        shown = screens.show(
            self.board.tree,
            self.board.texts,
            self.audience,
            self.dialogue,
            replace(self._content, values=values),
        )
        self.dialogue = replace(self.dialogue, pages=shown.pages, meanings=shown.meanings)
        return shown.screen

    def _area(self) -> str:
        return figures.name_of(self.session, self.officer.area) if self._is_at("main") else ""

    def _is_at(self, name: str) -> bool:
        return self.dialogue.at == name

    def _locked_until(self) -> str:
        until = self.officer.locked_until
        return f"{until.astimezone(self.board.timezone):%H:%M}" if until else ""

    # --- checks ----------------------------------------------------------------------------------

    def _check(self, check: Check, rest: tuple[str, ...]) -> Pending | None:
        """Find out about an input, or say what must be reckoned first."""
        match check.name:
            case "pin":
                if not self.board.pins.begin_try(self.session, self.officer, self.row.channel):
                    self._lock_out()
                    return None
                return Pending(self._id(), check, self.officer.pin_hash or "", rest)
            case "code":
                if self.board.pins.begin_try(self.session, self.officer, self.row.channel):
                    self.tried(right=self._is_the_code(check.given), wrong="SANDI_SALAH")
                else:
                    self._lock_out()
            case "number":
                self._find(check.given)
            case "new_pin":
                fault = pins.fault_of(check.given)
                if fault is None:
                    return Pending(self._id(), check, "", rest)
                self.move(machine.stay(self.dialogue, fault))
            case "pin_again":
                return Pending(self._id(), check, self.dialogue.answers["new_pin"], rest)
        return None

    def _id(self) -> int:
        self.session.flush()
        return self.row.id

    def tried(self, *, right: bool, wrong: str) -> None:
        """Go in, say how many tries are left, or lock."""
        verdict = self.board.pins.finish_try(self.session, self.officer, was_right=right)
        if verdict is Verdict.LOCKED:
            self._lock_out()
        elif verdict is Verdict.WRONG:
            left = self.board.pins.tries_left(self.session, self.officer)
            answers = {**self.dialogue.answers, "sisa": str(left)}
            self.move(replace(self.dialogue, slip=wrong, answers=answers))
            self.look("pin_wrong", self.alias)
        else:
            self.row.is_logged_in = True
            self.look("logged_in", self.alias)
            self.move(Dialogue(at="resume" if self._broken_off() else machine.MAIN))

    def _lock_out(self) -> None:
        """End the dialogue, and tell the officer's own phone: it may be somebody else who tries."""
        self.row.is_logged_in = False
        self.move(Dialogue(at="locked"))
        self.look("locked_out", self.alias)
        if not self._was_locked:  # once a lock, though several sessions run into it
            text = self.board.texts.text("PETUGAS_TERKUNCI")
            self._send("PETUGAS_TERKUNCI", text, Lane.URGENT)

    def _is_the_code(self, given: str) -> bool:
        kept = self.dialogue.answers.get("code", "")
        is_fresh = self.now - self.row.started_at <= _CODE_LASTS
        return is_fresh and secrets.compare_digest(kept, self._code_digest(given))

    def _code_digest(self, code: str) -> str:
        return self.board.directory.digest("one-time code", str(self.officer.id), code)

    def _find(self, given: str) -> None:
        number = numbers.read_number(given)
        if number is None or not numbers.is_well_formed(number):
            self.move(machine.stay(self.dialogue, "NOMOR_SALAH"))
            return
        if self._misses() >= _MOST_MISSES:
            self.move(Dialogue(at="too_many"))
            return
        found = figures.report_by_number(self.session, self.asker.scope, number)
        if found is None:
            self.look("number_not_found", number)
            self.move(machine.stay(self.dialogue, "NOMOR_TAK_ADA"))
        else:
            self.move(machine.go(self.dialogue, "report", {"report": str(found.id)}))

    def _misses(self) -> int:
        """Count the numbers that this officer has guessed in vain: the audit knows."""
        query = (
            sa.select(sa.func.count())
            .select_from(AuditEntry)
            .where(
                AuditEntry.actor == f"officer {self.alias}",
                AuditEntry.action == "number_not_found",
                AuditEntry.at > self.now - _MISSES_WITHIN,
            )
        )
        return self.session.scalars(query).one()

    # --- deeds -----------------------------------------------------------------------------------

    def _do(self, state: Passage) -> Dialogue:
        match state.does:
            case "resume":
                return self._resume()
            case "text_list":
                return self._text_list()
            case _:
                return self._unlock()

    def _broken_off(self) -> DialogueRow | None:
        """Find where this officer's last session broke off, if that is not long ago."""
        if not self.is_ussd:
            return None
        return self.session.scalars(
            sa.select(DialogueRow)
            .where(
                DialogueRow.officer_id == self.officer.id,
                DialogueRow.id != self.row.id,
                DialogueRow.session_key != SMS_KEY,
                DialogueRow.is_logged_in,
                DialogueRow.touched_at > self.now - self.board.resume_within,
                DialogueRow.at.not_in(_NOT_RESUMED),
            )
            .order_by(DialogueRow.touched_at.desc())
            .limit(1)
        ).first()

    def _resume(self) -> Dialogue:
        row = self._broken_off()
        if row is None:
            return Dialogue(at=machine.MAIN)
        row.is_logged_in = False
        row.closed_at = row.closed_at or self.now
        return replace(machine.from_json(row.at, row.place), slip="")

    def _text_list(self) -> Dialogue:
        """Send the list that was just shown to the officer's own phone, some lines in each SMS."""
        *trail, listing = self.dialogue.trail
        state = self.board.tree[listing.at]
        assert isinstance(state, Listing)  # noqa: S101  # nothing else leads here
        asker = replace(self.asker, is_ussd=False)
        content = QUESTIONS[state.asks](self.session, asker, listing.answers).content
        texts = list(screens.packed([option.label for option in content.options]))[:_MOST_SMS]
        for text in texts:
            self._send("DAFTAR_PETUGAS", text, Lane.FOLLOW_UP)
        self.look(f"texted_{listing.at}", self.officer.area)
        return Dialogue(
            at="list_texted",
            answers={**listing.answers, "texted": str(len(texts))},
            trail=(*trail, listing),
        )

    def _unlock(self) -> Dialogue:
        """Unlock an officer of this admin's area."""
        found = self.session.get(Officer, int(self.dialogue.answers["officer"]))
        *trail, listing = self.dialogue.trail
        if found is not None and self.asker.scope.holds(found.area):
            self.board.pins.unlock(self.session, found)
            alias = self.session.get_one(Phone, found.phone_id).alias
            self.look("officer_unlocked", alias)
        return Dialogue(
            at=listing.at, page=listing.page, answers=listing.answers, trail=tuple(trail)
        )

    def _send(self, key: str, text: str, lane: Lane) -> None:
        message = sending.queue(
            self.session,
            channel=self.board.channels.default,
            phone_id=self.row.phone_id,
            text=text,
            reply_key=key,
            lane=lane,
            counted_from=self.now,
        )
        self.session.flush()
        self._queued = message.id

    # --- by SMS ----------------------------------------------------------------------------------

    def start_by_sms(self) -> str:
        """Begin with a one-time code for this phone; give the SMS that carries it."""
        self.start(machine.START_BY_SMS)
        if not self._is_at(machine.START_BY_SMS):
            return self.screen.text
        code = f"{secrets.randbelow(900_000) + 100_000}"
        self.dialogue = replace(self.dialogue, answers={"code": self._code_digest(code)})
        self._keep()
        return self.board.texts.screen("MASUK_SMS", sandi=code)
