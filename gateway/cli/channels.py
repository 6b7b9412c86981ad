"""`timpora channels`: how every way in and out is, and ending a rest by hand."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from gateway.cli.ending import stop
from gateway.cli.office import demand_gateway, office, print_json, print_table
from gateway.messaging import standing
from gateway.watch.overview import ChannelView, overview


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def channels(context: click.Context, *, as_json: bool) -> None:
    """List the channels: what they carry, how they are, and what is wrong with them."""
    if context.invoked_subcommand is not None:
        return
    demand_gateway()
    with office().database.reading() as session:
        views = overview(session, office().channels)
    if as_json:
        print_json([_row(view) for view in views])
        return
    print_table(
        [_line(view) for view in views],
        ("channel", "carries", "state", "signal", "balance", "waiting", "last in", "last out"),
    )
    for view in views:
        for kind, says in view.alarms:
            click.echo(f"alarm  {view.channel}  {kind}: {says}")


@channels.command()
@click.argument("name")
def resume(name: str) -> None:
    """End the rest of a channel whose credit or account has been mended, and clear its alarms."""
    demand_gateway()
    if name not in office().channels.by_name:
        stop(f"no channel named {name!r}; there are {', '.join(office().channels.by_name)}")
    with office().database.writing() as session:
        was_resting = standing.resume(session, name)
    click.echo(f"{name} sends again" if was_resting else f"{name} was not resting")


def _row(view: ChannelView) -> dict[str, Any]:
    row = asdict(view)
    row["alarms"] = [{"kind": kind, "says": says} for kind, says in view.alarms]
    return {
        key: value.astimezone(office().settings.timezone).isoformat()
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }


def _line(view: ChannelView) -> dict[str, Any]:
    carries = "everything else" if view.is_default else "its replies"
    return {
        "channel": view.channel,
        "carries": carries if view.sends else "nothing: it only receives",
        "state": _state(view),
        "signal": "" if view.signal is None else f"{view.signal} %",
        "balance": view.balance or "",
        "waiting": view.waiting,
        "last in": _clock(view.last_inbound_at),
        "last out": _clock(view.last_outbound_at),
    }


def _state(view: ChannelView) -> str:
    if view.resting_until is not None:
        return f"rests until {_clock(view.resting_until)} ({view.resting_for})"
    if view.is_up is False:
        return f"down: {view.says}"
    if view.alarms:
        return "alarm"
    return "well" if view.sends or view.heard_at else "not in use"


def _clock(moment: datetime | None) -> str:
    zone = office().settings.timezone
    return moment.astimezone(zone).strftime("%d %b %H:%M") if moment else ""
