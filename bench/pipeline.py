"""How many messages a second pass through each transaction, in one process, on each database."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import event
from support.postgres import PostgresServer

from bench.figures import Figure
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
    office = office_on(url, folder)
    asked: Counter[str] = Counter()
    doing = ""

    def hear(*_: object) -> None:
        asked[doing] += 1

    event.listen(office.database.engine, "before_cursor_execute", hear)
    for doing, work in (("accept", _accept), ("handle", _handle), ("send", _send)):
        began, cpu = time.perf_counter(), time.process_time()
        work(office)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        yield Figure(f"{doing}, {name}, messages/s", f"{_MESSAGES / took:.0f}")
        yield Figure(f"{doing}, {name}, ms of own CPU a message", f"{cpu / _MESSAGES * 1000:.2f}")
        of_one = asked[doing] / _MESSAGES
        yield Figure(f"{doing}, {name}, statements a message", f"{of_one:.1f}")
    office.database.dispose()


def office_on(url: str, folder: str) -> Wiring:
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
