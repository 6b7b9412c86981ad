"""The channel that hands messages to nobody: they count as sent, and can be read on screen."""

from gateway.providers.base import InboundRequest, Intake, NoSuchRoute, OutboundSms


class Loopback:
    """Takes every message and sends none; it has no webhook: what comes in has another door."""

    name = "loopback"
    can_send = True
    #: Nothing leaves, so nothing can be left in doubt: many may be claimed in one transaction.
    claims_at_once = 100
    sends_once = False
    tells_time = True

    def receive(self, request: InboundRequest) -> Intake:
        """Refuse: nobody calls it."""
        raise NoSuchRoute(request.path)

    def send(self, message: OutboundSms) -> str | None:
        """Count it as sent."""
        return f"loopback-{message.token}"
