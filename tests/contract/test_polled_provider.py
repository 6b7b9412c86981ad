"""A provider that is asked instead of asking: what the protocol for it is enough for."""

from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from support.polled_provider import Modem, ModemTable
from support.provider_contract import ProviderContract, SendingCase

from gateway.providers.base import InboundSms, Polled, PolledProvider, SendDeferred

AT_0604 = datetime(2026, 3, 1, 6, 4, 45, tzinfo=UTC)
PHONE = "+6281200000123"


@pytest.fixture
def modem(tmp_path: Path) -> Modem:
    return Modem(tmp_path / "modem.db")


@pytest.fixture
def table(modem: Modem) -> ModemTable:
    return ModemTable(modem.path)


class TestModemTable(ProviderContract):
    NAME = "modem"
    SENDING: ClassVar = [
        SendingCase("a message", None, SendDeferred, "the modem only receives", requests=0)
    ]

    def adapter(self) -> ModemTable:
        return ModemTable(Path("nowhere.db"))


def texts(polled: Polled) -> list[str]:
    return [message.text for message in polled.intake.messages]


def test_it_is_known_at_run_time_as_one_to_be_asked(table: ModemTable):
    assert isinstance(table, PolledProvider)


def test_nothing_new_leaves_the_mark_where_it_was(table: ModemTable):
    assert texts(table.poll(None)) == []
    assert table.poll("7").since == "7"


def test_one_poll_brings_several_messages_in_order(modem: Modem, table: ModemTable):
    modem.gets(PHONE, "WNA#Australia#2")
    modem.gets("TELKOMSEL", "Sisa pulsa Rp 1.250", at="yesterday")

    polled = table.poll(None)

    assert polled.intake.messages == (
        InboundSms(PHONE, None, "WNA#Australia#2", "1", AT_0604),
        InboundSms("TELKOMSEL", None, "Sisa pulsa Rp 1.250", "2", None, ("odd_date",)),
    )
    assert polled.since == "2"


def test_a_row_that_cannot_be_read_spoils_none_beside_it(modem: Modem, table: ModemTable):
    modem.gets(PHONE, "WNA")
    modem.gets(None, "PMI")
    modem.gets(PHONE, "NIHIL")

    polled = table.poll(None)

    assert texts(polled) == ["WNA", "NIHIL"]
    assert [item.reason for item in polled.intake.unreadable] == ["a row without a sender"]
    assert b"PMI" in polled.intake.unreadable[0].body
    assert polled.since == "3"


def test_a_poll_goes_on_from_the_mark(modem: Modem, table: ModemTable):
    modem.gets(PHONE, "WNA")
    mark = table.poll(None).since
    modem.gets(PHONE, "NIHIL")

    assert texts(table.poll(mark)) == ["NIHIL"]
    assert texts(table.poll(mark)) == ["NIHIL"], "asked again with the same mark"
    assert texts(table.poll(table.poll(mark).since)) == []
