"""What the contract tests of every provider stand on."""

from collections.abc import Iterator

import pytest
from support.loopback_only import loopback_only

pytest.register_assert_rewrite("support.provider_contract")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: waits for a time limit of the product to pass")


@pytest.fixture(autouse=True)
def _nothing_leaves_this_machine() -> Iterator[None]:
    with loopback_only() as caught:
        yield
    assert caught == []
