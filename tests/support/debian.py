"""System packages that tests need: installed in CI, named and skipped elsewhere."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: What apt-get works on: it is there for as long as there are packages.
DPKG = Path("/var/lib/dpkg")


def install(
    *packages: str,
    environment: dict[str, str] | None = None,
    unless: Callable[[], object] = lambda: False,
) -> None:
    """Install packages, if this is CI and there is an apt-get; what fails shows later.

    Whoever else installs is waited for, and may have brought what `unless` looks for.
    """
    if os.environ.get("CI") != "true" or not shutil.which("apt-get"):
        return
    given = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
    with _one_at_a_time():
        if unless():
            return
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", *packages]):
            subprocess.run(command, env=given, check=False, stdout=subprocess.DEVNULL)  # noqa: S603


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep test runs apart: apt-get fails at once where another one is at work."""
    folder = os.open(DPKG, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def demand(packages: tuple[str, ...], missing: Callable[[], list[str]]) -> None:
    """Have what `missing` looks for, by installing packages in CI; else skip, naming it."""
    if missing():
        # RUNLEVEL: no service of theirs is started; a test starts its own.
        install(*packages, environment={"RUNLEVEL": "1"}, unless=lambda: not missing())
    if lacking := missing():
        pytest.skip(
            f"{', '.join(lacking)} not found (Debian: apt-get install {' '.join(packages)})"
        )
