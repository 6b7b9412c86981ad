"""The settings: one look at the environment, and one answer that names all that is wrong."""
# ruff: noqa: S106  # secrets of tests are none

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from redis.connection import parse_url
from sqlalchemy.engine import make_url

from gateway.accounts import CHANNELS
from gateway.settings import PinRules, Settings, SettingsError, read_settings

ROOT = Path(__file__).parents[3]
SECRET = "hunter2-hunter2-hunter2"  # noqa: S105

#: Enough for production.
PRODUCTION = {
    "ENV": "production",
    "SECRET_KEY": SECRET,
    "WEBHOOK_SECRET": "a-path-of-ours",
    "CHANNEL": "africastalking",
    "AFRICASTALKING_USERNAME": "timpora",
    "AFRICASTALKING_API_KEY": "atsk_hunter2",
}


def read(folder: Path, **given: str) -> Settings:
    """Read settings that are given by their names without the prefix."""
    return read_settings(environ(folder, given))


def environ(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    return {f"TIMPORA_{name}": value for name, value in {"DATA_DIR": str(folder), **given}.items()}


def problems(folder: Path, **given: str) -> str:
    """Say what is wrong with settings that must be refused."""
    with pytest.raises(SettingsError) as refused:
        read(folder, **given)
    return str(refused.value)


# What holds when nothing is said ------------------------------------------------------------------


def test_nothing_need_be_set_on_a_machine_of_ones_own(tmp_path: Path):
    settings = read(tmp_path)

    assert settings.env == "development"
    assert settings.is_development
    assert make_url(settings.database_url).database == str(tmp_path / "timpora.db")
    assert settings.redis_is_embedded
    assert settings.redis_url == f"unix://{tmp_path}/redis/redis.sock"
    assert settings.redis_socket == tmp_path / "redis" / "redis.sock"
    assert settings.timezone == ZoneInfo("Asia/Makassar")
    assert settings.channel == "loopback"
    assert settings.agency_dir is None
    assert settings.metrics_token is None
    assert settings.accounts.africastalking is None
    assert settings.piece_wait == timedelta(seconds=20)
    assert settings.sweep_every == timedelta(seconds=2)
    assert settings.sending_stuck_after == timedelta(seconds=60)
    assert settings.capped_replies_an_hour == 3
    assert settings.pin_rules == PinRules(3, timedelta(minutes=15), timedelta(minutes=30))
    assert settings.ussd_code == "*384*22345#"
    assert settings.ussd_resume == timedelta(minutes=10)
    assert settings.unknown_names == ()


def test_the_data_go_to_var_where_the_gateway_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    assert read_settings({}).data_dir == tmp_path / "var"


def test_an_environment_that_is_given_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIMPORA_CHANEL", "loopback")

    assert read_settings({}).unknown_names == ()
    assert read_settings().unknown_names == ("TIMPORA_CHANEL (did you mean TIMPORA_CHANNEL?)",)


def test_an_empty_value_counts_as_not_set(tmp_path: Path):
    assert read(tmp_path, TIMEZONE="", CHANNEL=" ", PIECE_WAIT="").channel == "loopback"


def test_what_is_set_is_taken(tmp_path: Path):
    agency = tmp_path / "agency"
    agency.mkdir()
    settings = read(
        tmp_path,
        DATABASE_URL="postgresql+psycopg://gateway:hunter2@db.example/timpora",
        REDIS_URL="rediss://:hunter2@redis.example:6380/1",
        SECRET_KEY=SECRET,
        WEBHOOK_SECRET="first-one,second~one",
        TIMEZONE="Asia/Jakarta",
        CHANNEL="africastalking",
        AGENCY_DIR=str(agency),
        METRICS_TOKEN="a-token",
        AFRICASTALKING_USERNAME="timpora",
        AFRICASTALKING_API_KEY="atsk_hunter2",
        AFRICASTALKING_SENDER="TIMPORA",
        AFRICASTALKING_BASE_URL="http://127.0.0.1:9011/",
        PIECE_WAIT="0",
        SWEEP_EVERY="0.5",
        SENDING_STUCK_AFTER="2",
        CAPPED_REPLIES_AN_HOUR="0",
    )

    assert settings.database_url.startswith("postgresql+psycopg://gateway:hunter2@")
    assert settings.redis_url == "rediss://:hunter2@redis.example:6380/1"
    assert not settings.redis_is_embedded
    assert settings.secret_key == SECRET
    assert settings.rules["africastalking"].webhook_secrets == ("first-one", "second~one")
    assert settings.timezone == ZoneInfo("Asia/Jakarta")
    assert settings.agency_dir == agency
    assert settings.metrics_token == "a-token"  # noqa: S105
    assert settings.accounts.africastalking is not None
    assert settings.accounts.africastalking.sender == "TIMPORA"
    assert settings.accounts.africastalking.base_url == "http://127.0.0.1:9011"
    assert settings.piece_wait == timedelta(0)
    assert settings.sweep_every == timedelta(seconds=0.5)
    assert settings.sending_stuck_after == timedelta(seconds=2)
    assert settings.capped_replies_an_hour == 0


def test_the_sweeper_never_spins(tmp_path: Path):
    assert read(tmp_path, SWEEP_EVERY="0").sweep_every == timedelta(seconds=0.1)


def test_an_account_is_taken_beside_another_channel(tmp_path: Path):
    settings = read(tmp_path, AFRICASTALKING_USERNAME="timpora", AFRICASTALKING_API_KEY="atsk")

    assert settings.channel == "loopback"
    assert settings.accounts.africastalking is not None
    assert settings.accounts.africastalking.base_url is None


# What is refused ----------------------------------------------------------------------------------

URL_OF_OURS = "postgresql+psycopg://user:password@host/name"

BAD = [
    ("ENV", "staging", "one of development, production; it is 'staging'"),
    ("ENV", "Production", "one of development, production"),
    ("DATA_DIR", "/dev/null", "a folder, or where one can be made; it is '/dev/null'"),
    ("DATA_DIR", "/dev/null/data", "a folder"),
    ("DATABASE_URL", "mysql://root@host/x", URL_OF_OURS),
    ("DATABASE_URL", "timpora.db", URL_OF_OURS),
    ("DATABASE_URL", "postgresql+psycopg2://host/x", URL_OF_OURS),
    ("DATABASE_URL", "postgresql://host:port/x", URL_OF_OURS),
    ("DATABASE_URL", "sqlite://", URL_OF_OURS),
    ("DATABASE_URL", "sqlite:///:memory:", URL_OF_OURS),
    ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true", URL_OF_OURS),
    ("REDIS_URL", "localhost", "redis://host:6379/0 or unix:///path"),
    ("REDIS_URL", "http://localhost", "redis://host:6379/0"),
    ("REDIS_URL", "redis://", "redis://host:6379/0"),
    ("REDIS_URL", "redis://host:port/0", "redis://host:6379/0"),
    ("REDIS_URL", "redis://host:99999/0", "redis://host:6379/0"),
    ("REDIS_URL", "redis://[::1/0", "redis://host:6379/0"),
    ("REDIS_URL", "unix://", "unix:///path"),
    ("TIMEZONE", "Mars", "an IANA zone such as Asia/Makassar; it is 'Mars'"),
    ("TIMEZONE", "WITA", "an IANA zone"),
    ("TIMEZONE", "Asia", "an IANA zone"),
    ("TIMEZONE", "../../etc/passwd", "an IANA zone"),
    ("TIMEZONE", "x" * 5000, "an IANA zone"),
    (
        "CHANNEL",
        "foo",
        "one of loopback, africastalking, gammu, jasmin, kannel, smsgate; it is 'foo'",
    ),
    ("AGENCY_DIR", "/does/not/exist", "a folder that exists; it is '/does/not/exist'"),
    ("AGENCY_DIR", "/dev/null", "a folder that exists"),
    ("AFRICASTALKING_BASE_URL", "api.example", "http(s)://host or http(s)://host:port"),
    ("AFRICASTALKING_BASE_URL", "ftp://host", "http(s)://host"),
    ("AFRICASTALKING_BASE_URL", "http://", "http(s)://host"),
    ("AFRICASTALKING_BASE_URL", "http://:80", "http(s)://host"),
    ("AFRICASTALKING_BASE_URL", "http://host/version1", "it is 'http://host/version1'"),
    ("AFRICASTALKING_BASE_URL", "http://host?a=b", "http(s)://host"),
    ("AFRICASTALKING_BASE_URL", "http://host#a", "http(s)://host"),
    ("AFRICASTALKING_BASE_URL", "http://host:port", "http(s)://host:port"),
    ("AFRICASTALKING_BASE_URL", "http://host:0", "http(s)://host:port"),
    ("AFRICASTALKING_BASE_URL", "http://user:hunter2@host", "http(s)://host"),
    ("WEBHOOK_SECRET", "short", "8 or more letters, digits, - _ . ~"),
    ("WEBHOOK_SECRET", "hunter2/hunter2", "8 or more letters"),
    ("WEBHOOK_SECRET", "hunter2-hunter2,", "8 or more letters"),
    ("WEBHOOK_SECRET", "hunter2-hunter2, hunter2-hunter3", "8 or more letters"),
    ("PIECE_WAIT", "soon", "a number of seconds from 0 to 86400; it is 'soon'"),
    ("PIECE_WAIT", "-1", "a number of seconds from 0 to 86400"),
    ("PIECE_WAIT", "nan", "a number of seconds from 0 to 86400"),
    ("SWEEP_EVERY", "inf", "a number of seconds from 0 to 86400"),
    ("SENDING_STUCK_AFTER", "86401", "a number of seconds from 0 to 86400"),
    ("CAPPED_REPLIES_AN_HOUR", "3.5", "a whole number from 0 to 100; it is '3.5'"),
    ("CAPPED_REPLIES_AN_HOUR", "-1", "a whole number from 0 to 100"),
    ("CAPPED_REPLIES_AN_HOUR", "101", "a whole number from 0 to 100"),
]


@pytest.mark.parametrize(
    ("name", "value", "allowed"), BAD, ids=[f"{name}={value[:40]}" for name, value, _ in BAD]
)
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(
    tmp_path: Path, name: str, value: str, allowed: str
):
    said = problems(tmp_path, **{name: value})

    assert said.startswith(f"TIMPORA_{name} must be ")
    assert allowed in said
    assert "; TIMPORA" not in said, "nothing else is wrong"
    assert len(said) < 300
    assert "hunter2" not in said


def test_every_problem_is_named_at_once(tmp_path: Path):
    said = problems(
        tmp_path,
        ENV="staging",
        TIMEZONE="Mars",
        CHANNEL="foo",
        PIECE_WAIT="soon",
        WEBHOOK_SECRET="short",
        AFRICASTALKING_USERNAME="timpora",
    )

    named = ("ENV", "TIMEZONE", "CHANNEL", "PIECE_WAIT", "WEBHOOK_SECRET", "AFRICASTALKING_API_KEY")
    assert [name for name in named if f"TIMPORA_{name} " not in said] == []


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"CHANNEL": "africastalking"}, {"USERNAME", "API_KEY"}),
        ({"AFRICASTALKING_USERNAME": "timpora"}, {"API_KEY"}),
        ({"AFRICASTALKING_API_KEY": "atsk_hunter2"}, {"USERNAME"}),
    ],
    ids=["the channel alone", "no key", "no user name"],
)
def test_half_an_account_is_refused(tmp_path: Path, given: dict[str, str], missing: set[str]):
    said = problems(tmp_path, **given)

    for name in ("USERNAME", "API_KEY"):
        named = f"TIMPORA_AFRICASTALKING_{name} is not set" in said
        assert named == (name in missing)
    assert "hunter2" not in said


def test_nothing_is_made_when_something_is_wrong(tmp_path: Path):
    problems(tmp_path / "data", CHANNEL="foo")

    assert not (tmp_path / "data").exists()


# Production ---------------------------------------------------------------------------------------


def test_production_starts_with_its_secrets_and_a_channel_that_sends(tmp_path: Path):
    settings = read(tmp_path / "data", **PRODUCTION)

    assert not settings.is_development
    assert not (tmp_path / "data").exists(), "nothing is made up"


@pytest.mark.parametrize("name", ["SECRET_KEY", "WEBHOOK_SECRET"])
@pytest.mark.parametrize("value", ["", "  "])
def test_production_refuses_to_start_without_a_secret(tmp_path: Path, name: str, value: str):
    said = problems(tmp_path, **(PRODUCTION | {name: value}))

    assert said.startswith(f"TIMPORA_{name} is not set; production needs it")
    assert "secrets.token_urlsafe(32)" in said
    assert not list(tmp_path.iterdir()), "no secret is made up"


def test_production_refuses_loopback_and_names_what_sends(tmp_path: Path):
    said = problems(tmp_path, **(PRODUCTION | {"CHANNEL": "loopback"}))

    assert said.startswith("TIMPORA_CHANNEL must name a channel that sends (")
    assert all(name in said for name in CHANNELS)


# Secrets ------------------------------------------------------------------------------------------


def test_nothing_secret_is_shown_when_settings_are(tmp_path: Path):
    settings = read(
        tmp_path,
        **PRODUCTION,
        DATABASE_URL="postgresql://gateway:hunter2@db.example/timpora",
        REDIS_URL="redis://:hunter2@redis.example/0",
        METRICS_TOKEN="hunter2-token",
    )

    for shown in (repr(settings), str(settings), f"{settings.accounts.africastalking}"):
        assert "hunter2" not in shown
        assert PRODUCTION["WEBHOOK_SECRET"] not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@host/x"),
        ("DATABASE_URL", "hunter2"),
        ("REDIS_URL", "http://:hunter2@host"),
        ("REDIS_URL", "hunter2"),
        ("WEBHOOK_SECRET", "hunter2!"),
        ("AFRICASTALKING_BASE_URL", "https://user:hunter2@host/version1"),
        ("TIMEZONE", "https://user:hunter2@host/"),
    ],
)
def test_nothing_secret_is_shown_in_an_error(tmp_path: Path, name: str, value: str):
    said = problems(tmp_path, **{name: value})

    assert f"TIMPORA_{name}" in said
    assert "hunter2" not in said


def test_secrets_are_made_once_for_the_owner_alone(tmp_path: Path):
    made = read(tmp_path / "data")
    again = read(tmp_path / "data")

    assert (made.secret_key, made.secret_of("africastalking")) == (
        again.secret_key,
        again.secret_of("africastalking"),
    )
    webhook_secret = made.secret_of("africastalking")
    assert made.secret_key != webhook_secret
    assert all(len(secret) >= 32 for secret in (made.secret_key, webhook_secret))
    files = sorted((tmp_path / "data").iterdir())
    assert [path.name for path in files] == ["secret_key", "webhook_secret"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_secret_that_is_set_is_taken_before_the_one_that_was_made(tmp_path: Path):
    made = read(tmp_path)

    assert read(tmp_path, SECRET_KEY=SECRET).secret_key == SECRET
    assert read(tmp_path, SECRET_KEY=SECRET).secret_of("africastalking") == made.secret_of(
        "africastalking"
    )


def test_an_empty_secret_file_is_never_a_key(tmp_path: Path):
    (tmp_path / "secret_key").write_text("\n")

    said = problems(tmp_path)

    assert str(tmp_path / "secret_key") in said
    assert "is empty: remove it" in said


def test_a_secret_that_cannot_be_read_is_named_with_the_mend(tmp_path: Path):
    (tmp_path / "secret_key").mkdir()

    said = problems(tmp_path)

    assert "TIMPORA_DATA_DIR" in said
    assert "TIMPORA_SECRET_KEY" in said


def test_processes_that_start_at_once_make_one_whole_secret(tmp_path: Path):
    script = (
        "import sys\n"
        "from gateway.settings import read_settings\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "settings = read_settings()\n"
        "print(settings.secret_key, *settings.rules['africastalking'].webhook_secrets)\n"
    )
    environment = {"PATH": os.defpath, "TIMPORA_DATA_DIR": str(tmp_path / "data")}
    processes = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = {process.communicate(timeout=30)[0] for process in processes}
    finally:
        for process in processes:
            process.kill()
            process.communicate()

    assert len(said) == 1
    secret_key, webhook_secret = said.pop().split()
    assert (tmp_path / "data" / "secret_key").read_text() == f"{secret_key}\n"
    assert (tmp_path / "data" / "webhook_secret").read_text() == f"{webhook_secret}\n"
    assert len(list((tmp_path / "data").iterdir())) == 2, "no draft is left"


# Where Redis listens ------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [30, 99, 100, 101, 200])
def test_the_socket_of_a_long_data_dir_moves_where_its_path_is_short(length: int):
    # Nothing is made there, so that the length does not hang on this machine's own folders.
    secrets = {"SECRET_KEY": SECRET, "WEBHOOK_SECRET": SECRET}
    data_dir = Path("/" + "x" * (length - len("//redis/redis.sock")))

    settings = read(data_dir, **secrets)

    assert (settings.redis_socket == data_dir / "redis" / "redis.sock") == (length < 100)
    assert len(os.fsencode(settings.redis_socket)) < 100
    assert parse_url(settings.redis_url)["path"] == str(settings.redis_socket)
    assert read(data_dir, **secrets).redis_socket == settings.redis_socket, "for every process"
    assert read(Path("/" + "y" * 200), **secrets).redis_socket != settings.redis_socket


@pytest.mark.parametrize("name", ["my data", "50%20", "what?", "a#b", "dösa"])
def test_any_folder_name_survives_in_the_address_of_redis(tmp_path: Path, name: str):
    settings = read(tmp_path / name)

    assert parse_url(settings.redis_url)["path"] == str(tmp_path / name / "redis" / "redis.sock")


# Officers' PINs and menu --------------------------------------------------------------------------


def test_the_rules_of_pins_and_the_menu_are_taken(tmp_path: Path):
    settings = read(
        tmp_path,
        PIN_TRIES="10",
        PIN_WINDOW="1",
        PIN_LOCK="86400",
        USSD_CODE="*123#",
        USSD_RESUME="0",
    )

    assert settings.pin_rules == PinRules(10, timedelta(seconds=1), timedelta(days=1))
    assert settings.ussd_code == "*123#"
    assert settings.ussd_resume == timedelta(0)
    assert settings.unknown_names == ()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PIN_TRIES", "0", "a whole number from 1 to 10"),
        ("PIN_TRIES", "11", "a whole number from 1 to 10"),
        ("PIN_TRIES", "2.5", "a whole number from 1 to 10"),
        ("PIN_WINDOW", "0", "a number of seconds from 1 to 86400"),
        ("PIN_WINDOW", "nan", "a number of seconds from 1 to 86400"),
        ("PIN_LOCK", "0", "a number of seconds from 1 to 86400"),
        ("PIN_LOCK", "86401", "a number of seconds from 1 to 86400"),
        ("USSD_CODE", "384", "a code such as *384*22345#"),
        ("USSD_CODE", "*#", "a code such as *384*22345#"),
        ("USSD_CODE", "*384*#", "a code such as *384*22345#"),
        ("USSD_CODE", "*384*22345", "a code such as *384*22345#"),
        ("USSD_CODE", "*٣٨٤#", "a code such as *384*22345#"),
        ("USSD_RESUME", "-1", "a number of seconds from 0 to 86400"),
    ],
)
def test_what_is_wrong_with_pins_or_menu_is_named(
    tmp_path: Path, name: str, value: str, allowed: str
):
    assert f"TIMPORA_{name} must be {allowed}; it is " in problems(tmp_path, **{name: value})


# Slips of the pen ---------------------------------------------------------------------------------


def test_a_name_of_ours_that_means_nothing_is_reported_with_the_near_one(tmp_path: Path):
    settings = read(tmp_path, CHANEL="x", WEBHOOK_SECRETS="hunter2", FLUX_CAPACITOR="1")

    assert settings.unknown_names == (
        "TIMPORA_CHANEL (did you mean TIMPORA_CHANNEL?)",
        "TIMPORA_FLUX_CAPACITOR",
        "TIMPORA_WEBHOOK_SECRETS (did you mean TIMPORA_WEBHOOK_SECRET?)",
    )


def test_names_of_others_are_none_of_our_business(tmp_path: Path):
    assert read_settings({"TIMPORA_DATA_DIR": str(tmp_path), "PATH": "/bin"}).unknown_names == ()


@pytest.mark.parametrize("name", ["BIND"])
def test_a_name_that_is_read_elsewhere_is_known(tmp_path: Path, name: str):
    assert read(tmp_path, **{name: "127.0.0.1:8000"}).unknown_names == ()
