"""Officers in the database: appointed, moved, locked out; and the audit that only grows."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy import exc
from support.office_work import appoint, dismiss

from gateway import clock
from gateway.accounts import AfricasTalkingAccount
from gateway.cli import office as shared
from gateway.cli.doctor import Finding
from gateway.cli.main import timpora
from gateway.dialogue import talking
from gateway.messaging import alarms
from gateway.officers import register
from gateway.officers.pins import Pins, Verdict
from gateway.officers.register import BadOfficer
from gateway.providers.base import KeyPress
from gateway.roster import demo
from gateway.roster.villages import ensure_shipped
from gateway.settings import PinRules
from gateway.wiring import Wiring
from models.officers import DialogueRow, Officer, OfficerRole, PinTry
from models.outbox import OutboundMessage
from models.people import AuditEntry, Phone, Reporter
from models.states import AlarmKind

PHONE = "+6281237000500"
PIN = "4825"
#: What whoever tampers with the audit has to do first.
TRIGGERS = {
    "sqlite": ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"],
    "postgresql": ["DROP TRIGGER audit_only_added ON audit_entries"],
}


@pytest.fixture
def officer(office: Wiring) -> str:
    appoint(office, PHONE, "imigrasi", "53.02", "duty", PIN)
    return PHONE


def active(office: Wiring) -> Officer:
    with office.database.reading() as session:
        found = register.find(session, office.directory, PHONE)
    assert found is not None
    return found


def a_try(office: Wiring, *, was_right: bool) -> Verdict:
    """Try a PIN as a dialogue does, in two transactions."""
    pins = office.switchboard.pins
    with office.database.writing() as session:
        if not pins.begin_try(session, session.merge(active(office)), "test"):
            return Verdict.LOCKED
    with office.database.writing() as session:
        return pins.finish_try(session, session.merge(active(office)), was_right=was_right)


# Appointed, moved, removed ----------------------------------------------------------------------


def test_the_same_officer_again_is_the_same(office: Wiring, officer: str):
    first = active(office)
    appoint(office, officer, "imigrasi", "53.02", "duty")

    assert active(office).id == first.id


def test_a_move_ends_the_old_entry_and_the_pin_goes_along(office: Wiring, officer: str):
    first = active(office)
    appoint(office, officer, "imigrasi", "53.02.02", "duty")

    moved = active(office)
    assert (moved.id > first.id, moved.area, moved.pin_hash) == (True, "53.02.02", first.pin_hash)


def test_who_takes_a_phone_over_has_no_pin(office: Wiring, officer: str):
    appoint(office, officer, "camat", "53.02.02")  # the tests name an officer by the institution

    assert active(office).pin_hash is None


def test_a_locked_officer_is_locked_after_a_move(office: Wiring, officer: str):
    for _ in range(3):
        a_try(office, was_right=False)
    appoint(office, officer, "imigrasi", "53.02.03", "duty")

    assert a_try(office, was_right=True) is Verdict.LOCKED


def test_a_removed_officer_is_none(office: Wiring, officer: str):
    dismiss(office, officer)

    with office.database.reading() as session:
        assert register.find(session, office.directory, officer) is None
        (kept,) = register.listing(session)
    assert kept["ended_reason"] == "removed"
    assert officer.removeprefix("+") not in str(kept)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"institution": "imigrsai"}, "did you mean imigrasi"),
        ({"institution": "xyz"}, "use one of imigrasi"),
        ({"name": "081234567890"}, "letters"),
        ({"name": "Ani 081234567890"}, "phone number in the name"),
        ({"name": ""}, "letters"),
        (
            {"name": "Ani \u2070\u2078\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"},
            "number in the name",
        ),
        ({"name": "A\u2026" * 30}, "at most 60"),
    ],
)
def test_what_is_wrong_with_an_officer_is_named(
    office: Wiring, change: dict[str, str], complaint: str
):
    given = {"phone": PHONE, "name": "Ani", "institution": "imigrasi", "area": "53.02", **change}

    with pytest.raises(BadOfficer, match=complaint):
        register.read_entry(office.switchboard.institutions, **given)


@pytest.mark.parametrize("area", ["53.2", "53.021", "99", "", "53.02.02.9999"])
def test_an_area_without_villages_is_refused(office: Wiring, area: str):
    with pytest.raises(BadOfficer, match="no village lies in"):
        appoint(office, PHONE, "imigrasi", area)


# Demo officers ----------------------------------------------------------------------------------

DEMO_PHONE = "+6281237000901"


def appoint_real(office: Wiring, **change: str) -> Officer:
    """Appoint a real officer with the name and phone of the first demo one."""
    given = {"phone": DEMO_PHONE, "name": "Piket Imigrasi", "institution": "imigrasi", **change}
    entry = register.read_entry(
        office.switchboard.institutions,
        area="53.02",
        role=OfficerRole.DUTY,
        **given,
    )
    with office.database.writing() as session:
        ensure_shipped(session)
        return register.add(session, office.directory, office.audit, entry, actor="test")


def load_demo(office: Wiring) -> None:
    with office.database.writing() as session:
        demo.load_demo(session, office.directory, office.settings, "hash-of-the-demo-pin")


def demo_place(office: Wiring) -> Officer:
    with office.database.reading() as session:
        found = register.find(session, office.directory, DEMO_PHONE)
    assert found is not None
    return found


def test_a_demo_officer_takes_no_real_ones_place(office: Wiring):
    real = appoint_real(office, name="Budi")
    load_demo(office)

    kept = demo_place(office)
    assert (kept.id, kept.name, kept.is_demo, kept.pin_hash) == (real.id, "Budi", False, None)


def test_the_demo_pin_never_goes_along_to_a_real_officer(office: Wiring):
    load_demo(office)
    assert demo_place(office).pin_hash == "hash-of-the-demo-pin"
    appoint_real(office)  # the same in all, but real

    real = demo_place(office)
    assert (real.is_demo, real.pin_hash, real.pin_set_at) == (False, None, None)
    with office.database.writing() as session:
        demo.remove_demo(session)
    assert demo_place(office).id == real.id


def test_demo_officers_alone_meet_no_provider_outside_this_machine(office: Wiring):
    load_demo(office)
    account = AfricasTalkingAccount("timpora", "key", None, None)
    outside = replace(
        office.settings, accounts=replace(office.settings.accounts, africastalking=account)
    )
    with office.database.writing() as session:
        session.execute(sa.update(Reporter).values(ended_at=clock.now()))
        with pytest.raises(demo.DemoPeopleError):
            demo.refuse_outside_world(session, outside)
        demo.remove_demo(session)
        demo.refuse_outside_world(session, outside)


# Tries ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("officer")
def test_the_third_wrong_one_locks_and_a_right_one_clears(office: Wiring):
    verdicts = [a_try(office, was_right=right) for right in (False, False, True, False, False)]
    assert verdicts == ["wrong", "wrong", "right", "wrong", "wrong"]

    assert a_try(office, was_right=False) is Verdict.LOCKED
    assert a_try(office, was_right=True) is Verdict.LOCKED
    with office.database.reading() as session:
        (alarm,) = alarms.open_alarms(session)
        alias = session.get_one(Phone, active(office).phone_id).alias
    assert (alarm.kind, alarm.subject) == (AlarmKind.LOCKOUT, alias)


@pytest.mark.usefixtures("officer")
def test_wrong_ones_long_ago_do_not_count(office: Wiring, monkeypatch: pytest.MonkeyPatch):
    now = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
    verdicts = []
    for minutes in (0, 8, 16, 24, 32):
        monkeypatch.setattr(clock, "now", lambda minutes=minutes: now + timedelta(minutes=minutes))
        verdicts.append(a_try(office, was_right=False))

    assert set(verdicts) == {Verdict.WRONG}


@pytest.mark.usefixtures("officer")
def test_a_lock_ends_by_itself_or_by_an_admin(office: Wiring, monkeypatch: pytest.MonkeyPatch):
    now = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    for _ in range(3):
        a_try(office, was_right=False)
    with office.database.writing() as session:
        office.switchboard.pins.unlock(session, session.merge(active(office)))
    assert a_try(office, was_right=False) is Verdict.WRONG
    for _ in range(2):
        a_try(office, was_right=False)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=31))

    assert a_try(office, was_right=True) is Verdict.RIGHT


@pytest.mark.usefixtures("officer")
def test_a_lock_shorter_than_the_window_ends_in_its_time_and_comes_again(
    office: Wiring, monkeypatch: pytest.MonkeyPatch
):
    rules = PinRules(3, window=timedelta(minutes=15), lock=timedelta(minutes=1))
    pins = Pins("a-secret-of-the-tests", rules)
    now = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)

    def wrong(seconds: int) -> Verdict | None:
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=seconds))
        with office.database.writing() as session:
            officer = session.merge(active(office))
            if not pins.begin_try(session, officer, "test"):
                return None
            return pins.finish_try(session, officer, was_right=False)

    assert [wrong(second) for second in (0, 1, 2)] == ["wrong", "wrong", "locked"]
    assert wrong(61) is None, "a minute from the third one"
    assert [wrong(second) for second in (62, 63, 64)] == ["wrong", "wrong", "locked"]
    assert wrong(65) is None


@pytest.mark.usefixtures("officer")
def test_a_try_that_is_never_finished_counts(office: Wiring):
    pins = office.switchboard.pins
    for _ in range(3):  # a process that is killed while it reckons the hash
        with office.database.writing() as session:
            assert pins.begin_try(session, session.merge(active(office)), "test")

    with office.database.writing() as session:
        assert not pins.begin_try(session, session.merge(active(office)), "test")
        assert session.scalar(sa.select(sa.func.count()).select_from(PinTry)) == 3


def test_guesses_in_parallel_do_not_pass_the_bound(office: Wiring, officer: str):
    def guess(number: int) -> None:
        press = KeyPress(f"s{number}", officer, "*384*1#", f"{7000 + number}", is_cumulative=True)
        talking.answer(office.database, office.switchboard, "africastalking", press)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PinTry)) == 3
        told = session.scalars(sa.select(OutboundMessage.reply_key)).all()
    assert told == ["PETUGAS_TERKUNCI"], "the phone is told of a lock once"
    assert a_try(office, was_right=True) is Verdict.LOCKED


def test_a_dialogue_is_forgotten_after_a_day_and_not_before(
    office: Wiring, officer: str, monkeypatch: pytest.MonkeyPatch
):
    def rows() -> int:
        with office.database.reading() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(DialogueRow)) or 0

    now = clock.now()
    for hours, said in ((0, "first"), (23, "second")):
        monkeypatch.setattr(clock, "now", lambda hours=hours: now + timedelta(hours=hours))
        press = KeyPress(said, officer, "*384*1#", "", is_cumulative=True)
        talking.answer(office.database, office.switchboard, "africastalking", press)
    talking.forget_old(office.database)
    assert rows() == 2

    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=25))
    talking.forget_old(office.database)
    assert rows() == 1


# The audit --------------------------------------------------------------------------------------


def write_some(office: Wiring) -> None:
    for number in range(4):
        with office.database.writing() as session:
            office.audit.write(session, actor="officer P-1", action="looked", subject=str(number))


def verify(office: Wiring) -> int | None:
    with office.database.reading() as session:
        return office.audit.verify(session)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entries SET subject = 'x'", "DELETE FROM audit_entries"],
)
def test_the_database_refuses_to_change_the_audit(office: Wiring, statement: str):
    write_some(office)

    with pytest.raises(exc.DBAPIError, match="only ever added"), office.database.writing() as one:
        one.execute(sa.text(statement))
    assert verify(office) is None


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE audit_entries SET subject = 'x' WHERE id = 2", 2),
        ("UPDATE audit_entries SET actor = 'officer P-2' WHERE id = 3", 3),
        ("UPDATE audit_entries SET action = 'x' WHERE id = 4", 4),
        ("UPDATE audit_entries SET reason = 'x' WHERE id = 2", 2),
        ("UPDATE audit_entries SET actor = 'officer P-1l', action = 'ooked' WHERE id = 2", 2),
        ("UPDATE audit_entries SET at = '2020-01-01' WHERE id = 1", 1),
        ("UPDATE audit_entries SET seal = NULL WHERE id = 1", 2),
        ("UPDATE audit_entries SET id = 9 WHERE id = 2", 3),
        ("DELETE FROM audit_entries WHERE id = 2", 3),
        ("DELETE FROM audit_entries WHERE id = 1", 2),
        ("UPDATE audit_entries SET seal = NULL WHERE id = 3", 3),
        (
            (
                "INSERT INTO audit_entries (at, actor, action, subject, reason, seal)"
                " SELECT at, actor, action, subject, reason, seal FROM audit_entries WHERE id = 2"
            ),
            5,
        ),
        (
            (
                "INSERT INTO audit_entries (at, actor, action, subject, reason)"
                " SELECT at, actor, action, subject, reason FROM audit_entries WHERE id = 2"
            ),
            5,
        ),
    ],
)
def test_whoever_gets_round_that_breaks_a_seal(office: Wiring, statement: str, first: int):
    write_some(office)
    assert verify(office) is None
    with office.database.writing() as session:
        for drop in TRIGGERS[office.database.url.get_backend_name()]:
            session.execute(sa.text(drop))
        session.execute(sa.text(statement))

    assert verify(office) == first


def test_entries_older_than_seals_are_passed_over(office: Wiring):
    with office.database.writing() as session:
        session.execute(
            sa.insert(AuditEntry),
            [
                {"at": clock.now(), "actor": "a", "action": "b", "subject": "c", "reason": "d"}
                for _ in range(2)
            ],
        )
    write_some(office)

    assert verify(office) is None


def test_entries_written_at_once_are_one_chain(office: Wiring):
    threads = [threading.Thread(target=write_some, args=(office,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) == 20
    assert verify(office) is None


def test_a_look_is_audited_once_though_the_request_comes_twice(office: Wiring, officer: str):
    for said in ("", PIN, f"{PIN}*2", f"{PIN}*2"):
        press = KeyPress("s", officer, "*384*1#", said, is_cumulative=True)
        talking.answer(office.database, office.switchboard, "africastalking", press)

    with office.database.reading() as session:
        actions = session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["officer_added", "logged_in", "looked_at_latest"]


# Commands ---------------------------------------------------------------------------------------


@pytest.fixture
def run(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    shared.settings.cache_clear()
    shared.office.cache_clear()
    monkeypatch.setattr(shared, "settings", lambda: office.settings)
    monkeypatch.setattr(shared, "office", lambda: office)
    for module in ("officer", "doctor", "roster"):
        monkeypatch.setattr(f"gateway.cli.{module}.office", lambda: office, raising=False)
        monkeypatch.setattr(f"gateway.cli.{module}.demand_gateway", lambda: None, raising=False)

    def invoke(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(timpora, arguments, input=given)

    return invoke


def test_an_officer_by_command(run: Callable[..., Result], office: Wiring):
    appoint(office, "+6281237000599", "polres", "53.02")  # loads the villages
    options = ("--name", "Ani Nope", "--institution", "imigrasi", "--area", "53.02.02")
    added = run("officer", "add", "--phone", "0812-3700-0500", *options)
    assert added.exit_code == 0, added.output
    alias = added.output.split()[0]

    easy = run("officer", "pin", "--phone", alias, given="1234\n")
    assert (easy.exit_code, "too easy" in easy.output) == (1, True)
    done = run("officer", "pin", "--phone", PHONE, given=f"{PIN}\n")
    assert done.exit_code == 0, done.output
    assert PIN not in done.output
    assert office.switchboard.pins.is_right(PIN, active(office).pin_hash or "")

    listed = run("officer", "list")
    assert alias in listed.output
    assert "37000500" not in listed.output
    for _ in range(3):
        a_try(office, was_right=False)
    assert run("officer", "unlock", "--phone", alias).exit_code == 0
    assert a_try(office, was_right=True) is Verdict.RIGHT
    assert run("officer", "remove", "--phone", alias).exit_code == 0
    again = run("officer", "remove", "--phone", alias)
    assert (again.exit_code, "no officer has this phone" in again.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "--phone", "12", "--name", "A", "--institution", "polres", "--area", "53"), "12"),
        (("pin", "--phone", "P-XXXX"), "no officer"),
        (("unlock", "--phone", "rumah"), "letters in the number"),
        (("remove", "--phone", "0812"), "number"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    run: Callable[..., Result], arguments: tuple[str, ...], complaint: str
):
    result = run("officer", *arguments)

    assert result.exit_code == 1
    assert complaint in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("verb", ["unlock", "remove"])
def test_a_phone_is_named_in_one_spelling_or_the_other(
    run: Callable[..., Result], officer: str, verb: str
):
    assert run("officer", verb).exit_code == 2
    both = run("officer", verb, officer, "--phone", officer)
    assert (both.exit_code, "name the phone once" in both.output) == (2, True)

    assert run("officer", verb, officer).exit_code == 0


def test_a_pin_is_never_an_argument_nor_a_variable(
    run: Callable[..., Result], officer: str, office: Wiring, monkeypatch: pytest.MonkeyPatch
):
    before = active(office).pin_hash
    monkeypatch.setenv("TIMPORA_PIN", "739164")

    for extra in (("739164",), ("--pin", "739164")):
        assert run("officer", "pin", "--phone", officer, *extra).exit_code == 2
    nothing = run("officer", "pin", "--phone", officer, given="")
    assert (nothing.exit_code, "4 to 6 digits" in nothing.output) == (1, True)
    assert active(office).pin_hash == before


@pytest.mark.parametrize("verb", ["add", "pin", "list", "remove", "unlock"])
def test_each_command_has_help(run: Callable[..., Result], verb: str):
    helped = run("officer", verb, "--help")

    assert helped.exit_code == 0
    assert f"officer {verb}" in helped.output


def test_officers_as_json_and_each_change_in_the_audit(
    run: Callable[..., Result], officer: str, office: Wiring
):
    assert run("officer", "pin", "--phone", officer, given=f"{PIN}\n").exit_code == 0
    assert run("officer", "unlock", officer).exit_code == 0
    assert run("officer", "remove", officer).exit_code == 0

    (listed,) = json.loads(run("officer", "list", "--json").stdout)
    assert (listed["has_pin"], listed["ended_reason"]) == (True, "removed")
    assert "argon2" not in str(listed)
    with office.database.reading() as session:
        entries = session.execute(sa.select(AuditEntry.action, AuditEntry.subject)).all()
    actions = ["officer_added", "pin_set", "officer_unlocked", "officer_removed"]
    assert [tuple(entry) for entry in entries] == [(one, listed["alias"]) for one in actions]
    assert verify(office) is None


def test_the_end_of_demo_officers_is_in_the_audit(run: Callable[..., Result], office: Wiring):
    load_demo(office)

    assert run("roster", "remove-demo").exit_code == 0
    with office.database.reading() as session:
        reasons = session.scalars(
            sa.select(AuditEntry.reason).where(AuditEntry.action == "officer_removed")
        ).all()
    assert reasons == ["demo people removed"] * 4
    assert verify(office) is None


# The doctor -------------------------------------------------------------------------------------


@pytest.fixture
def finding(
    office: Wiring, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[Finding]]:
    monkeypatch.setattr("gateway.cli.doctor.settings", lambda: office.settings)

    def look(what: str) -> list[Finding]:
        told = json.loads(run("doctor", "--json").stdout)
        return [Finding(**one) for one in told if one["what"] == what]

    return look


def test_the_doctor_names_the_first_broken_entry(
    office: Wiring, finding: Callable[[str], list[Finding]]
):
    write_some(office)
    (whole,) = finding("audit")
    assert whole.level == "green"

    with office.database.writing() as session:
        for drop in TRIGGERS[office.database.url.get_backend_name()]:
            session.execute(sa.text(drop))
        session.execute(sa.text("UPDATE audit_entries SET subject = 'x' WHERE id = 3"))
    (broken,) = finding("audit")
    assert (broken.level, "entry 3 " in broken.says) == ("red", True)
    assert broken.mend


@pytest.mark.usefixtures("officer")
def test_the_doctor_verifies_the_newest_entries_and_all_when_asked(
    office: Wiring, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.cli.doctor.settings", lambda: office.settings)
    monkeypatch.setattr("gateway.cli.doctor._AUDIT_LOOKED_AT", 3)
    write_some(office)

    def says(*options: str) -> str:
        told = json.loads(run("doctor", "--json", *options).stdout)
        return next(one["says"] for one in told if one["what"] == "audit")

    assert "the newest 3 entries are as they were written" in says()
    assert says("--whole-audit") == "every entry is as it was written"
    with office.database.writing() as session:
        for drop in TRIGGERS[office.database.url.get_backend_name()]:
            session.execute(sa.text(drop))
        session.execute(sa.text("UPDATE audit_entries SET subject = 'x' WHERE id = 1"))
    assert "the newest 3 entries" in says()
    assert "entry 1 is not as it was written" in says("--whole-audit")
    with office.database.writing() as session:
        newest = session.scalar(sa.select(sa.func.max(AuditEntry.id)))
        session.execute(
            sa.text("UPDATE audit_entries SET subject = 'x' WHERE id = :id"), {"id": newest - 2}
        )
    assert f"entry {newest - 2} is not as it was written" in says()
    # The oldest of those that are looked at is compared with the one before it.
    with office.database.reading() as session:
        assert office.audit.verify(session, newest=2) is None
        assert office.audit.verify(session) == 1


def test_the_doctor_names_officers_without_a_pin(
    office: Wiring, finding: Callable[[str], list[Finding]]
):
    assert finding("officers") == []
    appoint(office, "+6281237000501", "polres", "53.02")

    (warned,) = finding("officers")
    assert warned.level == "yellow"
    assert "has no PIN" in warned.says
    assert "37000501" not in warned.says + (warned.mend or "")
