"""Which sweeper leads: for `timpora doctor` and the figures."""

from models.database.engine import Database
from models.database.holding import holder_of

#: The name of the lock that the leading sweeper holds.
LEADER = "leader"


def leader(database: Database) -> str | None:
    """Name the machine and process of the leading sweeper; None where none leads."""
    return holder_of(database, LEADER)
