"""Several test processes need the same system packages at the same moment."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import debian

TESTS = Path(__file__).resolve().parents[2]
#: Fails, as the real one does, when another one is at work.
APT_GET = """#!/bin/sh
mkdir "$WORK/lock" || { echo clash >> "$WORK/log"; exit 100; }
echo "$1" >> "$WORK/log"
sleep 0.05
[ "$1" = install ] && touch "$WORK/program"
rmdir "$WORK/lock"
"""
DEMAND = """
import os, pathlib
from support.debian import demand
program = pathlib.Path(os.environ["WORK"], "program")
demand(("a-package",), lambda: [] if program.exists() else ["a-program"])
"""


@pytest.mark.skipif(not debian.DPKG.is_dir(), reason="no Debian: there is no dpkg to wait for")
def test_one_process_installs_and_the_others_wait_for_what_it_brings(tmp_path: Path):
    program = tmp_path / "apt-get"
    program.write_text(APT_GET)
    program.chmod(0o755)
    environment = {
        "CI": "true",
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "PYTHONPATH": str(TESTS),
        "WORK": str(tmp_path),
    }

    runs = [
        subprocess.Popen([sys.executable, "-c", DEMAND], env=environment)  # noqa: S603
        for _ in range(4)
    ]

    assert [run.wait(60) for run in runs] == [0] * 4
    assert (tmp_path / "log").read_text().split() == ["update", "install"]
