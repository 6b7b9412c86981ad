"""All settings, read once from the environment into one typed object; a bad one stops the start."""

import difflib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import SplitResult, quote, urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import exc
from sqlalchemy.engine import make_url

PREFIX = "TIMPORA_"
#: A unix socket's path may have 107 bytes on Linux; below 100 leaves room.
_LONGEST_SOCKET_PATH = 100

#: Sooner than this a send may still be under way.
_SHORTEST_STUCK = timedelta(seconds=15)

Value = TypeVar("Value")
CHANNELS: tuple[str, ...] = ("loopback", "africastalking")


class SettingsError(Exception):
    """One or more settings are wrong; the text names each, what is allowed, and the mend."""


@dataclass(frozen=True, slots=True)
class AfricasTalkingSettings:
    """An account at Africa's Talking."""

    username: str
    api_key: str = field(repr=False)
    sender: str | None
    base_url: str | None
    """Scheme, host and port; none means theirs."""


@dataclass(frozen=True, slots=True)
class PinRules:
    """How many wrong PINs within which time lock an officer out, and for how long."""

    tries: int
    window: timedelta
    lock: timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; see docs/settings.md for each variable."""

    env: Literal["development", "production"]
    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    redis_is_embedded: bool
    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    timezone: ZoneInfo
    channel: str
    agency_dir: Path | None
    metrics_token: str | None = field(repr=False)
    africastalking: AfricasTalkingSettings | None
    piece_wait: timedelta
    sweep_every: timedelta
    sending_stuck_after: timedelta
    capped_replies_an_hour: int
    pin_rules: PinRules
    ussd_code: str
    """What officers dial."""
    sms_number: str | None
    """What villages text to, as it stands on the code card; none means it is written by hand."""
    ussd_resume: timedelta
    """For how long after a drop a dialogue can be gone on with."""
    unknown_names: tuple[str, ...]
    """Variables with our prefix that mean nothing to us, each perhaps a slip of the pen."""

    @property
    def is_development(self) -> bool:
        """Say whether this is somebody's own machine and not the real thing."""
        return self.env == "development"

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens."""
        return _redis_socket(self.data_dir)


class _Reader:
    """Reads variables one by one and collects every problem before it complains."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.names: set[str] = set()
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        """Read a text; empty counts as not set."""
        self.names.add(PREFIX + name)
        return self.environ.get(PREFIX + name, "").strip() or None

    def complain(self, name: str, what: str) -> None:
        self.problems.append(f"{PREFIX}{name} {what}")

    def read(
        self, name: str, default: Value, convert: Callable[[str], Value], allowed: str
    ) -> Value:
        value = self.text(name)
        if value is None:
            return default
        try:
            return convert(value)
        except (ValueError, OSError, KeyError, exc.ArgumentError):
            self.complain(name, f"must be {allowed}; it is {_shown(name, value)}")
            return default

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        def pick(value: str) -> str:
            if value not in allowed:
                raise ValueError(value)
            return value

        return self.read(name, default, pick, "one of " + ", ".join(allowed))

    def seconds(self, name: str, default: float, least: int = 0) -> timedelta:
        def pick(value: str) -> timedelta:
            if not least <= float(value) <= 86400:  # noqa: PLR2004  # a day
                raise ValueError(value)
            return timedelta(seconds=float(value))

        allowed = f"a number of seconds from {least} to 86400"
        return self.read(name, timedelta(seconds=default), pick, allowed)


def _shown(name: str, value: str) -> str:
    """Quote a value in an error, unless it may be a secret or hold one, as a URL can."""
    if "@" in value or any(
        word in name for word in ("SECRET", "KEY", "PASSWORD", "TOKEN", "DATABASE_URL", "REDIS")
    ):
        return "not (its value is not shown)"
    return repr(value[:60])


def read_settings(
    environ: Mapping[str, str] | None = None, *, make_secrets: bool = True
) -> Settings:
    """Read all settings; raise SettingsError that names every variable that is wrong.

    In development the two secrets are made once, in the data dir, readable by their owner only.
    Without `make_secrets` nothing is written: one that is not there yet is good for this once.
    """
    reader = _Reader(os.environ if environ is None else environ)
    env = reader.one_of("ENV", "development", ("development", "production"))
    data_dir = reader.read(
        "DATA_DIR", Path("var").absolute(), _data_dir, "a folder, or where one can be made"
    )
    database_url = reader.read(
        "DATABASE_URL",
        f"sqlite:///{data_dir / 'timpora.db'}",
        _database_url,
        "an SQLAlchemy URL such as postgresql+psycopg://user:password@host/name",
    )
    given_redis = reader.read(
        "REDIS_URL", "", _redis_url, "a URL such as redis://host:6379/0 or unix:///path"
    )
    zone = reader.read(
        "TIMEZONE", ZoneInfo("Asia/Makassar"), ZoneInfo, "an IANA zone such as Asia/Makassar"
    )
    channel = reader.one_of("CHANNEL", "loopback", CHANNELS)
    agency_dir = reader.read("AGENCY_DIR", None, _folder, "a folder that exists")
    africastalking = _africastalking(reader, channel)
    piece_wait = reader.seconds("PIECE_WAIT", 20)
    sweep_every = reader.seconds("SWEEP_EVERY", 2)
    stuck_after = reader.seconds("SENDING_STUCK_AFTER", 60)
    pin_rules = PinRules(
        tries=reader.read("PIN_TRIES", 3, _tries, "a whole number from 1 to 10"),
        # With 0 no try would ever count, or no lock last: any PIN could be guessed.
        window=reader.seconds("PIN_WINDOW", 900, least=1),
        lock=reader.seconds("PIN_LOCK", 1800, least=1),
    )
    ussd_code = reader.read("USSD_CODE", "*384*22345#", _ussd_code, "a code such as *384*22345#")
    ussd_resume = reader.seconds("USSD_RESUME", 600)
    sms_number = reader.read("SMS_NUMBER", None, _sms_number, "a number such as 0812-3456-7890")
    capped = reader.read("CAPPED_REPLIES_AN_HOUR", 3, _count, "a whole number from 0 to 100")
    metrics_token = reader.text("METRICS_TOKEN")
    secret_key = reader.text("SECRET_KEY")
    webhook_secret = reader.text("WEBHOOK_SECRET")
    reader.text("ENCRYPTION_KEY")  # kept for encryption at rest
    reader.text("BIND")  # read by the web server's own configuration
    if env == "production":
        _demand_for_production(reader, channel, secret_key, webhook_secret)
    if env == "production" and stuck_after < _SHORTEST_STUCK:
        reader.complain(
            "SENDING_STUCK_AFTER", "must be 15 or more in production: a send may take ten seconds"
        )
    if webhook_secret is not None and not all(
        re.fullmatch(r"[A-Za-z0-9_.~-]{8,}", part) for part in webhook_secret.split(",")
    ):
        reader.complain(
            "WEBHOOK_SECRET",
            "must be 8 or more letters, digits, - _ . ~ (it stands in a path);"
            " several are parted by commas",
        )
    if reader.problems:
        raise SettingsError("; ".join(reader.problems))
    return Settings(
        env="production" if env == "production" else "development",
        data_dir=data_dir,
        database_url=database_url,
        redis_url=given_redis or f"unix://{quote(str(_redis_socket(data_dir)))}",
        redis_is_embedded=not given_redis,
        secret_key=secret_key or _made_once(data_dir / "secret_key", make=make_secrets),
        webhook_secrets=tuple(
            (webhook_secret or _made_once(data_dir / "webhook_secret", make=make_secrets)).split(
                ","
            )
        ),
        timezone=zone,
        channel=channel,
        agency_dir=agency_dir,
        metrics_token=metrics_token,
        africastalking=africastalking,
        piece_wait=piece_wait,
        sweep_every=max(sweep_every, timedelta(seconds=0.1)),
        sending_stuck_after=stuck_after,
        capped_replies_an_hour=capped,
        pin_rules=pin_rules,
        ussd_code=ussd_code,
        sms_number=sms_number,
        ussd_resume=ussd_resume,
        unknown_names=_unknown(reader.environ, reader.names),
    )


def _africastalking(reader: _Reader, channel: str) -> AfricasTalkingSettings | None:
    name = "AFRICASTALKING"
    username = reader.text(f"{name}_USERNAME")
    api_key = reader.text(f"{name}_API_KEY")
    sender = reader.text(f"{name}_SENDER")
    base_url = reader.read(
        f"{name}_BASE_URL", None, _base_url, "http(s)://host or http(s)://host:port"
    )
    if username and api_key:
        return AfricasTalkingSettings(username, api_key, sender, base_url)
    if channel == "africastalking" or username or api_key:
        for key, value in (("USERNAME", username), ("API_KEY", api_key)):
            if not value:
                reader.complain(f"{name}_{key}", "is not set; Africa's Talking needs it to send")
    return None


def _demand_for_production(
    reader: _Reader, channel: str, secret_key: str | None, webhook_secret: str | None
) -> None:
    made_with = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    if secret_key is None:
        reader.complain("SECRET_KEY", f"is not set; production needs it; {made_with}")
    if webhook_secret is None:
        reader.complain("WEBHOOK_SECRET", f"is not set; production needs it; {made_with}")
    if channel == "loopback":
        others = ", ".join(name for name in CHANNELS if name != "loopback")
        reader.complain(
            "CHANNEL", f"must name a channel that sends ({others}); loopback is for development"
        )


def _database_url(value: str) -> str:
    url = make_url(value)
    if url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"}:
        raise ValueError(value)
    in_memory = ":memory:" in (url.database or ":memory:") or url.query.get("mode") == "memory"
    if url.get_backend_name() == "sqlite" and in_memory:
        raise ValueError("an SQLite database in memory would be lost and cannot be shared")
    return value


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError(value)
    _check_port(parts)
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError(value)
    return value


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    _check_port(parts)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or any((parts.path.strip("/"), parts.query, parts.fragment))
    ):
        raise ValueError(value)
    return f"{parts.scheme}://{parts.netloc}"


def _check_port(parts: SplitResult) -> None:
    if parts.port == 0:  # reading it raises ValueError for one that is no number or too large
        raise ValueError("port 0 is nowhere")


def _data_dir(value: str) -> Path:
    path = Path(value).absolute()
    there = next(one for one in (path, *path.parents) if one.exists())
    if not there.is_dir():
        raise ValueError(value)
    return path


def _folder(value: str) -> Path:
    if not Path(value).is_dir():
        raise ValueError(value)
    return Path(value).absolute()


def _count(value: str) -> int:
    if not 0 <= int(value) <= 100:  # noqa: PLR2004
        raise ValueError(value)
    return int(value)


def _tries(value: str) -> int:
    if not 1 <= int(value) <= 10:  # noqa: PLR2004
        raise ValueError(value)
    return int(value)


def _ussd_code(value: str) -> str:
    if not re.fullmatch(r"\*\d+(\*\d+)*#", value, re.ASCII):
        raise ValueError(value)
    return value


def _sms_number(value: str) -> str:
    if not re.fullmatch(r"\+?\d[\d -]{1,18}\d", value, re.ASCII):
        raise ValueError(value)
    return value


def _redis_socket(data_dir: Path) -> Path:
    path = data_dir / "redis" / "redis.sock"
    if len(os.fsencode(path)) < _LONGEST_SOCKET_PATH:
        return path
    name = sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"timpora-{os.getuid()}-{name}" / "redis.sock"


def _made_once(path: Path, *, make: bool) -> str:
    """Read a secret of this data dir, or make it: whole or not at all, though two start at once."""
    try:
        if not path.exists():
            if not make:
                return secrets.token_urlsafe(32)
            _make(path)
        made = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{PREFIX}DATA_DIR must be a folder that can be written, or {PREFIX}{path.name.upper()}"
            f" be set: {path.name} cannot be read or made there ({type(error).__name__})"
        ) from error
    if not made:
        raise SettingsError(f"{path} is empty: remove it to have a new secret made")
    return made


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not by its process id: two containers that share a folder may have the same.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _unknown(environ: Mapping[str, str], known: set[str]) -> tuple[str, ...]:
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.8)
            found.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return tuple(found)
