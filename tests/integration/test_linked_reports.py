"""Reports that belong together are linked for the officer, and nobody else hears of it."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from support.office_work import do_all_work, register

from gateway import clock, listing
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.reporting import linking
from gateway.wiring import Wiring
from models.report import Report, ReportLink

KADES, SEKDES, ELSEWHERE = "+6281237000111", "+6281237000112", "+6281237000113"
VILLAGES = {KADES: "53.02.02.2008", SEKDES: "53.02.02.2008", ELSEWHERE: "53.02.01.1001"}
MORNING = datetime(2026, 11, 25, 10, 10, tzinfo=ZoneInfo("Asia/Makassar"))


class Office:
    """An office to which three phones write."""

    def __init__(self, office: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self._now = office, MORNING
        monkeypatch.setattr(clock, "now", lambda: self._now)
        for number, village in VILLAGES.items():
            register(office, number, [village])

    def hears(self, number: str, text: str, later: timedelta = timedelta(seconds=1)) -> None:
        """Take in one text and do all that it asks for."""
        self._now += later
        sms = InboundSms(sender=number, recipient=None, text=text, network_time=self._now)
        with self.office.database.writing() as session:
            receiving.accept(session, self.office.directory, "loopback", Intake(messages=(sms,)))
        do_all_work(self.office)

    def reports(self) -> list[dict[str, Any]]:
        """List all reports with their history."""
        with self.office.database.reading() as session:
            query = listing.reports_query(None, None)
            return listing.reports(session, query, self.office.settings.timezone)


@pytest.fixture
def village(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(office, monkeypatch)


def alike(report: dict[str, Any]) -> list[str]:
    """Give the numbers that a report's history names as alike."""
    linked = [event for event in report["history"] if event["event"] == "linked"]
    return [number for event in linked for number in event["detail"]["alike"]]


LINKED = {
    "the same guests, one more of them": ("WNA 2 AUS wisata", "wna australia 3 org jalan2", True),
    "two more of them": ("WNA 2 AUS wisata", "WNA 4 AUS wisata", False),
    "another country": ("WNA 2 AUS wisata", "WNA 2 jerman wisata", False),
    "another code": ("WNA 2 AUS wisata", "CURIGA 2 org australia di pasar", False),
    "the same departure for work": ("PMI 3 Malaysia lusa", "PMI malaysia 3 org 27/11", True),
    "another goal": ("PMI 3 Malaysia lusa", "PMI 3 Batam lusa", False),
    "the same emergency": ("DARURAT banjir di dusun 2", "DARURAT#bencana#kantor desa", True),
    "nothing to report, twice": ("NIHIL", "NIHIL", False),
}


@pytest.mark.parametrize("case", LINKED)
def test_two_phones_of_a_village(case: str, village: Office) -> None:
    one, other, are_linked = LINKED[case]
    village.hears(KADES, one)
    village.hears(SEKDES, other)

    first, second = village.reports()

    assert alike(first) == []
    assert alike(second) == ([first["number"]] if are_linked else [])


def test_another_village_is_not_alike(village: Office) -> None:
    village.hears(KADES, "WNA 2 AUS wisata")
    village.hears(ELSEWHERE, "WNA 2 AUS wisata")

    assert [alike(report) for report in village.reports()] == [[], []]


def test_three_days_later_it_is_another_visit(village: Office) -> None:
    village.hears(KADES, "WNA 2 AUS wisata")
    village.hears(SEKDES, "WNA 2 AUS wisata", later=timedelta(days=3))

    assert [alike(report) for report in village.reports()] == [[], []]


def test_a_draft_is_linked_once_it_is_complete(village: Office) -> None:
    village.hears(KADES, "WNA 2 AUS wisata")
    village.hears(SEKDES, "WNA 2 wisata")
    village.hears(SEKDES, "australia")

    first, second = village.reports()

    assert alike(second) == [first["number"]]


def test_a_departure_is_linked_to_its_arrival_until_it_is_withdrawn(village: Office) -> None:
    village.hears(KADES, "WNA 2 AUS wisata")
    (arrival,) = village.reports()
    village.hears(SEKDES, f"PERGI {arrival['number']}")
    departure = village.reports()[1]
    village.hears(SEKDES, f"BATAL {departure['number']}")

    arrival, departure = village.reports()

    assert departure["fields"] == {"ref": arrival["number"]}
    assert departure["state"] == "invalid"
    assert [(event["event"], event["by"]) for event in arrival["history"]] == [
        ("received", "reporter"),
        ("left", "village"),
        ("departure_withdrawn", "gateway"),
    ]
    with village.office.database.reading() as session:
        (link,) = session.scalars(sa.select(ReportLink)).all()
        first = session.get_one(Report, link.other_id)
        assert linking.linked_numbers(session, first.id) == [departure["number"]]


def test_a_correction_keeps_what_stood_there(village: Office) -> None:
    village.hears(KADES, "WNA 2 AUS wisata")
    village.hears(KADES, "salah, 3 org")

    (report,) = village.reports()

    assert report["fields"]["count"] == 3
    last = report["history"][-1]
    assert (last["event"], last["detail"]["before"]) == ("corrected", {"count": 2})
