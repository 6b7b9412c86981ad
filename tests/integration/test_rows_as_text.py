"""Rows that are written many at once come back as they were, whatever stands in them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wiring import Wiring
from models.database.flushing import write_out
from models.database.statements import insert_each_unless_there, update_rows
from models.inbox import InboundMessage
from parsers.cleaning import storable
from parsers.msisdn import read_sender

TEXTS = st.text().map(storable)
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
MESSAGES = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "flags": st.lists(TEXTS, max_size=3),
        "payload": st.dictionaries(TEXTS, TEXTS | st.integers(-(2**31), 2**31) | st.none()),
        "network_time": st.none() | MOMENTS,
        "received_at": MOMENTS,
        "segments": st.integers(0, 2**31 - 1),
        "part_reference": st.none() | st.integers(0, 65535),
    }
)
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def a_phone(office: Wiring) -> int:
    with office.database.writing() as session:
        return office.directory.phone(session, read_sender("+6281290000001")).id


def insert(office: Wiring, messages: list[Mapping[str, Any]]) -> list[int]:
    phone_id = a_phone(office)
    rows = [{"channel": "loopback", "phone_id": phone_id, **one} for one in messages]
    with office.database.writing() as session:
        done = insert_each_unless_there(session, InboundMessage, rows, [InboundMessage.id])
        return [row[0] for row in done]


def found(office: Wiring, ids: list[int], names: Mapping[str, Any]) -> list[dict[str, Any]]:
    with office.database.reading() as session:
        rows = session.scalars(
            sa.select(InboundMessage).where(InboundMessage.id.in_(ids)).order_by(InboundMessage.id)
        )
        return [{name: getattr(row, name) for name in names} for row in rows]


@FEW
@given(messages=st.lists(MESSAGES, min_size=1, max_size=4))
def test_what_is_inserted_comes_back(office: Wiring, messages: list[dict[str, Any]]) -> None:
    ids = insert(office, messages)
    assert found(office, ids, messages[0]) == messages


@FEW
@given(first=MESSAGES, then=st.lists(MESSAGES, min_size=2, max_size=2))
def test_what_is_written_over_comes_back(
    office: Wiring, first: dict[str, Any], then: list[dict[str, Any]]
) -> None:
    ids = insert(office, [first] * 2)
    with office.database.writing() as session:
        rows = [{"id": id_, **new} for id_, new in zip(ids, then, strict=True)]
        update_rows(session, InboundMessage, rows[::-1])
    assert found(office, ids, then[0]) == then


@FEW
@given(first=MESSAGES, then=st.lists(TEXTS, min_size=3, max_size=3))
def test_changed_rows_of_a_session_are_written_and_known_to_be(
    office: Wiring, first: dict[str, Any], then: list[str]
) -> None:
    ids = insert(office, [first] * 3)
    with office.database.writing() as session:
        rows = [session.get_one(InboundMessage, id_) for id_ in ids]
        for row, text in zip(rows, then, strict=True):
            row.text = text
        rows[0].outcome = "chat"
        write_out(session, InboundMessage)
        assert not any(session.is_modified(row) for row in rows)
    told = found(office, ids, {"text": "", "outcome": ""})
    assert told == [
        {"text": text, "outcome": outcome}
        for text, outcome in zip(then, ["chat", None, None], strict=True)
    ]
