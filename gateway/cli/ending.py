"""How a command ends that cannot go on."""

import sys
from typing import NoReturn

import click


def stop(message: str) -> NoReturn:
    """End the command with a message on stderr and exit code 1."""
    click.echo(f"timpora: {message}", err=True)
    sys.exit(1)
