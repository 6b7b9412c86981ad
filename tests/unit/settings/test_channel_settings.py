"""Accounts and rules of the channels, as the environment gives them."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts import CHANNELS, GammuAccount, SmsgateAccount
from gateway.settings import Settings, SettingsError, read_settings

SECRETS = {
    "SECRET_KEY": "a-secret-of-the-tests-0123456789",
    "WEBHOOK_SECRET": "webhook-secret",
}
ACCOUNTS = {
    "africastalking": {"USERNAME": "timpora", "API_KEY": "hunter2-at"},
    "kannel": {
        "BASE_URL": "http://127.0.0.1:13013",
        "USERNAME": "timpora",
        "PASSWORD": "hunter2-k",
    },
    "jasmin": {"BASE_URL": "http://127.0.0.1:1401", "USERNAME": "timpora", "PASSWORD": "hunter2-j"},
    "smsgate": {
        "BASE_URL": "http://127.0.0.1:8080",
        "USERNAME": "sms",
        "PASSWORD": "hunter2-s",
        "SIGNING_KEY": "hunter2-signing",
    },
    "gammu": {"DATABASE_URL": "postgresql+psycopg://smsd:hunter2-g@127.0.0.1/smsd"},
}


def read(tmp_path: Path, **given: str) -> Settings:
    named = {f"TIMPORA_{name}": value for name, value in {**SECRETS, **given}.items()}
    return read_settings({"TIMPORA_DATA_DIR": str(tmp_path), **named})


def problems(tmp_path: Path, **given: str) -> list[str]:
    """List what is complained of, each beginning with the name of its variable."""
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, **given)
    return re.split(r"; (?=TIMPORA_)", str(raised.value))


def account_of(channel: str) -> dict[str, str]:
    return {f"{channel.upper()}_{name}": value for name, value in ACCOUNTS[channel].items()}


def test_there_is_an_account_for_every_channel_that_sends():
    assert set(ACCOUNTS) == set(CHANNELS) - {"loopback"}


@pytest.mark.parametrize("channel", ACCOUNTS)
def test_a_whole_account_is_taken_and_shows_no_secret(tmp_path: Path, channel: str):
    settings = read(tmp_path, CHANNEL=channel, **account_of(channel))

    assert getattr(settings.accounts, channel) is not None
    assert settings.channel == channel
    assert "hunter2" not in f"{settings!r} {settings.accounts!r}"
    assert "webhook-secret" not in f"{settings!r}"


@pytest.mark.parametrize("channel", ACCOUNTS)
def test_without_its_account_a_channel_cannot_be_the_channel(tmp_path: Path, channel: str):
    said = problems(tmp_path, CHANNEL=channel)

    needed = [name for name in ACCOUNTS[channel] if name != "SIGNING_KEY"]
    assert said == [
        f"TIMPORA_{channel.upper()}_{name} is not set; {channel} needs it to send"
        for name in needed
    ]


@pytest.mark.parametrize(
    ("channel", "left_out"),
    [
        (channel, name)
        for channel in ("africastalking", "kannel", "jasmin", "smsgate")
        for name in ACCOUNTS[channel]
        if name != "SIGNING_KEY"
    ],
)
def test_half_an_account_is_named_by_what_is_missing(tmp_path: Path, channel: str, left_out: str):
    given = account_of(channel)
    del given[f"{channel.upper()}_{left_out}"]

    (said,) = problems(tmp_path, **given)

    assert said.startswith(f"TIMPORA_{channel.upper()}_{left_out} is not set")
    assert "hunter2" not in said


def test_a_bad_address_is_told_of_once(tmp_path: Path):
    given = account_of("kannel") | {"KANNEL_BASE_URL": "kannel.example"}

    (said,) = problems(tmp_path, **given)

    assert said.startswith("TIMPORA_KANNEL_BASE_URL must be http(s)://host")


def test_providers_are_told_where_we_are_with_the_secret_of_their_channel(tmp_path: Path):
    settings = read(
        tmp_path,
        PUBLIC_URL="https://sms.example.go.id",
        KANNEL_WEBHOOK_SECRET="kannel-new,kannel-old",  # noqa: S106
        **account_of("kannel"),
        **account_of("jasmin"),
    )

    assert settings.accounts.kannel is not None
    assert settings.accounts.jasmin is not None
    assert settings.accounts.kannel.callback_url == (
        "https://sms.example.go.id/webhooks/kannel/kannel-new"
    )
    assert settings.accounts.jasmin.callback_url == (
        "https://sms.example.go.id/webhooks/jasmin/webhook-secret"
    )
    assert settings.rules["kannel"].webhook_secrets == ("kannel-new", "kannel-old")
    assert settings.rules["smsgate"].webhook_secrets == ("webhook-secret",)


def test_a_phone_that_only_receives_needs_a_signing_key_alone(tmp_path: Path):
    settings = read(tmp_path, SMSGATE_SIGNING_KEY="new-key, old-key", SMSGATE_CLOCK_WINDOW="900")

    assert settings.accounts.smsgate == SmsgateAccount(
        base_url=None,
        username=None,
        password=None,
        device=None,
        signing_keys=("new-key", "old-key"),
        clock_window=timedelta(seconds=900),
    )
    assert settings.accounts.base_urls == {}


def test_production_takes_no_phone_whose_webhooks_are_not_signed(tmp_path: Path):
    given = account_of("smsgate")
    del given["SMSGATE_SIGNING_KEY"]

    (said,) = problems(tmp_path, ENV="production", CHANNEL="smsgate", **given)

    assert said.startswith("TIMPORA_SMSGATE_SIGNING_KEY is not set")


def test_gammus_times_are_in_the_zone_that_is_named(tmp_path: Path):
    settings = read(
        tmp_path, GAMMU_DATABASE_URL="sqlite:////var/x.db", GAMMU_TIMEZONE="Asia/Makassar"
    )

    assert settings.accounts.gammu == GammuAccount("sqlite:////var/x.db", "Asia/Makassar")


def test_the_rules_of_a_channel_are_read(tmp_path: Path):
    settings = read(
        tmp_path,
        GAMMU_NUMBERS="081234567890, 3636",
        GAMMU_LINES="modem1,modem2",
        GAMMU_PER_MINUTE="10",
        GAMMU_PER_HOUR="200",
        GAMMU_PREFIXES="+62811,+62812",
        GAMMU_COST="350",
        GAMMU_LOW_BALANCE="50000",
        KANNEL_ALLOWED_FROM="127.0.0.1, 10.0.0.0/8, ::1",
    )
    rules = settings.rules["gammu"]

    assert rules.own_numbers == ("+6281234567890", "3636")
    assert rules.lines == ("modem1", "modem2")
    assert (rules.per_minute, rules.per_hour) == (10, 200)
    assert rules.prefixes == ("+62811", "+62812")
    assert (rules.cost, rules.low_balance) == (350, 50000)
    assert rules.is_bounded
    assert not settings.rules["kannel"].is_bounded
    assert settings.rules["kannel"].allowed_from == tuple(
        ipaddress.ip_network(one) for one in ("127.0.0.1", "10.0.0.0/8", "::1")
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("KANNEL_ALLOWED_FROM", "localhost", "addresses or networks"),
        ("KANNEL_ALLOWED_FROM", "10.0.0.1/8", "addresses or networks"),
        ("GAMMU_NUMBERS", "TIMPORA", "numbers such as 081234567890"),
        ("GAMMU_NUMBERS", "0812-x", "numbers such as 081234567890"),
        ("GAMMU_PREFIXES", "62811", "beginnings such as +62811"),
        ("GAMMU_PREFIXES", "+6281x", "beginnings such as +62811"),
        ("GAMMU_PER_HOUR", "0", "a whole number from 1 to 100000"),
        ("GAMMU_PER_MINUTE", "many", "a whole number from 1 to 100000"),
        ("GAMMU_COST", "-1", "a whole number from 0 to 100000"),
        ("GAMMU_TIMEZONE", "WITA", "an IANA zone such as Asia/Makassar"),
        ("GAMMU_DATABASE_URL", "smsd.db", "an SQLAlchemy URL"),
        ("KANNEL_WEBHOOK_SECRET", "short", "8 or more letters"),
        ("KANNEL_ACCESS_LOG", "/does/not/exist/smsbox.log", "the path of a file"),
        ("PUBLIC_URL", "sms.example.go.id", "http(s)://host"),
        ("PROXIES", "11", "a whole number from 0 to 10"),
        ("ENCRYPTION_KEY", "short", "32 or more characters"),
        ("ENCRYPTION_KEY", "a-long-key-that-is-well-0123456789,short", "32 or more"),
        ("EVIDENCE_DAYS", "0", "a whole number from 1 to 3650"),
        ("SMSGATE_CLOCK_WINDOW", "0", "a number of seconds from 1 to 86400"),
    ],
)
def test_a_bad_rule_is_refused_by_name(tmp_path: Path, name: str, value: str, allowed: str):
    (said,) = problems(tmp_path, **{name: value})

    assert said.startswith(f"TIMPORA_{name} must be ")
    assert allowed in said
    if "KEY" in name or "SECRET" in name or "DATABASE" in name:
        assert value not in said
