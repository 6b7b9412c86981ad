"""What lies in an area is told by its code, in Python and in both databases alike."""

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.officers.figures import Scope
from models.database.engine import Database
from models.database.statements import lies_within

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
