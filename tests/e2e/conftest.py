"""What end-to-end tests stand on: real servers, and the product in processes of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.africastalking_server import AfricasTalkingServer
from support.databases import DATABASES, database_url_for
from support.gateway_process import Gateway
from support.postgres import PostgresServer, PostgresUnavailableError
from support.redis_server import RedisServer
from support.tally import Measure


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that every test may make databases on, and none may stop."""
    try:
        with PostgresServer.start() as server:
            yield server
    except PostgresUnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    return database_url_for(request.param, request)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer.running() as server:
        yield server


@pytest.fixture
def provider() -> Iterator[AfricasTalkingServer]:
    with AfricasTalkingServer.running() as server:
        yield server


@pytest.fixture
def gateway(
    tmp_path: Path, database_url: str, redis_server: RedisServer, provider: AfricasTalkingServer
) -> Iterator[Gateway]:
    """A deployment as in production: web, worker and sweeper are started one by one."""
    deployment = Gateway(
        tmp_path / "gw",
        database_url=database_url,
        redis_url=redis_server.url,
        provider_url=provider.url,
    )
    yield deployment
    deployment.close()


@pytest.fixture
def all_in_one(tmp_path: Path, provider: AfricasTalkingServer) -> Iterator[Gateway]:
    """A deployment on one box: `timpora run`, embedded SQLite and Redis."""
    deployment = Gateway(tmp_path / "gw", provider_url=provider.url)
    yield deployment
    deployment.close()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measure:
    """Note a figure that the run shows at its end (plugin support.tally)."""
    return lambda name, value: request.node.user_properties.append((name, value))
