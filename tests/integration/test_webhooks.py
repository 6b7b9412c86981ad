"""The way in: what is kept, what is answered, and what a caller may learn."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from support.office_work import do_all_work

from gateway import clock
from gateway.app import create_app
from gateway.wiring import Wiring
from models.database.engine import Database
from models.inbox import InboundMessage, Quarantined
from models.outbox import OutboundMessage
from models.people import Phone, PhoneKind
from models.states import MessageStatus

SMS = "/webhooks/africastalking/webhook-secret/sms"
FORM = {"from": "+6281237000111", "to": "22345", "id": "AT-1", "text": "NIHIL"}


@pytest.fixture
def client(office: Wiring) -> FlaskClient:
    return create_app(office).test_client()


def kept(office: Wiring) -> list[InboundMessage]:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(InboundMessage).order_by(InboundMessage.id)))


def quarantined(office: Wiring) -> list[Quarantined]:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(Quarantined)))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/webhooks/africastalking/wrong-secret/sms", 404, id="wrong secret"),
        pytest.param("/webhooks/nobody/webhook-secret/sms", 404, id="no such channel"),
        pytest.param("/webhooks/africastalking/webhook-secret/fax", 404, id="no such route"),
        pytest.param("/webhooks/loopback/webhook-secret/sms", 404, id="loopback has no webhook"),
        pytest.param("/webhooks/africastalking/webhook-secret%00/sms", 404, id="NUL in secret"),
        pytest.param("/webhooks/africastalking/rahasia-\u00e9/sms", 404, id="accent in secret"),
    ],
)
def test_what_is_not_ours_is_not_there(
    client: FlaskClient, office: Wiring, path: str, status: int
) -> None:
    assert client.post(path, data=FORM).status_code == status
    assert kept(office) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(client: FlaskClient, method: str) -> None:
    assert client.open(SMS, method=method).status_code == 405


def test_every_secret_in_rotation_opens_the_door(office: Wiring) -> None:
    secrets = ("old-secret", "new-secret")
    rules = office.settings.rules
    channel = replace(rules["africastalking"], webhook_secrets=secrets)
    settings = replace(office.settings, rules={**rules, "africastalking": channel})
    client = create_app(replace(office, settings=settings)).test_client()
    for number, secret in enumerate(secrets):
        path = f"/webhooks/africastalking/{secret}/sms"
        assert client.post(path, data=FORM | {"id": f"{number}", "text": secret}).status_code == 200
    assert client.post(SMS, data=FORM).status_code == 404


def test_a_body_over_64_kib_is_refused_and_one_of_64_kib_is_not(
    client: FlaskClient, office: Wiring
) -> None:
    begin = "from=%2B6281237000111&text="
    fits = begin + "a" * (64 * 1024 - len(begin))
    form = "application/x-www-form-urlencoded"
    assert client.post(SMS, data=fits + "a", content_type=form).status_code == 413
    assert client.post(SMS, data=fits, content_type=form).status_code == 200
    (message,) = kept(office)
    assert message.flags == ["cut"]


@pytest.mark.parametrize(
    ("body", "text", "flags"),
    [
        pytest.param(
            b"from=%2B6281237000111&text=NIHIL\x80",
            "NIHIL\x80",
            ["odd_encoding"],
            id="enc-form-raw-bytes-empty",
        ),
        pytest.param(b"from=+6281237000111&text=NIHIL", "NIHIL", [], id="hook-plus-becomes-space"),
        pytest.param(b"from=%2B6281237000111", "", [], id="hook-text-missing"),
        pytest.param(b"from=%2B6281237000111&text=%20", " ", [], id="hook-blank-message-reply"),
        pytest.param(
            b"from=%2B6281237000111&text=a&date=soon",
            "a",
            ["odd_date"],
            id="hook-at-date-two-shapes",
        ),
        pytest.param(
            b"from=%2B6281237000111&text=budi%00contoh", "budi@contoh", [], id="store-nul-byte"
        ),
        pytest.param(
            b"from=%2B6281237000111&text=a%ED%A0%BDb",
            "a\u00ed\xa0\u00bdb",
            ["odd_encoding"],
            id="half a surrogate",
        ),
    ],
)
def test_odd_messages_are_kept(
    client: FlaskClient, office: Wiring, body: bytes, text: str, flags: list[str]
) -> None:
    answer = client.post(SMS, data=body, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.data) == (200, b"")
    (message,) = kept(office)
    assert message.text == text
    assert message.flags == flags
    with office.database.reading() as session:
        phone = session.get_one(Phone, message.phone_id)
    assert (phone.number, phone.kind) == ("+6281237000111", PhoneKind.MOBILE)


def test_documents_are_masked_in_text_and_payload_alike(
    client: FlaskClient, office: Wiring
) -> None:
    text = "WNA#Jerman#1#riset#paspor C01X00T47"
    client.post(SMS, data=FORM | {"text": text, "extra": "paspor C01X00T47"})
    (message,) = kept(office)
    assert "C01X00T47" not in message.text + str(message.payload)
    assert message.flags == ["masked_document"]


def test_a_number_in_any_other_field_is_an_alias(client: FlaskClient, office: Wiring) -> None:
    client.post(SMS, data=FORM | {"phoneNumber": "+6281237000999", "networkCode": "51010"})
    (message,) = kept(office)
    assert "81237000999" not in str(message.payload)
    assert message.payload["phoneNumber"].startswith("(P-")
    assert message.payload["networkCode"] == "51010"


def test_what_has_no_sender_is_kept_apart_once_without_numbers(
    client: FlaskClient, office: Wiring
) -> None:
    body = "text=hub+%2B6281298765432"
    for _ in range(3):
        answer = client.post(SMS, data=body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 200
    (item,) = quarantined(office)
    assert item.times == 3
    assert "81298765432" not in item.body
    assert kept(office) == []


def test_when_the_database_is_away_the_provider_is_told_to_send_again(office: Wiring) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    client = create_app(replace(office, database=away)).test_client()
    assert client.post(SMS, data=FORM).status_code == 503
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_health_and_figures(client: FlaskClient) -> None:
    client.post(SMS, data=FORM)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json["redis"] == "ok"
    assert b"timpora_inbox_waiting 1.0" in client.get("/metrics").data
    assert b'timpora_outbox{status="queued"} 0.0' in client.get("/metrics").data
    far = client.get("/metrics", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert far.status_code == 404


def test_the_figures_tell_what_has_not_left_and_what_became_of_the_last_hours(
    office: Wiring, client: FlaskClient
) -> None:
    client.post(SMS, data=FORM)
    do_all_work(office)
    with office.database.writing() as session:
        (message,) = session.scalars(sa.select(OutboundMessage))
        tried_at, channel = message.claimed_at, message.channel
        message.status = MessageStatus.UNCONFIRMED
    said = client.get("/metrics").text
    assert 'timpora_outbox{status="unconfirmed"} 1.0' in said
    assert 'timpora_outbox_last_hour{status="unconfirmed"} 1.0' in said
    assert 'timpora_outbox{status="delivered"}' not in said, "it would count all that was ever sent"
    with office.database.writing() as session:
        (message,) = session.scalars(sa.select(OutboundMessage))
        message.status = MessageStatus.FAILED
        message.claimed_at = tried_at - timedelta(minutes=59)
    assert 'timpora_outbox_last_hour{status="failed"} 1.0' in client.get("/metrics").text
    with office.database.writing() as session:
        (message,) = session.scalars(sa.select(OutboundMessage))
        message.claimed_at = tried_at - timedelta(minutes=61)
    assert channel in office.channels.by_name
    assert 'timpora_outbox_last_hour{status="failed"} 0.0' in client.get("/metrics").text


def test_the_figures_count_what_could_not_be_read_lately(office: Wiring, client: FlaskClient):
    with office.database.writing() as session:
        for days in (1, 29, 31):
            at = clock.now() - timedelta(days=days)
            session.add(
                Quarantined(
                    channel="kannel", reason="odd", body="{}", received_at=at, digest=str(days)
                )
            )
    assert "timpora_quarantine 2.0" in client.get("/metrics").text


def test_the_status_page_shows_what_came_and_went_last(office: Wiring, client: FlaskClient) -> None:
    assert client.get("/").text.count("<td>-</td>") == 3
    client.post(SMS, data=FORM)
    do_all_work(office)
    page = client.get("/").text
    assert "in-1" in page
    assert "out-1" in page


def test_the_status_page_is_there_in_development_only(office: Wiring) -> None:
    assert b"Timpora" in create_app(office).test_client().get("/").data
    settings = replace(office.settings, env="production")
    client = create_app(replace(office, settings=settings)).test_client()
    assert client.get("/").status_code == 404


def test_ussd_is_answered_though_nobody_may_use_it_yet(client: FlaskClient) -> None:
    form = {"sessionId": "AT1", "phoneNumber": "+6281237000111", "text": ""}
    answer = client.post("/webhooks/africastalking/webhook-secret/ussd", data=form)
    assert answer.data.startswith(b"END ")
    assert answer.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("differs", "flags"),
    [
        pytest.param(timedelta(minutes=1), [], id="a clock a minute ahead"),
        pytest.param(timedelta(hours=1), ["odd_date"], id="hook-future-timestamp: an hour"),
        pytest.param(timedelta(days=5), ["odd_date"], id="hook-future-timestamp: five days"),
        pytest.param(timedelta(days=-2), [], id="two days late"),
        pytest.param(timedelta(days=-30), ["odd_date"], id="a month late"),
        pytest.param(timedelta(days=365 * 7000), ["odd_date"], id="the end of time"),
    ],
)
def test_a_time_that_cannot_be_is_flagged_and_the_message_kept(
    client: FlaskClient, office: Wiring, differs: timedelta, flags: list[str]
) -> None:
    said = (datetime.now(UTC) + differs).strftime("%Y-%m-%d %H:%M:%S")
    assert client.post(SMS, data=FORM | {"date": said}).status_code == 200
    (message,) = kept(office)
    assert message.flags == flags


# Who may call -------------------------------------------------------------------------------------


def with_rules(office: Wiring, channel: str, proxies: int = 0, **rules: object) -> FlaskClient:
    changed = replace(office.settings.rules[channel], **rules)
    settings = replace(
        office.settings, rules={**office.settings.rules, channel: changed}, proxies=proxies
    )
    return create_app(replace(office, settings=settings)).test_client()


def status_from(client: FlaskClient, address: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = {"REMOTE_ADDR": address}
    return client.post(SMS, data=FORM, environ_base=environ, headers=named).status_code


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("192.0.2.7", 200),
        ("192.0.2.8", 404),
        ("203.0.113.1", 404),
        ("::1", 404),
        ("", 404),
        ("unix", 404),
    ],
)
def test_only_addresses_that_are_named_may_call(office: Wiring, address: str, status: int) -> None:
    networks = tuple(ip_network(one) for one in ("10.0.0.0/8", "192.0.2.7"))
    client = with_rules(office, "africastalking", allowed_from=networks)

    assert status_from(client, address) == status
    assert len(kept(office)) == (status == 200)


def test_behind_our_proxy_its_word_on_the_caller_counts_and_nobody_elses(office: Wiring) -> None:
    networks = (ip_network("192.0.2.7"),)
    behind = with_rules(office, "africastalking", proxies=1, allowed_from=networks)
    alone = with_rules(office, "africastalking", allowed_from=networks)

    assert status_from(behind, "127.0.0.1", X_Forwarded_For="192.0.2.7") == 200
    assert status_from(behind, "127.0.0.1", X_Forwarded_For="192.0.2.7, 203.0.113.1") == 404
    assert status_from(behind, "127.0.0.1") == 404
    assert status_from(alone, "203.0.113.1", X_Forwarded_For="192.0.2.7") == 404


def test_a_channel_with_a_secret_of_its_own_is_opened_by_no_other(office: Wiring) -> None:
    client = with_rules(office, "kannel", webhook_secrets=("kannel-only",))
    query = {"from": "+6281237000111", "text": "NIHIL", "id": "k1"}

    assert client.get("/webhooks/kannel/webhook-secret/sms", query_string=query).status_code == 404
    assert client.get("/webhooks/kannel/kannel-only/sms", query_string=query).status_code == 200
    assert client.post("/webhooks/africastalking/kannel-only/sms", data=FORM).status_code == 404
    assert len(kept(office)) == 1
