"""What the web server is told, and what it and the webhooks must agree on."""

import pytest

from gateway import web_server, webhooks


def test_a_body_in_chunks_may_be_as_large_as_any():
    assert web_server.LARGEST_IN_CHUNKS == webhooks.LARGEST_BODY


@pytest.mark.parametrize("bind", ["", "8000", ":8000", "host:", "host:http", "host:65536", "h:-1"])
def test_an_address_that_is_none_is_named(bind: str):
    with pytest.raises(SystemExit) as refused:
        web_server.serve(pytest.fail, bind, 1)
    assert "TIMPORA_BIND" in str(refused.value)
    assert repr(bind) in str(refused.value)
