"""What lies in an area, told alike in Python and in both databases, and the latest of it."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.office_work import do_all_work, register

from gateway import clock
from gateway.messaging import receiving
from gateway.officers import figures
from gateway.officers.figures import Scope
from gateway.providers.base import InboundSms, Intake
from gateway.wiring import Wiring
from models.database.engine import Database
from models.database.statements import lies_within
from models.report import Report

PHONES = [f"+62812370009{n:02d}" for n in range(6)]
PARTS = st.sampled_from(["5", "53", "02", "2", "020", "2003", "20"])
CODES = st.lists(PARTS, min_size=1, max_size=4).map(".".join)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(area=CODES, codes=st.lists(CODES, min_size=1, max_size=8, unique=True))
def test_the_database_finds_what_an_officer_may_see(
    empty_database: Database, area: str, codes: list[str]
) -> None:
    each = (sa.select(sa.literal(one, sa.Text()).label("code")) for one in codes)
    given_codes = sa.union_all(*each).subquery()
    with empty_database.reading() as session:
        found = session.scalars(
            sa.select(given_codes.c.code).where(lies_within(given_codes.c.code, area))
        ).all()
    scope = Scope(area, sees_about_officials=True)
    assert sorted(found) == sorted(one for one in codes if scope.holds(one))


@pytest.mark.parametrize("urgent", [2, 4, 6])
def test_the_latest_are_the_most_urgent_ones_and_then_the_newest(
    office: Wiring, monkeypatch: pytest.MonkeyPatch, urgent: int
) -> None:
    monkeypatch.setattr(figures, "MOST_LINES", 4)
    for phone in PHONES:
        register(office, phone, ["53.02.02.2008"])
    came = Intake(
        messages=tuple(
            InboundSms(sender=phone, recipient="22345", text=text)
            for phone in PHONES[:urgent]
            for text in ("WNA 2 AUS wisata", "PERGI AUS 2")
        )
    )
    with office.database.writing() as session:
        receiving.accept(session, office.directory, "africastalking", came)
    do_all_work(office)
    with office.database.reading() as session:
        all_ = session.scalars(sa.select(Report).where(Report.code != "NIHIL")).all()
        listed = figures.latest(session, Scope("53", sees_about_officials=True), clock.now(), [])
    expected = sorted(all_, key=lambda one: (one.urgency != "info", one.id), reverse=True)[:4]
    assert [one.id for one in listed] == [one.id for one in expected]
    assert {one.urgency for one in all_} == {"biasa", "info"}
