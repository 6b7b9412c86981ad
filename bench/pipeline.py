"""How many messages a second pass through each transaction, in one process, on each database."""

import tempfile
import time
from collections.abc import Callable, Iterator

from support.postgres import PostgresServer

from gateway.messaging import receiving, sending
from gateway.providers.base import InboundSms, Intake
from gateway.reporting import draining
from gateway.roster import demo
from gateway.roster.villages import ensure_shipped
from gateway.settings import read_settings
from gateway.wiring import Wiring, wire
from models import schema

_MESSAGES = 1000
_PHONES = 278


def measure() -> Iterator[Figure]:
    """Measure on SQLite in a folder of its own, then on a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _on("sqlite", f"sqlite:///{folder}/bench.db", folder)
        with PostgresServer.start() as server:
            yield from _on("postgresql", server.new_database(), folder)


def _on(name: str, url: str, folder: str) -> Iterator[Figure]:
    office = _office(url, folder)
    for what, work in (("accept", _accept), ("handle", _handle), ("send", _send)):
        began = time.perf_counter()
        work(office)
        yield Figure(f"{what}, {name}, messages/s", f"{_MESSAGES / (time.perf_counter() - began):.0f}")
    office.database.dispose()


def _office(url: str, folder: str) -> Wiring:
    settings = read_settings(
        {
            "TIMPORA_DATA_DIR": folder,
            "TIMPORA_DATABASE_URL": url,
            "TIMPORA_REDIS_URL": f"unix://{folder}/none.sock",
            "TIMPORA_PIECE_WAIT": "0",
        }
    )
    office = wire(settings)
    schema.upgrade(office.database)
    with office.database.writing() as session:
        ensure_shipped(session)
        demo.load_demo(session, office.directory, settings)
    return office


def _accept(office: Wiring) -> None:
    for n in range(_MESSAGES):
        message = InboundSms(
            sender=f"+6281237{n % _PHONES + 1:06d}",
            recipient="22345",
            text=f"WNA {n % 150 + 1} Australia wisata rumah {n}",
            provider_message_id=f"bench-{n}",
        )
        with office.database.writing() as session:
            receiving.accept(session, office.directory, "loopback", Intake(messages=(message,)))


def _handle(office: Wiring) -> None:
    _until_done(lambda: bool(draining.drain_some(office.database, office.desk).handled))


def _send(office: Wiring) -> None:
    _until_done(lambda: sending.deliver_some(office.database, office.channels))


def _until_done(step: Callable[[], bool]) -> None:
    while step():
        pass
