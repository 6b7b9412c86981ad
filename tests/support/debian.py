"""System packages that tests need: installed in CI, named and skipped elsewhere."""

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest


def install(*packages: str, environment: dict[str, str] | None = None) -> None:
    """Install packages, if this is CI and there is an apt-get; what fails shows later."""
    if os.environ.get("CI") != "true" or not shutil.which("apt-get"):
        return
    given = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", *packages]):
        subprocess.run(command, env=given, check=False, stdout=subprocess.DEVNULL)  # noqa: S603


def demand(packages: tuple[str, ...], missing: Callable[[], list[str]]) -> None:
    """Have what `missing` looks for, by installing packages in CI; else skip, naming it."""
    if missing():
        # RUNLEVEL: no service of theirs is started; a test starts its own.
        install(*packages, environment={"RUNLEVEL": "1"})
    if lacking := missing():
        pytest.skip(
            f"{', '.join(lacking)} not found (Debian: apt-get install {' '.join(packages)})"
        )
