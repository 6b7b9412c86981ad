"""The clock is set forwards and back by a day under load: nothing is lost, doubled, or a storm.

libfaketime sets it, for the product's processes alone and while they run. What only counts how long
something lasts (the monotonic clock) goes on, as it does on a real machine.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import debian
from support.accounts import assert_all_accounted
from support.africastalking_server import AfricasTalkingServer
from support.databases import DATABASES
from support.payloads import phone
from support.redis_server import RedisServer
from support.site import Site
from support.traffic import NO_ANSWER, Traffic, reports_of
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]

#: From the rightful time: a day on, and back; then a day back, and on again.
STEPS = ("+1d", "+0", "-1d", "+0")
SUPPORT = Path(debian.__file__).parent
PHONES = [phone(number) for number in range(30)]


def _library() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture(params=DATABASES)
def site(
    request: pytest.FixtureRequest, tmp_path: Path, provider: AfricasTalkingServer
) -> Iterator[Site]:
    debian.demand(("libfaketime",), lambda: [] if _library() else ["libfaketime"])
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    with RedisServer.running() as redis:
        site = Site(
            tmp_path / "site",
            provider=provider,
            redis=redis,
            postgres=server,
            workers=(1,),
            cold=True,  # a library is loaded before all others by who is started alone
            TIMPORA_CANARY_EVERY="3600",
        )
        site.gateway.prepare(PHONES)
        site.gateway.environment |= {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(SUPPORT / "faketime"),
        }
        try:
            site.heal()
            yield site
        finally:
            site.close()


def test_a_clock_that_is_set_by_a_day_and_back_under_load_loses_and_doubles_nothing(
    site: Site, tmp_path: Path
):
    clock = tmp_path / "clock"
    site.provider.behave("slow:0.05")
    # So slow that each step lasts longer than a process keeps what it has read of the clock.
    with Traffic(site.webhooks(), reports_of(PHONES, 6), pause=0.2, copies=2) as traffic:
        for step in STEPS:
            before = len(traffic.heard.answered)
            wait_until(
                lambda before=before: len(traffic.heard.answered) > before + 30,
                within=60,
                what="traffic flows",
            )
            clock.with_suffix(".new").write_text(f"{step}\n")
            clock.with_suffix(".new").replace(clock)
    heard = traffic.wait()

    for name in ("LD_PRELOAD", "PYTHONPATH"):
        del site.gateway.environment[name]
    books = assert_all_accounted(site.gateway, site.provider, heard=heard)
    assert heard.statuses.keys() <= {200, NO_ANSWER}
    # Each message has been handed over as often as it stands in the books: no storm after a step.
    assert len(site.provider.requests) <= len(books.outbox)
    days = {str(row["received_at"])[:10] for row in books.inbox}
    assert len(days) == 3, "the clock was really set"
