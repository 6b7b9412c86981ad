"""The `timpora` command: one group, each verb in a file of its own."""

import sys
from collections import UserDict
from importlib import import_module

import click

#: Where each command is. A module is loaded with its command: a list needs no migrations, and a
#: supervisor, which stays for as long as the gateway runs, no pages.
COMMANDS = {
    "run": "run",
    "parse": "parse",
    "card": "card",
    "roster": "roster",
    "villages": "roster",
    "officer": "officer",
    "reports": "lists",
    "messages": "lists",
    "inbox": "lists",
    "requeue": "lists",
    "channels": "channels",
    "evidence": "evidence",
    "backup": "backup",
    "restore": "backup",
    "db": "database",
    "doctor": "doctor",
}


class _Late(UserDict[str, click.Command]):
    """All commands by name; each is loaded when it is looked at."""

    def __init__(self) -> None:
        super().__init__({name: click.Command(name) for name in COMMANDS})

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"gateway.cli.{COMMANDS[name]}")
        command: click.Command = getattr(module, name)
        return command


@click.group(commands=_Late(), context_settings={"help_option_names": ["-h", "--help"]})
def timpora() -> None:
    """Timpora Gateway: villages report by SMS. Settings: TIMPORA_… (see docs/settings.md)."""


def main() -> None:
    """Run the command line; known errors end with one clear line."""
    try:
        timpora()
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        # Not before: the supervisor, which stays, would hold all that they come with.
        from gateway.cli.office import KNOWN, explain  # noqa: PLC0415

        if isinstance(error, KNOWN):
            explain(error)
        raise
