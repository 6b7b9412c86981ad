"""What integration tests share: both databases, a real Redis, the wiring."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.databases import opened
from support.postgres import PostgresServer, PostgresUnavailableError
from support.redis_server import RedisServer

from gateway.clock import Timetable
from gateway.identity import Directory
from gateway.lasting import keep_what_is_loaded
from gateway.messaging.queues import Doorbell
from gateway.settings import Settings, read_settings
from gateway.wiring import Wiring, wire
from models import schema
from models.database.engine import Database

SECRET = "a-secret-of-the-tests"  # noqa: S105


def pytest_collection_finish() -> None:
    """Take the tests themselves out of the garbage collector's sight: a twentieth of their time."""
    keep_what_is_loaded()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        with PostgresServer.start(fsync=False) as server:
            yield server
    except PostgresUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    which: str = request.param
    return which


@pytest.fixture
def empty_database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'timpora.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    with opened(url) as database:
        yield database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "timpora.db"
    with opened(f"sqlite:///{path}") as database:
        schema.upgrade(database)
    return path


@pytest.fixture(scope="session")
def migrated_url(postgres: PostgresServer) -> str:
    """The same on PostgreSQL."""
    url = postgres.new_database()
    with opened(url) as database:
        schema.upgrade(database)
    return url


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if kind == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "timpora.db")
        url = f"sqlite:///{path}"
    else:
        like = request.getfixturevalue("migrated_url")
        url = request.getfixturevalue("postgres").new_database(like)
    with opened(url) as database:
        yield database


@pytest.fixture
def directory() -> Directory:
    return Directory(SECRET)


@pytest.fixture
def settings(database: Database, redis_server: RedisServer, tmp_path: Path) -> Settings:
    redis_server.wipe()
    return read_settings(
        {
            "TIMPORA_DATA_DIR": str(tmp_path),
            "TIMPORA_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "TIMPORA_REDIS_URL": redis_server.url,
            "TIMPORA_SECRET_KEY": SECRET,
            "TIMPORA_WEBHOOK_SECRET": "webhook-secret",
            "TIMPORA_PIECE_WAIT": "0",
        }
    )


@pytest.fixture(scope="session")
def wired() -> list[Wiring]:
    """The wiring of the first test: to load its words takes longer than most tests."""
    return []


@pytest.fixture
def office(settings: Settings, wired: list[Wiring]) -> Iterator[Wiring]:
    if not wired:
        wired.append(wire(settings))
    yield replace(
        wired[0],
        settings=settings,
        database=(database := Database(settings.database_url)),
        doorbell=Doorbell(settings.redis_url),
        heard=Timetable(),
    )
    database.dispose()
