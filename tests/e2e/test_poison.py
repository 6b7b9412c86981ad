"""A message that kills whoever handles it: counted, put aside, and in nobody's way."""

import signal
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.africastalking_server import AfricasTalkingServer
from support.databases import DATABASES
from support.gateway_process import Gateway, ProductProcess, Row
from support.payloads import WNA, incoming_sms, phone
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

KILLED = -signal.SIGKILL
POISONED, NEIGHBOUR, ANOTHER = phone(1), phone(2), phone(3)
TRIES = 5
INBOX = sa.text("SELECT * FROM inbox ORDER BY id")
DUE_NOW = sa.text("UPDATE inbox SET handle_after = NULL WHERE handled_at IS NULL")


class Poisoned:
    """A deployment whose workers break down over some texts, for as long as it is not mended."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._poison = gateway.folder / "poison"
        self._poison.touch()
        self._engine = sa.create_engine(gateway.database_url, poolclass=sa.NullPool)

    def start_worker(self, **more: str) -> ProductProcess:
        """Start a worker with the library that breaks."""
        environment = {
            "PYTHONPATH": str(Path(__file__).parent / "poison"),
            "POISON": str(self._poison),
            **more,
        }
        return self.gateway.start("worker", [sys.executable, "-m", "workers"], environment)

    def mend(self) -> None:
        """Install a version of the library that is well, so to speak."""
        self._poison.unlink()

    def rows(self, *forms: dict[str, str]) -> list[Row]:
        """Read the rows of messages behind the product's back: a command takes seconds to start."""
        kept = {row["provider_message_id"]: row for row in self._inbox()}
        return [kept[form["id"]] for form in forms]

    def attempts(self, form: dict[str, str]) -> int:
        """Return how often a message was tried in vain."""
        return int(self.rows(form)[0]["attempts"])

    def are_handled(self, *forms: dict[str, str]) -> bool:
        """Say whether messages were handled, all of them."""
        return all(row["handled_at"] for row in self.rows(*forms))

    def _inbox(self) -> list[Row]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(INBOX).mappings()]

    def let_time_pass(self) -> None:
        """Let what was put off be due now, behind the product's back: a minute is long."""
        with self._engine.begin() as connection:
            connection.execute(DUE_NOW)


@pytest.fixture
def poisoned(gateway: Gateway) -> Poisoned:
    gateway.prepare([POISONED, NEIGHBOUR, ANOTHER])
    gateway.start_web()
    gateway.start_sweeper()
    return Poisoned(gateway)


def taken(gateway: Gateway, text: str, sender: str) -> dict[str, str]:
    form = incoming_sms(text, sender)
    assert gateway.post_sms(form).status_code == 200
    return form


@pytest.mark.timeout(300)
def test_a_message_that_kills_its_worker_is_set_aside_and_those_behind_it_are_handled(
    poisoned: Poisoned, provider: AfricasTalkingServer
):
    gateway = poisoned.gateway
    poison = taken(gateway, f"{WNA} \u2620", POISONED)
    behind = taken(gateway, "WNA 2 wisata", POISONED)
    answer = taken(gateway, "australia", POISONED)
    beside = [taken(gateway, WNA, sender) for sender in (NEIGHBOUR, ANOTHER)]

    for died in range(1, TRIES + 1):
        assert poisoned.start_worker().wait(30) == KILLED
        wait_until(
            lambda times=died: poisoned.attempts(poison) == times,
            within=15,
            what="the death is counted",
        )
        # The first took its whole batch along, then it was alone, and for the third it is to blame:
        # from then on it goes last.
        assert poisoned.are_handled(behind, answer, *beside) is (died > 3)
        poisoned.let_time_pass()
    # With a worker that is well in all else.
    poisoned.start_worker()

    wait_until(
        lambda: len(provider.sent_to(POISONED)) == 3,
        within=15,
        what="its sender is told, beside the replies to the two others",
    )
    (shown,) = [row for row in gateway.inbox() if row["kind"] == "set_aside"]
    assert "died" in shown["reason"]
    # The two others of the same sender were handled in their order: the second answered the first.
    reports = [row for row in gateway.reports() if row["reporter"] == shown["party"]]
    assert [row["fields"]["country"] for row in reports] == ["AU"]

    poisoned.mend()
    gateway.cli("requeue", shown["id"])

    wait_until(lambda: poisoned.are_handled(poison), within=15, what="it is handled")
    assert len({row["number"] for row in gateway.reports()}) == 4


@pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)
def test_a_handling_that_never_ends_is_ended_and_counted_whoever_holds_the_interpreter(
    poisoned: Poisoned,
):
    gateway = poisoned.gateway
    in_python = taken(gateway, f"{WNA} \u221e", POISONED)
    worker = poisoned.start_worker(PATIENCE="2")

    wait_until(lambda: poisoned.attempts(in_python) == 1, within=30, what="the try is counted")
    assert worker.running
    assert "JobTimeoutException" in poisoned.rows(in_python)[0]["last_error"]

    in_c = taken(gateway, f"{WNA} \u2622", NEIGHBOUR)
    assert worker.wait(30) == 1
    written = worker.text()
    assert "Timeout" in written
    assert "cleaning.py" in written
    assert "riset" not in written
    beside = taken(gateway, WNA, ANOTHER)
    wait_until(lambda: poisoned.attempts(in_c) == 1, within=15, what="the death is counted")

    poisoned.mend()
    poisoned.start_worker(PATIENCE="2")
    poisoned.let_time_pass()
    wait_until(
        lambda: poisoned.are_handled(in_python, in_c, beside),
        within=15,
        what="all are handled once the library is mended",
    )
