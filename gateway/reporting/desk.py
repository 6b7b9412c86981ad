"""What the handling of messages needs, made once in a process."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.dialogue.switchboard import Switchboard
from gateway.messaging.channels import Channels
from gateway.reporting.hands import Hands
from gateway.reporting.voice import Voice
from parsers.language import Language


@dataclass(frozen=True, slots=True)
class Desk:
    """The words, the texts, the channels, and what is set."""

    language: Language
    voice: Voice
    channels: Channels
    timezone: ZoneInfo
    piece_wait: timedelta
    part_wait: timedelta
    capped_replies_an_hour: int
    number_key: bytes
    """Puts confirmation numbers into an order that nobody else knows."""
    switchboard: Switchboard
    """The officers' menu, for those who have it by SMS."""
    hands: Hands
    """Notes which messages are being handled, for when this process dies of one."""
