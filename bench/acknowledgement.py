"""How long a provider waits for its 200, at half of what can be taken, beside an empty route."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from support.postgres import PostgresServer

from bench.end_to_end import CONNECTIONS, Ground
from bench.figures import Figure, at_most

_ROUNDS = 3
_BURST = 2000
_SECONDS = 10
_AT_MOST = 5.0


def measure() -> Iterator[Figure]:
    """Find the highest rate, then post at half of it, to us and to the empty route in turn."""
    p50, p99, bare50, bare99 = [], [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        PostgresServer.start() as server,
    ):
        ground = Ground(server, Path(folder), with_peer=False)
        highest = max(ground.our_round(_BURST).a_second for _ in range(2))
        rate = highest / 2
        number = max(200, int(rate * _SECONDS))
        for _ in range(_ROUNDS):
            done = ground.our_round(number, rate=rate, connections=CONNECTIONS).outcome
            bare = ground.bare_round("idle", number, rate=rate).outcome
            p50.append(done.within(50))
            p99.append(done.within(99))
            bare50.append(bare.within(50))
            bare99.append(bare.within(99))
    yield Figure("acknowledgement: half of the highest rate, messages/s", f"{rate:.0f}")
    yield Figure("acknowledgement: webhook p50, ms", f"{median(p50):.1f}")
    yield Figure("acknowledgement: webhook p99, ms", f"{median(p99):.1f}")
    yield Figure("acknowledgement: empty route p50, ms", f"{median(bare50):.1f}")
    yield Figure("acknowledgement: empty route p99, ms", f"{median(bare99):.1f}")
    times = median(p99) / median(bare99)
    yield at_most("acknowledgement: p99, webhook / empty route", times, _AT_MOST, ".1f")
