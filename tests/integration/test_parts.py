"""Long messages that come in their parts: one message, whatever the order, and never mixed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from support.office_work import do_all_work, register

from gateway import clock
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake, Part
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import Report

ONE, OTHER = "+6281237000111", "+6281237000112"
VILLAGES = {ONE: "53.02.02.2003", OTHER: "53.02.02.2008"}
NOW = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
FIRST = "PMI 3 Malaysia besok naik kapal, dijemput oto biru, sopirnya orang Kupang, anak-anak dari "
SECOND = "dusun 2 dan dusun 4, namanya kami belum tahu semua"


class Village:
    """What phones send to an office, part by part."""

    def __init__(self, office: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office = replace(office, desk=replace(office.desk, part_wait=timedelta(seconds=120)))
        self._monkeypatch = monkeypatch
        self.now = NOW
        self.pass_time(timedelta(0))
        for sender, village in VILLAGES.items():
            register(office, sender, [village])

    def pass_time(self, amount: timedelta) -> None:
        self.now += amount
        self._monkeypatch.setattr(clock, "now", lambda: self.now)

    def sends(
        self, text: str, number: int, total: int = 2, sender: str = ONE, at: datetime = NOW
    ) -> None:
        part = Part(42, number, total)
        message = InboundSms(sender, "22345", text, network_time=at, part=part)
        with self.office.database.writing() as session:
            receiving.accept(session, self.office.directory, "kannel", Intake((message,)))
        do_all_work(self.office)

    def reports(self) -> list[Report]:
        with self.office.database.reading() as session:
            return list(session.scalars(sa.select(Report).order_by(Report.id)))

    def inbox(self) -> list[InboundMessage]:
        with self.office.database.reading() as session:
            return list(session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id)))

    def replies(self) -> list[str]:
        with self.office.database.reading() as session:
            return list(
                session.scalars(sa.select(OutboundMessage.reply_key).order_by(OutboundMessage.id))
            )


@pytest.fixture
def village(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    return Village(office, monkeypatch)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in order", "the second one first"])
def test_two_parts_are_one_report_and_one_reply(village: Village, order: tuple[int, int]):
    texts = {1: FIRST, 2: SECOND}
    for number in order:
        village.sends(texts[number], number)

    (report,) = village.reports()
    assert report.code == "PMI"
    assert report.fields["count"] == 3
    assert "dusun 4" in report.note
    assert village.replies() == ["OK_PMI_MENDESAK"]
    whole = next(row for row in village.inbox() if row.outcome == "report")
    assert whole.text == FIRST + SECOND
    assert (whole.parts, whole.segments) == (2, 1)
    assert sorted(row.outcome or "" for row in village.inbox()) == ["part", "report"]


def test_three_parts_in_any_order_wait_for_the_last(village: Village):
    third = ", mohon bantuan segera"
    village.sends(third, 3, 3)
    village.sends(FIRST, 1, 3)
    assert village.reports() == []
    village.sends(SECOND, 2, 3)

    (report,) = village.reports()
    assert report.note.endswith("mohon bantuan segera")
    assert sorted(row.outcome or "" for row in village.inbox()) == ["part", "part", "report"]


def test_parts_of_two_senders_with_one_reference_are_never_mixed(village: Village):
    village.sends(FIRST, 1, sender=ONE)
    village.sends(
        "WNA 2 Australia wisata, tinggal di rumah bapak desa sampai hari ", 1, sender=OTHER
    )
    village.sends("Minggu depan", 2, sender=OTHER)
    village.sends(SECOND, 2, sender=ONE)

    notes = {report.code: report.note for report in village.reports()}
    assert set(notes) == {"PMI", "WNA"}
    assert "dusun" in notes["PMI"]
    assert "dusun" not in notes["WNA"]


def test_parts_with_the_same_words_are_two_parts_and_the_same_part_again_is_none(village: Village):
    village.sends("WNA 2 Australia wisata ", 1, 3)
    village.sends("ya ", 2, 3)
    village.sends("ya ", 2, 3)
    village.sends("ya ", 3, 3)

    assert len(village.inbox()) == 3
    assert [row.text for row in village.inbox() if row.outcome != "part"] == [
        "WNA 2 Australia wisata ya ya "
    ]


def test_a_part_that_never_comes_is_waited_for_only_so_long_and_others_pass(village: Village):
    village.sends(FIRST, 1)
    assert village.reports() == []
    with village.office.database.writing() as session:
        other = InboundSms(OTHER, "22345", "NIHIL", network_time=NOW)
        receiving.accept(session, village.office.directory, "kannel", Intake((other,)))
    do_all_work(village.office)
    assert [report.code for report in village.reports()] == ["NIHIL"]

    village.pass_time(timedelta(seconds=119))
    do_all_work(village.office)
    assert len(village.reports()) == 1
    village.pass_time(timedelta(seconds=2))
    do_all_work(village.office)

    assert [report.code for report in village.reports()] == ["NIHIL", "PMI"]
    incomplete = village.inbox()[0]
    assert incomplete.flags == ["incomplete"]
    assert village.replies()[-1] == "OK_PMI_MENDESAK"


def test_a_part_that_comes_after_all_is_added_to_its_report_without_a_word(village: Village):
    village.sends(FIRST, 1)
    village.pass_time(timedelta(seconds=121))
    do_all_work(village.office)
    village.pass_time(timedelta(hours=2))
    village.sends(SECOND, 2)

    (report,) = village.reports()
    assert SECOND in report.note
    assert village.replies() == ["OK_PMI_MENDESAK"]
    assert village.inbox()[1].outcome == "joined"


def test_the_part_with_the_code_may_be_the_late_one(village: Village):
    village.sends(SECOND, 2)
    village.pass_time(timedelta(seconds=121))
    do_all_work(village.office)
    assert village.reports() == []
    village.sends(FIRST, 1)

    (report,) = village.reports()
    assert report.code == "PMI"
    assert "dusun 4" in report.note


def test_a_document_cut_in_two_by_the_border_of_two_parts_is_masked(village: Village):
    village.sends("WNA 2 Australia wisata paspor N12", 1)
    village.sends("34567 di rumah bapak desa", 2)

    whole = next(row for row in village.inbox() if row.outcome != "part")
    assert "N1234567" not in whole.text
    assert "masked_document" in whole.flags
    (report,) = village.reports()
    assert "1234567" not in report.note


def test_the_next_long_message_with_the_same_reference_is_another_one(village: Village):
    village.sends("WNA 2 Australia ", 1)
    village.sends("wisata", 2)
    village.pass_time(timedelta(hours=1))
    village.sends("WNA 3 Jerman ", 1)
    village.sends("riset", 2)

    assert [report.fields["country"] for report in village.reports()] == ["AU", "DE"]


@pytest.mark.parametrize("part", [Part(1, 0, 2), Part(1, 3, 2), Part(1, 1, 1)])
def test_a_part_that_cannot_be_is_a_message_of_its_own(village: Village, part: Part):
    message = InboundSms(ONE, "22345", "NIHIL", network_time=NOW, part=part)
    with village.office.database.writing() as session:
        receiving.accept(session, village.office.directory, "kannel", Intake((message,)))
    do_all_work(village.office)

    assert [report.code for report in village.reports()] == ["NIHIL"]


def test_a_part_that_comes_again_under_another_id_and_without_a_time_is_no_second_report(
    village: Village,
):
    def brings(text: str, number: int, given_id: str) -> None:
        message = InboundSms(ONE, "22345", text, given_id, part=Part(42, number, 2))
        with village.office.database.writing() as session:
            receiving.accept(session, village.office.directory, "jasmin", Intake((message,)))
        do_all_work(village.office)

    brings(FIRST, 1, "a")
    brings(FIRST, 1, "b")
    brings(SECOND, 2, "c")
    brings(FIRST, 1, "d")
    village.pass_time(timedelta(minutes=10))
    do_all_work(village.office)

    assert [report.code for report in village.reports()] == ["PMI"]
    assert village.replies() == ["OK_PMI_MENDESAK"]


def test_the_last_of_three_parts_that_come_late_one_by_one_is_in_the_report(village: Village):
    village.sends("bapak desa, ", 1, 3)
    village.pass_time(timedelta(seconds=121))
    do_all_work(village.office)
    village.sends("PMI 3 Malaysia besok naik kapal, ", 2, 3)
    village.sends("dari dusun 4", 3, 3)

    (report,) = village.reports()
    assert report.code == "PMI"
    assert "dusun 4" in report.note


def test_another_long_message_that_begins_alike_is_another_one(village: Village):
    village.sends("WNA 2 Australia ", 1)
    village.sends("wisata", 2)
    village.pass_time(timedelta(minutes=61))
    later = NOW + timedelta(minutes=61)
    village.sends("WNA 2 Australia ", 1, at=later)
    village.sends("keluarga", 2, at=later)

    purposes = [report.fields["purpose"] for report in village.reports()]
    assert purposes == ["wisata", "keluarga"]
