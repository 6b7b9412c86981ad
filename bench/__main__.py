"""Run every measurement and print one table."""

import logging
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench import dialogue, lone_message, pipeline, understanding  # they need the path above


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()},", end=" ")  # noqa: T201
    print(f"Python {platform.python_version()}")  # noqa: T201
    for measure in (
        understanding.measure,
        pipeline.measure,
        lone_message.measure,
        dialogue.measure,
    ):
        for what, figure in measure():
            print(f"{what:<56} {figure:>14}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
