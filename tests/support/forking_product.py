"""The process that has loaded the product, and becomes one of its processes in a fork.

    forking_product.py ADDRESS

ADDRESS names an abstract socket. A request is its length, then JSON with entry, argv, env and
folder; with it come the three streams. The answer is the process's number and, when it has ended,
its status as wait() gives it. Who hangs up ends the process.
"""

import faulthandler
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

NUMBER = struct.Struct("!I")
_STREAMS = 3
#: What the web process's worker imports when it is there.
_APPLICATION = "gateway.app"
#: What begins a process: imported for what it imports itself, and run anew as the main module.
_ENTRIES = ("gateway.web_server", "workers.__main__", "workers.sweeper")
#: Imported when a database is opened.
_DRIVERS = ("psycopg", "sqlalchemy.dialects.postgresql.psycopg")


def serve(address: str) -> dict[str, Any]:
    """Fork for each request; return it, in the process that is to carry it out."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{address}")
    listener.listen(16)
    # Nobody waits for the go-betweens.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _stand_between(connection)
        connection.close()


def _stand_between(connection: socket.socket) -> dict[str, Any]:
    """Start the process in a child, and tell its end; return the request, in the child."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(connection, NUMBER.size, _STREAMS)
    body = b""
    while len(body) < NUMBER.unpack(head)[0]:
        body += connection.recv(65536)
    child = os.fork()
    if child == 0:
        connection.close()
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        request: dict[str, Any] = json.loads(body)
        return request
    for stream in streams:
        os.close(stream)
    connection.sendall(NUMBER.pack(child))
    end = os.pidfd_open(child)
    select.select([end, connection], [], [])
    # Whoever asked has gone.
    if os.waitid(os.P_PIDFD, end, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    try:
        connection.sendall(NUMBER.pack(status))
    finally:
        os._exit(0)


def main() -> None:
    """Import the product, load its words, and be one of its processes whenever asked."""
    # Beside the installed command lie none of the tests' modules.
    sys.path[0] = str(Path(sys.executable).parent)
    from gateway.cli.main import COMMANDS  # noqa: PLC0415
    from gateway.cli.main import main as timpora  # noqa: PLC0415

    commands = (f"gateway.cli.{name}" for name in COMMANDS.values())
    for module in (*commands, _APPLICATION, *_DRIVERS):
        import_module(module)
    for module in _ENTRIES:
        import_module(module)
        del sys.modules[module]
    import_module("parsers.loading").load().words.get_ready()
    gc.freeze()
    request = serve(sys.argv[1])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = request["argv"]
    if "PYTHONFAULTHANDLER" in os.environ:
        faulthandler.enable()
    entry = request["entry"]
    if not entry:
        sys.exit(timpora())
    run = runpy.run_path if entry.endswith(".py") else runpy.run_module
    run(entry, run_name="__main__")


if __name__ == "__main__":
    main()
