"""How long a lone message takes, from the post to the call of the provider, all processes real."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.postgres import PostgresServer
from support.waiting import wait_until

from bench import ours
from bench.figures import Figure, at_most

_TIMES = 60
_WARM_UP = 3
_AT_MOST = 300.0


def measure() -> Iterator[Figure]:
    """Post one message after the other to a running gateway, each after the last one's reply."""
    with tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder:
        yield from _on("sqlite", Path(folder) / "sqlite", "")
        with PostgresServer.start() as server:
            yield from _on("postgresql", Path(folder) / "postgresql", server.new_database())


def _on(name: str, folder: Path, database_url: str) -> Iterator[Figure]:
    with (
        AfricasTalkingServer.running() as provider,
        ours.gateway(folder, database_url=database_url, provider_url=provider.url) as gateway,
    ):
        gateway.prepare([phone(1)])
        gateway.run()
        times = [_one(gateway, provider, n) for n in range(_WARM_UP + _TIMES)][_WARM_UP:]
    cuts = quantiles(times, n=100)
    yield Figure(f"lone message to provider call, {name}, ms p50", f"{cuts[49]:.0f}")
    yield at_most(f"lone message to provider call, {name}, ms p95", cuts[94], _AT_MOST)


def _one(gateway: Gateway, provider: AfricasTalkingServer, number: int) -> float:
    """Give the milliseconds from the post of a message to the request that hands its reply out."""
    seen = len(provider.requests)
    began = time.time()
    gateway.post_sms(incoming_sms(f"WNA {number % 150 + 1} Australia wisata {number}", phone(1)))
    wait_until(
        lambda: len(provider.requests) > seen, within=30, what="the provider is called", every=0.01
    )
    return (provider.requests[seen].at - began) * 1000
