"""pytest plugin: write how many tests passed, failed and were skipped, for run_all.py."""

import json
from collections import Counter
from pathlib import Path

import pytest

_counts: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tally", help="write the counts as JSON into this file")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
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
