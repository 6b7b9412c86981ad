"""Reading environment variables one by one, so that every problem is told at once."""

import ipaddress
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import exc
from sqlalchemy.engine import make_url

PREFIX = "TIMPORA_"
_A_DAY = 86400

Value = TypeVar("Value")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reader:
    """Reads variables by name and collects every problem before anybody complains."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the environment; nothing is read yet."""
        self.environ = environ
        self.names: set[str] = set()
        """Every variable that was asked for: another one with our prefix means nothing."""
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """Read a text; empty counts as not set."""
        self.names.add(PREFIX + name)
        return self.environ.get(PREFIX + name, "").strip() or None

    def complain(self, name: str, what: str) -> None:
        """Note a problem of a variable."""
        self.problems.append(f"{PREFIX}{name} {what}")

    def read(
        self, name: str, default: Value, convert: Callable[[str], Value], allowed: str
    ) -> Value:
        """Read and convert a value; what cannot be converted is a problem that says `allowed`."""
        value = self.text(name)
        if value is None:
            return default
        try:
            return convert(value)
        except (ValueError, OSError, KeyError, exc.ArgumentError):
            self.complain(name, f"must be {allowed}; it is {_shown(name, value)}")
            return default

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Read one of the words that are allowed."""

        def pick(value: str) -> str:
            if value not in allowed:
                raise ValueError(value)
            return value

        return self.read(name, default, pick, "one of " + ", ".join(allowed))

    def seconds(self, name: str, default: float, least: int = 0) -> timedelta:
        """Read a number of seconds, at most a day."""

        def pick(value: str) -> timedelta:
            if not least <= float(value) <= _A_DAY:
                raise ValueError(value)
            return timedelta(seconds=float(value))

        allowed = f"a number of seconds from {least} to {_A_DAY}"
        return self.read(name, timedelta(seconds=default), pick, allowed)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Read a whole number within bounds."""

        def pick(value: str) -> int:
            if not least <= int(value) <= most:
                raise ValueError(value)
            return int(value)

        return self.read(name, default, pick, f"a whole number from {least} to {most}")


def _shown(name: str, value: str) -> str:
    """Quote a value in an error, unless it may be a secret or hold one, as a URL can."""
    if "@" in value or any(
        word in name for word in ("SECRET", "KEY", "PASSWORD", "TOKEN", "DATABASE_URL", "REDIS")
    ):
        return "not (its value is not shown)"
    return repr(value[:60])


def some_database_url(value: str) -> str:
    """Take the URL of an SQLite file or a PostgreSQL."""
    url = make_url(value)
    if url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"}:
        raise ValueError(value)
    in_memory = ":memory:" in (url.database or ":memory:") or url.query.get("mode") == "memory"
    if url.get_backend_name() == "sqlite" and in_memory:
        raise ValueError("an SQLite database in memory would be lost and cannot be shared")
    return value


def some_base_url(value: str) -> str:
    """Take a scheme, a host and perhaps a port, without a path."""
    parts = urlsplit(value)
    check_port(parts)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or any((parts.path.strip("/"), parts.query, parts.fragment))
    ):
        raise ValueError(value)
    return f"{parts.scheme}://{parts.netloc}"


def check_port(parts: SplitResult) -> None:
    """Raise ValueError for a port that there cannot be."""
    if parts.port == 0:  # reading it raises ValueError for one that is no number or too large
        raise ValueError("port 0 is nowhere")


def some_folder(value: str) -> Path:
    """Take a folder that is there."""
    if not Path(value).is_dir():
        raise ValueError(value)
    return Path(value).absolute()


def some_networks(value: str) -> tuple[Network, ...]:
    """Take addresses and networks, parted by commas."""
    return tuple(ipaddress.ip_network(part.strip()) for part in value.split(","))
