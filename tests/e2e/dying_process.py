"""The product's real entry points, except that they die without warning at a chosen moment.

    dying_process.py ENTRY POINT NTH ARMED

ENTRY is web, worker or sweeper. POINT is before-commit or after-commit (of a transaction that has
written), before-request, after-request (it is out, nothing came back yet) or after-answer, or
before-bell and after-bell (it is set or cleared in Redis, the next command is not out yet). The
count begins once the file ARMED exists. Only libraries are wrapped, none of the product's code.
"""

import http.client
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from redis.connection import AbstractConnection
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

BELL = b"timpora:rung:"
WRITES = ("INSERT", "UPDATE", "DELETE")
ENTRIES = {
    "web": "gateway.web_server",
    "worker": "workers",
    "sweeper": "workers.sweeper",
}


class Death:
    """Counts the moments, and kills the whole process group at the chosen one."""

    def __init__(self, point: str, nth: int, armed: Path) -> None:
        self._point = point
        self._left = nth
        self._armed = armed

    def reach(self, point: str) -> None:
        """Die if this is the moment."""
        if point != self._point or not self._armed.exists():
            return
        self._left -= 1
        if self._left == 0:
            os.killpg(0, signal.SIGKILL)


def has_written(connection: Any) -> bool:
    """Say whether the transaction that ends on this connection wrote, and forget it."""
    try:
        return bool(connection.info.pop("wrote", False))
    except NotImplementedError:  # A new connection that the engine is still looking over.
        return False


def watch_commits(death: Death) -> None:
    """Tell of commits, in any engine, of transactions that have written."""

    @event.listens_for(Engine, "before_cursor_execute")
    def remember(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            connection.info["wrote"] = True

    commit: Any = DefaultDialect.do_commit
    rollback: Any = DefaultDialect.do_rollback

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        wrote = has_written(connection)
        if wrote:
            death.reach("before-commit")
        commit(self, connection)
        if wrote:
            death.reach("after-commit")

    def do_rollback(self: DefaultDialect, connection: Any) -> None:
        has_written(connection)
        rollback(self, connection)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    DefaultDialect.do_rollback = do_rollback  # type: ignore[method-assign]


def watch_requests(death: Death) -> None:
    """Tell of HTTP requests to a provider, whatever library makes them."""

    def wrap(name: str, before: str, after: str) -> None:
        real: Any = getattr(http.client.HTTPConnection, name)

        def watched(*args: Any, **named: Any) -> Any:
            death.reach(before)
            result = real(*args, **named)
            death.reach(after)
            return result

        setattr(http.client.HTTPConnection, name, watched)

    wrap("endheaders", "before-request", "")
    wrap("getresponse", "after-request", "after-answer")


def watch_bells(death: Death) -> None:
    """Tell of commands to Redis that set or clear a bell."""
    real: Any = AbstractConnection.send_packed_command

    def watched(self: AbstractConnection, command: Any, *rest: Any, **named: Any) -> Any:
        packed = command if isinstance(command, bytes) else b"".join(command)
        is_bell = BELL in packed
        if is_bell:
            death.reach("before-bell")
        result = real(self, command, *rest, **named)
        if is_bell:
            death.reach("after-bell")
        return result

    AbstractConnection.send_packed_command = watched  # type: ignore[method-assign]


def main() -> None:
    """Install the watches and become the entry point."""
    entry, point, nth, armed = sys.argv[1:]
    death = Death(point, int(nth), Path(armed))
    watch_commits(death)
    watch_requests(death)
    watch_bells(death)
    module = ENTRIES[entry]
    # As `python -m` does: the product's packages are found from the current folder.
    sys.path[0] = str(Path.cwd())
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
