"""kill -9 of the web server in the midst of a key press: it is done once, or not at all."""

from collections.abc import Iterator
from itertools import count

import pytest
import requests
from support.database_dump import dump_database
from support.databases import DATABASES, database_url_for
from support.gateway_process import Gateway, post_form
from support.payloads import incoming_sms, phone
from support.waiting import free_port, wait_until

pytestmark = pytest.mark.e2e

PIN, WRONG = "739164", "915637"
OFFICERS = count(6000)
KADES = phone(1)


@pytest.fixture(scope="module", params=DATABASES)
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    database_url = database_url_for(request.param, request)
    gateway = Gateway(tmp_path_factory.mktemp("dialogue") / "gw", database_url=database_url)
    try:
        gateway.prepare([KADES])
        gateway.run()
        gateway.post_sms(incoming_sms("WNA 2 AUS WISATA", KADES))
        wait_until(lambda: len(gateway.reports()) == 1, within=20, what="the report is there")
        yield gateway
    finally:
        gateway.close()


@pytest.fixture
def officer(gateway: Gateway) -> str:
    """An officer who has done nothing yet."""
    number = phone(next(OFFICERS))
    options = ("--name", "Ani", "--institution", "imigrasi", "--area", "53.02")
    gateway.cli("officer", "add", "--phone", number, *options)
    gateway.cli("officer", "pin", "--phone", number, given=f"{PIN}\n")
    return number


def ask(gateway: Gateway, officer: str, *keys: str, port: int = 0) -> str:
    """Send one request of the officer's session, to the server at a port."""
    form = {
        "sessionId": f"ATUid_{officer}",
        "phoneNumber": officer,
        "serviceCode": "*384*22345#",
        "text": "*".join(keys),
    }
    url = gateway.webhook("ussd")
    if port:
        url = url.replace(f":{gateway.port}/", f":{port}/")
    return post_form(url, form).text


def die_while(gateway: Gateway, officer: str, *keys: str, point: str, nth: int = 1) -> None:
    """Let a second web server take the last key and die of it."""
    port = free_port()
    web = gateway.start_dying("web", point, nth, port=port)
    wait_until(lambda: _is_up(port), within=30, what="the second web server is up")
    gateway.arm()
    with pytest.raises(requests.RequestException):
        ask(gateway, officer, *keys, port=port)
    web.wait(10)


def _is_up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def rows(gateway: Gateway, table: str) -> list[dict[str, object]]:
    return dump_database(gateway.database_url)[table]


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_a_list_is_sent_once_though_the_server_dies_and_the_request_comes_again(
    point: str, gateway: Gateway, officer: str
):
    for place in range(3):
        assert ask(gateway, officer, *[PIN, "2"][:place]).startswith("CON ")
    before = len(rows(gateway, "outbox"))

    die_while(gateway, officer, PIN, "2", "77", point=point)
    shown = [ask(gateway, officer, PIN, "2", "77") for _ in range(2)]

    assert shown[0] == shown[1]
    assert "1 SMS" in shown[0]
    assert len(rows(gateway, "outbox")) == before + 1


@pytest.mark.parametrize(("nth", "point"), [(1, "after-commit"), (2, "before-commit")])
def test_a_try_of_a_pin_counts_though_the_server_dies_of_it(
    nth: int, point: str, gateway: Gateway, officer: str
):
    ask(gateway, officer)
    before = len(rows(gateway, "pin_tries"))

    die_while(gateway, officer, WRONG, point=point, nth=nth)

    assert len(rows(gateway, "pin_tries")) == before + 1
    # The same request again is no second try; the next key is.
    assert "Ketik PIN" in ask(gateway, officer, WRONG)
    assert "Sisa 1 kali" in ask(gateway, officer, WRONG, WRONG)
