"""What officers' dialogues need, made once in a process and checked at the start."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.audit import Audit
from gateway.dialogue import machine, screens
from gateway.dialogue.answers import QUESTIONS
from gateway.identity import Directory
from gateway.messaging.channels import Channels
from gateway.officers.institutions import Institution
from gateway.officers.pins import Pins
from gateway.replies.catalogue import Catalogue, ReplyError
from parsers.language import Language

#: What a state of the tree may check and do; `gateway.dialogue.talking` does it.
CHECKS = ("pin", "code", "number", "new_pin", "pin_again")
DEEDS = ("resume", "text_list", "unlock")


@dataclass(frozen=True, slots=True)
class Switchboard:
    """The menu tree, its texts, and those who know the rest."""

    tree: machine.Tree
    texts: Catalogue
    language: Language
    institutions: Mapping[str, Institution]
    pins: Pins
    audit: Audit
    directory: Directory
    channels: Channels
    timezone: ZoneInfo
    resume_within: timedelta

    def __post_init__(self) -> None:
        """Refuse a tree that leads nowhere, or texts that do not fit a screen."""
        named = {"asks": QUESTIONS, "check": CHECKS, "does": DEEDS}
        for fault in screens.faults(self.tree, self.texts, named):
            raise ReplyError(f"the officers' menu: {fault}")
