"""The box dies: what `timpora backup` took from it while it ran goes on on another machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.accounts import confirmation_number
from support.africastalking_server import AfricasTalkingServer
from support.database_dump import dump_database
from support.databases import DATABASES, database_url_for
from support.gateway_process import BIN, Gateway
from support.payloads import incoming_sms, phone
from support.redis_server import RedisServer
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PHONES = [phone(number) for number in range(400)]
WHICHEVER = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)
MANY = 30_000
_PAUSE = 0.03


class Villages:
    """Villages that report one after the other, from another thread, and remember who was heard."""

    def __init__(self, gateway: Gateway) -> None:
        self.heard: list[dict[str, str]] = []
        self._gateway = gateway
        self._is_over = threading.Event()

    def report(self) -> None:
        """Report until it is over."""
        for number in PHONES:
            if self._is_over.is_set():
                return
            form = incoming_sms(sender=number)
            if self._gateway.post_sms(form).status_code == 200:
                self.heard.append(form)
            self._is_over.wait(_PAUSE)  # or all were heard before the copy is made

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report for the length of a with block."""
        thread = threading.Thread(target=self.report)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()


@pytest.fixture
def new_box(
    gateway: Gateway, tmp_path: Path, request: pytest.FixtureRequest, provider: AfricasTalkingServer
) -> Iterator[Gateway]:
    """Another machine, with the other kind of database, and the secrets out of the safe."""
    is_postgresql = "TIMPORA_DATABASE_URL" in gateway.environment
    kind = DATABASES[0] if is_postgresql else DATABASES[1]
    with RedisServer.running() as redis:
        box = Gateway(
            tmp_path / "new",
            database_url=database_url_for(kind, request),
            redis_url=redis.url,
            provider_url=provider.url,
        )
        box.environment["TIMPORA_SECRET_KEY"] = gateway.environment["TIMPORA_SECRET_KEY"]
        yield box
        box.close()


def given_numbers(gateway: Gateway) -> set[str]:
    rows = dump_database(gateway.database_url)["reports"]
    return {str(row["number"]) for row in rows if row["number"]}


def assert_nothing_is_torn(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Check that what is written in one transaction is there together, or not at all."""
    reported = {row["inbox_id"] for row in rows["reports"]}
    answered = {row["in_reply_to"] for row in rows["outbox"]}
    handled = {row["id"] for row in rows["inbox"] if row["handled_at"]}
    assert reported == answered == handled
    assert handled <= {row["id"] for row in rows["inbox"]}
    # A number that is drawn in vain is a gap.
    assert len(rows["confirmation_numbers"]) >= len(rows["reports"])


def test_a_gateway_under_load_is_copied_dies_and_goes_on_on_another_machine(
    gateway: Gateway, new_box: Gateway, provider: AfricasTalkingServer, tmp_path: Path
):
    file = tmp_path / "copy.zip"
    gateway.prepare(PHONES)
    gateway.start_web()
    gateway.start_worker()
    gateway.start_sweeper()
    villages = Villages(gateway)

    with villages.reporting():
        wait_until(
            lambda: len(provider.requests) > 20, within=60, what="reports come and are answered"
        )
        before = list(villages.heard)
        said = gateway.cli("backup", str(file)).stdout
        wait_until(
            lambda: len(villages.heard) > len(before) + 5, within=60, what="more come after it"
        )
    lost = given_numbers(gateway)
    gateway.close()

    assert "TIMPORA_SECRET_KEY" in said
    told = new_box.cli("restore", str(file)).stdout
    assert "are passed over" in told
    rows = dump_database(new_box.database_url)
    kept = {row["provider_message_id"] for row in rows["inbox"]}
    assert {form["id"] for form in before} <= kept
    assert_nothing_is_torn(rows)
    assert {row["status"] for row in rows["outbox"]} <= {"sent", "unconfirmed"}
    old = given_numbers(new_box)

    sent_before = len(provider.requests)
    new_box.start_web()
    new_box.start_worker()
    new_box.start_sweeper()
    first = before[0]
    number = next(confirmation_number(send.text) for send in provider.sent_to(first["from"]))
    assert new_box.post_sms(first).status_code == 200
    assert new_box.post_sms(incoming_sms(f"STATUS {number}", first["from"])).status_code == 200
    status = wait_until(
        lambda: provider.sent_to(first["from"])[1:], within=30, what="STATUS is answered"
    )
    assert number in status[0].text
    fresh = incoming_sms(sender=PHONES[-1])
    assert new_box.post_sms(fresh).status_code == 200
    (reply,) = wait_until(
        lambda: provider.sent_to(PHONES[-1]), within=30, what="a new report is answered"
    )
    assert confirmation_number(reply.text) not in old | lost
    reports = {row["inbox_id"] for row in dump_database(new_box.database_url)["reports"]}
    rows = dump_database(new_box.database_url)
    waited = [row for row in rows["inbox"] if not row["handled_at"]]
    assert waited == []
    assert len([row for row in rows["inbox"] if row["provider_message_id"] == first["id"]]) == 1
    assert len(reports) == len(rows["inbox"]) - 1, "STATUS alone made no report"
    assert len(provider.requests) >= sent_before + 2


def fill(gateway: Gateway) -> None:
    """Have so many phones that a copy takes a moment."""
    engine = sa.create_engine(gateway.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO phones (kind, lookup, number, alias, created_at) VALUES"
                " ('mobile', :name, :name, :name, '2026-11-25 02:10:00')"
            ),
            [{"name": f"{number:06d}" * 20} for number in range(MANY)],
        )
    engine.dispose()


@WHICHEVER
def test_killed_in_the_middle_neither_leaves_anything_half_done(
    gateway: Gateway, tmp_path: Path, provider: AfricasTalkingServer
):
    file = tmp_path / "copies" / "copy.zip"
    file.parent.mkdir()
    gateway.prepare()
    fill(gateway)

    backup = gateway.start("backup", [str(BIN / "timpora"), "backup", str(file)])
    wait_until(
        lambda: any(one.stat().st_size for one in file.parent.glob(".timpora-*")),
        within=60,
        what="the copy is being written",
        every=0.002,
    )
    backup.kill()
    assert not file.exists()
    gateway.cli("backup", str(file))
    assert [one.name for one in file.parent.iterdir()] == [file.name]

    box = Gateway(tmp_path / "new", provider_url=provider.url)
    box.environment["TIMPORA_SECRET_KEY"] = gateway.environment["TIMPORA_SECRET_KEY"]
    log = box.data / "timpora.db-wal"
    restore = box.start("restore", [str(BIN / "timpora"), "restore", str(file)])
    wait_until(
        lambda: log.exists() and log.stat().st_size > 2_000_000,
        within=60,
        what="rows are being put back",
        every=0.002,
    )
    restore.kill()
    assert not any(dump_database(box.database_url)[name] for name in ("phones", "marks"))
    box.cli("restore", str(file))
    assert len(dump_database(box.database_url)["phones"]) == MANY
    refused = box.cli("restore", str(file), check=False)
    assert refused.returncode == 1
    assert "not empty (" in refused.stderr
    assert f"{MANY} phones" in refused.stderr
    assert "mend: " in refused.stderr
    box.close()


def test_the_secrets_that_a_gateway_made_for_itself_go_along_and_a_running_one_is_left_alone(
    all_in_one: Gateway, tmp_path: Path, provider: AfricasTalkingServer
):
    file = tmp_path / "copy.zip"
    for name in ("TIMPORA_SECRET_KEY", "TIMPORA_WEBHOOK_SECRET"):
        del all_in_one.environment[name]
    all_in_one.prepare([phone(1)])
    said = all_in_one.cli("backup", str(file)).stdout
    assert "secret_key, webhook_secret" in said
    again = all_in_one.cli("backup", str(file), check=False)
    assert (again.returncode, "--force" in again.stderr) == (1, True)

    box = Gateway(tmp_path / "new", provider_url=provider.url)
    for name in ("TIMPORA_SECRET_KEY", "TIMPORA_WEBHOOK_SECRET"):
        del box.environment[name]
    box.cli("restore", str(file))
    for name in ("secret_key", "webhook_secret"):
        assert (box.data / name).read_text() == (all_in_one.data / name).read_text()
        assert (box.data / name).stat().st_mode & 0o777 == 0o600
    box.secret = (box.data / "webhook_secret").read_text().strip()
    box.run()
    assert box.post_sms(incoming_sms(sender=phone(1))).status_code == 200
    wait_until(lambda: provider.sent_to(phone(1)), within=30, what="its reporter is known")

    refused = box.cli("restore", str(file), check=False)
    assert refused.returncode == 1
    assert "is running" in refused.stderr
    box.close()

    other = Gateway(tmp_path / "other", provider_url=provider.url)
    other.environment["TIMPORA_SECRET_KEY"] = "another" * 8
    refused = other.cli("restore", str(file), check=False)
    assert refused.returncode == 1
    assert "TIMPORA_SECRET_KEY" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not dump_database(other.database_url)["phones"]
    other.close()
