"""The providers' way in: a message is committed before the provider hears 200."""

import hmac

from flask import Blueprint, Response, request

from gateway import current, logs
from gateway.messaging import receiving
from gateway.messaging.queues import Job
from gateway.providers.base import Answer, InboundRequest, Intake, NoSuchRoute, WrongMethod
from gateway.wiring import Wiring
from models.database import UNAVAILABLE

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
    if provider is None or not _is_ours(secret, office.settings.webhook_secrets):
        return _answer(Answer(404))
    try:
        intake = provider.receive(
            InboundRequest(
                method=request.method,
                path=path,
                query=request.query_string,
                headers={name.lower(): value for name, value in request.headers},
                body=request.get_data(cache=False),
            )
        )
    except NoSuchRoute:
        return _answer(Answer(404))
    except WrongMethod:
        return _answer(Answer(405))
    return _answer(_keep(office, channel, intake))


def _keep(office: Wiring, channel: str, intake: Intake) -> Answer:
    if intake.key_presses:
        # There are no officers yet, so every phone hears what a phone that is no officer's hears.
        return Answer(body=f"END {office.desk.voice.say('ERR_USSD').text}")
    if not (intake.messages or intake.deliveries or intake.unreadable):
        return intake.answer
    try:
        with office.database.writing() as session:
            accepted = receiving.accept(session, office.directory, channel, intake)
    except UNAVAILABLE as error:
        _log.error("message_not_kept", channel=channel, error=type(error).__name__)
        return Answer(503)
    for message_id in accepted:
        office.doorbell.ring(Job.VALIDATE_MESSAGE, message_id)
    return intake.answer


def _is_ours(given: str, secrets: tuple[str, ...]) -> bool:
    """Compare with every secret that is valid, in a time that tells nothing."""
    matches = [hmac.compare_digest(given.encode(), secret.encode()) for secret in secrets]
    return any(matches)


def _answer(answer: Answer) -> Response:
    return Response(answer.body, answer.status, content_type=answer.content_type)
