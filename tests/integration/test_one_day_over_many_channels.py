"""A day's messages recorded over one channel and brought again by the others: each report once."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.carriers import Sms, all_carriers
from support.office_work import do_all_work, register

from gateway import clock
from gateway.app import create_app
from gateway.roster import villages
from gateway.wiring import Wiring
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import Report

MORNING = datetime(2026, 11, 25, 0, 3, tzinfo=UTC)
#: What each of six village heads sends in turn; drafts and their answers, repeats and long ones.
TALKS = (
    ("WNA 2 Australia wisata", "PMI 3 Malaysia besok naik kapal", "NIHIL"),
    ("WNA 2 wisata", "Jerman", "WNA 1 Belanda riset"),
    ("NIHIL", "wna 1 jepang wisata", "wna 1 jepang wisata .2"),
    ("CURIGA di rumah RT 3 orang asing baru", "STATUS", "DARURAT hilang di pantai Kolbano"),
    ("PMI 2 Batam", "besok", "PMI 5 Kalimantan tgl 27/11 naik kapal dari Kupang, " + "dusun " * 30),
    ("caf\u00e9 bule 2 org aus wisata \U0001f600", "WNA 3 AUS WISATA", "BATAL"),
)
CHANNELS = ("africastalking", "kannel", "jasmin", "smsgate", "gammu")


def one_day() -> list[Sms]:
    """Write down what is sent on a day, in the order in which it is; some in the same second."""
    codes = sorted(str(row.cells["code"]) for row in villages.shipped_rows())[: len(TALKS)]
    day = []
    for turn in range(3):
        for place, _ in enumerate(codes):
            moment = MORNING + timedelta(hours=2 * turn, minutes=7 * (place // 2))
            text = TALKS[place][turn]
            name = f"day-{turn}-{place}"
            day.append(Sms(f"+62812370001{place:02}", "22345", text, moment, name))
    return sorted(day, key=lambda sms: sms.at)


@pytest.mark.parametrize("recorded_over", CHANNELS)
def test_a_day_brought_again_and_again_by_other_channels_is_the_same_day(
    recorded_over: str,
    office: Wiring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    office, carriers = all_carriers(office, tmp_path)
    client = create_app(office).test_client()
    now = MORNING

    def pass_time(moment: datetime) -> None:
        nonlocal now
        now = max(now, moment)
        monkeypatch.setattr(clock, "now", lambda: now)

    day = one_day()
    for place, village in enumerate(
        sorted(str(row.cells["code"]) for row in villages.shipped_rows())[: len(TALKS)]
    ):
        pass_time(MORNING)
        register(office, f"+62812370001{place:02}", [village])
    for sms in day:
        pass_time(sms.at + timedelta(seconds=20))
        assert carriers[recorded_over].bring(client, office, sms) == 200
        do_all_work(office)
    recorded = seen(office)
    assert recorded["reports"] >= 12

    chance = random.Random(recorded_over)  # noqa: S311  # the same shuffle at every run
    again = [
        (sms, chance.choice([one for one in CHANNELS if one != recorded_over]))
        for sms in day
        for _ in range(chance.randint(1, 5))
    ]
    chance.shuffle(again)
    for sms, channel in again:
        pass_time(now + timedelta(seconds=30))
        assert carriers[channel].bring(client, office, sms) == 200
        do_all_work(office)

    after = seen(office)
    assert after["reports"] == recorded["reports"]
    if "jasmin" not in {recorded_over, *(channel for _, channel in again)}:
        assert after == recorded
    assert {"africastalking", "kannel", "smsgate"} & {channel for _, channel in again}


@pytest.mark.parametrize(
    ("numbers", "messages"),
    [
        pytest.param({"gammu": ("+6281234567890",), "jasmin": ("22345",)}, 2, id="two numbers"),
        pytest.param({"gammu": ("22345",), "jasmin": ("22345",)}, 1, id="one number"),
        pytest.param({}, 1, id="numbers that nobody has told us"),
    ],
)
def test_the_same_words_to_two_of_our_numbers_are_two_messages_if_we_know_them(
    numbers: dict[str, tuple[str, ...]], messages: int, office: Wiring, tmp_path: Path
):
    office, carriers = all_carriers(office, tmp_path)
    free = office.channels.rules["kannel"]
    rules = {
        **office.channels.rules,
        **{name: replace(free, own_numbers=own) for name, own in numbers.items()},
    }
    office = replace(office, channels=replace(office.channels, rules=rules))
    client = create_app(office).test_client()
    sms = Sms("+6281237000111", "22345", "WNA 2 Australia wisata", clock.now(), "one")

    for channel in ("gammu", "jasmin"):
        assert carriers[channel].bring(client, office, sms) == 200

    assert seen(office)["messages"] == messages


def seen(office: Wiring) -> Counter[str]:
    """Count what a day came to."""
    with office.database.reading() as session:
        return Counter(
            {
                "reports": session.scalar(sa.select(sa.func.count()).select_from(Report)) or 0,
                "messages": session.scalar(sa.select(sa.func.count()).select_from(InboundMessage))
                or 0,
                "replies": session.scalar(sa.select(sa.func.count()).select_from(OutboundMessage))
                or 0,
            }
        )
