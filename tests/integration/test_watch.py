"""Watching the channels: what they say, canaries, deaf ones, and who is told of what is wrong."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask.testing import FlaskClient
from support.office_work import appoint, do_all_work, register
from support.polled_provider import Modem, ModemTable

from gateway import clock
from gateway.app import create_app
from gateway.cli import office as shared
from gateway.cli.main import timpora
from gateway.clock import Timetable
from gateway.messaging import alarms, canaries, receiving, standing
from gateway.messaging.channels import Channels
from gateway.providers.base import (
    Health,
    InboundSms,
    Intake,
    NotReached,
    OptOut,
    OutboundSms,
    Polled,
    Provider,
    SendDeferred,
    Throttled,
)
from gateway.watch import attending, telling
from gateway.wiring import Wiring
from models.channels import Alarm, Canary, ChannelState
from models.inbox import InboundMessage, Quarantined
from models.outbox import OutboundMessage
from models.people import Phone
from models.states import AlarmKind, Lane, MessageStatus
from workers.sweeper import keep_watch

NOW = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
ADMIN, KADES = "+6281237000903", "+6281237000111"
OWN, OTHER_OWN = "+6281234567890", "+6281234567891"


class Watched(ModemTable):
    """A modem that can say how it is, and sends into the air."""

    can_send = True
    tells_time = True

    def __init__(self, modem: Modem, name: str = "modem") -> None:
        super().__init__(modem.path)
        self.name = name
        self.says: Health | None = Health(is_up=True, says="well")
        self.sent: list[OutboundSms] = []
        self.refuses: SendDeferred | None = None

    def health(self) -> Health:
        if self.says is None:
            raise NotReached("nobody answers")
        return self.says

    def send(self, message: OutboundSms) -> str | None:
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(message)
        return message.token


class Station:
    """An office with two modems, a clock that can be set, and an admin."""

    def __init__(self, office: Wiring, modems: list[Watched], set_clock: Callable[..., None]):
        by_name: dict[str, Provider] = {one.name: one for one in modems}
        free = office.settings.rules["kannel"]
        rules = {
            modems[0].name: replace(free, own_numbers=(OWN,)),
            modems[1].name: replace(free, own_numbers=(OTHER_OWN,)),
        }
        channels = Channels({**office.channels.by_name, **by_name}, modems[0].name, rules)
        desk = replace(office.desk, channels=channels)
        self.office = replace(office, channels=channels, desk=desk)
        self.first, self.second = modems
        self._set_clock = set_clock
        self.now = NOW
        self.pass_time(timedelta(0))

    def pass_time(self, amount: timedelta) -> None:
        self.now += amount
        self._set_clock(lambda: self.now)

    def look(self, provider: Watched | None = None) -> None:
        attending.look_after(self.office.database, self.office.channels, provider or self.first)

    def open(self) -> list[tuple[str, str]]:
        with self.office.database.reading() as session:
            return [(one.kind.value, one.subject) for one in alarms.open_alarms(session)]

    def tell(self) -> list[OutboundMessage]:
        with self.office.database.writing() as session:
            return telling.tell(
                session, self.office.channels, self.office.texts, self.office.settings.timezone
            )

    def state(self, channel: str = "modem") -> ChannelState:
        with self.office.database.reading() as session:
            return session.get_one(ChannelState, channel)

    def brings(self, message: InboundSms, channel: str = "modem") -> None:
        with self.office.database.writing() as session:
            receiving.accept(
                session,
                self.office.directory,
                channel,
                Intake((message,)),
                self.office.channels,
            )
        do_all_work(self.office)


@pytest.fixture
def station(office: Wiring, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[Station]:
    modems = [
        Watched(Modem(tmp_path / "one.db")),
        Watched(Modem(tmp_path / "two.db"), "modem2"),
    ]
    return Station(office, modems, lambda now: monkeypatch.setattr(clock, "now", now))


# What a channel says ------------------------------------------------------------------------------


def test_what_a_channel_says_is_kept(station: Station):
    station.first.says = Health(
        is_up=True, says="Telkomsel", signal=57, battery=88, balance="IDR 40000", backlog=2
    )
    station.look()

    state = station.state()
    assert (state.is_up, state.says, state.signal, state.battery) == (True, "Telkomsel", 57, 88)
    assert (state.balance, state.backlog, state.asked_at) == ("IDR 40000", 2, NOW)
    assert station.open() == []


@pytest.mark.parametrize(
    ("health", "kind"),
    [
        (Health(is_up=True, says="", signal=4), "signal"),
        (Health(is_up=True, says="", battery=9), "battery"),
        (Health(is_up=True, says="", backlog=500), "backlog"),
    ],
    ids=["weak signal", "empty battery", "long backlog"],
)
def test_what_is_wrong_raises_an_alarm_and_what_is_mended_clears_it(
    station: Station, health: Health, kind: str
):
    station.first.says = health
    for _ in range(3):
        station.look()
    assert station.open() == [(kind, "modem")]

    station.first.says = Health(is_up=True, says="", signal=60, battery=90, backlog=0)
    station.look()
    assert station.open() == []


@pytest.mark.parametrize("says", [None, Health(is_up=False, says="no modem")], ids=["mute", "down"])
def test_a_channel_that_is_down_for_a_while_raises_an_alarm(station: Station, says: Health | None):
    station.look()
    station.first.says = says
    station.look()
    assert station.open() == [], "a phone that starts anew is away for a minute, too"

    station.pass_time(timedelta(minutes=6))
    station.look()
    assert station.open() == [("down", "modem")]

    station.first.says = Health(is_up=True, says="well")
    station.look()
    assert station.open() == []


def test_a_low_balance_raises_an_alarm_before_all_is_spent(station: Station):
    rules = {
        **station.office.channels.rules,
        "modem": replace(station.office.channels.rules["modem"], low_balance=50000),
    }
    station.office = replace(station.office, channels=replace(station.office.channels, rules=rules))
    station.first.says = Health(is_up=True, says="", balance="IDR 51000.00")
    station.look()
    assert station.open() == []

    station.first.says = Health(is_up=True, says="", balance="IDR 49000.00")
    station.look()
    assert station.open() == [("credit", "modem")]

    station.first.says = Health(is_up=True, says="", balance="IDR 99000.00")
    station.look()
    assert station.open() == []


def test_one_channel_that_raises_what_nobody_thought_of_stops_no_other(station: Station):
    station.first.says = None
    timetable = Timetable()
    for provider in (station.first, station.second):
        attending.attend(
            station.office.database,
            station.office.directory,
            station.office.channels,
            provider,
            timetable,
        )

    assert station.state("modem").is_up is False
    assert station.state("modem2").is_up is True


def test_a_poll_that_fails_is_asked_again_and_loses_nothing(
    station: Station, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    modem = Modem(tmp_path / "three.db")
    provider = Watched(modem, "modem")
    modem.gets(KADES, "NIHIL", at="2026-11-25 02:04:45")
    real = provider.poll

    def away(since: str | None) -> Polled:  # noqa: ARG001
        raise NotReached("away")

    def attend() -> list[int]:
        return attending.attend(
            station.office.database,
            station.office.directory,
            station.office.channels,
            provider,
            Timetable(),
        )

    monkeypatch.setattr(provider, "poll", away)
    assert attend() == []
    monkeypatch.setattr(provider, "poll", real)

    assert len(attend()) == 1
    assert attend() == []


# Deaf ---------------------------------------------------------------------------------------------


def test_a_channel_that_brings_nothing_any_more_raises_an_alarm_though_it_calls(station: Station):
    began = station.now

    def look(watched_since: datetime = began) -> None:
        with station.office.database.writing() as session:
            attending.look_for_deaf(
                session, station.office.channels, timedelta(hours=6), watched_since
            )

    def hear(*, with_message: bool) -> None:
        with station.office.database.writing() as session:
            standing.note_heard(session, "modem", with_message=with_message)

    hear(with_message=False)
    station.pass_time(timedelta(hours=7))
    look()
    assert station.open() == [], "it never brought a message: it may not be in use"
    hear(with_message=True)
    station.pass_time(timedelta(hours=5, minutes=59))
    look()
    assert station.open() == []
    station.pass_time(timedelta(minutes=2))
    hear(with_message=False)
    look(watched_since=station.now - timedelta(hours=1))
    assert station.open() == [], "while nobody watched, nothing could come"
    look()
    assert station.open() == [("deaf", "modem")]

    hear(with_message=True)
    assert station.open() == []


def test_alarms_of_what_is_not_used_or_not_looked_for_any_more_are_closed(station: Station):
    for kind, subject in (
        (AlarmKind.CREDIT, "telegraph"),
        (AlarmKind.CREDIT, "modem"),
        (AlarmKind.CANARY, "modem"),
        (AlarmKind.FLOOD, "P-7F3K"),
    ):
        raise_alarm(station, kind, subject)
    with station.office.database.writing() as session:
        alarms.clear_without_subject(session, station.office.channels.that_send, [AlarmKind.CANARY])

    assert station.open() == [("credit", "modem"), ("flood", "P-7F3K")]


@pytest.fixture
def client(office: Wiring) -> FlaskClient:
    return create_app(office).test_client()


def test_whatever_calls_a_webhook_is_a_sign_of_life(client: FlaskClient, office: Wiring):
    secret = office.settings.secret_of("africastalking")
    url = f"/webhooks/africastalking/{secret}"
    client.post(f"{url}/dlr", data={"id": "AT-1", "status": "Success"})
    with office.database.reading() as session:
        state = session.get_one(ChannelState, "africastalking")
    assert state.heard_at is not None
    assert state.inbound_at is None

    client.post(f"{url}/sms", data={"from": KADES, "text": "NIHIL"})
    with office.database.reading() as session:
        assert session.get_one(ChannelState, "africastalking").inbound_at is not None


# Canaries -----------------------------------------------------------------------------------------


def send_canaries(station: Station) -> None:
    with station.office.database.writing() as session:
        canaries.send_due(
            session, station.office.directory, station.office.channels, timedelta(hours=6)
        )
    do_all_work(station.office)


def test_a_canary_goes_to_another_channels_number_and_its_way_round_is_measured(station: Station):
    send_canaries(station)
    (canary,) = station.first.sent
    assert canary.to == OTHER_OWN
    assert canary.text.startswith("TIMPORA CANARY ")

    station.pass_time(timedelta(seconds=9))
    station.brings(InboundSms(OWN, OTHER_OWN, canary.text, network_time=NOW), "modem2")

    with station.office.database.reading() as session:
        back = canaries.last_round(session, "modem")
        outcomes = session.scalars(sa.select(InboundMessage.outcome)).all()
    assert back == (NOW + timedelta(seconds=9), timedelta(seconds=9))
    assert outcomes == ["canary"]
    assert [one for one in station.second.sent if one.to == OWN], "and one the other way"


def test_a_canary_is_sent_once_in_its_time_and_not_by_another_channel(station: Station):
    station.first.refuses = SendDeferred("away")
    for _ in range(3):
        send_canaries(station)

    assert len(station.second.sent) == 1
    with station.office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Canary)) == 2


def test_a_canary_that_does_not_come_back_raises_an_alarm_until_one_does(station: Station):
    send_canaries(station)
    station.pass_time(timedelta(minutes=16))
    send_canaries(station)
    assert ("canary", "modem") in station.open()

    station.pass_time(timedelta(hours=6))
    send_canaries(station)
    station.brings(InboundSms(OWN, OTHER_OWN, station.first.sent[-1].text), "modem2")
    assert ("canary", "modem") not in station.open()


def test_while_a_canary_is_out_no_money_is_spent_on_another_and_a_lost_one_is_told_of(
    station: Station,
):
    for _ in range(16):
        with station.office.database.writing() as session:
            canaries.send_due(
                session, station.office.directory, station.office.channels, timedelta(minutes=1)
            )
        do_all_work(station.office)
        station.pass_time(timedelta(minutes=1))

    assert len(station.first.sent) == 2
    assert ("canary", "modem") in station.open()


def test_a_text_like_a_canary_from_a_stranger_is_only_a_text(station: Station):
    register(station.office, KADES, ["53.02.02.2003"])
    station.brings(InboundSms(KADES, OWN, "TIMPORA CANARY bcdfghjklm"))

    with station.office.database.reading() as session:
        assert session.scalars(sa.select(InboundMessage.outcome)).all() == ["chat"]


# Alarms told --------------------------------------------------------------------------------------


def raise_alarm(station: Station, kind: AlarmKind, subject: str = "modem") -> None:
    with station.office.database.writing() as session:
        alarms.raise_alarm(session, kind, subject, "says")


def test_the_admin_is_told_once_and_over_the_other_channel(station: Station):
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    appoint(station.office, "+6281237000902", "polres", "53.02", "duty")
    raise_alarm(station, AlarmKind.CREDIT)

    (told,) = station.tell()
    assert station.tell() == []

    assert told.channel == "modem2"
    assert told.lane is Lane.URGENT
    assert told.text == (
        "TIMPORA: modem: pulsa atau saldo habis, sejak 10.10. Mohon dicek: timpora channels"
    )
    with station.office.database.reading() as session:
        assert session.get_one(Phone, told.phone_id).number == ADMIN


def test_an_alarm_that_flutters_is_told_once(station: Station):
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    told = 0
    for _ in range(5):
        raise_alarm(station, AlarmKind.SIGNAL)
        told += len(station.tell())
        with station.office.database.writing() as session:
            alarms.clear(session, "modem", AlarmKind.SIGNAL)
        station.pass_time(timedelta(minutes=30))
    assert told == 1

    station.pass_time(timedelta(hours=6))
    raise_alarm(station, AlarmKind.SIGNAL)
    assert len(station.tell()) == 1


def test_whatever_breaks_an_admin_gets_no_more_than_four_texts_an_hour(station: Station):
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    for kind in AlarmKind:
        raise_alarm(station, kind)
    assert len(station.tell()) == 4
    station.pass_time(timedelta(minutes=61))
    assert len(station.tell()) == 4


def test_without_an_admin_an_alarm_stays_untold_until_there_is_one(station: Station):
    raise_alarm(station, AlarmKind.DEAF)
    assert station.tell() == []
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    assert len(station.tell()) == 1


def test_two_sweepers_at_once_tell_of_an_alarm_once_and_send_each_canary_once(station: Station):
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    raise_alarm(station, AlarmKind.CREDIT)
    settings = replace(station.office.settings, canary_every=timedelta(hours=6))
    office = replace(station.office, settings=settings)
    barrier = threading.Barrier(4)

    def sweep() -> None:
        barrier.wait(10)
        keep_watch(office, station.now)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with office.database.reading() as session:
        keys = session.scalars(sa.select(OutboundMessage.reply_key)).all()
    assert sorted(keys) == ["ALARM_KANAL", "CANARY", "CANARY"]


def test_an_open_alarm_is_one_however_often_it_is_raised(station: Station):
    for _ in range(3):
        raise_alarm(station, AlarmKind.DEAF)
    raise_alarm(station, AlarmKind.DEAF, "modem2")
    with station.office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Alarm)) == 2


def test_what_only_happens_is_over_when_it_has_not_happened_again(station: Station):
    def look() -> None:
        with station.office.database.writing() as session:
            alarms.clear_passed(session)

    raise_alarm(station, AlarmKind.FLOOD, "P-7F3K")
    raise_alarm(station, AlarmKind.DEAF)
    station.pass_time(timedelta(minutes=50))
    raise_alarm(station, AlarmKind.FLOOD, "P-7F3K")
    station.pass_time(timedelta(minutes=50))
    look()
    assert len(station.open()) == 2

    station.pass_time(timedelta(minutes=11))
    look()
    assert station.open() == [("deaf", "modem")]


# Loops, junk, and what is not for us --------------------------------------------------------------


def test_one_of_our_own_numbers_is_never_answered(station: Station):
    station.brings(InboundSms(OTHER_OWN, OWN, "BANTU"))
    station.brings(InboundSms(OWN, OTHER_OWN, "WNA 2 Australia"), "modem2")

    assert station.first.sent == station.second.sent == []
    with station.office.database.reading() as session:
        assert session.scalars(sa.select(InboundMessage.outcome)).all() == ["own", "own"]


def test_a_message_for_a_number_that_is_not_ours_is_set_apart_and_somebody_is_told(
    station: Station,
):
    station.brings(InboundSms(KADES, "+6281299999999", "WNA 2 Australia wisata"))

    with station.office.database.reading() as session:
        (apart,) = session.scalars(sa.select(Quarantined))
        assert session.scalars(sa.select(InboundMessage)).all() == []
    assert apart.reason == "for a number that is not ours"
    assert "WNA 2 Australia wisata" in apart.body
    assert KADES[1:] not in apart.body
    assert station.open() == [("destination", "modem")]


@pytest.mark.parametrize("to", [OWN, "081234567890", "6281234567890", None, ""])
def test_a_message_for_our_number_however_it_is_written_is_taken(station: Station, to: str | None):
    station.brings(InboundSms(KADES, to, "NIHIL"))

    with station.office.database.reading() as session:
        assert len(session.scalars(sa.select(InboundMessage)).all()) == 1
    assert station.open() == []


def test_a_flood_of_one_text_is_one_report_at_most_two_replies_and_one_alarm(station: Station):
    register(station.office, KADES, ["53.02.02.2003"])
    for number in range(60):
        station.brings(
            InboundSms(KADES, OWN, "NIHIL", network_time=NOW + timedelta(seconds=number // 4))
            if number % 2
            else InboundSms(KADES, OWN, "NIHIL", provider_message_id=f"m{number}")
        )

    assert len(station.first.sent) == 2
    kinds = [kind for kind, _ in station.open()]
    assert kinds == ["flood"]
    (_, subject) = station.open()[0]
    assert subject.startswith("P-"), "an alias, never a number"


def test_an_operator_that_answers_each_help_text_gets_three_and_no_more(station: Station):
    for number in range(30):
        station.brings(
            InboundSms("+6281200000999", OWN, f"Paket murah {number}", network_time=station.now)
        )
        station.pass_time(timedelta(seconds=1))

    assert len(station.first.sent) <= 3
    assert [kind for kind, _ in station.open()] == ["flood"]


def test_who_tells_the_provider_to_be_left_alone_gets_no_reminders(station: Station):
    intake = Intake(opt_outs=(OptOut("081237000111"),))
    for _ in range(2):
        with station.office.database.writing() as session:
            receiving.accept(session, station.office.directory, "modem", intake)
        station.pass_time(timedelta(hours=1))

    with station.office.database.reading() as session:
        (stopped,) = session.scalars(sa.select(Phone.reminders_stopped_at))
    assert stopped == NOW


# Shown --------------------------------------------------------------------------------------------


@pytest.fixture
def run(station: Station, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(shared, "office", lambda: station.office)
    for module in ("channels", "doctor"):
        monkeypatch.setattr(f"gateway.cli.{module}.office", lambda: station.office)
        monkeypatch.setattr(
            f"gateway.cli.{module}.{'demand_gateway' if module == 'channels' else 'settings'}",
            (lambda: None) if module == "channels" else lambda: station.office.settings,
        )

    def run(*words: str) -> str:
        result = CliRunner().invoke(timpora, list(words))
        return result.output

    return run


def test_the_channels_are_listed_with_what_is_wrong(station: Station, run: Callable[..., str]):
    station.first.says = Health(is_up=True, says="Telkomsel", signal=5, balance="IDR 40000")
    station.look()
    with station.office.database.writing() as session:
        standing.note_heard(session, "modem", with_message=True)

    rows = {row["channel"]: row for row in json.loads(run("channels", "--json"))}
    assert rows["modem"]["signal"] == 5
    assert rows["modem"]["alarms"] == [{"kind": "signal", "says": "signal 5 %"}]
    assert rows["modem"]["last_inbound_at"] == "2026-11-25T10:10:00+08:00"
    assert rows["modem"]["is_default"] is True
    assert rows["ussdjson"]["sends"] is False
    text = run("channels")
    assert "alarm  modem  signal: signal 5 %" in text
    assert "IDR 40000" in text


def test_a_resting_channel_is_shown_and_can_be_woken(station: Station, run: Callable[..., str]):
    with station.office.database.writing() as session:
        standing.note_failure(session, "modem", SendDeferred("away"))
        standing.note_failure(session, "modem", SendDeferred("away"))
        standing.note_failure(session, "modem", SendDeferred("away"))

    assert "rests until 25 Nov 10:12 (unreachable)" in run("channels")
    assert run("channels", "resume", "modem").endswith("modem sends again\n")
    assert run("channels", "resume", "modem") == "modem was not resting\n"
    assert "no channel named 'mdem'" in run("channels", "resume", "mdem")


def test_the_figures_tell_of_each_channel(station: Station):
    station.first.says = Health(is_up=True, says="", signal=57, battery=88, backlog=2)
    station.look()
    raise_alarm(station, AlarmKind.DEAF)
    client = create_app(station.office).test_client()

    text = client.get("/metrics").text

    assert 'timpora_channel_signal_percent{channel="modem"} 57.0' in text
    assert 'timpora_channel_up{channel="modem"} 1.0' in text
    assert 'timpora_channel_up{channel="loopback"}' not in text, "nothing is known of it"
    assert 'timpora_alarms{kind="deaf",subject="modem"} 1.0' in text


def test_the_doctor_names_what_is_wrong_with_a_channel(station: Station, run: Callable[..., str]):
    raise_alarm(station, AlarmKind.CREDIT)
    raise_alarm(station, AlarmKind.SIGNAL, "modem2")

    said = run("doctor")

    assert "red     channel    modem: credit: says" in said
    assert "yellow  channel    modem2: signal: says" in said


def test_the_doctor_is_not_silent_about_a_channel_that_rests_or_is_down(
    station: Station, run: Callable[..., str]
):
    with station.office.database.writing() as session:
        standing.note_failure(session, "modem2", Throttled("HTTP 429"))
    station.first.says = None
    station.look()

    said = run("doctor")

    assert "yellow  channel    modem2 rests: throttled" in said
    assert "red     channel    modem is down: nobody answers" in said


def test_the_doctor_names_an_account_that_carries_nothing(
    station: Station, run: Callable[..., str]
):
    station.office = replace(
        station.office, channels=replace(station.office.channels, default="loopback")
    )

    said = run("doctor")

    assert "modem has an account and carries nothing: TIMPORA_CHANNEL is loopback" in said
    assert "mend: set TIMPORA_CHANNEL=modem" in said


def test_a_message_settled_by_an_admins_alarm_counts_as_any_other(station: Station):
    appoint(station.office, ADMIN, "imigrasi", "53.02", "admin")
    raise_alarm(station, AlarmKind.CREDIT)
    station.tell()
    do_all_work(station.office)

    with station.office.database.reading() as session:
        (status,) = session.scalars(sa.select(OutboundMessage.status))
    assert status is MessageStatus.SENT
    assert [one.to for one in station.second.sent] == [ADMIN]
