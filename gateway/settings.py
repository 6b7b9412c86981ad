"""All settings, read once from the environment into one typed object; a bad one stops the start."""

import difflib
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from gateway.accounts import (
    CHANNELS,
    Accounts,
    ChannelRules,
    path_secrets,
    read_accounts,
    read_rules,
)
from gateway.environment import (
    PREFIX,
    Reader,
    check_port,
    some_base_url,
    some_database_url,
    some_folder,
)

#: The files of a data folder with the secrets that a development gateway made for itself; each is
#: a variable of that name too, which comes first.
SECRET_FILES = ("secret_key", "webhook_secret")

#: A unix socket's path may have 107 bytes on Linux; below 100 leaves room.
_LONGEST_SOCKET_PATH = 100

_SHORTEST_ENCRYPTION_KEY = 32
#: Sooner than this a send may still be under way.
_SHORTEST_STUCK = timedelta(seconds=15)


class SettingsError(Exception):
    """One or more settings are wrong; the text names each, what is allowed, and the mend."""


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
    timezone: ZoneInfo
    channel: str
    encryption_keys: tuple[str, ...] = field(repr=False)
    """With the first one requests are kept as they came, with any they are opened; none: never."""
    evidence_kept_for: timedelta
    agency_dir: Path | None
    metrics_token: str | None = field(repr=False)
    accounts: Accounts
    """What each channel needs to be spoken to."""
    rules: Mapping[str, ChannelRules]
    """By which rules each channel with webhooks is used."""
    public_url: str
    """Where providers reach our webhooks: scheme, host and port."""
    proxies: int
    """How many reverse proxies of ours stand before the web server."""
    piece_wait: timedelta
    """How long a text without a code waits for the rest of its report."""
    part_wait: timedelta
    """How long a part of a long message waits for the others."""
    canary_every: timedelta
    """How often each channel sends an SMS to one of our own numbers; nought means never."""
    deaf_after: timedelta
    """A channel that brought no message for so long raises an alarm; nought means never."""
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

    def secret_of(self, channel: str) -> str:
        """Give the newest secret that opens a channel's webhooks."""
        return self.rules[channel].webhook_secrets[0]

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens."""
        return _redis_socket(self.data_dir)

    @property
    def hands_dir(self) -> Path:
        """Where the workers of this machine note what they have in hand."""
        return self.data_dir / "hands"


def read_settings(
    environ: Mapping[str, str] | None = None, *, make_secrets: bool = True
) -> Settings:
    """Read all settings; raise SettingsError that names every variable that is wrong.

    In development the two secrets are made once, in the data dir, readable by their owner only.
    Without `make_secrets` nothing is written: one that is not there yet is good for this once.
    """
    reader = Reader(os.environ if environ is None else environ)
    env = reader.one_of("ENV", "development", ("development", "production"))
    data_dir = reader.read(
        "DATA_DIR", Path("var").absolute(), _data_dir, "a folder, or where one can be made"
    )
    database_url = reader.read(
        "DATABASE_URL",
        f"sqlite:///{data_dir / 'timpora.db'}",
        some_database_url,
        "an SQLAlchemy URL such as postgresql+psycopg://user:password@host/name",
    )
    given_redis = reader.read(
        "REDIS_URL", "", _redis_url, "a URL such as redis://host:6379/0 or unix:///path"
    )
    zone = reader.read(
        "TIMEZONE", ZoneInfo("Asia/Makassar"), ZoneInfo, "an IANA zone such as Asia/Makassar"
    )
    channel = reader.one_of("CHANNEL", "loopback", CHANNELS)
    agency_dir = reader.read("AGENCY_DIR", None, some_folder, "a folder that exists")
    piece_wait = reader.seconds("PIECE_WAIT", 20)
    part_wait = reader.seconds("PART_WAIT", 120)
    canary_every = reader.seconds("CANARY_EVERY", 0)
    deaf_after = reader.seconds("DEAF_AFTER", 43200)
    sweep_every = reader.seconds("SWEEP_EVERY", 2)
    stuck_after = reader.seconds("SENDING_STUCK_AFTER", 60)
    pin_rules = PinRules(
        tries=reader.whole("PIN_TRIES", 3, 1, 10),
        # With 0 no try would ever count, or no lock last: any PIN could be guessed.
        window=reader.seconds("PIN_WINDOW", 900, least=1),
        lock=reader.seconds("PIN_LOCK", 1800, least=1),
    )
    ussd_code = reader.read("USSD_CODE", "*384*22345#", _ussd_code, "a code such as *384*22345#")
    ussd_resume = reader.seconds("USSD_RESUME", 600)
    sms_number = reader.read("SMS_NUMBER", None, _sms_number, "a number such as 0812-3456-7890")
    capped = reader.whole("CAPPED_REPLIES_AN_HOUR", 3, 0, 100)
    metrics_token = reader.text("METRICS_TOKEN")
    secret_key = reader.text("SECRET_KEY")
    webhook_secret = path_secrets(reader, "WEBHOOK_SECRET")
    public_url = reader.read(
        "PUBLIC_URL",
        "http://127.0.0.1:8000",
        some_base_url,
        "http(s)://host or http(s)://host:port",
    )
    proxies = reader.whole("PROXIES", 0, 0, 10)
    no_keys: tuple[str, ...] = ()
    encryption_keys = reader.read(
        "ENCRYPTION_KEY",
        no_keys,
        _encryption_keys,
        "texts of 32 or more characters, parted by commas",
    )
    evidence_days = reader.whole("EVIDENCE_DAYS", 90, 1, 3650)
    reader.text("BIND")  # read by the web server's own configuration
    if env == "production":
        _demand_for_production(reader, channel, secret_key, webhook_secret)
    if env == "production" and stuck_after < _SHORTEST_STUCK:
        reader.complain(
            "SENDING_STUCK_AFTER", "must be 15 or more in production: a send may take ten seconds"
        )

    def channels(secrets: tuple[str, ...]) -> tuple[Mapping[str, ChannelRules], Accounts]:
        rules = read_rules(reader, secrets)
        is_production = env == "production"
        return rules, read_accounts(reader, channel, rules, public_url, is_production=is_production)

    # For their problems alone: nothing is written, not even a secret, where a start is refused.
    channels(webhook_secret or ("unknown",))
    if reader.problems:
        raise SettingsError("; ".join(reader.problems))
    webhook_secrets = webhook_secret or (
        _made_once(data_dir / "webhook_secret", make=make_secrets),
    )
    rules, accounts = channels(webhook_secrets)
    return Settings(
        env="production" if env == "production" else "development",
        data_dir=data_dir,
        database_url=database_url,
        redis_url=given_redis or f"unix://{quote(str(_redis_socket(data_dir)))}",
        redis_is_embedded=not given_redis,
        secret_key=secret_key or _made_once(data_dir / "secret_key", make=make_secrets),
        timezone=zone,
        channel=channel,
        encryption_keys=encryption_keys,
        evidence_kept_for=timedelta(days=evidence_days),
        agency_dir=agency_dir,
        metrics_token=metrics_token,
        accounts=accounts,
        rules=rules,
        public_url=public_url,
        proxies=proxies,
        piece_wait=piece_wait,
        part_wait=part_wait,
        canary_every=canary_every,
        deaf_after=deaf_after,
        sweep_every=max(sweep_every, timedelta(seconds=0.1)),
        sending_stuck_after=stuck_after,
        capped_replies_an_hour=capped,
        pin_rules=pin_rules,
        ussd_code=ussd_code,
        sms_number=sms_number,
        ussd_resume=ussd_resume,
        unknown_names=_unknown(reader.environ, reader.names),
    )


def _demand_for_production(
    reader: Reader, channel: str, secret_key: str | None, webhook_secret: tuple[str, ...]
) -> None:
    made_with = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    if secret_key is None:
        reader.complain("SECRET_KEY", f"is not set; production needs it; {made_with}")
    if not webhook_secret:
        reader.complain("WEBHOOK_SECRET", f"is not set; production needs it; {made_with}")
    if channel == "loopback":
        others = ", ".join(name for name in CHANNELS if name != "loopback")
        reader.complain(
            "CHANNEL", f"must name a channel that sends ({others}); loopback is for development"
        )


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError(value)
    check_port(parts)
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError(value)
    return value


def _data_dir(value: str) -> Path:
    path = Path(value).absolute()
    there = next(one for one in (path, *path.parents) if one.exists())
    if not there.is_dir():
        raise ValueError(value)
    return path


def _encryption_keys(value: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(","))
    if not all(len(part) >= _SHORTEST_ENCRYPTION_KEY for part in found):
        raise ValueError("too short to be a secret")
    return found


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
            keep_secret(path, secrets.token_urlsafe(32))
        made = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{PREFIX}DATA_DIR must be a folder that can be written, or {PREFIX}{path.name.upper()}"
            f" be set: {path.name} cannot be read or made there ({type(error).__name__})"
        ) from error
    if not made:
        raise SettingsError(f"{path} is empty: remove it to have a new secret made")
    return made


def keep_secret(path: Path, text: str) -> None:
    """Put a secret into a file that only its owner can read, unless there is one already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not by its process id: two containers that share a folder may have the same.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
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
