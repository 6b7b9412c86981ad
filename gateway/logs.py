"""One structured line for each thing that happened: ids and aliases, never text or numbers."""

import logging
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import structlog


class _Lines(structlog.PrintLogger):
    """Writes lines, and does without one that cannot be written.

    On a full disk a log file takes no more. What a line tells of must not be undone by that: an
    error raised here would turn `send it again` into a fault, or roll back the record of a send.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def set_up() -> None:
    """Send our lines to stderr as JSON, and those of libraries from warnings on as they are."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Not kept from the first use on: stderr may be another one later, as it is in tests.
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """Give the logger; events are named in the past tense."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return found


def name_of(error: BaseException) -> str:
    """Name an error and where it came up, without its text: that may quote what a person wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
    return f"{type(error).__name__} at {' > '.join(places) or 'an unknown place'}"
