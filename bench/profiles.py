"""Where the time of the web and worker processes goes while they take a burst.

Samples are taken from outside, by py-spy, while the end-to-end burst runs; the stacks are kept in
`bench/.cache` for a flame graph. Linux lets only root, or a looser `ptrace_scope`, look so.
"""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from support.gateway_process import Gateway, ProductProcess
from support.postgres import PostgresServer
from support.processes import ProcessId

from bench.end_to_end import Ground
from bench.figures import Figure
from bench.own_venv import CACHE, folder_with

_MESSAGES = 1500
_SAMPLES_A_SECOND = 100
_SECONDS = 30
_MOST_PLACES = 12
#: Most threads of the web wait for others' commit, or for Granian: of them only the one is looked
#: at that runs Python. A worker has one, and its waiting is what there is to see.
_ONLY = {"web": ("--gil",), "worker": ()}
_TIME = {"web": "time in Python", "worker": "busy time"}
#: Where a thread stands that has nothing to do.
_IDLE = (
    "concurrent/futures/thread.py",
    "selectors.py",
    "granian/server/common.py",
    "granian/server/mp.py",
    "rq/worker/base.py",
    "rq/queue.py",
    "rq/intermediate_queue.py",
)
_WAITS_FOR_DATABASE = re.compile(
    r"^(Connection\.wait|wait\w*|BaseCursor\._send_query\w*) \(psycopg"
)
#: Whose code a frame is, by how its file begins.
_OWNERS = {
    "our own code": ("gateway/", "parsers/", "models/", "workers/"),
    "SQLAlchemy": ("sqlalchemy/",),
    "psycopg": ("psycopg/", "psycopg_binary/"),
    "Redis and RQ": ("redis/", "rq/"),
    "Flask and Granian": ("flask/", "werkzeug/", "granian/"),
    "logging": ("structlog/", "logging/"),
    "phone numbers": ("phonenumbers/",),
}


class _Watcher:
    """Lets py-spy look at the processes of a gateway."""

    def __init__(self, bin_folder: Path) -> None:
        self._spy = bin_folder / "py-spy"
        self._looks: dict[Path, tuple[str, subprocess.Popen[bytes]]] = {}

    def begin(self, _: Gateway, supervisor: ProductProcess) -> None:
        """Begin to look at each web and worker process."""
        for process in supervisor.tree():
            if kind := _kind(process):
                file = CACHE / f"stacks-{kind}-{process.pid}.txt"
                options = ("--rate", str(_SAMPLES_A_SECOND), "--duration", str(_SECONDS))
                command = [self._spy, "record", "--pid", str(process.pid), *options, *_ONLY[kind]]
                look = subprocess.Popen(  # noqa: S603  # our own command
                    [*command, "--format", "raw", "--output", str(file)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                self._looks[file] = (kind, look)

    def stacks(self) -> dict[str, Counter[tuple[str, ...]]]:
        """Wait for the looks to end, and give the stacks of each kind of process."""
        found: dict[str, Counter[tuple[str, ...]]] = {}
        for file, (kind, look) in self._looks.items():
            look.wait(_SECONDS + 60)
            with suppress(FileNotFoundError):
                found.setdefault(kind, Counter()).update(_read(file))
        return found


def _kind(process: ProcessId) -> str:
    if "workers.sweeper" in process.command:
        return ""
    return "web" if "web_server" in process.command else "worker" * ("workers" in process.command)


def _read(file: Path) -> Counter[tuple[str, ...]]:
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in file.read_text().splitlines():
        frames, _, number = line.rpartition(" ")
        stacks[tuple(frames.split(";"))] += int(number)
    return stacks


def measure() -> Iterator[Figure]:
    """Look while a burst is taken; give each kind's time by whose code it is spent in."""
    CACHE.mkdir(exist_ok=True)
    watcher = _Watcher(folder_with(Path(__file__).parent / "profiling" / "requirements.txt"))
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        PostgresServer.start() as server,
    ):
        ground = Ground(server, Path(folder), with_peer=False)
        ground.our_round(_MESSAGES, during=watcher.begin)
        found = watcher.stacks()
    for kind, stacks in sorted(found.items()):
        busy = Counter({stack: n for stack, n in stacks.items() if not _is_idle(stack)})
        total = sum(busy.values())
        if not total:
            continue
        owners: Counter[str] = Counter()
        places: Counter[str] = Counter()
        for stack, number in busy.items():
            owners[_owner(stack)] += number
            places.update(dict.fromkeys(_own_places(stack), number))
        for owner, number in owners.most_common():
            yield Figure(f"{kind}, share of its {_TIME[kind]}: {owner}", f"{number / total:.1%}")
        for place, number in places.most_common(_MOST_PLACES):
            yield Figure(f"{kind}, within `{place}`", f"{number / total:.1%}")
    if not found:
        yield Figure("profiles: py-spy may not look; run as root", "none")


def _is_idle(stack: tuple[str, ...]) -> bool:
    return any(f"({file}" in stack[-1] for file in _IDLE) or any(
        "dequeue" in frame for frame in stack
    )


def _owner(stack: tuple[str, ...]) -> str:
    """Name whose code a stack is in: of its innermost frame that is somebody's."""
    if _WAITS_FOR_DATABASE.match(stack[-1]):
        return "waiting for PostgreSQL"
    for frame in reversed(stack):
        file = frame.partition("(")[2]
        for owner, beginnings in _OWNERS.items():
            if file.startswith(beginnings):
                return owner
    return "other"


def _own_places(stack: tuple[str, ...]) -> Iterator[str]:
    """Name our own functions on a stack, without lines."""
    for frame in stack:
        name, _, file = frame.partition(" (")
        if file.startswith(_OWNERS["our own code"]):
            yield f"{file.partition(':')[0]} {name}"
