"""Polled channels: each row of theirs is accepted once, however often it is read."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.polled_provider import Modem, ModemTable
from support.provider_contract import everything_told, private_forms

from gateway import clock
from gateway.clock import Timetable
from gateway.messaging import receiving
from gateway.messaging.channels import Channels
from gateway.messaging.queues import Job
from gateway.providers.base import Polled
from gateway.watch import attending
from gateway.wiring import Wiring
from models.inbox import InboundMessage, PollCursor, Quarantined

PHONE = "+6281200000123"
OTHER_PHONE = "+6281200000124"


@pytest.fixture
def modem(tmp_path: Path) -> Modem:
    return Modem(tmp_path / "modem.db")


@pytest.fixture(autouse=True)
def _the_day_of_the_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 1, 6, 10, tzinfo=UTC))


@pytest.fixture
def modem_office(office: Wiring, modem: Modem) -> Wiring:
    """An office with a modem beside its other channels."""
    by_name = {**office.channels.by_name, "modem": ModemTable(modem.path)}
    return replace(office, channels=Channels(by_name, office.channels.default))


def accepted(office: Wiring) -> list[tuple[str, int]]:
    """List the text of each message, and how often it came again."""
    with office.database.reading() as session:
        rows = session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id))
        return [(row.text, row.redelivered) for row in rows]


def attend(office: Wiring) -> None:
    """Do what a sweeper that has just started does for the modem."""
    provider = office.channels.by_name["modem"]
    for message_id in attending.attend(
        office.database, office.directory, office.channels, provider, Timetable()
    ):
        office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)


def mark(office: Wiring) -> str | None:
    with office.database.reading() as session:
        cursor = receiving.poll_cursor(session, "modem")
    return cursor.since if cursor else None


class PowerCutError(Exception):
    """What ends a transaction in the middle."""


def keep_and_lose_power(office: Wiring, polled: Polled) -> None:
    with office.database.writing() as session:
        receiving.accept_polled(session, office.directory, "modem", polled, clock.now())
        raise PowerCutError


def test_new_rows_are_accepted_and_rung_for_and_old_ones_not_again(
    modem_office: Wiring, modem: Modem
):
    modem.gets(PHONE, "WNA#Australia#2")
    attend(modem_office)
    modem.gets(OTHER_PHONE, "NIHIL")
    attend(modem_office)
    attend(modem_office)

    assert accepted(modem_office) == [("WNA#Australia#2", 0), ("NIHIL", 0)]
    assert mark(modem_office) == "2"
    assert modem_office.doorbell.waiting() == 1


def test_a_bad_row_is_set_apart_and_its_neighbours_are_kept(modem_office: Wiring, modem: Modem):
    modem.gets(PHONE, "WNA#Australia#2")
    modem.gets(None, f"dari {OTHER_PHONE}")
    modem.gets(OTHER_PHONE, "NIHIL")

    attend(modem_office)

    assert [text for text, _ in accepted(modem_office)] == ["WNA#Australia#2", "NIHIL"]
    with modem_office.database.reading() as session:
        (apart,) = session.scalars(sa.select(Quarantined))
    assert (apart.channel, apart.reason) == ("modem", "a row without a sender")
    assert OTHER_PHONE[1:] not in apart.body


def test_a_crash_before_the_commit_loses_nothing_and_doubles_nothing(
    modem_office: Wiring, modem: Modem
):
    modem.gets(PHONE, "WNA#Australia#2")
    modem.gets(OTHER_PHONE, "NIHIL")
    with pytest.raises(PowerCutError):
        keep_and_lose_power(modem_office, ModemTable(modem.path).poll(None))
    assert accepted(modem_office) == []
    assert mark(modem_office) is None

    attend(modem_office)

    assert accepted(modem_office) == [("WNA#Australia#2", 0), ("NIHIL", 0)]


def test_rows_that_are_read_again_are_known_again(modem_office: Wiring, modem: Modem):
    modem.gets(PHONE, "WNA#Australia#2")
    modem.gets(PHONE, "NIHIL", at="yesterday")
    attend(modem_office)
    # As after a restore of what stood in the mark's row, or a reset of the modem's own counter.
    with modem_office.database.writing() as session:
        session.execute(sa.delete(PollCursor))

    modem.gets(OTHER_PHONE, "NIHIL")
    attend(modem_office)

    assert accepted(modem_office) == [("WNA#Australia#2", 1), ("NIHIL", 1), ("NIHIL", 0)]
    assert mark(modem_office) == "3"


def test_no_line_tells_a_number_or_a_text(
    modem_office: Wiring,
    modem: Modem,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    modem.gets(PHONE, "WNA#Australia#2")
    modem.gets(None, f"dari {OTHER_PHONE}")
    polled = ModemTable(modem.path).poll(None)

    with everything_told(caplog, capfd) as told:
        for _ in range(2):
            with modem_office.database.writing() as session:
                receiving.accept_polled(
                    session, modem_office.directory, "modem", polled, clock.now()
                )

    assert "message_redelivered" in "".join(told)
    assert "request_quarantined" in "".join(told)
    for form in private_forms(PHONE, OTHER_PHONE, "WNA#Australia#2"):
        assert [line for line in told if form in line] == []


def test_an_inbox_that_was_in_use_before_us_is_not_reported_anew(
    modem_office: Wiring, modem: Modem, monkeypatch: pytest.MonkeyPatch
):
    modem.gets(PHONE, "WNA#Australia#2", at="2026-02-20 06:04:45")
    modem.gets(OTHER_PHONE, "NIHIL")
    attend(modem_office)
    assert accepted(modem_office) == [("NIHIL", 0)]

    # After a week without power, all that came meanwhile is new to us.
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 9, tzinfo=UTC))
    modem.gets(PHONE, "WNA#Jerman#1", at="2026-03-02 06:04:45")
    attend(modem_office)
    assert accepted(modem_office) == [("NIHIL", 0), ("WNA#Jerman#1", 0)]


def test_an_old_inbox_of_many_pages_is_left_out_to_its_end(modem_office: Wiring, modem: Modem):
    for number in range(120):
        modem.gets(PHONE, f"lama {number}", at="2026-02-20 06:04:45")
    modem.gets(OTHER_PHONE, "NIHIL")
    for _ in range(4):
        attend(modem_office)

    assert accepted(modem_office) == [("NIHIL", 0)]
