"""SQLite's one writer: a drain of thousands of rows starves nobody."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

import pytest
import sqlalchemy as sa
from support.office_work import register

from gateway import clock
from gateway.wiring import Wiring
from models.database.engine import Database
from models.inbox import InboundMessage
from models.people import Mark, Reporter

ROWS = 5000
PHONES = 50
WRITES_A_SECOND = 50

DRAIN = """
import sys
from gateway.reporting import draining
from gateway.settings import read_settings
from gateway.wiring import wire
office = wire(read_settings())
while draining.drain_some(office.database, office.desk).handled:
    pass
"""


@pytest.mark.alone
def test_small_writes_are_answered_while_five_thousand_rows_are_drained(
    office: Wiring, tmp_path: Path
) -> None:
    _fill_inbox(office)
    drain = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", DRAIN],
        env={
            "TIMPORA_DATA_DIR": str(tmp_path),
            "TIMPORA_DATABASE_URL": office.database.url.render_as_string(hide_password=False),
            "TIMPORA_SECRET_KEY": office.settings.secret_key,
            "TIMPORA_WEBHOOK_SECRET": "webhook-secret",
            "TIMPORA_PIECE_WAIT": "0",
        },
        stdout=subprocess.DEVNULL,
    )
    waits = []
    try:
        while drain.poll() is None:
            began = time.monotonic()
            _small_write(office.database, len(waits))
            waits.append(time.monotonic() - began)
            time.sleep(max(0.0, 1 / WRITES_A_SECOND - waits[-1]))
    finally:
        drain.kill()
        drain.wait()
    assert drain.returncode == 0
    with office.database.reading() as session:
        left = session.scalar(
            sa.select(sa.func.count())
            .select_from(InboundMessage)
            .where(InboundMessage.handled_at.is_(None))
        )
    assert left == 0
    assert len(waits) > WRITES_A_SECOND, "the drain was over before anything was measured"
    assert quantiles(waits, n=100)[98] <= 0.100


def _fill_inbox(office: Wiring) -> None:
    for n in range(PHONES):
        register(office, f"+62812370001{n:02d}", ["53.02.02.2008"])
    with office.database.writing() as session:
        phones = session.scalars(sa.select(Reporter.phone_id)).all()
        session.execute(
            sa.insert(InboundMessage),
            [
                {
                    "channel": "loopback",
                    "phone_id": phones[n % PHONES],
                    "text": f"WNA {1 + n % 200} Australia wisata rumah {n}",
                    "flags": [],
                    "payload": {},
                    "received_at": clock.now(),
                    "segments": 1,
                }
                for n in range(ROWS)
            ],
        )


def _small_write(database: Database, number: int) -> None:
    with database.writing() as session:
        session.add(Mark(name=f"write {number}", value="x"))
