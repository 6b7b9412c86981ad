"""The nation's morning: one NIHIL from each village of the country, as fast as they are taken.

`VILLAGES=5000 python -m bench morning` sends fewer, for a try.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.payloads import phone
from support.postgres import PostgresServer

from bench import messages, ours
from bench.end_to_end import WEB, WORKERS
from bench.figures import Figure, at_least, at_most
from bench.load import Order, post_all
from gateway.identity import Directory
from gateway.roster import people
from gateway.roster.tables import Row
from gateway.roster.villages import import_villages
from models.database.engine import Database

#: Villages of Indonesia, each with its kades.
_NATION = int(os.environ.get("VILLAGES", "83971"))
_SMALL_BOX = min(_NATION, 5000)
_WITHIN = 150.0
_AT_LEAST = 300.0
_CONNECTIONS = 32
_GIVE_UP_AFTER = 7200.0
#: One transaction of the roster.
_AT_ONCE = 20_000


def measure() -> Iterator[Figure]:
    """Take the morning on PostgreSQL, and a district's on the embedded SQLite."""
    with tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder:
        with PostgresServer.start() as server:
            registered, seconds, kept = _morning(
                Path(folder) / "nation", _NATION, server.new_database()
            )
        of = f"{_NATION} NIHIL, postgresql"
        yield Figure(f"{of}: phones and villages registered, s", f"{registered:.0f}")
        yield Figure(f"{of}: the last was kept after, s", f"{kept:.0f}")
        yield at_most(f"{of}: the last was confirmed after, s", seconds, _WITHIN)
        yield Figure(f"{of}: lost or doubled", "0", "= 0", is_met=True)
        _, seconds, _ = _morning(Path(folder) / "district", _SMALL_BOX, "")
        of = f"{_SMALL_BOX} NIHIL, sqlite"
        yield at_least(f"{of}: confirmed a second", _SMALL_BOX / seconds, _AT_LEAST)
        yield Figure(f"{of}: lost or doubled", "0", "= 0", is_met=True)


def _morning(folder: Path, number: int, database_url: str) -> tuple[float, float, float]:
    """Register and send; give the seconds of registering, to the last reply, to the last 200.

    Raises when a message was lost or doubled.
    """
    with ours.gateway(folder, database_url=database_url) as gateway:
        gateway.cli("db", "upgrade")
        database = Database(gateway.database_url)
        try:
            registered = register(database, number)
            gateway.run("--web", str(WEB), "--workers", str(WORKERS))
            forms = [messages.form("NIHIL", phone(n + 1), f"morning-{n}") for n in range(number)]
            path = gateway.webhook("sms").removeprefix(gateway.url)
            order = Order(gateway.port, path, forms, _CONNECTIONS, within=_GIVE_UP_AFTER)
            outcome = post_all(order)
            last = ours.wait_until_handed_out(database, number, _GIVE_UP_AFTER)
            ours.counts(database).complain_unless(number)
        finally:
            database.dispose()
    return registered, last - outcome.began_at, outcome.seconds


def register(database: Database, number: int) -> float:
    """Make so many villages with one phone each, by the roster's own functions; give seconds."""
    began = time.monotonic()
    directory = Directory(ours.SECRET_KEY)
    with database.writing() as session:
        directory.keep_key(session)
    for first in range(0, number, _AT_ONCE):
        some = range(first, min(number, first + _AT_ONCE))
        villages = [
            Row(n + 2, {"code": code(n), "kecamatan": "Ukur", "name": f"Desa {n}", "kind": "desa"})
            for n in some
        ]
        kades = [
            Row(
                n + 2,
                {
                    "phone": phone(n + 1),
                    "name": f"Kades {n}",
                    "role": "kades",
                    "village_code": code(n),
                },
            )
            for n in some
        ]
        with database.writing() as session:
            import_villages(session, villages)
            people.store(session, directory, people.understand(kades))
    return time.monotonic() - began


def code(number: int) -> str:
    """Give a village's code: ten to a kecamatan, twenty kecamatan to a kabupaten.

    They lie in provinces that there are none of, beside the shipped ones.
    """
    kecamatan, village = divmod(number, 10)
    kabupaten, kecamatan = divmod(kecamatan, 20)
    province, kabupaten = divmod(kabupaten, 40)
    return f"{54 + province}.{kabupaten + 1:02d}.{kecamatan + 1:02d}.{2001 + village}"
