"""How long a lone message takes, from the post to its reply being sent, all processes real."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import sqlalchemy as sa
from support.gateway_process import Gateway
from support.payloads import incoming_sms, phone
from support.waiting import wait_until

from models.database import Database
from models.outbox import OutboundMessage
from models.states import MessageStatus

_TIMES = 60


def measure() -> Iterator[tuple[str, str]]:
    """Post one message after the other to a running gateway, each after the last one's reply."""
    folder = tempfile.TemporaryDirectory()
    gateway = Gateway(Path(folder.name) / "gateway")
    try:
        gateway.prepare([phone(1)])
        gateway.run()
        database = Database(gateway.database_url)
        times = []
        for n in range(_TIMES):
            began = time.perf_counter()
            gateway.post_sms(incoming_sms(f"WNA {n + 1} Australia wisata", phone(1)))
            wait_until(
                lambda n=n: _sent(database) > n, within=10, what="the reply is sent", every=0.005
            )
            times.append((time.perf_counter() - began) * 1000)
        database.dispose()
    finally:
        gateway.close()
        folder.cleanup()
    cuts = quantiles(times, n=100)
    yield "lone message, sqlite, ms p50", f"{cuts[49]:.0f}"
    yield "lone message, sqlite, ms p95", f"{cuts[94]:.0f}"


def _sent(database: Database) -> int:
    with database.reading() as session:
        return session.scalars(
            sa.select(sa.func.count())
            .select_from(OutboundMessage)
            .where(OutboundMessage.status == MessageStatus.SENT)
        ).one()
