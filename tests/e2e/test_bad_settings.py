"""A bad setting stops the start, and says which variable it is and what is allowed."""

import re

import pytest
from support.gateway_process import Gateway

pytestmark = pytest.mark.e2e

BAD = {
    "a channel that does not exist": ({"TIMPORA_CHANNEL": "foo"}, "TIMPORA_CHANNEL", "loopback"),
    "a time zone on Mars": ({"TIMPORA_TIMEZONE": "Mars"}, "TIMPORA_TIMEZONE", "Asia/Makassar"),
    "production without secrets": (
        {"TIMPORA_ENV": "production", "TIMPORA_SECRET_KEY": "", "TIMPORA_WEBHOOK_SECRET": ""},
        "TIMPORA_SECRET_KEY",
        "TIMPORA_WEBHOOK_SECRET",
    ),
    "production on loopback": (
        {"TIMPORA_ENV": "production", "TIMPORA_CHANNEL": "loopback"},
        "TIMPORA_CHANNEL",
        "africastalking",
    ),
    "an environment of its own": ({"TIMPORA_ENV": "staging"}, "TIMPORA_ENV", "production"),
    "a database of another kind": (
        {"TIMPORA_DATABASE_URL": "mysql://root:hunter2@localhost/x"},
        "TIMPORA_DATABASE_URL",
        "postgresql",
    ),
    "a Redis that is no URL": ({"TIMPORA_REDIS_URL": "localhost"}, "TIMPORA_REDIS_URL", "redis://"),
    "an agency folder that is not there": (
        {"TIMPORA_AGENCY_DIR": "/does/not/exist"},
        "TIMPORA_AGENCY_DIR",
        "folder",
    ),
    "a provider without a key": (
        {"TIMPORA_AFRICASTALKING_API_KEY": ""},
        "TIMPORA_AFRICASTALKING_API_KEY",
        "not set",
    ),
    "a base URL with a path": (
        {"TIMPORA_AFRICASTALKING_BASE_URL": "http://127.0.0.1:1/version1"},
        "TIMPORA_AFRICASTALKING_BASE_URL",
        "host",
    ),
    "a wait that is no number": ({"TIMPORA_PIECE_WAIT": "soon"}, "TIMPORA_PIECE_WAIT", "seconds"),
}


def start(gateway: Gateway, *options: str) -> str:
    """Start everything, which is to be refused; return what was said."""
    refused = gateway.cli("run", "--port", str(gateway.port), *options, check=False, within=20)
    assert refused.returncode != 0
    return refused.stdout + refused.stderr


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_setting_stops_the_start_and_names_itself(all_in_one: Gateway, kind: str):
    settings, name, allowed = BAD[kind]
    all_in_one.environment |= settings

    said = start(all_in_one, "--no-demo")

    assert name in said
    assert allowed in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_every_bad_setting_is_named_at_once(all_in_one: Gateway):
    all_in_one.environment |= {"TIMPORA_CHANNEL": "foo", "TIMPORA_TIMEZONE": "Mars"}

    process = all_in_one.run(ready=False)

    assert process.wait(20) != 0
    assert re.findall("TIMPORA_CHANNEL|TIMPORA_TIMEZONE", process.text())
    assert {"TIMPORA_CHANNEL", "TIMPORA_TIMEZONE"} <= set(
        re.findall("TIMPORA_[A-Z]+", process.text())
    )


def test_demo_people_are_never_let_near_a_real_provider(all_in_one: Gateway):
    all_in_one.environment["TIMPORA_AFRICASTALKING_BASE_URL"] = "https://sms.example.org"

    said = start(all_in_one)

    assert "TIMPORA_AFRICASTALKING_BASE_URL" in said
    assert "demo" in said.lower()
