"""Commands that show what there is, and that settle what waits for a person."""

import getpass
from datetime import UTC, datetime

import click

from gateway import identity, listing
from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, print_json, print_table
from gateway.messaging import sending
from gateway.messaging.queues import Job
from gateway.reporting import draining
from models.outbox import OutboundMessage
from models.states import MessageStatus, ReportState

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
as_count = click.option("--count", is_flag=True, help="Print how many there are.")
newest_alone = click.option(
    "--limit", type=click.IntRange(min=1), help="Only so many, the newest; all unless told."
)
#: So much of each kind of what waits is shown, unless more is asked for.
_SHOWN = 200


class _Moment(click.ParamType[datetime]):
    name = "iso"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no ISO time such as 2026-11-25T10:00:00+08:00", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=office().settings.timezone)
        return moment.astimezone(UTC)


@click.command()
@as_json
@as_count
@newest_alone
@click.option("--since", type=_Moment(), help="Only what was received from this moment on.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in ReportState]),
    help="Only this state; drafts are listed in no other way.",
)
def reports(
    *, as_json: bool, count: bool, limit: int | None, since: datetime | None, state: str | None
) -> None:
    """List reports, the oldest first."""
    demand_gateway()
    query = listing.reports_query(state, since, limit)
    with office().database.reading() as session:
        if count:
            click.echo(listing.count_reports(session, query))
            return
        rows = listing.reports(session, query, office().settings.timezone)
    if as_json:
        print_json(rows)
    else:
        print_table(
            rows,
            ("number", "code", "state", "urgency", "village", "verified", "received_at", "fields"),
        )


@click.group(invoke_without_command=True)
@as_json
@as_count
@newest_alone
@click.option("--direction", type=click.Choice(["in", "out"]))
@click.option(
    "--status",
    type=click.Choice([*listing.INBOUND_STATUSES, *(one.value for one in MessageStatus)]),
    help="Only this status.",
)
@click.option("--reveal", metavar="REASON", help="Show numbers; who looked, and why, is kept.")
@click.pass_context
def messages(
    context: click.Context,
    *,
    as_json: bool,
    count: bool,
    limit: int | None,
    direction: str | None,
    status: str | None,
    reveal: str | None,
) -> None:
    """List messages in and out, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    demand_gateway()
    database = office().database
    if count:
        with database.reading() as session:
            total = listing.count_messages(session, direction=direction, status=status)
        click.echo(total if limit is None else min(total, limit))
        return
    if reveal is not None and not reveal.strip():
        stop("--reveal needs a reason")
    # To reveal is to write: the audit entry is committed before anything is shown.
    with database.writing() if reveal else database.reading() as session:
        rows = listing.messages(
            session,
            office().settings.timezone,
            direction=direction,
            status=status,
            newest=limit,
        )
        if reveal:
            parties = [row["party"] for row in rows]
            numbers = identity.reveal(session, office().audit, parties, getpass.getuser(), reveal)
            rows = [{**row, "party": numbers[row["party"]]} for row in rows]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("id", "created_at", "party", "status", "segments", "text"))


@messages.command()
@click.argument("message_id")
@click.option("--sent", "decision", flag_value="sent", help="It did leave.")
@click.option("--resend", "decision", flag_value="resend", help="It did not; send it again.")
def settle(message_id: str, decision: str | None) -> None:
    """Decide an unconfirmed message: it did leave, or it is to be sent again."""
    if decision is None:
        stop("say --sent or --resend")
    demand_gateway()
    row_id = _row_id(message_id, "out")
    with office().database.writing() as session:
        message = session.get(OutboundMessage, row_id, with_for_update=True)
        if message is None:
            stop(f"there is no outgoing message {message_id}")
        if not sending.settle(message, was_sent=decision == "sent"):
            stop(f"{message_id} is {message.status.value}; only an unconfirmed one can be settled")
        status = message.status
    if status is MessageStatus.QUEUED:
        office().doorbell.ring(Job.SEND_MESSAGE, row_id)
    click.echo(f"out-{row_id} is {status.value}")


@click.command()
@as_json
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_SHOWN,
    show_default=True,
    help="So many of each kind, the newest.",
)
@click.option("--all", "everything", is_flag=True, help="All there is, however long that takes.")
def inbox(*, as_json: bool, limit: int, everything: bool) -> None:
    """List what waits for a person, the oldest first; of much, the newest alone."""
    demand_gateway()
    newest = None if everything else limit
    with office().database.reading() as session:
        rows = listing.inbox(session, office().settings.timezone, newest)
        left_out = {} if newest is None else listing.left_out_of_inbox(session, newest)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("kind", "id", "at", "party", "text", "reason"))
    for what, number in left_out.items():
        if number:
            many = f"at least {number:,}" if number >= listing.MOST_COUNTED else f"{number:,}"
            click.echo(
                f"timpora: {many} older {what} not shown; --limit shows more, --all shows all",
                err=True,
            )


@click.command()
@click.argument("ids", nargs=-1)
def requeue(ids: tuple[str, ...]) -> None:
    """Handle messages again that were set aside: those named, or all."""
    demand_gateway()
    wanted = [_row_id(one, "in") for one in ids]
    with office().database.writing() as session:
        done = draining.requeue(session, wanted or None)
    for row_id in done:
        office().doorbell.ring(Job.VALIDATE_MESSAGE, row_id)
    not_done = sorted(set(wanted) - set(done))
    click.echo(f"{len(done)} will be handled again")
    if not_done:
        stop("not set aside: " + ", ".join(f"in-{row_id}" for row_id in not_done))


def _row_id(given: str, direction: str) -> int:
    digits = given.removeprefix(f"{direction}-")
    if not digits.isdecimal():
        stop(f"{given!r} is no message id; it looks like {direction}-12")
    return int(digits)
