"""What is done once before a gateway runs on this machine: `python -m gateway.cli.preparing`.

A process of its own, with all that it loads: the supervisor stays for as long as the gateway runs,
and holds none of it. This one says how far it is, and goes on when the supervisor did its part.
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import click

from gateway import logs, redis_server
from gateway.cli import office as shared
from gateway.cli.database import start_database
from gateway.cli.ending import stop
from gateway.cli.office import KNOWN, explain, office
from gateway.messaging.queues import Doorbell
from gateway.redis_server import NoRedis
from gateway.roster import demo

_REDIS_WITHIN = 10
_READY_WITHIN = 30
_SOON = 5
_LOOK_EVERY = 0.05


class Supervisor:
    """The process that started this one, at the other end of a socket."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor over."""
        self._stream = socket.socket(fileno=descriptor).makefile("rw", encoding="utf-8")

    def tell(self, **news: object) -> None:
        """Tell it how far we are, as one line of JSON."""
        self._stream.write(json.dumps(news) + "\n")
        self._stream.flush()

    def agree(self, **news: object) -> None:
        """Tell it how far we are, and wait until it did its part."""
        self.tell(**news)
        if not self._stream.readline():
            sys.exit(1)  # it will not go on, and has said why, or it is no more


def prepare(supervisor: Supervisor, *, with_demo: bool, url: str) -> None:
    """Prepare the data folder, Redis and the database, and tell the user when all is ready.

    Tells the supervisor `redis` (a command line, or null where one is elsewhere), `is_prepared`
    when the database is as it must be, and `is_ready` when the web answers, or does not soon. Ends
    with status 1 and a text on stderr where something is wrong.
    """
    logs.set_up()
    shared.begin_start()
    settings = shared.settings()
    for name in settings.unknown_names:
        click.echo(f"timpora: {name} is set but means nothing to us", err=True)
    supervisor.agree(redis=_redis_command() if settings.redis_is_embedded else None)
    _prepare_database(with_demo=with_demo)
    supervisor.agree(is_prepared=True)
    supervisor.tell(is_ready=_comes(lambda: _is_ready(url), _SOON))
    doorbell = Doorbell(settings.redis_url)
    if settings.redis_is_embedded and not _comes(doorbell.is_up, _REDIS_WITHIN):
        click.echo("timpora: Redis did not start; messages are kept and handled later", err=True)
    if _comes(lambda: _is_ready(url), _READY_WITHIN):
        click.echo(_welcome(url))


def _redis_command() -> list[str]:
    socket_ = shared.settings().redis_socket
    try:
        redis_server.make_room(socket_)
        return redis_server.command(redis_server.find_binary(), socket_)
    except NoRedis as error:
        stop(str(error))


def _comes(is_so: Callable[[], bool], within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(_LOOK_EVERY)
    return False


def _prepare_database(*, with_demo: bool) -> None:
    start_database()
    with office().database.reading() as session:
        is_due = with_demo and demo.is_due(session, shared.settings())
    pin_hash = office().switchboard.pins.make_hash(demo.DEMO_PIN) if is_due else ""
    with office().database.writing() as session:
        if is_due:
            demo.load_demo(session, office().directory, shared.settings(), pin_hash)
        try:
            demo.refuse_outside_world(session, shared.settings())
        except demo.DemoPeopleError as error:
            stop(str(error))
    office().database.dispose()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310  # ours
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def _welcome(url: str) -> str:
    data_dir_given = "TIMPORA_DATA_DIR" in os.environ
    secret = shared.settings().secret_of("africastalking")
    with office().database.reading() as session:
        phone = demo.demo_phone(session, demo.EXAMPLE_VILLAGE)
    office().database.dispose()
    lines = [
        "",
        f"Timpora Gateway is ready: {url}/",
    ]
    if shared.settings().is_development:
        lines += [
            "",
            "Try it on a phone in the browser, as a kades and as an officer:",
            f"  {url}/simulator",
        ]
    if phone is not None:
        lines += [
            "",
            "Or be the kades of Oinlasi by hand, and send a report (in another terminal):",
            f"  curl -sS -w '%{{http_code}}\\n' {url}/webhooks/africastalking/{secret}/sms \\",
            f"    --data-urlencode 'from={phone}' --data-urlencode 'to=22345' \\",
            "    --data-urlencode 'text=WNA 2 Australia wisata'",
            "It prints 200 when the message is kept; the answer stands among the messages.",
            "",
        ]
    beside = ""
    if data_dir_given:
        beside = f"TIMPORA_DATA_DIR={shared.settings().data_dir} "
    lines += [
        "See what came in, what went out, and what was reported:",
        f"  {beside}.venv/bin/timpora messages",
        f"  {beside}.venv/bin/timpora reports",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Prepare as the supervisor says: its descriptor, demo people or not, where the web will be."""
    descriptor, with_demo, url = arguments
    try:
        prepare(Supervisor(int(descriptor)), with_demo=with_demo == "demo", url=url)
    except KNOWN as error:
        explain(error)


if __name__ == "__main__":
    main(sys.argv[1:])
