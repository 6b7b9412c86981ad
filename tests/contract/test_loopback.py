"""Loopback: it hands messages to nobody, and nobody calls it."""

from typing import ClassVar

from support.provider_contract import MESSAGE, ProviderContract, SendingCase

from gateway.providers.base import OutboundSms, PolledProvider
from gateway.providers.loopback import Loopback

SENDING = [
    SendingCase("a message", None, "loopback-00000000000000a7", requests=0),
    SendingCase(
        "a message to a number that is none",
        None,
        "loopback-00000000000000a8",
        message=OutboundSms("00000000000000a8", "TELKOMSEL", MESSAGE.text),
        requests=0,
    ),
]


class TestLoopback(ProviderContract):
    NAME = "loopback"
    SENDING: ClassVar = SENDING

    def adapter(self) -> Loopback:
        return Loopback()

    def test_it_can_send_and_takes_many_at_once(self):
        assert self.adapter().can_send
        assert self.adapter().claims_at_once > 1

    def test_it_is_not_polled(self):
        assert not isinstance(self.adapter(), PolledProvider)
