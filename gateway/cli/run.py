"""`timpora run`: the whole gateway on this machine under one supervisor."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import click

from gateway import logs, redis_server, supervisor
from gateway.cli import office as shared
from gateway.cli.database import start_database
from gateway.cli.office import office, stop
from gateway.messaging.queues import Doorbell
from gateway.redis_server import NoRedis
from gateway.roster import demo
from gateway.supervisor import AlreadyRunning, Child, Supervisor

_REDIS_WITHIN = 10
_READY_WITHIN = 30


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Default: ./var")
@click.option("--web", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--no-demo", is_flag=True, help="Leave out the demo people.")
def run(
    *, host: str, port: int, data_dir: Path | None, web: int, workers: int, no_demo: bool
) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    logs.set_up()
    if data_dir is not None:
        os.environ["TIMPORA_DATA_DIR"] = str(data_dir.absolute())
    shared.begin_start()
    settings = shared.settings()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        lock = supervisor.Lock(settings.data_dir)
    except AlreadyRunning as error:
        stop(str(error))
    _demand_free(host, port)
    keeper = Supervisor()
    try:
        _start(keeper, host, port, web, workers, with_demo=not no_demo)
        keeper.watch()
    finally:
        keeper.stop()
        del lock


def _start(
    keeper: Supervisor, host: str, port: int, web: int, workers: int, *, with_demo: bool
) -> None:
    settings = shared.settings()
    environ = {
        **os.environ,
        "TIMPORA_DATA_DIR": str(settings.data_dir),
        "TIMPORA_BIND": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "WEB_CONCURRENCY": str(web),
        # Where a provider on this machine finds our webhooks, unless it is told otherwise.
        "TIMPORA_PUBLIC_URL": os.environ.get("TIMPORA_PUBLIC_URL") or f"http://127.0.0.1:{port}",
    }
    for name in settings.unknown_names:
        click.echo(f"timpora: {name} is set but means nothing to us", err=True)
    if settings.redis_is_embedded:
        _start_redis(keeper, environ)
    _prepare_database(with_demo=with_demo)
    argv = supervisor.python("-m", "gateway.web_server")
    keeper.start(Child("web", "web", argv, environ))
    for number in range(workers):
        argv = supervisor.python("-m", "workers")
        keeper.start(Child(f"worker {number + 1}", "worker", argv, environ))
    keeper.start(Child("sweeper", "sweeper", supervisor.python("-m", "workers.sweeper"), environ))
    url = f"http://{environ['TIMPORA_BIND']}".replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    if keeper.wait_until(lambda: _is_ready(url), _READY_WITHIN):
        click.echo(_welcome(url))


def _start_redis(keeper: Supervisor, environ: dict[str, str]) -> None:
    settings = shared.settings()
    try:
        redis_server.make_room(settings.redis_socket)
        argv = redis_server.command(redis_server.find_binary(), settings.redis_socket)
    except NoRedis as error:
        stop(str(error))
    keeper.start(Child("redis", "redis", argv, environ))
    if not keeper.wait_until(Doorbell(settings.redis_url).is_up, _REDIS_WITHIN):
        click.echo("timpora: Redis did not start; messages are kept and handled later", err=True)


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


def _demand_free(host: str, port: int) -> None:
    """End with a clear word when the port is taken, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            stop(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port")


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
