"""pytest plugin: count for run_all.py what became of the tests; show what they measured."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

Measure = Callable[[str, float], None]
"""Notes a figure under a name."""

_counts: Counter[str] = Counter()
_measured: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tally", help="write the counts as JSON into this file")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        name = report.nodeid.rpartition("::")[2]
        _measured.extend(f"{what} {value}  {name}" for what, value in report.user_properties)
    # A test counts as passed by its call alone; set-up and tear-down can only make it fail.
    if report.failed or report.skipped or report.when == "call":
        # pytest calls an expected failure skipped; here that word means: did not run.
        expected = report.skipped and hasattr(report, "wasxfail")
        _counts["expected to fail" if expected else report.outcome] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if not report.passed:
        _counts[report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if target := session.config.getoption("--tally"):
        Path(target).write_text(json.dumps(_counts))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _measured:
        terminalreporter.section("measured")
        for line in _measured:
            terminalreporter.line(line)
