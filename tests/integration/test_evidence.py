"""Requests kept as they came: sealed, opened for a reason alone, forgotten in time."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from support.database_dump import cells, dump_database

from gateway import clock
from gateway.app import create_app
from gateway.cli import evidence as commands
from gateway.cli.main import timpora
from gateway.evidence import CannotOpen, Safe, forget_old
from gateway.wiring import Wiring
from models.evidence import Evidence
from models.people import AuditEntry

KEY, NEXT_KEY = "the-first-key-of-the-tests-0123456789", "the-next-key-of-the-tests-0123456789"
SENDER = "+6281237000111"
FORM = {"from": SENDER, "to": "22345", "id": "AT-1", "text": "WNA 2 AUS paspor N1234567 caf\u00e9"}


@pytest.fixture
def sealing(office: Wiring) -> Wiring:
    return replace(office, safe=Safe((KEY,)))


@pytest.fixture
def client(sealing: Wiring) -> FlaskClient:
    return create_app(sealing).test_client()


def url(office: Wiring, path: str = "sms") -> str:
    return f"/webhooks/africastalking/{office.settings.secret_of('africastalking')}/{path}"


def kept(office: Wiring) -> list[Evidence]:
    with office.database.reading() as session:
        return list(session.scalars(sa.select(Evidence).order_by(Evidence.id)))


def opened(office: Wiring, evidence_id: int, safe: Safe | None = None) -> dict[str, str]:
    with office.database.writing() as session:
        chosen = safe or office.safe
        return chosen.open(session, office.audit, evidence_id, "ani", "a dispute")


def test_a_request_is_kept_to_the_byte_and_can_be_opened(sealing: Wiring, client: FlaskClient):
    client.post(url(sealing), data=FORM)

    (row,) = kept(sealing)
    told = opened(sealing, row.id)
    assert "N1234567" in told["body"]
    assert "from=%2B6281237000111" in told["body"]
    assert told["path"] == "sms"
    assert "application/x-www-form-urlencoded" in told["headers"]
    assert row.inbox_id == 1


def test_nothing_of_it_stands_in_the_database_in_clear(sealing: Wiring, client: FlaskClient):
    client.post(url(sealing), data=FORM)

    url_of_it = sealing.database.url.render_as_string(hide_password=False)
    told = [value for _, value in cells(dump_database(url_of_it))]
    assert [one for one in told if "N1234567" in one or "%2B6281237000111" in one] == []


def test_who_opened_what_and_why_is_kept(sealing: Wiring, client: FlaskClient):
    client.post(url(sealing), data=FORM)
    opened(sealing, 1)

    with sealing.database.reading() as session:
        entry = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.action) == ("ani", "evidence_opened")
    assert (entry.subject, entry.reason) == ("evidence 1", "a dispute")


def test_a_redelivery_is_not_kept_twice_and_what_nobody_can_read_is(
    sealing: Wiring, client: FlaskClient
):
    for _ in range(3):
        client.post(url(sealing), data=FORM)
    client.post(url(sealing), data={"text": "from nobody"})

    assert [row.inbox_id for row in kept(sealing)] == [1, None]


def test_of_a_ussd_session_nothing_is_kept(sealing: Wiring, client: FlaskClient):
    key = {"sessionId": "S1", "phoneNumber": SENDER, "text": "481516"}
    client.post(url(sealing, "ussd"), data=key)
    client.post(url(sealing, "ussd"), data={"text": "481516"})
    client.post(url(sealing, "ussd/end"), data={**key, "input": "481516"})
    client.post(url(sealing, "ussd/end"), data={"input": "481516"})

    assert kept(sealing) == []


def test_without_a_key_nothing_is_kept(office: Wiring):
    create_app(office).test_client().post(url(office), data=FORM)

    assert kept(office) == []


def test_after_a_change_of_keys_the_old_one_still_opens(sealing: Wiring, client: FlaskClient):
    client.post(url(sealing), data=FORM)

    assert "N1234567" in opened(sealing, 1, Safe((NEXT_KEY, KEY)))["body"]
    with pytest.raises(CannotOpen, match="kept with another TIMPORA_ENCRYPTION_KEY"):
        opened(sealing, 1, Safe((NEXT_KEY,)))
    with pytest.raises(CannotOpen, match="TIMPORA_ENCRYPTION_KEY is not set"):
        opened(sealing, 1, Safe(()))
    with pytest.raises(CannotOpen, match="there is no evidence 7"):
        opened(sealing, 7)


def test_it_is_forgotten_when_its_time_is_over_and_not_before(
    sealing: Wiring, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    client.post(url(sealing), data=FORM)
    now = clock.now()

    def forgotten(days: float) -> int:
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=days))
        with sealing.database.writing() as session:
            return forget_old(session, timedelta(days=90))

    assert forgotten(89.9) == 0
    assert forgotten(90.1) == 1
    assert kept(sealing) == []


@pytest.fixture
def run(sealing: Wiring, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(commands, "office", lambda: sealing)
    monkeypatch.setattr(commands, "demand_gateway", lambda: None)
    return lambda *words: CliRunner().invoke(timpora, ["evidence", *words])


def test_the_command_lists_without_opening_and_opens_for_a_reason(
    sealing: Wiring, client: FlaskClient, run: Callable[..., Result]
):
    client.post(url(sealing), data=FORM)

    listed = run("list", "--json")
    assert json.loads(listed.stdout)[0]["message"] == "in-1"
    assert SENDER[1:] not in listed.output
    assert run("show", "1").exit_code == 2
    refused = run("show", "1", "--reason", " ")
    assert refused.exit_code == 1
    shown = run("show", "1", "--reason", "a dispute")
    assert "paspor+N1234567" in json.loads(shown.stdout)["body"]
    missing = run("show", "9", "--reason", "a dispute")
    assert "there is no evidence 9" in missing.output
