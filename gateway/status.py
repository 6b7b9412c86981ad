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
    """Show what came and went last, and how to see more; in production there is nothing here."""
    office = current.office()
    if not office.settings.is_development:
        return Response(status=404)
    waiting = sa.select(sa.func.count()).where(INBOUND_STATUSES["waiting"])
    with office.database.reading() as session:
        # The newest, not how many: to count all is to read all.
        newest_in, newest_out = (
            session.scalar(sa.select(sa.func.max(table.id)))
            for table in (InboundMessage, OutboundMessage)
        )
        number = session.scalar(
            sa.select(Report.number)
            .where(Report.number.is_not(None))
            .order_by(Report.id.desc())
            .limit(1)
        )
        lines = {
            "Pesan masuk terakhir": f"in-{newest_in}" if newest_in else "-",
            "Belum ditangani": session.scalar(waiting.select_from(InboundMessage)),
            "Laporan terakhir": f"No {number}" if number else "-",
            "Pesan keluar terakhir": f"out-{newest_out}" if newest_out else "-",
        }
    page = render_template(
        "status.html",
        lines=lines,
        channel=office.settings.channel,
        redis_up=office.doorbell.is_up(),
    )
    return page, 200
