"""The `timpora` command: one group, each verb in a file of its own."""

import sys

import click

from gateway.cli import (
    backup,
    card,
    channels,
    database,
    doctor,
    evidence,
    lists,
    officer,
    parse,
    roster,
    run,
)
from gateway.cli.office import KNOWN, explain


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def timpora() -> None:
    """Timpora Gateway: villages report by SMS. Settings: TIMPORA_… (see docs/settings.md)."""


for command in (
    run.run,
    parse.parse,
    card.card,
    roster.roster,
    roster.villages,
    officer.officer,
    lists.reports,
    lists.messages,
    lists.inbox,
    lists.requeue,
    channels.channels,
    evidence.evidence,
    backup.backup,
    backup.restore,
    database.db,
    doctor.doctor,
):
    timpora.add_command(command)


def main() -> None:
    """Run the command line; known errors end with one clear line."""
    try:
        timpora()
    except KNOWN as error:
        explain(error)
    except BrokenPipeError:
        sys.exit(0)
