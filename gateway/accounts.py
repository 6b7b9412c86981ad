"""What each channel needs to be spoken to, and by which rules it may be used.

An account belongs to a provider and is handed to its adapter. The rules are ours, alike for every
channel: who may call its webhooks, how fast it may send, which numbers it reaches best.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.environment import (
    Network,
    Reader,
    some_base_url,
    some_database_url,
    some_networks,
)
from parsers import msisdn

#: The channels that may be TIMPORA_CHANNEL.
CHANNELS: tuple[str, ...] = (
    "loopback",
    "africastalking",
    "gammu",
    "jasmin",
    "kannel",
    "smsgate",
)
_URL = "http(s)://host or http(s)://host:port"
_SECRETS = (
    "must be 8 or more letters, digits, - _ . ~ (it stands in a path); several are parted by commas"
)
_UNLIMITED = 100_000


@dataclass(frozen=True, slots=True)
class AfricasTalkingAccount:
    """An account at Africa's Talking."""

    username: str
    api_key: str = field(repr=False)
    sender: str | None
    base_url: str | None
    """Scheme, host and port; none means theirs."""


@dataclass(frozen=True, slots=True)
class KannelAccount:
    """A `sendsms-user` of a Kannel, and what else of that Kannel can be asked."""

    base_url: str
    """Of its smsbox."""
    username: str
    password: str = field(repr=False)
    sender: str | None
    callback_url: str = field(repr=False)
    """Where its webhooks are with us, secret included: `http://host/webhooks/kannel/…`."""
    smsc: str | None
    """The `smsc-id` that is to carry our messages; none leaves it to Kannel."""
    admin_url: str | None
    """Of its bearerbox; none: its health cannot be asked."""
    status_password: str | None = field(repr=False)
    access_log: Path | None
    """Its smsbox's log, in which stands what the webhook missed."""


@dataclass(frozen=True, slots=True)
class JasminAccount:
    """A user of a Jasmin's HTTP API."""

    base_url: str
    username: str
    password: str = field(repr=False)
    sender: str | None
    callback_url: str = field(repr=False)
    """Where its webhooks are with us, secret included: `http://host/webhooks/jasmin/…`."""


@dataclass(frozen=True, slots=True)
class SmsgateAccount:
    """An Android phone with SMS Gateway, spoken to directly or by a server."""

    base_url: str | None
    """None: it only receives."""
    username: str | None
    password: str | None = field(repr=False)
    device: str | None
    """The phone's id, where one server has several."""
    signing_keys: tuple[str, ...] = field(repr=False)
    """Any of them may have signed a webhook; none: it is not signed, which development allows."""
    clock_window: timedelta
    """A webhook that was signed longer ago, or further ahead, is refused."""


@dataclass(frozen=True, slots=True)
class GammuAccount:
    """The tables of a Gammu SMSD."""

    database_url: str = field(repr=False)
    timezone: str
    """In which SMSD writes its times: its process's TZ."""


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """By which rules one channel is used."""

    webhook_secrets: tuple[str, ...] = field(repr=False)
    """Any of them opens its webhooks."""
    allowed_from: tuple[Network, ...]
    """Where its webhooks may be called from; none named: from anywhere."""
    own_numbers: tuple[str, ...] = ()
    """E.164 or short codes: what villages text to. A message from one of them is never answered."""
    lines: tuple[str, ...] = ()
    """Its SIMs, by the name that its adapter knows; none named: it has one, without a name."""
    per_minute: int = _UNLIMITED
    """So many messages a minute, for each line."""
    per_hour: int = _UNLIMITED
    """So many messages an hour, for each line."""
    prefixes: tuple[str, ...] = ()
    """It is taken first for numbers that begin so (`+62811`)."""
    low_balance: int = 0
    """Below this balance, in the provider's own currency, an alarm is raised."""
    cost: int = 0
    """What one segment costs, in rupiah; among channels that can carry a message, the cheaper."""

    @property
    def is_bounded(self) -> bool:
        """Say whether what it sends is counted: by a quota, or to share it among its lines."""
        return bool(self.lines) or min(self.per_minute, self.per_hour) < _UNLIMITED


@dataclass(frozen=True, slots=True)
class Accounts:
    """What is set up; None where a channel can only receive, or not even that."""

    africastalking: AfricasTalkingAccount | None
    gammu: GammuAccount | None
    jasmin: JasminAccount | None
    kannel: KannelAccount | None
    smsgate: SmsgateAccount | None

    @property
    def base_urls(self) -> Mapping[str, str | None]:
        """Give where each account that is set up leads; None means the provider's own address."""
        found = {
            "africastalking": self.africastalking,
            "jasmin": self.jasmin,
            "kannel": self.kannel,
            "smsgate": self.smsgate,
        }
        return {
            name: account.base_url
            for name, account in found.items()
            if account is not None and not _only_receives(account)
        }


def _only_receives(account: object) -> bool:
    return isinstance(account, SmsgateAccount) and account.base_url is None


def read_accounts(
    reader: Reader,
    channel: str,
    rules: Mapping[str, ChannelRules],
    public_url: str,
    *,
    is_production: bool,
) -> Accounts:
    """Read every account; one that is half there, or missing for the channel, is a problem."""

    def callback(name: str) -> str:
        return f"{public_url}/webhooks/{name}/{rules[name].webhook_secrets[0]}"

    return Accounts(
        africastalking=_africastalking(reader, channel),
        gammu=_gammu(reader, channel),
        jasmin=_jasmin(reader, channel, callback("jasmin")),
        kannel=_kannel(reader, channel, callback("kannel")),
        smsgate=_smsgate(reader, channel, is_production=is_production),
    )


def _all_or_none(
    reader: Reader, name: str, channel: str, needed: tuple[str, ...]
) -> dict[str, str] | None:
    """Read what an account must have; complain when the channel is meant and something is not set.

    An address is read as one, so that a problem with it is told once.
    """
    found = {
        key: reader.read(f"{name}_{key}", None, some_base_url, _URL)
        if key == "BASE_URL"
        else reader.text(f"{name}_{key}")
        for key in needed
    }
    given = {key: value for key, value in found.items() if value is not None}
    if len(given) == len(needed):
        return given
    if given or channel == name.lower():
        for key in needed:
            if reader.text(f"{name}_{key}") is None:
                reader.complain(f"{name}_{key}", f"is not set; {name.lower()} needs it to send")
    return None


def _africastalking(reader: Reader, channel: str) -> AfricasTalkingAccount | None:
    name = "AFRICASTALKING"
    sender = reader.text(f"{name}_SENDER")
    base_url = reader.read(f"{name}_BASE_URL", None, some_base_url, _URL)
    given = _all_or_none(reader, name, channel, ("USERNAME", "API_KEY"))
    if given is None:
        return None
    return AfricasTalkingAccount(given["USERNAME"], given["API_KEY"], sender, base_url)


def _kannel(reader: Reader, channel: str, callback_url: str) -> KannelAccount | None:
    name = "KANNEL"
    sender = reader.text(f"{name}_SENDER")
    smsc = reader.text(f"{name}_SMSC")
    admin_url = reader.read(f"{name}_ADMIN_URL", None, some_base_url, _URL)
    status_password = reader.text(f"{name}_STATUS_PASSWORD")
    access_log = reader.read(f"{name}_ACCESS_LOG", None, _some_file, "the path of a file")
    given = _all_or_none(reader, name, channel, ("BASE_URL", "USERNAME", "PASSWORD"))
    if given is None:
        return None
    return KannelAccount(
        base_url=given["BASE_URL"],
        username=given["USERNAME"],
        password=given["PASSWORD"],
        sender=sender,
        callback_url=callback_url,
        smsc=smsc,
        admin_url=admin_url,
        status_password=status_password,
        access_log=access_log,
    )


def _jasmin(reader: Reader, channel: str, callback_url: str) -> JasminAccount | None:
    name = "JASMIN"
    sender = reader.text(f"{name}_SENDER")
    given = _all_or_none(reader, name, channel, ("BASE_URL", "USERNAME", "PASSWORD"))
    if given is None:
        return None
    return JasminAccount(
        given["BASE_URL"], given["USERNAME"], given["PASSWORD"], sender, callback_url
    )


def _smsgate(reader: Reader, channel: str, *, is_production: bool) -> SmsgateAccount | None:
    name = "SMSGATE"
    device = reader.text(f"{name}_DEVICE")
    keys = tuple(
        key.strip() for key in (reader.text(f"{name}_SIGNING_KEY") or "").split(",") if key.strip()
    )
    window = reader.seconds(f"{name}_CLOCK_WINDOW", 300, least=1)
    given = _all_or_none(reader, name, channel, ("BASE_URL", "USERNAME", "PASSWORD"))
    if given is None and not keys:
        return None
    if is_production and not keys:
        reader.complain(
            f"{name}_SIGNING_KEY", "is not set; production takes no webhook that is not signed"
        )
    given = given or {}
    return SmsgateAccount(
        base_url=given.get("BASE_URL"),
        username=given.get("USERNAME"),
        password=given.get("PASSWORD"),
        device=device,
        signing_keys=keys,
        clock_window=window,
    )


def _gammu(reader: Reader, channel: str) -> GammuAccount | None:
    name = "GAMMU_DATABASE_URL"
    url = reader.read(name, None, some_database_url, "an SQLAlchemy URL of Gammu SMSD's database")
    timezone = reader.read(
        "GAMMU_TIMEZONE", "UTC", _some_zone, "an IANA zone such as Asia/Makassar"
    )
    if url is not None:
        return GammuAccount(url, timezone)
    if channel == "gammu" and reader.text(name) is None:
        reader.complain(name, "is not set; gammu needs it to send")
    return None


#: Gammu calls nobody: its tables are read.
_CALLING = tuple(name for name in (*CHANNELS, "ussdjson") if name not in {"loopback", "gammu"})
_SENDING = tuple(name for name in CHANNELS if name != "loopback")


def read_rules(reader: Reader, secrets: tuple[str, ...]) -> Mapping[str, ChannelRules]:
    """Read the rules of every channel that calls us or sends; `secrets` open those without."""
    rules = {name: _of_callers(reader, name.upper(), secrets) for name in _CALLING}
    for name in _SENDING:
        known = rules.get(name, ChannelRules(webhook_secrets=(), allowed_from=()))
        rules[name] = _of_senders(reader, name.upper(), known)
    return rules


def _of_callers(reader: Reader, name: str, secrets: tuple[str, ...]) -> ChannelRules:
    return ChannelRules(
        webhook_secrets=path_secrets(reader, f"{name}_WEBHOOK_SECRET") or secrets,
        allowed_from=reader.read(
            f"{name}_ALLOWED_FROM",
            (),
            some_networks,
            "addresses or networks such as 10.0.0.5,192.168.1.0/24",
        ),
    )


def _of_senders(reader: Reader, name: str, rules: ChannelRules) -> ChannelRules:
    return replace(
        rules,
        own_numbers=reader.read(
            f"{name}_NUMBERS", (), _own_numbers, "numbers such as 081234567890, parted by commas"
        ),
        lines=_words(reader.text(f"{name}_LINES")),
        per_minute=reader.whole(f"{name}_PER_MINUTE", _UNLIMITED, 1, _UNLIMITED),
        per_hour=reader.whole(f"{name}_PER_HOUR", _UNLIMITED, 1, _UNLIMITED),
        prefixes=reader.read(
            f"{name}_PREFIXES", (), _prefixes, "beginnings such as +62811,+62812, parted by commas"
        ),
        low_balance=reader.whole(f"{name}_LOW_BALANCE", 0, 0, 1_000_000_000),
        cost=reader.whole(f"{name}_COST", 0, 0, _UNLIMITED),
    )


def path_secrets(reader: Reader, name: str) -> tuple[str, ...]:
    """Read secrets that stand in a webhook's path; several are all valid, for rotation."""
    given = reader.text(name)
    if given is None:
        return ()
    parts = tuple(given.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9_.~-]{8,}", part) for part in parts):
        reader.complain(name, _SECRETS)
    return parts


def _words(said: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (said or "").split(",") if part.strip())


def _own_numbers(value: str) -> tuple[str, ...]:
    numbers = tuple(msisdn.read_sender(part) for part in _words(value))
    if not all(one.kind in {"mobile", "short_code"} for one in numbers):
        raise ValueError(value)
    return tuple(one.number for one in numbers)


def _prefixes(value: str) -> tuple[str, ...]:
    parts = _words(value)
    if not all(re.fullmatch(r"\+\d{2,12}", part, re.ASCII) for part in parts):
        raise ValueError(value)
    return parts


def _some_file(value: str) -> Path:
    path = Path(value)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(value)
    return path.absolute()


def _some_zone(value: str) -> str:
    return ZoneInfo(value).key
