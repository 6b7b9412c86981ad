"""The wish to stop: it is never swallowed, and whoever waits hears it at once."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from workers.stopping import Stop

LONG = 30.0


@pytest.fixture
def stop() -> Iterator[Stop]:
    handlers = {which: signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT)}
    asked = Stop()
    asked.listen()
    yield asked
    for which, handler in handlers.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_code_that_swallows_everything_is_heeded(stop: Stop, which: signal.Signals):
    swallowed = []

    try:
        signal.raise_signal(which)
    except BaseException as error:  # noqa: BLE001  # as a library does that must never fail
        swallowed.append(error)

    assert not swallowed
    assert stop.is_asked


def test_nobody_is_asked_by_the_lapse_of_time(stop: Stop):
    assert not stop.wait(0.01)
    assert not stop.is_asked


def test_all_who_wait_hear_it_and_none_waits_afterwards(stop: Stop):
    began = time.monotonic()
    heard: list[bool] = []
    threads = [threading.Thread(target=lambda: heard.append(stop.wait(LONG))) for _ in range(5)]
    for thread in threads:
        thread.start()

    signal.raise_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(LONG)

    assert heard == [True] * 5
    assert stop.wait(LONG)
    assert time.monotonic() - began < LONG


def test_the_main_thread_hears_it_in_the_midst_of_its_wait(stop: Stop):
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        assert stop.wait(LONG)
    finally:
        signal.signal(signal.SIGALRM, handler)

    assert time.monotonic() - began < LONG


def test_to_ask_again_and_again_costs_nothing(stop: Stop):
    for _ in range(100_000):  # more than a pipe holds
        stop.ask()

    assert stop.is_asked


def test_to_import_the_processes_makes_nothing_that_their_forks_would_share():
    code = "import workers.__main__, workers.sweeper; print(workers.stopping.own_stop.cache_info())"

    told = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "currsize=0" in told.stdout
