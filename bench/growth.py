"""Whether anything costs more with millions of reports than with a few thousand.

Two databases with the same roster and the same newest 5,000 messages; one has years of older ones
below them (`SIZE=`, 5,000,000 unless told). Each thing that the gateway is asked to do is done on
both in turn, within this process, and its times are compared. Then every statement that the work
sent is explained on both, with the pages that it read: none may read a large table from end to end,
and none may read more because there is more behind it.

`python -m bench growth` keeps the plans of the large one in `bench/.cache/plans.txt`.
"""

import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
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
from gateway.cli import doctor
from gateway.messaging import sending
from gateway.officers import register
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.watch.overview import overview
from gateway.wiring import Wiring, wire
from models import schema
from models.database.engine import Database
from models.inbox import InboundMessage
from models.officers import OfficerRole
from models.outbox import OutboundMessage
from models.people import Phone
from models.report import Report
from models.states import MessageStatus
from parsers.msisdn import read_sender
from workers import sweeper

_SMALL = 5000
#: Five weeks of the nation. What looks at the last month of a whole province, or at the newest so
#: many of what is rare, is compared with this one: of 5,000 reports it would find only a part.
_MONTH = 100_000
_LARGE = int(os.environ.get("SIZE", "5000000"))
_VILLAGES = int(os.environ.get("VILLAGES", "83971"))
_TIMES = int(os.environ.get("TIMES", "15"))
_AT_MOST = 1.3
#: What seems to cost more is measured so often again before it is believed: machines are noisy.
_AGAIN = 3
#: A table with fewer rows may be read from end to end.
_LARGE_TABLE = 20_000
#: So many times the pages that five weeks of reports cost, and so many more: a deeper tree of an
#: index, rows that lie farther apart, what nobody cleared. A scan of history reads fifty times.
_PAGES_TIMES, _PAGES_MORE = 4, 60
#: What a message takes on the disk, and the log of filling beside it, in bytes.
_BYTES = 4000
#: Years of messages are made in so many seconds.
_MADE_WITHIN = 480
_SECRET = "bench-webhook-secret"  # noqa: S105  # of a gateway that lives for this run
_PIN = "4825"
_OFFICER = 5_000_000
#: Officers of a kabupaten of 200 villages, of one kecamatan in it, and of the whole province: the
#: phone of each, and the area.
_OFFICERS: Mapping[str, tuple[int, str]] = {
    "": (_OFFICER, "54.01"),
    ", kecamatan": (_OFFICER + 1, "54.01.01"),
    ", province": (_OFFICER + 2, "54"),
}
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
#: Works that are compared with a month.
_OF_A_MONTH = (
    ", province",
    "--status failed --limit",
    "--status expired --limit",
    "timpora doctor",
)
#: The screens whose cost may depend on how much lies in the area.
_OF_AN_AREA = ("latest", "silent villages", "counts of a month", "what waits")
_PLANS = CACHE / "plans.txt"
_WARM_UP = 3
#: So long ago the first text was written; the others come by the second.
_AGO = timedelta(hours=5)
_EXPLAINED = ("SELECT", "UPDATE", "DELETE", "WITH")
#: A list of values: as long as what was found before it.
_LISTED = re.compile(r"(%\(\w+?)_\d+(\)s(?:::\w+)?)(?:, %\(\w+\)s(?:::\w+)?)+")
_BUFFERS = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")


@dataclass
class Site:
    """One database, and all that works on it."""

    office: Wiring
    server: int
    """PostgreSQL's first process."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    said: list[tuple[str, Any]] = field(default_factory=list)
    """The statements that the work sent which is heard now, with their values."""
    is_heard: bool = False
    opened_at: datetime = field(default_factory=clock.now)

    def __post_init__(self) -> None:
        """Open the web application, and listen to what is asked of the database."""
        self.busiest = _busiest(self.office.database)
        self.web = create_app(self.office).test_client()
        sa.event.listen(self.office.database.engine, "before_cursor_execute", self._hear)

    def _hear(
        self, _connection: object, _cursor: object, statement: str, values: object, *_rest: object
    ) -> None:
        if self.is_heard:
            self.said.append((statement, values))

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

    def text(self, text: str, sender: str = "") -> str:
        """Send a text from a phone, or from the next one of the roster; give its number."""
        number = next(self.numbers)
        sender = sender or phone(number * 7 % _VILLAGES + 1)
        # A second apart: the same words of a phone in the same second are one message.
        at = self.opened_at - _AGO + timedelta(seconds=number)
        self.post("sms", incoming_sms(text, sender, date=f"{at:%Y-%m-%d %H:%M:%S}"))
        return sender

    def handle(self) -> None:
        """Handle all that waits."""
        while draining.drain_some(self.office.database, self.office.desk).handled:
            pass

    def send(self) -> None:
        """Hand all out that is queued."""
        while sending.deliver_some(self.office.database, self.office.channels):
            pass


def _busiest(database: Database) -> str:
    """Find the phone of the roster that has sent the most."""
    most = (
        sa.select(InboundMessage.phone_id)
        .join(Phone, Phone.id == InboundMessage.phone_id)
        .where(Phone.alias.not_like("P-more-%"))
        .group_by(InboundMessage.phone_id)
        .order_by(sa.func.count().desc())
        .limit(1)
    )
    with database.reading() as session:
        return session.scalars(sa.select(Phone.number).where(Phone.id.in_(most))).one()


#: A piece of work: what is done before it, untimed, gives it what it needs.
Work = tuple[str, Callable[[Site], Any], Callable[[Site, Any], object]]


#: Texts of people; each is sent with something of its own at its end.
_TEXTS: Mapping[str, str] = {
    "WNA": "WNA 2 Australia wisata rumah",
    "PMI": "PMI 3 Malaysia besok kapal rumah",
    "NIHIL": "NIHIL",
    "DARURAT": "DARURAT kecelakaan di rumah",
    "CURIGA": "CURIGA di homestay rumah",
    "chat": "selamat pagi bapak dan ibu sekalian",
}


def _texts() -> Iterator[Work]:
    """Give each kind of text: its webhook, its handling, its sending."""

    def said(site: Site, text: str, *, by_busiest: bool = False) -> None:
        own = "" if text == "NIHIL" else f" {uuid4().hex[:6]}"
        site.text(f"{text}{own}", site.busiest if by_busiest else "")

    for name, text in _TEXTS.items():
        yield f"handling: {name}", partial(said, text=text), _handle
        of_busiest = partial(said, text=text, by_busiest=True)
        yield f"handling: {name}, of the busiest phone", of_busiest, _handle
    yield "webhook: sms", _nothing, lambda site, _: said(site, _TEXTS["WNA"])
    for command in ("STATUS", "TAMBAH", "BATAL", "PERGI", "MASIH"):
        yield f"handling: {command}", partial(_about_a_report, command=command), _handle
    busiest = partial(_about_a_report, command="STATUS", by_busiest=True)
    yield "handling: STATUS, of the busiest phone", busiest, _handle
    yield "handling: BATAL without a number", partial(said, text="BATAL"), _handle
    yield "handling: the answer to a question", _asked, _handle
    yield "handling: the same again", _said_twice, _handle
    yield "handling: of a stranger", lambda site: site.text("WNA 2 Italia wisata", _new()), _handle
    yield "handling: MENU, of an officer", lambda site: site.text("MENU", phone(_OFFICER)), _handle
    yield "sending a reply", _replied, lambda site, _: site.send()


def _new() -> str:
    """Give a number that never texted."""
    return f"+62813{uuid4().int % 10**8:08d}"


def _nothing(_: Site) -> None:
    """Need nothing beforehand."""


def _handle(site: Site, _: object) -> None:
    site.handle()


def _about_a_report(site: Site, command: str, *, by_busiest: bool = False) -> None:
    """Make a report, and let its sender say a command with its number."""
    text = f"WNA 2 Australia wisata rumah {uuid4().hex[:6]}"
    sender = site.text(text, site.busiest if by_busiest else "")
    site.handle()
    site.send()
    with site.office.database.reading() as session:
        newest = sa.select(Report.number).order_by(Report.id.desc()).limit(1)
        number = session.scalars(newest).one()
    site.text(f"{command} {number} {uuid4().hex[:5]}", sender)


def _asked(site: Site) -> None:
    sender = site.text("WNA 2 wisata")
    site.handle()
    site.send()
    site.text("Australia", sender)


def _said_twice(site: Site) -> None:
    text = f"WNA 2 Australia wisata rumah {uuid4().hex[:6]}"
    sender = site.text(text)
    site.handle()
    site.text(text, sender)


def _replied(site: Site) -> None:
    site.text(f"WNA 3 Jerman wisata rumah {uuid4().hex[:6]}")
    site.handle()


def _webhooks() -> Iterator[Work]:
    """Give what else a provider brings."""

    def form(site: Site) -> dict[str, str]:
        made = incoming_sms(f"WNA 4 Jepang wisata rumah {uuid4().hex[:6]}", phone(9))
        site.post("sms", made)
        site.handle()
        return made

    yield "webhook: the same sms again", form, lambda site, made: site.post("sms", made)

    def sent(site: Site) -> str:
        with site.office.database.reading() as session:
            query = sa.select(OutboundMessage.provider_message_id).where(
                OutboundMessage.status == MessageStatus.SENT,
                OutboundMessage.provider_message_id.is_not(None),
            )
            return session.scalars(query.order_by(OutboundMessage.id).limit(1)).one() or ""

    def report(site: Site, given: str) -> None:
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

    def dialled(_: Site) -> str:
        return f"u-{uuid4().hex}"

    def press(site: Site, session_id: str, officer: int, said: tuple[str, ...]) -> str:
        answer = site.post("ussd", _ussd(session_id, phone(officer), "*".join(said)))
        if not answer.startswith("CON "):
            raise RuntimeError(f"keys {said[1:]}: {answer}")
        return answer

    yield "ussd: dialled", dialled, lambda site, key: press(site, key, _OFFICER, ())
    for whose, (officer, _) in _OFFICERS.items():
        for name, keys in {"main menu": (), **_SCREENS}.items():
            if whose and name not in _OF_AN_AREA:
                continue

            def before(site: Site, officer: int = officer, keys: tuple[str, ...] = keys) -> str:
                key = dialled(site)
                for length in range(len(keys) + 1):
                    press(site, key, officer, (_PIN, *keys)[:length])
                return key

            def screen(
                site: Site, key: str, officer: int = officer, keys: tuple[str, ...] = keys
            ) -> None:
                press(site, key, officer, (_PIN, *keys))

            yield f"ussd: {name}{whose}", before, screen


def _looks() -> Iterator[Work]:
    """Give what looks at the whole: health, figures, the sweeper, the lists."""
    for path in ("/healthz", "/readyz", "/metrics", "/", "/simulator/people"):
        yield f"GET {path}", _nothing, lambda site, _, path=path: site.get(path)
    for name, look in {
        "late rows": sweeper.ring_for_late_rows,
        "stuck sends": sweeper.let_go_of_stuck_sends,
        "old dialogues": sweeper.forget_old_dialogues,
        "dead workers": sweeper.count_deaths,
        "watch": lambda office: sweeper.keep_watch(office, clock.now()),
    }.items():
        yield f"sweeper: {name}", _nothing, lambda site, _, look=look: look(site.office)

    def listed(query: Callable[[sa.orm.Session, Any], object]) -> Callable[[Site, Any], object]:
        def run(site: Site, _: Any) -> object:  # noqa: ANN401
            with site.office.database.reading() as session:
                return query(session, site.office.settings.timezone)

        return run

    hours_ago = clock.now() - timedelta(hours=2)
    a_few = 100
    lists: Mapping[str, Callable[[sa.orm.Session, Any], object]] = {
        "reports --since": lambda session, zone: listing.reports(
            session, listing.reports_query(None, hours_ago), zone
        ),
        "reports --since --count": lambda session, _: listing.count_reports(
            session, listing.reports_query(None, hours_ago)
        ),
        "reports --limit": lambda session, zone: listing.reports(
            session, listing.reports_query(None, None, a_few), zone
        ),
        "reports --state notified": lambda session, zone: listing.reports(
            session, listing.reports_query("notified", None), zone
        ),
        "reports --state closed --limit": lambda session, zone: listing.reports(
            session, listing.reports_query("closed", None, a_few), zone
        ),
        **{
            f"messages --status {status}": lambda session, zone, status=status: listing.messages(
                session, zone, status=status
            )
            for status in ("queued", "sending", "unconfirmed", "waiting", "set_aside")
        },
        **{
            f"messages --status {status} --limit": (
                lambda session, zone, status=status: listing.messages(
                    session, zone, status=status, newest=a_few
                )
            )
            for status in ("handled", "sent", "delivered", "failed", "expired")
        },
        "messages --limit": lambda session, zone: listing.messages(session, zone, newest=a_few),
        "messages --status unconfirmed --count": lambda session, _: listing.count_messages(
            session, direction=None, status="unconfirmed"
        ),
        "inbox": lambda session, zone: (
            listing.inbox(session, zone, a_few),
            listing.left_out_of_inbox(session, a_few),
        ),
        "officer list": register.listing,
        "requeue": lambda session, _: draining.requeue(session, None),
    }
    for name, query in lists.items():
        yield f"timpora {name}", _nothing, listed(query)
    yield (
        "timpora channels",
        _nothing,
        lambda site, _: listed(lambda session, _: overview(session, site.office.channels))(site, _),
    )
    yield "timpora doctor", _nothing, lambda site, _: list(doctor.examine(site.office))


def all_work() -> list[Work]:
    """List all that is measured."""
    return [*_webhooks(), *_texts(), *_screens(), *_looks()]


@contextmanager
def _sites(folder: Path, made: list[Figure]) -> Iterator[dict[int, Site]]:
    """Make both databases, and open a gateway on each."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < _LARGE * _BYTES:
        raise SystemExit(
            f"{_LARGE} messages need {_LARGE * _BYTES / 1e9:.0f} GB in {tempfile.gettempdir()},"
            f" where {free / 1e9:.0f} are free; mend: make room, set TMPDIR, or take a smaller SIZE"
        )
    with PostgresServer.start() as server, RedisServer.running() as redis:
        urls = {}
        began = time.monotonic()
        with history.filling(server):
            prepared = server.new_database(locale="C.UTF-8")
            database = Database(prepared)
            schema.upgrade(database)
            morning.register(database, _VILLAGES)
            database.dispose()
            for size in (_SMALL, _MONTH, _LARGE):
                urls[size] = server.new_database(like=prepared)
                history.fill(urls[size], size, ours.SECRET_KEY)
                _count_all_cpu(urls[size])
        seconds = time.monotonic() - began
        made.append(at_most(f"growth: {_LARGE} messages made, s", seconds, _MADE_WITHIN))
        sites = {
            size: Site(open_office(folder, url, redis.url), server.pid)
            for size, url in urls.items()
        }
        try:
            yield sites
        finally:
            for site in sites.values():
                site.office.database.dispose()


def _count_all_cpu(database_url: str) -> None:
    """Let each statement run in one process: what a helper used is gone with it."""
    database = Database(database_url)
    with database.writing() as session:
        session.execute(
            sa.text(
                f'ALTER DATABASE "{database.url.database}" SET max_parallel_workers_per_gather = 0'
            )
        )
    database.dispose()


def open_office(folder: Path, url: str, redis_url: str) -> Wiring:
    """Wire a gateway to a filled database, and appoint its officers."""
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
    pin_hash = office.switchboard.pins.make_hash(_PIN)
    with office.database.writing() as session:
        for officer, area in _OFFICERS.values():
            entry = register.Entry(
                read_sender(phone(officer)), "Petugas", "imigrasi", area, OfficerRole.ADMIN
            )
            made = register.add(session, office.directory, office.audit, entry, actor="bench")
            made.pin_hash, made.pin_set_at = pin_hash, made.since
    return office


def measure() -> Iterator[Figure]:
    """Do everything on both in turn, and ask what each statement of it read."""
    made: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        _sites(Path(folder), made) as sites,
    ):
        yield from made
        yield from compare_all(sites)


def compare_all(sites: Mapping[int, Site]) -> Iterator[Figure]:
    """Compare two sites, the small one first."""
    _PLANS.parent.mkdir(exist_ok=True)
    _PLANS.write_text("")
    large_tables = _large_tables(sites[_LARGE])
    wrong: list[str] = []
    for name, before, work in all_work():
        less = _MONTH if name.endswith(_OF_A_MONTH) else _SMALL
        listen(sites.values(), before, work)
        cost = _cost({size: sites[size] for size in (less, _LARGE)}, before, work)
        small, month, large = (_asked_of(sites[size]) for size in (less, _MONTH, _LARGE))
        with _PLANS.open("a") as plans:
            for statement, one in large.items():
                of_month = month[statement].pages if statement in month else 0
                plans.write(f"-- {name}\n-- {of_month} -> {one.pages} pages\n")
                plans.write(f"{statement}\n{one.plan}\n\n")
                wrong += [
                    f"{name} reads the whole of {table}"
                    for table in sorted(large_tables)
                    if f"Seq Scan on {table}" in one.plan
                ]
                if one.pages > _PAGES_TIMES * of_month + _PAGES_MORE:
                    wrong.append(f"{name}: {of_month} pages of a month became {one.pages}")
        pages = [sum(one.pages for one in asked.values()) for asked in (small, large)]
        yield cost.figure(f"growth {less} → {_LARGE}: {name}", pages)
    for what in dict.fromkeys(wrong):
        yield Figure(f"growth: {what}", "yes", "no", is_met=False)
    whole = f"growth: statements that read history ({len(wrong)} found)"
    yield at_most(whole, len(wrong), 0)


def listen(
    sites: Iterable[Site],
    before: Callable[[Site], Any],
    work: Callable[[Site, Any], object],
    times: int = _WARM_UP,
) -> None:
    """Do a piece of work so often, untimed, and hear what the last time asks of the database."""
    for site in sites:
        for _ in range(times):
            needed = before(site)
            site.said, site.is_heard = [], True
            work(site, needed)
            site.is_heard = False
            site.handle()
            site.send()


class _Cost(NamedTuple):
    """What a piece of work costs with a small history and with a large one, in ms of CPU."""

    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small

    def figure(self, name: str, pages: list[int]) -> Figure:
        """Make the row of the table."""
        ms = f"{self.small:.1f} → {self.large:.1f} ms"
        told = f"{self.ratio:.2f} ({ms}, {pages[0]} → {pages[1]} pages)"
        is_met = self.ratio <= _AT_MOST
        return Figure(name, told, f"≤ {_AT_MOST}", is_met)


def _cost(
    sites: Mapping[int, Site],
    before: Callable[[Site], Any],
    work: Callable[[Site, Any], object],
) -> _Cost:
    """Do it on both in turn; what seems to cost more is done again before that is believed."""
    times: dict[int, list[float]] = {size: [] for size in sites}
    for _ in range(_AGAIN):
        for round_ in range(_TIMES):
            in_turn = list(sites.items())
            for size, site in reversed(in_turn) if round_ % 2 else in_turn:
                needed = before(site)
                times[size].append(site.cost(partial(work, site, needed)))
                site.handle()
                site.send()
        cost = _Cost(*(median(one) for one in times.values()))
        if cost.ratio <= _AT_MOST:
            break
    return cost


class _Asked(NamedTuple):
    """A statement's plan, and how many pages it read in all."""

    plan: str
    pages: int


def _large_tables(site: Site) -> set[str]:
    with site.office.database.reading() as session:
        rows = session.execute(
            sa.text("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > :most"),
            {"most": _LARGE_TABLE},
        )
        return {row.relname for row in rows} - {"villages", "phones", "reporters"}


def _asked_of(site: Site) -> dict[str, _Asked]:
    """Ask for the plan of each statement that was heard, and run it once more to see its pages."""
    found = {}
    for statement, values in dict(site.said).items():
        if not statement.lstrip().upper().startswith(_EXPLAINED):
            continue
        of_one = values[0] if isinstance(values, list) else values
        with site.office.database.engine.connect() as connection:
            explained = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) {statement}", of_one
            )
            plan = "\n".join(row[0] for row in explained)
            connection.rollback()
        pages = _BUFFERS.search(plan.partition("Planning:")[0])
        read = sum(int(one or 0) for one in pages.groups()) if pages else 0
        found[_LISTED.sub(r"\1\2, …", statement)] = _Asked(plan, read)
    return found
