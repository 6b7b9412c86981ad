"""Whether anything costs more with millions of reports than with a few thousand.

Two databases with the same roster and the same newest 5,000 messages; one has years of older ones
below them (`SIZE=`, 5,000,000 unless told). Each thing that the gateway is asked to do is done on
both in turn, within this process, and its times are compared. Then every statement that the work
sent is explained on the large one: none may read a large table from end to end.

`python -m bench growth` keeps the plans in `bench/.cache/plans.txt`.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer
from support.processes import descendants
from support.redis_server import RedisServer

from bench import history, morning, ours
from bench.cpu import used
from bench.figures import Figure, at_most
from bench.own_venv import CACHE
from gateway import clock, listing
from gateway.app import create_app
from gateway.messaging import sending
from gateway.officers import register
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import Wiring, wire
from models import schema
from models.database.engine import Database
from models.officers import OfficerRole
from models.outbox import OutboundMessage
from models.report import Report
from models.states import MessageStatus
from parsers.msisdn import read_sender
from workers import sweeper

_SMALL = 5000
_LARGE = int(os.environ.get("SIZE", "5000000"))
_VILLAGES = int(os.environ.get("VILLAGES", "83971"))
_TIMES = int(os.environ.get("TIMES", "40"))
_AT_MOST = 1.3
#: A table with fewer rows may be read from end to end.
_LARGE_TABLE = 20_000
#: Faster than this a difference is noise of the machine, in milliseconds.
_TOO_SMALL_TO_TELL = 0.3
_SECRET = "bench-webhook-secret"  # noqa: S105  # of a gateway that lives for this run
_PIN = "4825"
_AREA = "54.01"
_OFFICER = 5_000_000
#: What an officer keys after the PIN, and the screen that it opens.
_SCREENS: Mapping[str, tuple[str, ...]] = {
    "latest": ("2",),
    "one report": ("2", "1"),
    "a village": ("3", "1", "1", "1"),
    "silent villages": ("3", "2", "30"),
    "counts of a month": ("4", "0"),
    "what waits": ("5",),
    "what waits, one kind": ("5", "1"),
    "what waits, one": ("5", "1", "1"),
}
_PLANS = CACHE / "plans.txt"


@dataclass
class _Site:
    """One database, and all that works on it."""

    office: Wiring
    server: int
    """PostgreSQL's first process."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    said: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    """By the name of the work: the statements that it sent, with their values."""
    doing: str = ""

    def __post_init__(self) -> None:
        """Open the web application, and listen to what is asked of the database."""
        self.web = create_app(self.office).test_client()
        sa.event.listen(self.office.database.engine, "before_cursor_execute", self._hear)

    def _hear(
        self, _connection: object, _cursor: object, statement: str, values: object, *_rest: object
    ) -> None:
        if self.doing:
            self.said.setdefault(self.doing, []).append((statement, values))

    def post(self, kind: str, form: Mapping[str, str]) -> str:
        """Post to a webhook; raise unless it is answered 200."""
        answer = self.web.post(f"/webhooks/africastalking/{_SECRET}/{kind}", data=dict(form))
        if answer.status_code != 200:
            raise RuntimeError(f"{kind} was answered {answer.status_code}")
        return answer.text

    def get(self, path: str) -> None:
        """Get a page; raise unless it is answered 200."""
        status = self.web.get(path).status_code
        if status != 200:
            raise RuntimeError(f"{path} was answered {status}")

    def cost(self, work: Callable[[], object]) -> float:
        """Give the milliseconds of CPU that work takes here and in the database's own backends.

        Not the time that passes: what else the machine does would be in it.
        """
        backends = self._backends()
        before = used(backends)
        began = time.process_time()
        work()
        own = time.process_time() - began
        # One that was opened meanwhile counts whole.
        return (own + used(self._backends()) - before) * 1000

    def _backends(self) -> list[int]:
        name = f" {self.office.database.url.database} "
        return [one.pid for one in descendants(self.server) if name in one.command]

    def text(self, text: str, *, number: int = 0) -> int:
        """Send a text from one of the phones of the roster; give the phone's place in it."""
        place = number or next(self.numbers) * 7 % _VILLAGES + 1
        self.post("sms", incoming_sms(text, phone(place)))
        return place

    def handle(self) -> None:
        """Handle all that waits."""
        while draining.drain_some(self.office.database, self.office.desk).handled:
            pass

    def send(self) -> None:
        """Hand all out that is queued."""
        while sending.deliver_some(self.office.database, self.office.channels):
            pass


#: A piece of work: what is done before it, untimed, gives it what it needs.
Work = tuple[str, Callable[[_Site], Any], Callable[[_Site, Any], object]]


#: Texts of people; each is sent with something of its own at its end.
_TEXTS: Mapping[str, str] = {
    "WNA": "WNA 2 Australia wisata rumah",
    "PMI": "PMI 3 Malaysia besok kapal rumah",
    "NIHIL": "NIHIL",
    "DARURAT": "DARURAT kecelakaan di rumah",
    "chat": "selamat pagi bapak dan ibu sekalian",
}


def _texts() -> Iterator[Work]:
    """Give each kind of text: its webhook, its handling, its sending."""

    def said(site: _Site, text: str) -> None:
        site.text(text if text == "NIHIL" else f"{text} {uuid4().hex[:6]}")

    for name, text in _TEXTS.items():
        yield f"handling: {name}", partial(said, text=text), _handle
    yield "webhook: sms", _nothing, lambda site, _: said(site, _TEXTS["WNA"])
    for command in ("STATUS", "TAMBAH", "BATAL", "PERGI"):
        yield f"handling: {command}", partial(_about_a_report, command=command), _handle
    yield "handling: the same again", _said_twice, _handle
    yield "sending a reply", _replied, lambda site, _: site.send()


def _nothing(_: _Site) -> None:
    """Need nothing beforehand."""


def _handle(site: _Site, _: object) -> None:
    site.handle()


def _about_a_report(site: _Site, command: str) -> None:
    """Make a report, and let its sender say a command with its number."""
    place = site.text(f"WNA 2 Australia wisata rumah {uuid4().hex[:6]}")
    site.handle()
    site.send()
    with site.office.database.reading() as session:
        newest = sa.select(Report.number).order_by(Report.id.desc()).limit(1)
        number = session.scalars(newest).one()
    site.text(f"{command} {number} {uuid4().hex[:5]}", number=place)


def _said_twice(site: _Site) -> None:
    text = f"WNA 2 Australia wisata rumah {uuid4().hex[:6]}"
    place = site.text(text)
    site.handle()
    site.text(text, number=place)


def _replied(site: _Site) -> None:
    site.text(f"WNA 3 Jerman wisata rumah {uuid4().hex[:6]}")
    site.handle()


def _webhooks() -> Iterator[Work]:
    """Give what else a provider brings."""

    def form(site: _Site) -> dict[str, str]:
        made = incoming_sms(f"WNA 4 Jepang wisata rumah {uuid4().hex[:6]}", phone(9))
        site.post("sms", made)
        site.handle()
        return made

    yield "webhook: the same sms again", form, lambda site, made: site.post("sms", made)

    def sent(site: _Site) -> str:
        with site.office.database.reading() as session:
            query = sa.select(OutboundMessage.provider_message_id).where(
                OutboundMessage.status == MessageStatus.SENT,
                OutboundMessage.provider_message_id.is_not(None),
            )
            return session.scalars(query.order_by(OutboundMessage.id).limit(1)).one() or ""

    def report(site: _Site, given: str) -> None:
        site.post("dlr", {"id": given, "status": "Success", "phoneNumber": phone(9)})

    yield "webhook: delivery report", sent, report
    yield (
        "webhook: delivery report of an unknown message",
        lambda _: f"ATXid_{uuid4().hex}",
        report,
    )
    yield (
        "webhook: ussd, no officer",
        lambda _: None,
        lambda site, _: site.post("ussd", _ussd(f"x-{uuid4().hex}", phone(11), "")),
    )


def _ussd(session_id: str, sender: str, text: str) -> dict[str, str]:
    return {
        "sessionId": session_id,
        "phoneNumber": sender,
        "serviceCode": "*384*22345#",
        "text": text,
    }


def _screens() -> Iterator[Work]:
    """Each screen of the officers' menu; what leads there is done before."""

    def dialled(_: _Site) -> str:
        return f"u-{uuid4().hex}"

    def press(site: _Site, session_id: str, said: tuple[str, ...]) -> str:
        answer = site.post("ussd", _ussd(session_id, phone(_OFFICER), "*".join(said)))
        if not answer.startswith("CON "):
            raise RuntimeError(f"keys {said[1:]}: {answer}")
        return answer

    yield "ussd: dialled", dialled, lambda site, key: press(site, key, ())
    for name, keys in {"main menu": (), **_SCREENS}.items():

        def before(site: _Site, keys: tuple[str, ...] = keys) -> str:
            key = dialled(site)
            for length in range(len(keys) + 1):
                press(site, key, (_PIN, *keys)[:length])
            return key

        def screen(site: _Site, key: str, keys: tuple[str, ...] = keys) -> None:
            press(site, key, (_PIN, *keys))

        yield f"ussd: {name}", before, screen


def _looks() -> Iterator[Work]:
    """Give what looks at the whole: health, figures, the sweeper, the lists."""
    for path in ("/healthz", "/readyz", "/metrics"):
        yield f"GET {path}", _nothing, lambda site, _, path=path: site.get(path)
    for name, look in {
        "late rows": sweeper.ring_for_late_rows,
        "stuck sends": sweeper.let_go_of_stuck_sends,
        "old dialogues": sweeper.forget_old_dialogues,
        "watch": lambda office: sweeper.keep_watch(office, clock.now()),
    }.items():
        yield f"sweeper: {name}", _nothing, lambda site, _, look=look: look(site.office)

    def listed(query: Callable[[sa.orm.Session, Any], object]) -> Callable[[_Site, Any], object]:
        def run(site: _Site, _: Any) -> object:  # noqa: ANN401
            with site.office.database.reading() as session:
                return query(session, site.office.settings.timezone)

        return run

    hour_ago = clock.now() - sweeper.timedelta(hours=2)
    lists: Mapping[str, Callable[[sa.orm.Session, Any], object]] = {
        "reports --since": lambda session, zone: listing.reports(
            session, listing.reports_query(None, hour_ago), zone
        ),
        "reports --state notified": lambda session, zone: listing.reports(
            session, listing.reports_query("notified", None), zone
        ),
        "messages --status queued": lambda session, zone: listing.messages(
            session, zone, status="queued"
        ),
        "messages --status unconfirmed": lambda session, zone: listing.messages(
            session, zone, status="unconfirmed"
        ),
        "messages --status waiting": lambda session, zone: listing.messages(
            session, zone, status="waiting"
        ),
        "messages --status set_aside": lambda session, zone: listing.messages(
            session, zone, status="set_aside"
        ),
        "inbox": listing.inbox,
    }
    for name, query in lists.items():
        yield f"timpora {name}", _nothing, listed(query)


def _all_work() -> list[Work]:
    return [*_webhooks(), *_texts(), *_screens(), *_looks()]


@contextmanager
def _sites(folder: Path) -> Iterator[dict[int, _Site]]:
    """Make both databases, and open a gateway on each."""
    # Commits to a disk would only hide what grows.
    with PostgresServer.start(fsync=False) as server, RedisServer.running() as redis:
        prepared = server.new_database()
        database = Database(prepared)
        schema.upgrade(database)
        morning.register(database, _VILLAGES)
        database.dispose()
        sites = {}
        for size in (_SMALL, _LARGE):
            url = server.new_database(like=prepared)
            began = time.monotonic()
            history.fill(url, size)
            print(f"{size} messages made in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
            sites[size] = _Site(_office(folder, url, redis.url), server.pid)
        try:
            yield sites
        finally:
            for site in sites.values():
                site.office.database.dispose()


def _office(folder: Path, url: str, redis_url: str) -> Wiring:
    office = wire(
        read_settings(
            {
                "TIMPORA_DATA_DIR": str(folder),
                "TIMPORA_DATABASE_URL": url,
                "TIMPORA_REDIS_URL": redis_url,
                "TIMPORA_SECRET_KEY": ours.SECRET_KEY,
                "TIMPORA_WEBHOOK_SECRET": _SECRET,
                "TIMPORA_PIECE_WAIT": "0",
                "TIMPORA_PIN_TRIES": "10",
                # Each walk begins at the menu, not where the one before it broke off.
                "TIMPORA_USSD_RESUME": "0",
            }
        )
    )
    entry = register.Entry(
        read_sender(phone(_OFFICER)), "Petugas", "imigrasi", _AREA, OfficerRole.ADMIN
    )
    pin_hash = office.switchboard.pins.make_hash(_PIN)
    with office.database.writing() as session:
        officer = register.add(session, office.directory, office.audit, entry, actor="bench")
        officer.pin_hash, officer.pin_set_at = pin_hash, officer.since
    return office


def measure() -> Iterator[Figure]:
    """Do everything on both in turn; then explain what was asked of the large one."""
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        _sites(Path(folder)) as sites,
    ):
        for name, before, work in _all_work():
            yield _compare(sites, name, before, work)
        read_whole = _explain(sites[_LARGE])
    for what, table in sorted(read_whole):
        yield Figure(f"growth: {what} reads the whole of {table}", "yes", "no", is_met=False)
    whole = f"growth: large tables read from end to end ({len(read_whole)} found)"
    yield at_most(whole, len(read_whole), 0)


def _compare(
    sites: Mapping[int, _Site],
    name: str,
    before: Callable[[_Site], Any],
    work: Callable[[_Site, Any], object],
) -> Figure:
    times: dict[int, list[float]] = {size: [] for size in sites}
    for round_ in range(_TIMES + 2):
        for size, site in sites.items():
            needed = before(site)
            # The first are left out of the times; what they ask is heard.
            site.doing = name if round_ < 2 else ""
            took = site.cost(partial(work, site, needed))
            site.doing = ""
            if round_ >= 2:
                times[size].append(took)
            site.handle()
            site.send()
    small, large = (median(one) for one in times.values())
    figure = f"{large / small:.2f} ({small:.1f} → {large:.1f} ms)"
    is_met = large <= small * _AT_MOST or large - small < _TOO_SMALL_TO_TELL
    return Figure(f"growth {_SMALL} → {_LARGE}: {name}", figure, f"≤ {_AT_MOST}", is_met)


def _explain(site: _Site) -> set[tuple[str, str]]:
    """Ask for the plan of each statement, keep them, and name the large tables read in whole."""
    engine = site.office.database.engine
    found: set[tuple[str, str]] = set()
    pages: list[str] = []
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > :most"),
            {"most": _LARGE_TABLE},
        )
        large = {row.relname for row in rows}
    for name, statements in site.said.items():
        for statement, values in dict(reversed(statements)).items():
            if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
                continue
            with engine.connect() as connection:
                explained = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                plan = "\n".join(row[0] for row in explained)
                connection.rollback()
            pages.append(f"-- {name}\n{statement}\n{plan}\n")
            found |= {(name, table) for table in large if f"Seq Scan on {table}" in plan}
    _PLANS.parent.mkdir(exist_ok=True)
    _PLANS.write_text("\n".join(pages))
    return found
