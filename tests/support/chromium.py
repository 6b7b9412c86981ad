"""Which Chromium the browser tests drive: the system's, or playwright's own, fetched in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright
from support import debian

NAMES = ("chromium", "chromium-browser", "google-chrome")


class ChromiumUnavailableError(Exception):
    """No Chromium can be had on this machine; the text says why."""


def executable(playwright: Playwright) -> str:
    """Give the path of a Chromium, or say why there is none."""
    found = _installed(playwright)
    if found is None and os.environ.get("CI") == "true":
        _install()
        found = _installed(playwright)
    if found is None:
        raise ChromiumUnavailableError(
            f"Chromium: none of {', '.join(NAMES)} on the PATH, and playwright has none of its own"
            " (apt-get install chromium, or playwright install chromium)"
        )
    return found


def _installed(playwright: Playwright) -> str | None:
    of_system = next((path for name in NAMES if (path := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    return of_system or (own if Path(own).exists() else None)


def _install() -> None:
    """Install the system's package, or else fetch playwright's own."""
    debian.install("chromium")
    if not any(shutil.which(name) for name in NAMES):
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603
