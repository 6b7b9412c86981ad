"""Migrations: up, down and up again on both databases, and the models are what they make."""

import subprocess
import sys

import pytest
import sqlalchemy as sa

from gateway import clock
from gateway.app import create_app
from gateway.identity import Directory
from gateway.messaging import receiving, sending
from gateway.providers.base import InboundSms, Intake
from gateway.wiring import Wiring
from models import revisions, schema
from models.channels import Canary
from models.database.engine import Database
from models.outbox import OutboundMessage
from models.states import Lane
from parsers import msisdn

_BEFORE_IDS_GIVEN_ONCE = "3c9e5a7d10b4"
_BEFORE_CHANNELS = "7736a6dfae19"


def test_an_empty_database_is_at_no_revision(empty_database: Database) -> None:
    assert revisions.current(empty_database) is None


def test_migrations_go_up_down_and_up_again(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    assert revisions.current(empty_database) == revisions.newest()
    schema.downgrade(empty_database)
    left = set(sa.inspect(empty_database.engine).get_table_names()) - {"alembic_version"}
    assert left == set()
    schema.upgrade(empty_database)
    assert revisions.current(empty_database) == revisions.newest()


def test_models_and_migrations_agree(database: Database) -> None:
    schema.difference(database)


def test_three_processes_that_migrate_at_once_wait_for_each_other(
    empty_database: Database,
) -> None:
    url = empty_database.url.render_as_string(hide_password=False)
    code = (
        "import sys; from models import schema; from models.database.engine import Database;"
        " schema.upgrade(Database(sys.argv[1]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, url])  # noqa: S603
        for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert revisions.current(empty_database) == revisions.newest()


def test_the_channels_come_and_go_with_messages_in_the_tables(
    empty_database: Database, directory: Directory
) -> None:
    schema.upgrade(empty_database)
    moment = clock.now()
    with empty_database.writing() as session:
        sms = InboundSms("+6281290000001", None, "NIHIL", network_time=moment)
        (inbound,) = receiving.accept(session, directory, "kannel", Intake((sms,)))
        row = sending.compose(
            channel="kannel",
            phone_id=directory.phone(session, msisdn.read_sender(sms.sender)).id,
            text="Terima kasih.",
            reply_key="OK_NIHIL",
            lane=Lane.REPLY,
            counted_from=moment,
            in_reply_to=inbound,
        )
        session.add(OutboundMessage(**row))

    schema.downgrade(empty_database, _BEFORE_CHANNELS)
    schema.upgrade(empty_database)

    with empty_database.reading() as session:
        (message,) = session.scalars(sa.select(OutboundMessage))
    assert len(message.token) == 16
    assert (message.in_reply_to, message.refused_by, message.is_bound) == (inbound, [], False)


def test_a_schema_of_a_newer_version_is_told_from_an_old_one(database: Database):
    assert not revisions.is_newer(revisions.current(database))
    assert not revisions.is_newer(None)
    with database.writing() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'of_next_year'"))
    assert revisions.is_newer(revisions.current(database))


def test_an_old_process_stays_ready_on_a_newer_schema_and_a_new_one_waits_for_it(office: Wiring):
    client = create_app(office).test_client()
    with office.database.writing() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'of_next_year'"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (200, "newer")

    with office.database.writing() as session:
        session.execute(sa.text("DELETE FROM alembic_version"))
    assert client.get("/readyz").status_code == 503


def test_tables_that_others_refer_to_are_made_anew_with_their_rows(
    empty_database: Database, directory: Directory
) -> None:
    schema.upgrade(empty_database, _BEFORE_IDS_GIVEN_ONCE)
    with empty_database.writing() as session:
        phone = directory.phone(session, msisdn.read_sender("+6281290000001"))
        row = sending.compose(
            channel="kannel",
            phone_id=phone.id,
            text="TIMPORA CANARY bcdfghjklm",
            reply_key="CANARY",
            lane=Lane.FOLLOW_UP,
            counted_from=clock.now(),
        )
        message = OutboundMessage(**row)
        session.add(message)
        session.flush()
        session.add(
            Canary(
                token="bcdfghjklm",  # noqa: S106
                channel="kannel",
                outbound_id=message.id,
                started_at=clock.now(),
            )
        )

    schema.upgrade(empty_database)

    with empty_database.writing() as session:
        (canary,) = session.scalars(sa.select(Canary))
        assert session.get_one(OutboundMessage, canary.outbound_id).token == row["token"]
        session.execute(sa.delete(Canary))
        session.execute(sa.delete(OutboundMessage))
        later = OutboundMessage(**row)
        session.add(later)
        session.flush()
        assert later.id > canary.outbound_id


@pytest.mark.parametrize("kind", ["sqlite"])  # a sequence of PostgreSQL never goes back
def test_sqlite_gives_no_id_twice_in_any_table(empty_database: Database) -> None:
    schema.upgrade(empty_database)
    with empty_database.reading() as session:
        tables = dict(
            session.execute(
                sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            ).all()
        )
    numbered = {name for name in tables if "id INTEGER" in tables[name]}
    assert {"inbox", "outbox", "delivery_reports", "report_links", "reports"} <= numbered
    assert {name for name in numbered if "AUTOINCREMENT" not in tables[name]} == set()
