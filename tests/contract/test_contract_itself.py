"""The shared runner and its guard catch what they are there for."""

import socket

import pytest
from support.loopback_only import LeftLoopbackError, loopback_only
from support.provider_contract import SendingCase, private_forms, unique
from support.waiting import free_port


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
