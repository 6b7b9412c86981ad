"""A page that shows how things are, in development only; the officers' console takes its place."""

import sqlalchemy as sa
from flask import Blueprint, Response, render_template

from gateway import current
from gateway.listing import INBOUND_STATUSES
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.report import Report

blueprint = Blueprint("status", __name__)


@blueprint.get("/")
def status() -> Response | tuple[str, int]:
    """Show counts and how to see more; in production there is nothing here."""
    office = current.office()
    if not office.settings.is_development:
        return Response(status=404)
    waiting = INBOUND_STATUSES["waiting"]
    with office.database.reading() as session:
        counts = {
            "Pesan masuk": session.scalar(_count(InboundMessage)),
            "Belum ditangani": session.scalar(_count(InboundMessage).where(waiting)),
            "Laporan": session.scalar(_count(Report)),
            "Pesan keluar": session.scalar(_count(OutboundMessage)),
        }
    page = render_template(
        "status.html",
        counts=counts,
        channel=office.settings.channel,
        redis_up=office.doorbell.is_up(),
    )
    return page, 200


def _count(table: type[InboundMessage | Report | OutboundMessage]) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table)
