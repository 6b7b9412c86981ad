"""The shared runner and its guard catch what they are there for."""

import re
import socket
from pathlib import Path

import pytest
from support.loopback_only import LeftLoopbackError, loopback_only
from support.provider_contract import InboundCase, SendingCase, UssdContract, private_forms, unique
from support.waiting import free_port

from gateway.providers.base import SCREEN_LIMIT, InboundRequest, Intake, Screen
from gateway.providers.registry import providers
from gateway.settings import read_settings


def test_every_adapter_in_the_registry_is_held_to_the_contract(tmp_path: Path):
    names = set(providers(read_settings({"TIMPORA_DATA_DIR": str(tmp_path)})))

    held = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        classes = r"^class Test\w+\((?:Provider|Ussd)Contract\):\n    NAME = \"(\w+)\"$"
        for name in re.findall(classes, path.read_text(encoding="utf-8"), re.MULTILINE):
            assert path.name == f"test_{name}.py" or name not in names
            held.add(name)
    assert names - held == set()


def test_only_tests_without_rows_are_left_out():
    class Some(UssdContract):
        NAME = "some"
        INBOUND = (InboundCase("any", InboundRequest("POST", "ussd", b"", {}, b""), Intake()),)

    tests = {name for name in dir(UssdContract) if name.startswith("test_")}
    left_out = {name for name in tests if getattr(Some, name) is None}

    assert [name for name in tests if getattr(UssdContract, name) is None] == []
    assert "test_inbound_is_read_as_in_the_table" in tests - left_out
    empty = ("test_delivery_", "test_sending_", "test_route_")
    assert left_out == {name for name in tests if name.startswith(empty)}


@pytest.mark.parametrize(
    "text",
    ["", "\n", "\r\n", "one\r\ntwo", "one\rtwo", "\none", "one\n", "\r\none", "one\r"],
    ids=[
        "nothing",
        "one line break",
        "one CR LF",
        "lines by CR LF",
        "lines by CR",
        "a line break before it",
        "a line break after it",
        "a CR LF before it",
        "a CR after it",
    ],
)
def test_a_screen_that_phones_show_badly_cannot_be_made(text: str):
    with pytest.raises(ValueError, match="a screen has text, and breaks its lines by LF"):
        Screen(text, ends=False)


def test_the_longest_screen_fits_with_the_word_before_it():
    assert len("CON ") + SCREEN_LIMIT == 160


def test_two_cases_of_one_label_are_refused():
    twice = [SendingCase("taken", None, None), SendingCase("taken", "accept", None)]

    with pytest.raises(ValueError, match="two cases are labelled 'taken'"):
        unique(twice)


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), 1),
        lambda: socket.create_connection(("api.africastalking.com", 443), 1),
        lambda: socket.getaddrinfo("api.africastalking.com", 443),
        lambda: socket.gethostbyname("api.africastalking.com"),
    ],
    ids=["an address", "a name", "a look-up", "an old look-up"],
)
def test_what_would_leave_this_machine_is_refused_and_noted(leave):
    with loopback_only() as caught:
        with pytest.raises(LeftLoopbackError):
            leave()
        noted = list(caught)
        # The guard of this very test is the same one; it has nothing to complain of.
        caught.clear()

    assert len(noted) == 1
    assert "192.0.2.1" in noted[0] or "africastalking" in noted[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.1"])
def test_this_machine_may_be_spoken_to(host: str):
    with loopback_only() as caught, pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, free_port()), 1)

    assert caught == []


def test_a_secret_is_looked_for_in_each_form_it_may_take():
    assert private_forms("+62 1&") == {"+62 1&", "62 1&", "%2B62+1%26"}
