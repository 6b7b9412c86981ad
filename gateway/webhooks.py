"""The providers' way in: a message is committed before the provider hears 200."""

import hmac
import ipaddress

from flask import Blueprint, Response, request

from gateway import current, logs
from gateway.dialogue import talking
from gateway.dialogue.talk import Told
from gateway.doorstep import Delivered
from gateway.environment import Network
from gateway.messaging import standing
from gateway.messaging.queues import Job
from gateway.providers.base import (
    Answer,
    InboundRequest,
    Intake,
    KeyPress,
    NoSuchRoute,
    NotSigned,
    Provider,
    UssdProvider,
    WrongMethod,
)
from gateway.wiring import Wiring
from models.database.engine import UNAVAILABLE

_log = logs.logger()

LARGEST_BODY = 64 * 1024

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.route(
    "/<channel>/<secret>/<path:path>",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    provide_automatic_options=False,
)
def receive(channel: str, secret: str, path: str) -> Response:
    """Take what a provider brings; anything but 200 means `send it again`."""
    office = current.office()
    provider = office.channels.by_name.get(channel)
    if provider is None or not _may_call(office, channel, secret):
        return _answer(Answer(404))
    asked = InboundRequest(
        method=request.method,
        path=path,
        query=request.query_string,
        headers={name.lower(): value for name, value in request.headers},
        body=request.get_data(cache=False),
    )
    try:
        intake = provider.receive(asked)
    except NoSuchRoute:
        return _answer(Answer(404))
    except WrongMethod:
        return _answer(Answer(405))
    except NotSigned:
        _log.warning("request_not_signed", channel=channel)
        return _answer(Answer(401))
    return _answer(_keep(office, provider, asked, intake))


def _keep(office: Wiring, provider: Provider, asked: InboundRequest, intake: Intake) -> Answer:
    # What it brought is asked first: to ask what a provider can takes longer than the rest.
    if intake.key_presses and isinstance(provider, UssdProvider):
        return _talk(office, provider, intake.key_presses[0])
    answer = intake.answer
    if intake.awaits_screen and isinstance(provider, UssdProvider):
        answer = provider.show(talking.trouble(office.switchboard), None)
    sign = f"{provider.name} message" if intake.messages else provider.name
    is_sign_of_life = office.heard.is_due(sign, standing.NOTED_EVERY)
    if not (intake.brings_anything or is_sign_of_life):
        return answer
    try:
        current.doorstep().keep(Delivered(provider.name, asked, intake, is_sign_of_life))
    except UNAVAILABLE as error:
        _log.error("message_not_kept", channel=provider.name, error=type(error).__name__)
        return answer if intake.awaits_screen else Answer(503)
    return answer


def _talk(office: Wiring, provider: UssdProvider, press: KeyPress) -> Answer:
    """Answer a key press with a screen, whatever happens: an error would end it without a word."""
    try:
        told = talking.answer(office.database, office.switchboard, provider.name, press)
    except Exception as error:  # noqa: BLE001
        _log.error("dialogue_failed", channel=provider.name, error=logs.name_of(error))
        told = Told(talking.trouble(office.switchboard))
    if told.queued is not None:
        office.doorbell.ring(Job.SEND_MESSAGE, told.queued)
    return provider.show(told.screen, press)


def _may_call(office: Wiring, channel: str, secret: str) -> bool:
    """Tell a provider from anybody else: by the secret in the path, and by its address if named."""
    rules = office.settings.rules.get(channel)
    if rules is None or not _is_ours(secret, rules.webhook_secrets):
        return False
    if not rules.allowed_from:
        return True
    is_allowed = _is_from(request.remote_addr, rules.allowed_from)
    if not is_allowed:
        # Without the address: it may be that of a person's phone.
        _log.warning("request_from_elsewhere", channel=channel)
    return is_allowed


def _is_from(address: str | None, networks: tuple[Network, ...]) -> bool:
    try:
        caller = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(caller, "ipv4_mapped", None)
    return any((mapped or caller) in network for network in networks)


def _is_ours(given: str, secrets: tuple[str, ...]) -> bool:
    """Compare with every secret that is valid, in a time that tells nothing."""
    matches = [hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets]
    return any(matches)


def _answer(answer: Answer) -> Response:
    return Response(answer.body, answer.status, content_type=answer.content_type)
