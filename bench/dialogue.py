"""How long a USSD screen takes at fifty requests a second, all processes real, on PostgreSQL."""

import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import quantiles

import requests
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer

from bench.figures import Figure

_A_SECOND = 50
_SECONDS = 20
_OFFICERS = 25
_PIN = "4825"
#: What an officer keys in one session, the PIN first: lists, pages, a village, figures.
_KEYS = (_PIN, "2", "1", "0", "0", "3", "1", "2", "4", "0", "0", "0", "0", "4", "0", "0", "99", "5")
_REPORTS = 200


def measure() -> Iterator[Figure]:
    """Let officers walk the menu at a steady rate, and look at the slowest screens."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer.start() as server:
        gateway = Gateway(
            Path(folder) / "gateway",
            database_url=server.new_database(),
            cold=True,
            TIMPORA_PIN_TRIES="10",
        )
        try:
            _prepare(gateway)
            with_pin, others = _walk(gateway)
        finally:
            gateway.close()
    for what, times in (("with a PIN", with_pin), ("without", others)):
        cuts = quantiles(times, n=100)
        yield Figure(f"ussd screen {what}, 50/s, ms p50", f"{cuts[49]:.0f}")
        yield Figure(f"ussd screen {what}, 50/s, ms p99", f"{cuts[98]:.0f}")


def _prepare(gateway: Gateway) -> None:
    gateway.prepare([phone(n) for n in range(1, 40)], village="53.02.02.2008")
    for n in range(_OFFICERS):
        number = phone(5000 + n)
        options = ("--name", f"Petugas {n}", "--institution", "imigrasi", "--area", "53.02")
        gateway.cli("officer", "add", "--phone", number, *options)
        gateway.cli("officer", "pin", "--phone", number, given=f"{_PIN}\n")
    gateway.run()
    for n in range(_REPORTS):
        gateway.post_sms(incoming_sms(f"WNA {n % 50 + 1} Australia wisata .2", phone(n % 39 + 1)))
    time.sleep(5)


def _walk(gateway: Gateway) -> tuple[list[float], list[float]]:
    """Send requests when their time has come, whether or not the last one was answered."""
    with_pin: list[float] = []
    others: list[float] = []
    begin = time.monotonic() + 0.5
    every = _OFFICERS / _A_SECOND
    # Officers do not dial all at once: they begin over the length of one session.
    one_session = every * (len(_KEYS) + 1)

    def officer(n: int) -> None:
        with requests.Session() as session:
            due = begin + n / _OFFICERS * one_session
            for round_ in count():
                said: list[str] = []
                for key in (None, *_KEYS):
                    if due > begin + one_session + _SECONDS:
                        return
                    if key is not None:
                        said.append(key)
                    time.sleep(max(0.0, due - time.monotonic()))
                    form = {
                        "sessionId": f"bench-{n}-{round_}",
                        "phoneNumber": phone(5000 + n),
                        "serviceCode": "*384*22345#",
                        "text": "*".join(said),
                    }
                    answer = session.post(gateway.webhook("ussd"), data=form, timeout=10)
                    if not answer.text.startswith("CON "):
                        raise RuntimeError(f"key {key}: {answer.text}")
                    # From when it was due: a slow answer must not hide those behind it.
                    took = (time.monotonic() - due) * 1000
                    if due > begin + one_session:
                        (with_pin if key == _PIN else others).append(took)
                    due += every

    threads = [threading.Thread(target=officer, args=(n,)) for n in range(_OFFICERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return with_pin, others
