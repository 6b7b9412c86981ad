"""`timpora doctor`: what is as it must be, and what mends what is not."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial, update_wrapper

import click
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import clock, redis_server
from gateway.backup import restoring
from gateway.cli import backup
from gateway.cli.office import office, print_json, settings
from gateway.health import ROOM_NEEDED
from gateway.identity import WrongKey
from gateway.messaging.queues import connect
from gateway.officers import register
from gateway.redis_server import NoRedis
from gateway.roster import demo
from gateway.settings import Settings
from gateway.watch.leader import leader
from gateway.watch.overview import ChannelView, overview
from gateway.wiring import Wiring
from models import revisions
from models.database.engine import UNAVAILABLE
from models.inbox import InboundMessage
from models.people import AuditEntry, Village

_OLDEST_REDIS = (6, 2)
_CLOCK_MAY_DIFFER = timedelta(seconds=5)
_COPY_IS_OLD_AFTER = timedelta(days=7)
#: So many of the newest entries of the audit are verified, unless all are asked for: after many
#: years all of them take minutes.
_AUDIT_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check."""

    what: str
    level: str
    """green, yellow or red."""
    says: str
    mend: str | None = None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--whole-audit", is_flag=True, help="Verify every entry of the audit.")
def doctor(*, as_json: bool, whole_audit: bool) -> None:
    """Check configuration, database, Redis, channels, clock and disk; exit 1 if anything is red."""
    findings = list(_all(whole_audit=whole_audit))
    if as_json:
        print_json(
            [
                {"what": one.what, "level": one.level, "says": one.says, "mend": one.mend}
                for one in findings
            ]
        )
    else:
        for one in findings:
            click.echo(f"{one.level:<7} {one.what:<10} {one.says}")
            if one.mend:
                click.echo(f"{'':<18} mend: {one.mend}")
    if any(one.level == "red" for one in findings):
        sys.exit(1)


def _all(*, whole_audit: bool) -> Iterator[Finding]:
    yield from _settings(settings())
    yield from examine(office(), whole_audit=whole_audit)


def examine(office: Wiring, *, whole_audit: bool = False) -> Iterator[Finding]:
    """Look at all that a gateway needs, once it is wired."""
    database = partial(_database, whole_audit=whole_audit)
    for check in (update_wrapper(database, _database), _redis, _sweeper, _channels, _disk):
        yield from _guarded(office, check)


def _guarded(office: Wiring, check: Callable[[Wiring], Iterator[Finding]]) -> Iterator[Finding]:
    """Let one check that fails in a way we did not think of spoil no other."""
    try:
        yield from check(office)
    except Exception as error:  # noqa: BLE001  # whatever it is, the one who asked must see it
        yield Finding(check.__name__.strip("_"), "red", f"the check failed: {type(error).__name__}")


def _settings(found: Settings) -> Iterator[Finding]:
    yield Finding("settings", "green", f"{found.env}, zone {found.timezone.key}")
    for name in found.unknown_names:
        yield Finding("settings", "yellow", f"{name} means nothing to us", "correct or unset it")


def _database(office: Wiring, *, whole_audit: bool) -> Iterator[Finding]:
    database = office.database
    try:
        current = revisions.current(database)
    except UNAVAILABLE as error:
        yield Finding(
            "database",
            "red",
            f"unreachable ({type(error).__name__})",
            "start it, or correct TIMPORA_DATABASE_URL; messages get 503 and are sent again",
        )
        return
    if revisions.is_newer(current):
        says = f"schema {current} is of a newer version than this one"
        yield Finding("database", "yellow", says, "bring the new version to this machine too")
    elif current != revisions.newest():
        yield Finding(
            "database",
            "red",
            f"schema is at {current}, not {revisions.newest()}",
            "timpora db upgrade",
        )
        return
    else:
        yield Finding("database", "green", f"{database.url.get_backend_name()}, schema {current}")
    with database.reading() as session:
        try:
            office.directory.verify_key(session)
        except WrongKey as error:
            yield Finding("key", "red", str(error), "set the TIMPORA_SECRET_KEY of this database")
        else:
            yield Finding("key", "green", "the secret key is this database's")
            yield _audit(office, session, whole=whole_audit)
            yield from _officers(office, session)
            yield from _copies(office, session)
        villages = session.scalar(sa.select(sa.func.count()).select_from(Village)) or 0
        yield _clock(office, session, is_sqlite=database.is_sqlite)
    if villages:
        yield Finding("villages", "green", f"{villages} villages")
    else:
        yield Finding("villages", "red", "no villages", "timpora db upgrade")


def _audit(office: Wiring, session: Session, *, whole: bool) -> Finding:
    broken = office.audit.verify(session, None if whole else _AUDIT_LOOKED_AT)
    if broken is None:
        more = sa.select(AuditEntry.id).order_by(AuditEntry.id.desc()).offset(_AUDIT_LOOKED_AT)
        if whole or session.scalars(more.limit(1)).first() is None:
            return Finding("audit", "green", "every entry is as it was written")
        says = f"the newest {_AUDIT_LOOKED_AT} entries are as they were written; --whole-audit: all"
        return Finding("audit", "green", says)
    return Finding(
        "audit",
        "red",
        f"entry {broken} is not as it was written, or the one before it is gone",
        "compare with your copies, and find out who could write to this database",
    )


def _copies(office: Wiring, session: Session) -> Iterator[Finding]:
    """Tell of the last copy, and of the one that this database was put back from."""
    taken = sa.select(AuditEntry.at).where(AuditEntry.action == backup.TAKEN)
    last = session.scalars(taken.order_by(AuditEntry.id.desc()).limit(1)).one_or_none()
    mend = "timpora backup FILE, every day, and to another machine"
    if last is not None and clock.now() - last < _COPY_IS_OLD_AFTER:
        yield Finding("copy", "green", f"the last one was made on {_day(office, last)}")
    elif last is not None:
        yield Finding("copy", "yellow", f"the last one was made on {_day(office, last)}", mend)
    elif not office.settings.is_development:
        yield Finding("copy", "yellow", "none was ever made", mend)
    if told := restoring.told_by(session):
        says = (
            f"put back on {_day(office, datetime.fromisoformat(told['at']))} from a copy of"
            f" {_day(office, datetime.fromisoformat(told['taken_at']))}; {told['skipped']}"
            f" confirmation numbers after the {told['last_number']}th were passed over"
        )
        yield Finding("restored", "green", says)


def _day(office: Wiring, moment: datetime) -> str:
    return f"{moment.astimezone(office.settings.timezone):%d %b %Y %H:%M}"


def _officers(office: Wiring, session: Session) -> Iterator[Finding]:
    """Name by alias the officers who cannot get in."""
    for officer in register.listing(session, office.settings.timezone):
        if officer["ended"] is None and not officer["has_pin"]:
            yield Finding(
                "officers",
                "yellow",
                f"{officer['alias']} has no PIN",
                f"timpora officer pin --phone {officer['alias']}",
            )


def _clock(office: Wiring, session: Session, *, is_sqlite: bool) -> Finding:
    """Compare with the database's clock; where that is ours too, with the newest row."""
    mend = "let this machine follow a time server (chrony or systemd-timesyncd)"
    here = clock.now()
    if is_sqlite:
        # Of the newest row alone: the greatest of all would be looked for among all.
        newest = session.scalars(
            sa.select(InboundMessage.received_at).order_by(InboundMessage.id.desc()).limit(1)
        ).one_or_none()
        if newest is not None and newest > here + _CLOCK_MAY_DIFFER:
            return Finding("clock", "red", "it went back: a message came in later than now", mend)
        return Finding(
            "clock", "green", f"{here.astimezone(office.settings.timezone):%d %b %Y %H:%M}"
        )
    theirs = session.scalar(sa.select(sa.func.clock_timestamp()))
    differs = abs(here - theirs) if theirs else timedelta(0)
    if differs > _CLOCK_MAY_DIFFER:
        says = f"this machine and the database differ by {differs.total_seconds():.0f} s"
        return Finding("clock", "red", says, mend)
    return Finding("clock", "green", f"{differs.total_seconds():.1f} s beside the database's")


def _redis(office: Wiring) -> Iterator[Finding]:
    found = office.settings
    connection = connect(found.redis_url)
    try:
        info = connection.info()
        policy = connection.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
    except (redis.RedisError, OSError) as error:
        mend = "start it; until then messages are kept and wait"
        if found.redis_is_embedded:
            mend = "start the gateway (timpora run): it brings this Redis along"
            try:
                redis_server.find_binary()
            except NoRedis as missing:
                mend = str(missing)
        yield Finding("redis", "red", f"does not answer ({type(error).__name__})", mend)
        return
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
        yield Finding("redis", "red", f"version {version} is too old", "use 6.2 or newer")
    else:
        yield Finding("redis", "green", f"version {version}")
    if policy != "noeviction":
        yield Finding(
            "redis",
            "red",
            f"maxmemory-policy is {policy}: it may throw jobs away",
            "set maxmemory-policy noeviction",
        )
    else:
        yield Finding("redis", "green", "maxmemory-policy noeviction: no job is thrown away")


def _sweeper(office: Wiring) -> Iterator[Finding]:
    """Say who leads; without one a message is kept and answered, unless its ring is lost."""
    try:
        found = leader(office.database)
    except UNAVAILABLE:
        return  # said already
    if found is None:
        says = "none leads: what was missed is not looked for, no channel is polled or watched"
        yield Finding("sweeper", "yellow", says, "start one: python -m workers.sweeper")
    else:
        yield Finding("sweeper", "green", f"{found} leads")


def _channels(office: Wiring) -> Iterator[Finding]:
    channels = office.channels
    for name, provider in channels.by_name.items():
        if provider.can_send and name == channels.default:
            yield Finding("channel", "green", f"{name} carries what goes out")
        elif provider.can_send and channels.is_loopback:
            says = f"{name} has an account and carries nothing: TIMPORA_CHANNEL is loopback"
            yield Finding("channel", "yellow", says, f"set TIMPORA_CHANNEL={name}")
        elif provider.can_send:
            yield Finding("channel", "green", f"{name} carries replies to what came by it")
        elif name == channels.default:
            yield Finding("channel", "red", f"{name} cannot send", f"set TIMPORA_{name.upper()}_…")
        else:
            yield Finding("channel", "green", f"{name} only receives: no account is set")
    with office.database.reading() as session:
        for view in overview(session, channels):
            yield from _trouble(view)
        try:
            demo.refuse_outside_world(session, office.settings)
        except demo.DemoPeopleError as error:
            yield Finding("people", "red", str(error), "timpora roster remove-demo")


def _trouble(view: ChannelView) -> Iterator[Finding]:
    """Tell what is wrong with a channel that is in use; one that rests still takes messages in."""
    level = "red" if view.is_default else "yellow"
    resume = f"mend it, then: timpora channels resume {view.channel}"
    if view.resting_until is not None:
        yield Finding("channel", level, f"{view.channel} rests: {view.resting_for}", resume)
    if view.is_up is False and view.sends:
        yield Finding(
            "channel", level, f"{view.channel} is down: {view.says}", "see timpora channels"
        )
    for kind, says in view.alarms:
        is_urgent = view.is_default and kind in {"credit", "account", "down", "unreachable"}
        yield Finding(
            "channel",
            "red" if is_urgent else "yellow",
            f"{view.channel}: {kind}: {says}",
            resume if view.resting_until else f"see timpora channels; {view.channel} needs a look",
        )


def _disk(office: Wiring) -> Iterator[Finding]:
    if not office.settings.data_dir.exists():
        yield Finding(
            "disk", "yellow", f"{office.settings.data_dir} does not exist yet", "start once"
        )
        return
    usage = shutil.disk_usage(office.settings.data_dir)
    free = f"{usage.free / 1e9:.1f} GB free in {office.settings.data_dir}"
    if usage.free < ROOM_NEEDED:
        yield Finding("disk", "red", free, "make room: nothing is taken in until then")
    elif usage.free < 20 * ROOM_NEEDED:
        yield Finding("disk", "yellow", free, "make room soon")
    else:
        yield Finding("disk", "green", free)
