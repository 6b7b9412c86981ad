"""What the whole gateway takes of a small machine: memory, time to start, and CPU when idle."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.gateway_process import Gateway
from support.processes import marked

from bench import messages, ours
from bench.cpu import used
from bench.figures import Figure, at_most
from bench.load import Order, post_all
from models.database.engine import Database

_PHONES = 278
_MESSAGES = 500
_SECONDS = 30
_STARTS = 3
_SETTLED_AFTER = 5


def measure() -> Iterator[Figure]:
    """Start it on files that the machine has just read, let it work, then let it rest."""
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        ours.gateway(Path(folder) / "box") as gateway,
    ):
        ours.prepare(gateway, _PHONES)
        took = []
        for _ in range(_STARTS):
            began = time.monotonic()
            run = gateway.run()
            took.append(time.monotonic() - began)
            run.terminate()
            run.wait(20)
        yield at_most("small box: ready after its start, s", min(took), 3, ".1f")
        gateway.run()
        time.sleep(_SETTLED_AFTER)  # what a start does in its first seconds is not idling
        yield at_most("small box: memory after its start (PSS), MB", _megabytes(gateway), 300)
        path = gateway.webhook("sms").removeprefix(gateway.url)
        post_all(Order(gateway.port, path, messages.mixed_forms(0, _MESSAGES, _PHONES)))
        database = Database(gateway.database_url)
        ours.wait_until_handed_out(database, _MESSAGES, 600)
        database.dispose()
        what = f"small box: memory after {_MESSAGES} messages (PSS), MB"
        yield at_most(what, _megabytes(gateway), 300)
        time.sleep(_SETTLED_AFTER)
        before = _cpu(gateway)
        time.sleep(_SECONDS)
        share = (_cpu(gateway) - before) / _SECONDS * 100
        yield at_most("small box: CPU when idle, % of one core", share, 1, ".2f")


def _pids(gateway: Gateway) -> list[int]:
    """List all its processes, without what the tests start it through."""
    # By their parents as well: Redis writes its title over the environment that it was given.
    by_parent = [process for run in gateway.processes if run.running for process in run.tree()]
    return sorted({process.pid for process in marked("HOME", str(gateway.folder)) + by_parent})


def _megabytes(gateway: Gateway) -> float:
    """Add up the memory of all its processes; what they share counts once."""
    return sum(_pss(pid) for pid in _pids(gateway)) / 1024


def _pss(pid: int) -> int:
    """Give one process's share in kB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _cpu(gateway: Gateway) -> float:
    return used(_pids(gateway))
