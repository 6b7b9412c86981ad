"""Runs a bare application under the very server that our own web processes have."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from support.die_with_parent import launch
from support.processes import kill_all, marked
from support.waiting import free_port, wait_until

_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(name: str, web: int, database_url: str = "") -> Iterator[int]:
    """Serve `bench.bare.NAME` with so many processes; give its port."""
    with tempfile.TemporaryDirectory(prefix="timpora-bare-") as folder:
        port = free_port()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "TIMPORA_BIND": f"127.0.0.1:{port}",
            "WEB_CONCURRENCY": str(web),
            "BARE_DATABASE_URL": database_url,
        }
        if database_url:
            table = [sys.executable, "-m", f"bench.bare.{name}"]
            subprocess.run(table, env=environment, cwd=_ROOT, check=True)  # noqa: S603
        command = [sys.executable, "-m", "bench.bare", name]
        try:
            with (Path(folder) / "log").open("wb") as log:
                launch(command, output=log, environment=environment, folder=_ROOT)
            wait_until(lambda: _answers(port), within=30, what=f"{name} answers", every=0.1)
            yield port
        finally:
            kill_all(marked("HOME", folder))


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 404
    except requests.RequestException:
        return False
