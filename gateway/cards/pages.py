"""Code cards in the browser; in development only, as the status page is.

Nothing on a card is secret: names and codes of villages are public, and the number is meant to be
known. But until there is a console with its own door, production answers providers and monitors
alone. There, `timpora card` writes the same page into a file.
"""

from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from gateway import current
from gateway.cards import choosing, rendering, texts
from gateway.cards.choosing import NoSuchVillage
from gateway.cards.rendering import Place
from parsers.form import LANGUAGES

blueprint = Blueprint("cards", __name__, url_prefix="/card")


@blueprint.before_request
def hide() -> Response | None:
    """Answer in production as if there were nothing here."""
    if current.office().settings.is_development:
        return None
    return _nothing("")


@blueprint.after_request
def guard(response: Response) -> Response:
    """Let the page run and fetch nothing but its own style and script."""
    response.headers["Content-Security-Policy"] = rendering.POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@blueprint.get("/<code>")
def card(code: str) -> Response:
    """Show the card of one village."""
    return _cards(lambda session: choosing.by_codes(session, [code]))


@blueprint.get("", strict_slashes=False)
def overview() -> Response:
    """Show the cards of a whole kecamatan, or without one the list of all villages."""
    kecamatan = request.args.get("kecamatan")
    if kecamatan is not None:
        return _cards(lambda session: choosing.of_kecamatan(session, kecamatan))
    with current.office().database.reading() as session:
        return Response(rendering.index(choosing.everyone(session)))


def _cards(choose: Callable[[Session], list[Place]]) -> Response:
    office = current.office()
    language = request.args.get("lang", LANGUAGES[0])
    if language not in LANGUAGES:
        return _nothing("Bahasa itu tidak ada. Pakai lang=id atau lang=en.")
    try:
        with office.database.reading() as session:
            places = choose(session)
    except NoSuchVillage:
        return _nothing("Wilayah itu tidak ada. Daftar semua desa: /card")
    forms = office.desk.language.forms.values()
    number = office.settings.sms_number
    return Response(rendering.cards(places, forms, texts.shipped()[language], number))


def _nothing(reason: str) -> Response:
    return Response(reason, status=404, content_type="text/plain; charset=utf-8")
