"""Whether what stands in deploy/ is what the product has: commands, settings, paths, stop times."""

import configparser
import importlib.util
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # in the lock, as the SDK of Africa's Talking brings it along
from support import debian
from support.gateway_process import BIN
from support.repository import ROOT

from gateway import supervisor, web_server
from gateway.cli.main import timpora
from gateway.settings import SettingsError, read_settings
from models.database.engine import Database

COMPOSE = ROOT / "deploy" / "compose"
SYSTEMD = ROOT / "deploy" / "systemd"
HOME = "/opt/timpora"
#: From the first request to stop until all is gone, for each kind of process, in seconds.
STOPS = {
    "web": web_server.STOPS_WITHIN,
    "worker": supervisor.STOP_WITHIN["worker"],
    "sweeper": supervisor.STOP_WITHIN["sweeper"],
    "run": sum(supervisor.STOP_WITHIN.values()),
    "release": 0,
}
#: What a send's record may take when the database is away, after the longest send.
RECORD = 5


@dataclass(frozen=True)
class Started:
    """One command that a file of deploy/ starts."""

    where: str
    words: list[str]
    stops_within: float | None

    @property
    def kind(self) -> str:
        for kind, words in PROCFILE.items():
            if self.words[: len(words) - 1] == words[:-1] and words[-1] in self.words:
                return kind
        return "run" if self.words[:2] == ["timpora", "run"] else "unknown"


PROCFILE = {
    kind: shlex.split(command)
    for kind, command in re.findall(
        r"^(\w+): (.+)$", (ROOT / "Procfile").read_text(encoding="utf-8"), re.MULTILINE
    )
}


def services() -> dict[str, dict[str, Any]]:
    read = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = read["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    return {name: one for name, one in services().items() if "build" in one}


def units() -> dict[str, configparser.ConfigParser]:
    found = {}
    for path in sorted(SYSTEMD.glob("timpora*")):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read_string(path.read_text(encoding="utf-8"))
        found[path.name] = unit
    return found


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def started() -> list[Started]:
    found = [
        Started(
            f"compose {name}",
            one["command"],
            seconds(one["stop_grace_period"]) if "stop_grace_period" in one else None,
        )
        for name, one in ours().items()
    ]
    for name, unit in units().items():
        if unit.has_section("Service"):
            service = unit["Service"]
            program, *words = shlex.split(service["ExecStart"])
            assert program.startswith(f"{HOME}/.venv/bin/"), name
            stop = service.get("TimeoutStopSec")
            found.append(
                Started(name, [Path(program).name, *words], seconds(stop) if stop else None)
            )
    return found


STARTED = started()


@pytest.mark.parametrize("one", STARTED, ids=[one.where for one in STARTED])
def test_each_command_is_one_of_the_product_s(one: Started):
    assert one.kind != "unknown"
    program, *words = one.words
    assert (BIN / program).exists()
    if program == "timpora":
        command: click.Command = timpora
        while words and isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context("given", words)
    if program == "python":
        assert importlib.util.find_spec(words[1]) is not None


@pytest.mark.parametrize("one", STARTED, ids=[one.where for one in STARTED])
def test_each_stop_is_given_the_time_that_it_takes(one: Started):
    if one.kind == "release":
        assert one.stops_within is None, "a migration ends by itself"
        return
    assert one.stops_within is not None
    assert one.stops_within > STOPS[one.kind] + (RECORD if one.kind in {"worker", "run"} else 1)


def test_both_ways_start_every_kind_of_process_and_more_than_one_sweeper_can_be():
    kinds = {one.where: one.kind for one in STARTED}
    assert {kind for where, kind in kinds.items() if "compose" in where} == set(PROCFILE)
    assert {kind for where, kind in kinds.items() if "service" in where} == {*PROCFILE, "run"}
    assert services()["sweeper"]["deploy"]["replicas"] == 2
    wanted = " ".join(units()["timpora.target"].get("Unit", "Wants").split())
    text = (SYSTEMD / "timpora.target").read_text(encoding="utf-8")
    assert wanted
    for name in re.findall(r"timpora-[\w@]+\.service", text):
        template = re.sub(r"@.*\.", "@.", name)
        assert template in units(), name


def named_settings() -> set[str]:
    return {
        name
        for folder in (COMPOSE, SYSTEMD)
        for path in folder.iterdir()
        for name in re.findall(r"TIMPORA_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }


def test_every_setting_that_they_name_is_one(tmp_path: Path):
    names = named_settings()
    assert len(names) > 10
    environ = dict.fromkeys(names, "") | {"TIMPORA_DATA_DIR": str(tmp_path)}
    assert read_settings(environ).unknown_names == ()


def test_what_compose_gives_is_enough_for_production_but_for_the_secrets(tmp_path: Path):
    environ = {
        line.split("=", 1)[0]: line.split("=", 1)[1]
        for line in (COMPOSE / "timpora.env.example").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    for name, value in services()["worker"]["environment"].items():
        environ[name] = re.sub(r"\$\{\w+:\?[^}]*\}", "geheim", str(value))
    environ["TIMPORA_DATA_DIR"] = str(tmp_path)

    with pytest.raises(SettingsError) as raised:
        read_settings(environ)
    told = set(re.findall(r"TIMPORA_\w+", str(raised.value)))
    assert {"TIMPORA_SECRET_KEY", "TIMPORA_WEBHOOK_SECRET"} <= told

    empty = [name for name, value in environ.items() if not value]
    read_settings(environ | dict.fromkeys(empty, "a-secret-of-32-letters-or-even-more"))


def test_every_file_that_they_name_is_there():
    dockerfile = (COMPOSE / "Dockerfile").read_text(encoding="utf-8")
    ignored = (COMPOSE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sources = {
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert sources == {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / source).exists() for source in sources)
    for one in services().values():
        for volume in one.get("volumes", ()):
            if volume.startswith("./"):
                assert (COMPOSE / volume.split(":")[0]).exists(), volume
    for one in ours().values():
        assert (COMPOSE / one["build"]["context"]).resolve() == ROOT
        assert (ROOT / one["build"]["dockerfile"]).exists()
        assert (COMPOSE / f"{one['env_file']}.example").exists()


def test_the_proxy_passes_webhooks_and_readiness_alone():
    caddyfile = (COMPOSE / "Caddyfile").read_text(encoding="utf-8")
    assert re.findall(r"@gateway path (.+)", caddyfile) == ["/webhooks/* /readyz"]
    assert "respond 404" in caddyfile
    assert "log" not in re.findall(r"^\t*(\w+)", caddyfile, re.MULTILINE)
    assert "request_header -*_*" in caddyfile
    upstreams = re.findall(r"(\w+):8000", caddyfile)
    assert upstreams == [name for name in services() if name.startswith("web")]


@pytest.mark.parametrize("name", list(ours()))
def test_our_containers_may_do_as_little_as_they_need(name: str):
    one = ours()[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert one["user"] == "10001:10001"
    assert any(str(place).startswith("/var/lib/timpora:") for place in one["tmpfs"])


def test_redis_throws_no_ring_away_and_is_reached_from_inside_alone():
    redis = services()["redis"]
    assert "--maxmemory-policy noeviction" in redis["command"]
    assert {"postgres", "redis"} == {
        name for name, one in services().items() if one.get("networks") == ["inside"]
    }
    assert all("ports" not in one for name, one in services().items() if name != "proxy")


def test_postgresql_takes_as_many_connections_as_all_processes_may_open():
    pool = Database("postgresql+psycopg://nobody@/nothing").engine.pool
    of_a_process = pool.size() + pool._max_overflow  # type: ignore[attr-defined]  # noqa: SLF001
    web = 2 * int(services()["web1"]["environment"]["WEB_CONCURRENCY"])
    processes = web + sum(services()[name]["deploy"]["replicas"] for name in ("worker", "sweeper"))
    found = re.search(r"max_connections=(\d+)", services()["postgres"]["command"])
    assert found
    assert int(found[1]) >= of_a_process * processes + 20


@pytest.mark.parametrize("name", [name for name in units() if name.endswith(".service")])
def test_each_unit_is_confined_and_reads_its_secrets_from_a_file(name: str):
    service = units()[name]["Service"]
    assert service["EnvironmentFile"] == "/etc/timpora/timpora.env"
    assert (service["User"], service["WorkingDirectory"]) == ("timpora", HOME)
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    if service.get("Type") != "oneshot":
        assert service["Restart"] == "always"
        assert service["KillSignal"] == "SIGTERM"
        assert units()[name]["Unit"]["StartLimitIntervalSec"] == "0"


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path):
    debian.demand(
        ("systemd",), lambda: [] if shutil.which("systemd-analyze") else ["systemd-analyze"]
    )
    for path in SYSTEMD.glob("timpora*"):
        text = path.read_text(encoding="utf-8").replace(f"{HOME}/.venv/bin", str(BIN))
        # The user exists on the machine that installs them, not on this one.
        text = re.sub(r"^(User|Group)=.*", "", text, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    names = [
        str(tmp_path / re.sub("@", "@1", name))
        for name in sorted(path.name for path in tmp_path.iterdir())
    ]
    done = subprocess.run(  # noqa: S603
        ["systemd-analyze", "verify", "--man=no", *names],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=timedelta(minutes=1).total_seconds(),
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "timpora" in line]
    assert (told, done.returncode) == ([], 0)
