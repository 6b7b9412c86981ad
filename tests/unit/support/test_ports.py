"""A port that a test chose is still free when its server starts, whoever else runs tests."""

import subprocess
import sys
from pathlib import Path

from support.waiting import free_port

TESTS = Path(__file__).resolve().parents[2]
#: A test run that would take ports in their order, from one on.
CHOOSE = """
import itertools, sys
from support import waiting
first = int(sys.argv[1])
waiting._PORTS = range(first, first + 1000)
waiting.secrets.randbelow = lambda _below, numbers=itertools.count(): next(numbers)
print(waiting.free_port())
"""


def test_the_kernel_gives_it_to_no_client():
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()

    assert free_port() < int(first)


def test_another_test_run_is_given_another_one():
    mine = free_port()
    command = [sys.executable, "-c", CHOOSE, str(mine)]

    done = subprocess.run(  # noqa: S603
        command, env={"PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=True
    )

    assert int(done.stdout) > mine
