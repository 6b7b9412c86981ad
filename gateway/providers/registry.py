"""Which adapters there are: a new provider is a new file beside this one, and a line here."""

from collections.abc import Mapping

from gateway.providers.africastalking import AfricasTalking
from gateway.providers.base import Provider
from gateway.providers.gammu import Gammu
from gateway.providers.jasmin import Jasmin
from gateway.providers.kannel import Kannel
from gateway.providers.loopback import Loopback
from gateway.providers.smsgate import Smsgate
from gateway.providers.ussdjson import UssdJson
from gateway.settings import Settings


def providers(settings: Settings) -> Mapping[str, Provider]:
    """Make every adapter, by name; those without an account only receive."""
    made: tuple[Provider, ...] = (
        AfricasTalking(settings.accounts.africastalking),
        Gammu(settings.accounts.gammu),
        Jasmin(settings.accounts.jasmin),
        Kannel(settings.accounts.kannel),
        Loopback(),
        Smsgate(settings.accounts.smsgate, takes_unsigned=settings.is_development),
        UssdJson(settings.ussd_code),
    )
    return {provider.name: provider for provider in made}
