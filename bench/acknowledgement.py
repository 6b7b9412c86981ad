"""How long a provider waits for its 200, at half of what can be taken, beside an empty route.

That route is measured with nothing beside it, which is what the goal is about, and once more in the
very web process that takes the messages: what it waits there is waited for a core, not for us.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median

from support.gateway_process import Gateway, ProductProcess
from support.postgres import PostgresServer

from bench.end_to_end import Ground, Round
from bench.figures import Figure, at_most
from bench.load import Order, Outcome, post_all

_ROUNDS = 3
_BURST = 2000
_SECONDS = 10
_AT_MOST = 5.0
#: So seldom that it is no load: requests a second to the empty route beside the messages.
_SELDOM = 20


def measure() -> Iterator[Figure]:
    """Find the highest rate, then post at half of it, to us and to the empty route in turn."""
    ours: list[Round] = []
    beside: list[Outcome] = []
    bare: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="timpora-bench-") as folder,
        PostgresServer.start() as server,
    ):
        ground = Ground(server, Path(folder), with_peer=False)
        bursts = [ground.our_round(_BURST) for _ in range(2)]
        rate = max(one.a_second for one in bursts) / 2
        number = max(200, int(rate * _SECONDS))
        for _ in range(_ROUNDS):
            round_, outcome = _round(ground, number, rate)
            ours.append(round_)
            beside.append(outcome)
            bare.append(ground.bare_round("idle", number, rate=rate).outcome)
    yield Figure("acknowledgement: half of the highest rate, messages/s", f"{rate:.0f}")
    for name, rounds in (("the highest rate", bursts), ("half of it", ours)):
        used = median(one.cpu for one in rounds)
        yield Figure(f"acknowledgement: CPU a message at {name}, ms", f"{used:.1f}")
    taken = [one.outcome for one in ours]
    routes = {"webhook": taken, "empty route": bare, "empty route beside the webhook": beside}
    for name, outcomes in routes.items():
        for percent in (50, 99):
            waited = _within(percent, outcomes)
            yield Figure(f"acknowledgement: {name} p{percent}, ms", f"{waited:.1f}")
    times = _within(99, taken) / _within(99, bare)
    yield at_most("acknowledgement: p99, webhook / empty route", times, _AT_MOST, ".1f")


def _round(ground: Ground, number: int, rate: float) -> tuple[Round, Outcome]:
    """Post messages, and ask for the empty route now and then meanwhile."""
    asked: list[Future[Outcome]] = []

    def ask_beside(gateway: Gateway, _: ProductProcess) -> None:
        nothing = [""] * (_SECONDS * _SELDOM)
        order = Order(gateway.port, "/healthz", nothing, 1, _SELDOM, "GET")
        asked.append(pool.submit(post_all, order))

    with ThreadPoolExecutor(1) as pool:
        round_ = ground.our_round(number, rate=rate, during=ask_beside)
    return round_, asked[0].result()


def _within(percent: int, outcomes: Sequence[Outcome]) -> float:
    return median(one.within(percent) for one in outcomes)
