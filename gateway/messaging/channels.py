"""The channels there are, and which of them carries a message.

A reply leaves by the channel that its message came by, everything else by the gateway's own. Where
that one rests, is full for now or will not carry the message, another takes it over: first one that
is meant for such numbers, then the cheaper one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.accounts import ChannelRules
from gateway.providers.base import Provider

#: Takes every message and hands it to nobody; it never takes one over from another channel.
LOOPBACK = "loopback"
_NO_RULES = ChannelRules(webhook_secrets=(), allowed_from=())


@dataclass(frozen=True, slots=True)
class Channels:
    """The adapters, and the rules by which each is used."""

    by_name: Mapping[str, Provider]
    default: str
    rules: Mapping[str, ChannelRules] = field(default_factory=dict)

    @property
    def is_loopback(self) -> bool:
        """Say whether everything goes to nobody, so that no channel can be in the way."""
        return self.default == LOOPBACK

    @property
    def claims_at_once(self) -> int:
        """Say how many rows a claim looks at: no more than it may take, as each is locked."""
        provider = self.by_name.get(self.default)
        return provider.claims_at_once if provider else 1

    @property
    def own_numbers(self) -> frozenset[str]:
        """Give every number that villages text to: nobody there reads what we would answer."""
        return frozenset(number for rules in self.rules.values() for number in rules.own_numbers)

    @property
    def that_send(self) -> tuple[str, ...]:
        """Name the channels by which messages really leave, the gateway's own first."""
        names = [
            name
            for name, provider in self.by_name.items()
            if provider.can_send and name != LOOPBACK
        ]
        return tuple(sorted(names, key=lambda name: (name != self.default, name)))

    @property
    def that_tell_no_time(self) -> frozenset[str]:
        """Name the channels in use whose messages come without the network's time."""
        return frozenset(
            name
            for name, provider in self.by_name.items()
            if provider.can_send and not provider.tells_time
        )

    def rules_of(self, channel: str) -> ChannelRules:
        """Give the rules of a channel; one without any is used freely."""
        return self.rules.get(channel, _NO_RULES)

    def for_reply(self, came_by: str) -> str:
        """Name the channel that a reply leaves by."""
        provider = self.by_name.get(came_by)
        if self.is_loopback or provider is None or not provider.can_send:
            return self.default
        return came_by

    def instead(self, channel: str, number: str, shut: Collection[str]) -> str | None:
        """Name the channel that takes a message over from another one; None where none can.

        `shut` are those that rest, are full, or have refused the message.
        """
        able = [name for name in self.that_send if name not in shut and name != channel]

        def preference(name: str) -> tuple[bool, int, int]:
            rules = self.rules_of(name)
            is_meant = number.startswith(rules.prefixes) if rules.prefixes else False
            return not is_meant, rules.cost, able.index(name)

        return min(able, key=preference, default=None)
