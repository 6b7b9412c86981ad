"""One message from the provider's webhook to the delivery report, through every process."""

import time

import pytest
from support.accounts import confirmation_number, replies_by_message
from support.africastalking_server import AfricasTalkingServer, DeliveryPlan
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.tally import Measure
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

KADES = phone(1)
REPORT_KEYS = {
    *("number", "code", "state", "urgency", "village", "fields", "missing", "problems", "flags"),
    *("note", "received_at", "network_time", "channel", "verified", "history", "reporter"),
}
MESSAGE_KEYS = {
    *("id", "direction", "channel", "party", "text", "status", "segments", "created_at"),
    *("provider_message_id", "in_reply_to", "network_time", "attempts", "parts", "error"),
}
#: What is one message's fault; what is the channel's, such as 429, makes it rest for all of them.
#: What the provider does, what becomes of the reply, and which of the provider's words are kept.
BECOMES = {
    "accept:100": ("sent", ""),
    "accept:102": ("sent", ""),
    "charset": ("sent", ""),
    "refuse:403": ("failed", "InvalidPhoneNumber"),
    "refuse:406": ("failed", "UserInBlacklist"),
    "refuse:501": ("queued", "GatewayError"),
    "empty:InvalidSenderId": ("failed", "InvalidSenderId"),
    "http:503": ("queued", ""),
    "close": ("unconfirmed", ""),
}


@pytest.fixture
def running(gateway: Gateway) -> Gateway:
    gateway.prepare([KADES])
    gateway.start_web()
    gateway.start_worker()
    gateway.start_sweeper()
    return gateway


@pytest.mark.alone
def test_a_report_is_answered_with_its_number_and_the_answer_is_delivered(
    running: Gateway, provider: AfricasTalkingServer, measured: Measure
):
    provider.delivery = DeliveryPlan(running.webhook("dlr"))
    sms = incoming_sms("WNA#Jerman#1#riset#kantor desa", KADES)

    # The first one also pays for what the processes load lazily; a person's second is like this.
    running.post_sms(incoming_sms("WNA#Belanda#2#wisata#rumah RT 3", KADES))
    wait_until(lambda: provider.requests, within=30, what="the first reply leaves")
    provider.forget()
    began = time.monotonic()
    answer = running.post_sms(sms)
    sent = wait_until(lambda: provider.sent_to(KADES), within=10, what="the reply leaves")[0]
    measured("seconds_until_the_reply", round(time.monotonic() - began, 3))

    assert answer.status_code == 200
    number = confirmation_number(sent.text)
    assert sent.fields["from"] == "TIMPORA"
    assert sent.fields["username"] == "timpora"

    report = next(one for one in running.reports() if one["number"] == number)
    assert set(report) == REPORT_KEYS
    assert report["code"] == "WNA"
    assert report["village"] == "53.02.02.2003"
    assert report["fields"] == {
        "country": "DE",
        "count": 1,
        "purpose": "penelitian",
        "place": "kantor desa",
    }
    assert report["verified"] is True
    assert report["channel"] == "africastalking"
    assert report["reporter"].startswith("P-")

    def delivered() -> bool:
        rows = running.messages("out")
        return len(rows) == 2 and all(row["status"] == "delivered" for row in rows)

    wait_until(delivered, within=10, every=0.3, what="both replies are delivered")
    rows = running.messages()
    assert all(set(row) >= MESSAGE_KEYS for row in rows)
    reply = next(row for row in rows if row["direction"] == "out" and row["text"] == sent.text)
    assert reply["provider_message_id"] == sent.message_ids[KADES]
    incoming = next(row for row in rows if row["provider_message_id"] == sms["id"])
    assert reply["in_reply_to"] == incoming["id"]
    assert reply["party"] == incoming["party"] == report["reporter"]
    assert (reply["segments"], reply["attempts"]) == (1, 1)


def test_a_redelivered_message_is_answered_200_and_changes_nothing(
    running: Gateway, provider: AfricasTalkingServer
):
    sms = incoming_sms(sender=KADES)
    running.post_sms(sms)
    wait_until(lambda: provider.requests, within=30, what="the reply leaves")

    again = [running.post_sms(sms).status_code for _ in range(3)]
    # Later than the three, so when this one is answered they have been handled as well.
    running.post_sms(incoming_sms("PMI#3#Malaysia#besok", KADES))
    wait_until(lambda: len(provider.requests) > 1, within=15, what="the second reply leaves")

    assert again == [200, 200, 200]
    assert len(provider.requests) == 2
    assert sorted(report["code"] for report in running.reports()) == ["PMI", "WNA"]
    assert len(running.messages("in")) == 2
    assert len(running.messages("out")) == 2


def test_a_delivery_report_that_overtakes_the_answer_to_the_send_is_not_lost(
    running: Gateway, provider: AfricasTalkingServer
):
    provider.delivery = DeliveryPlan(running.webhook("dlr"), overtakes=True)

    running.post_sms(incoming_sms(sender=KADES))

    def delivered() -> bool:
        return [row["status"] for row in running.messages("out")] == ["delivered"]

    wait_until(delivered, within=15, every=0.3, what="the reply is delivered")


def test_what_the_provider_says_decides_what_becomes_of_a_reply(
    gateway: Gateway, provider: AfricasTalkingServer
):
    phones = {behaviour: phone(10 + at) for at, behaviour in enumerate(BECOMES)}
    gateway.prepare(phones.values())
    gateway.start_web()
    gateway.start_worker()
    for behaviour, number in phones.items():
        provider.behave(behaviour, number=number)
    forms = {behaviour: incoming_sms(sender=number) for behaviour, number in phones.items()}

    for form in forms.values():
        assert gateway.post_sms(form).status_code == 200

    def seen() -> dict[str, tuple[str, int]]:
        replies = replies_by_message(gateway, list(forms.values()))
        return {
            behaviour: (row["status"], row["attempts"])
            for behaviour, form in forms.items()
            for row in replies.get(form["id"], [])
        }

    wanted = {behaviour: (status, 1) for behaviour, (status, _) in BECOMES.items()}
    wait_until(lambda: seen() == wanted, within=30, every=0.3, what=f"{wanted}, not {seen()}")
    replies = replies_by_message(gateway, list(forms.values()))
    for behaviour, (_, words) in BECOMES.items():
        assert words in (replies[forms[behaviour]["id"]][0]["error"] or ""), behaviour
    assert len(provider.requests) == len(phones)
