"""A real Kannel of the configuration that we ship: what it brings, what it takes, what it loses."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.accounts import confirmation_number
from support.gateway_process import Gateway
from support.kannel_box import PASSWORD, SENDER, KannelBox, Sink, demand_kannel
from support.payloads import phone
from support.waiting import free_port, wait_until

from gateway.providers.base import (
    AccountRefused,
    InboundSms,
    NotReached,
    NumberRefused,
    OutboundSms,
    Part,
    SendDeferred,
)
from gateway.providers.kannel import Kannel
from models.states import MessageStatus

pytestmark = pytest.mark.e2e

SECRET = "rahasia-kannel"  # noqa: S105
SMILE = "Ha— dua  blank \U0001f600"
TRIES = 3


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink.running(SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[KannelBox]:
    """A Kannel that is quick to lose patience, and else is the one that we ship."""
    demand_kannel()
    folder = tmp_path_factory.mktemp("kannel")
    settings = {
        "http_request_retry": str(TRIES - 1),
        "http_queue_delay": "1",
        "sms_combine_concatenated_mo_timeout": "2",
    }
    with KannelBox.running(folder, sink.url, SECRET, **settings) as running:
        yield running


@pytest.fixture
def adapter(box: KannelBox) -> Kannel:
    return Kannel(box.account())


@pytest.fixture
def sender() -> str:
    """A phone that no other test has."""
    return f"+62812900{uuid4().int % 100_000:05d}"


def from_phone(sink: Sink, sender: str) -> list[InboundSms]:
    """List each try to bring a message of a phone."""
    found = [message for intake in sink.intakes for message in intake.messages]
    return [message for message in found if message.sender == sender]


def brought(sink: Sink, sender: str, tries: int = 1) -> list[InboundSms]:
    wait_until(
        lambda: len(from_phone(sink, sender)) >= tries,
        within=15,
        what=f"a message comes {tries} times",
    )
    return from_phone(sink, sender)


def outbound(to: str, text: str) -> OutboundSms:
    return OutboundSms(uuid4().hex[:16], to, text)


def reports(sink: Sink, token: str) -> dict[str, MessageStatus | None]:
    """Give all that was reported of a message, by its status in Kannel's words."""
    found = [one for intake in sink.intakes for one in intake.deliveries]
    return {one.raw_status: one.status for one in found if one.provider_message_id == token}


def got(box: KannelBox, to: str, parts: int = 1, within: float = 15) -> list[Any]:
    wait_until(
        lambda: len(box.received(to)) >= parts, within=within, what=f"the phone gets {parts} SMS"
    )
    return box.received(to)


class TestMessagesThatCome:
    def test_a_text_comes_exactly_with_its_id_and_its_time(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        before = int(time.time())
        box.text(sender, "WNA#Jerman#1#riset  dua blank it's 50%41 & a=b+c")

        (message,) = brought(sink, sender)
        assert message.text == "WNA#Jerman#1#riset  dua blank it's 50%41 & a=b+c"
        assert message.recipient == "99999"
        assert message.provider_message_id is not None
        assert len(message.provider_message_id) == 36
        assert message.network_time is not None
        assert before <= message.network_time.timestamp() <= time.time()
        assert message.flags == ()
        assert message.part is None

    def test_letters_that_only_unicode_has_come_exactly(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        box.text_in_unicode(sender, SMILE)

        (message,) = brought(sink, sender)
        assert (message.text, message.flags) == (SMILE, ())

    def test_an_empty_text_is_a_message(self, box: KannelBox, sink: Sink, sender: str):
        box.text(sender, "")

        assert [message.text for message in brought(sink, sender)] == [""]

    def test_a_long_text_comes_whole_whichever_part_is_first(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        box.text_part(sender, b"\x05\x00\x03\x2a\x02\x02", "dan dua.")
        box.text_part(sender, b"\x05\x00\x03\x2a\x02\x01", "PMI bagian satu ")

        (message,) = brought(sink, sender)
        assert (message.text, message.part) == ("PMI bagian satu dan dua.", None)

    def test_a_part_whose_other_half_never_comes_is_brought_as_a_part(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        box.text_part(sender, b"\x05\x00\x03\x2b\x02\x01", "PMI bagian satu ")

        (message,) = brought(sink, sender)
        assert (message.text, message.part) == ("PMI bagian satu ", Part(43, 1, 2))

    def test_a_refused_webhook_is_tried_again_under_the_same_id(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        sink.refusals = TRIES - 1
        box.text(sender, "NIHIL")

        tries = brought(sink, sender, TRIES)
        assert tries == [tries[0]] * TRIES

    def test_an_answer_without_a_body_brings_the_phone_nothing(
        self, box: KannelBox, sink: Sink, sender: str
    ):
        box.text(sender, "NIHIL")
        brought(sink, sender)
        box.text(sender, "NIHIL 2")
        brought(sink, sender, 2)

        # The second message has gone the whole way: what followed the first would be there.
        assert box.received(sender) == []


class TestMessagesThatGo:
    def test_a_text_of_gsm_7_arrives_and_is_reported(
        self, box: KannelBox, sink: Sink, adapter: Kannel, sender: str
    ):
        message = outbound(sender, "Harga €5 {é} [x] & a=b+c 50%41 @")
        assert adapter.send(message) == message.token

        (part,) = got(box, sender)
        assert (part.sender, part.kind, part.text) == (SENDER, "text", message.text)
        wait_until(lambda: len(reports(sink, message.token)) >= 2, within=10, what="two reports")
        # In any order: Kannel fetches both at once.
        assert reports(sink, message.token) == {
            "8": MessageStatus.SENT,
            "1": MessageStatus.DELIVERED,
        }

    def test_a_text_in_unicode_arrives(self, box: KannelBox, adapter: Kannel, sender: str):
        adapter.send(outbound(sender, SMILE))

        (part,) = got(box, sender)
        assert (part.kind, part.text) == ("ucs-2", SMILE)

    def test_a_long_text_arrives_in_parts(self, box: KannelBox, adapter: Kannel, sender: str):
        text = "abcdefghi " * 40
        adapter.send(outbound(sender, text))

        parts = got(box, sender, 3)
        assert "".join(part.text for part in parts) == text
        assert [part.udh[3:] for part in parts] == [
            bytes([parts[0].udh[3], 3, number]) for number in (1, 2, 3)
        ]

    def test_as_many_parts_as_the_adapter_allows_arrive(
        self, box: KannelBox, adapter: Kannel, sender: str
    ):
        text = "x" * 153 * 9 + "akhir"
        adapter.send(outbound(sender, text))

        assert "".join(part.text for part in got(box, sender, 10)) == text

    def test_a_wrong_password_is_told(self, box: KannelBox, sender: str):
        adapter = Kannel(replace(box.account(), password="salah"))  # noqa: S106
        with pytest.raises(AccountRefused, match="HTTP 403: Authorization failed for sendsms"):
            adapter.send(outbound(sender, "NIHIL"))

    def test_a_sender_is_needed(self, box: KannelBox, sender: str):
        with pytest.raises(AccountRefused, match="HTTP 400: Sender missing"):
            Kannel(replace(box.account(), sender=None)).send(outbound(sender, "NIHIL"))

    def test_only_a_number_is_taken(self, adapter: Kannel):
        with pytest.raises(NumberRefused):
            adapter.send(outbound("+6281290000001 +6281290000002", "NIHIL"))

    def test_a_text_waits_for_the_network_and_arrives_when_it_is_back(
        self, box: KannelBox, adapter: Kannel, sender: str
    ):
        box.end("network", signal.SIGKILL)
        wait_until(lambda: not adapter.health().is_up, within=10, what="the link is down")
        assert adapter.send(outbound(sender, "NIHIL")) is not None
        wait_until(lambda: adapter.health().backlog, within=10, what="one waits")

        assert adapter.health().says == "bearerbox running, 0 of 1 links online"
        assert box.received(sender) == []
        box.start("network")
        assert got(box, sender)[0].text == "NIHIL"
        health = adapter.health()
        assert (health.is_up, health.says, health.backlog) == (
            True,
            "bearerbox running, 1 of 1 links online",
            0,
        )


class TestHealth:
    def test_a_wrong_status_password_and_nobody_there_tell_nothing(self, box: KannelBox):
        refused = replace(box.account(), status_password="salah")  # noqa: S106
        nobody = replace(box.account(), admin_url=f"http://127.0.0.1:{free_port()}")
        for account in (refused, nobody):
            with pytest.raises(NotReached):
                Kannel(account).health()

    def test_smsbox_alone_can_be_asked(self, box: KannelBox):
        assert Kannel(replace(box.account(), admin_url=None)).health().is_up


class TestMessagesThatKannelDropped:
    def lost(self, adapter: Kannel, since: str, sender: str) -> list[InboundSms]:
        return [one for one in adapter.poll(since).intake.messages if one.sender == sender]

    def test_one_that_was_refused_to_the_last_is_found_exactly(
        self, box: KannelBox, sink: Sink, adapter: Kannel, sender: str
    ):
        mark = adapter.poll(None).since
        sink.refusals = TRIES
        box.text_in_unicode(sender, SMILE)
        tries = brought(sink, sender, TRIES)

        found = wait_until(
            lambda: self.lost(adapter, mark, sender), within=10, what="the log has it"
        )
        # Id, text and time are those of the webhook: the one is known by the other.
        assert found == [tries[0]]
        # Nor does Kannel tell the phone that it has failed.
        assert box.received(sender) == []

    def test_one_that_was_taken_in_the_end_is_not(
        self, box: KannelBox, sink: Sink, adapter: Kannel, sender: str
    ):
        mark = adapter.poll(None).since
        sink.refusals = TRIES - 1
        box.text(sender, "NIHIL")
        brought(sink, sender, TRIES)
        box.text(sender, "NIHIL 2")
        brought(sink, sender, TRIES + 1)
        wait_until(lambda: "NIHIL+2" in box.log.read_text(), within=5, what="the log has both")

        assert self.lost(adapter, mark, sender) == []

    def test_one_that_smsbox_had_in_hand_when_it_died_is_found_exactly(
        self, tmp_path: Path, sender: str
    ):
        # A gateway that is not there, and a log that is rotated meanwhile.
        box = KannelBox(tmp_path / "kannel", f"http://127.0.0.1:{free_port()}", SECRET)
        adapter = Kannel(box.account())
        try:
            for name in ("bearerbox", "network", "smsbox"):
                box.start(name)
            mark = adapter.poll(None).since
            with pytest.raises(SendDeferred):
                Kannel(replace(box.account(), base_url=f"http://127.0.0.1:{free_port()}")).send(
                    outbound(sender, "NIHIL")
                )
            box.text(sender, "it's é  dua")
            found = wait_until(
                lambda: self.lost(adapter, mark, sender), within=10, what="the log has it"
            )
            box.end("smsbox", signal.SIGKILL)
            box.log.rename(box.log.with_name("smsbox.log.1"))
            box.start("smsbox")
        finally:
            box.stop()

        assert [(one.text, one.flags) for one in found] == [("it's é  dua", ())]
        assert self.lost(adapter, mark, sender) == found

    def test_what_is_sent_with_line_breaks_looks_like_nothing_that_came(
        self, box: KannelBox, adapter: Kannel, sender: str
    ):
        mark = adapter.poll(None).since
        url = f"http://127.0.0.1/webhooks/kannel/guessed/sms?from={sender[1:]}"
        line = f"2026-11-28 20:13:27 [1] [9] ERROR: Couldn't fetch <{url}>"
        adapter.send(outbound(sender, f"Catatan:\n{line}\n"))
        wait_until(lambda: line in box.log.read_text(), within=5, what="the log has the text")

        assert adapter.poll(mark).intake.messages == ()


def test_nothing_is_logged_of_passwords(box: KannelBox, adapter: Kannel, sender: str):
    adapter.send(outbound(sender, "NIHIL"))
    got(box, sender)

    logs = [one.read_text("utf-8", "replace") for one in (box.folder / "logs").iterdir()]
    assert logs
    assert not [text for text in logs if PASSWORD in text]


KADES = phone(1)


class TestWithTheGateway:
    """The product in processes of its own, and a real Kannel."""

    @pytest.fixture
    def gateway(self, tmp_path: Path) -> Iterator[Gateway]:
        demand_kannel()
        deployment = Gateway(tmp_path / "gw")
        yield deployment
        deployment.close()

    def test_a_report_by_kannel_is_answered_by_kannel_and_the_answer_is_delivered(
        self, gateway: Gateway, tmp_path: Path
    ):
        settings = {"http_queue_delay": "1"}
        with KannelBox.running(tmp_path / "kannel", gateway.url, gateway.secret, **settings) as box:
            # First the message, then the gateway: Kannel tries until it is there.
            box.text(KADES, "WNA#Jerman#1#riset#kantor  desa")
            gateway.environment |= box.environment()
            gateway.prepare([KADES])
            gateway.run()
            reply = got(box, KADES, within=30)[0]
            wait_until(
                lambda: [one["status"] for one in gateway.messages("out")] == ["delivered"],
                within=15,
                what="the reply is reported as delivered",
            )

            (report,) = gateway.reports()
            assert report["number"] == confirmation_number(reply.text)
            assert (report["code"], report["channel"]) == ("WNA", "kannel")
            # One reply, and none of Kannel's own making.
            assert len(box.received(KADES)) == 1
            assert reply.sender == SENDER

    def test_what_kannel_dropped_while_the_gateway_was_away_is_reported_all_the_same(
        self, gateway: Gateway, tmp_path: Path
    ):
        settings = {"http_request_retry": "1", "http_queue_delay": "1"}
        with KannelBox.running(tmp_path / "kannel", gateway.url, gateway.secret, **settings) as box:
            box.text(KADES, "WNA#Jerman#1#riset#kantor desa")
            wait_until(lambda: "reply: -1" in box.log.read_text(), within=10, what="it is dropped")
            gateway.environment |= box.environment()
            gateway.prepare([KADES])
            gateway.run()

            reply = got(box, KADES, within=30)[0]
            (report,) = gateway.reports()
            assert report["number"] == confirmation_number(reply.text)
