"""What integration tests share: both databases, a real Redis, the wiring."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, PostgresUnavailableError
from support.redis_server import RedisServer

from gateway.identity import Directory
from gateway.settings import Settings, read_settings
from gateway.wiring import Wiring, wire
from models import schema
from models.database import Database

SECRET = "a-secret-of-the-tests"  # noqa: S105


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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'timpora.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def empty_database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def database(empty_database: Database) -> Database:
    schema.upgrade(empty_database)
    return empty_database


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


@pytest.fixture
def office(settings: Settings) -> Iterator[Wiring]:
    wiring = wire(settings)
    yield wiring
    wiring.database.dispose()
