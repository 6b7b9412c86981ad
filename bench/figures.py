"""A figure, what it should be, and the table that shows both."""

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Figure(NamedTuple):
    """One row of the table."""

    what: str
    figure: str
    goal: str = ""
    is_met: bool | None = None
    """None where nothing is asked for."""

    @property
    def verdict(self) -> str:
        """Say whether the goal is met."""
        return "" if self.is_met is None else "met" if self.is_met else "missed"


Measure = Callable[[], Iterator[Figure]]


def at_most(what: str, value: float, most: float, form: str = ".0f") -> Figure:
    """Make a figure that should be no more than this."""
    return Figure(what, f"{value:{form}}", f"≤ {most:g}", value <= most)


def at_least(what: str, value: float, least: float, form: str = ".0f") -> Figure:
    """Make a figure that should be no less than this."""
    return Figure(what, f"{value:{form}}", f"≥ {least:g}", value >= least)


TABLE_HEAD = ("| figure | measured | goal | | part |", "| --- | ---: | ---: | --- | --- |")


def row(part: str, one: Figure) -> str:
    """Make a row of a page's table: a figure, and the part of the bench that gave it."""
    return f"| {one.what} | {one.figure} | {one.goal} | {one.verdict} | `{part}` |"
