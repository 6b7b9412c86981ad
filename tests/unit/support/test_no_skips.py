"""What CI trusts: a skip cannot pass for a success, and the last line says what happened."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import run_all

TESTS = Path(run_all.__file__).parent

MODULE = """
import pytest

def test_runs(): pass

def test_needs_a_server(): pytest.skip("no server here")

@pytest.mark.xfail(reason="known", strict=True)
def test_known(): assert False
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # A folder and an empty configuration of its own: this is not one of our tests.
    (folder / "test_some.py").write_text(MODULE)
    (folder / "pytest.toml").write_text(f'[pytest]\npythonpath = ["{TESTS}"]\n')
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-p", "support.tally", "--tally", "counts.json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skipped_test_is_counted_as_skipped(tmp_path: Path):
    assert run_pytest(tmp_path).returncode == 0

    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts == {"passed": 1, "skipped": 1, "expected to fail": 1}


def test_in_ci_a_skipped_test_has_failed_and_its_reason_is_shown(tmp_path: Path):
    done = run_pytest(tmp_path, "-p", "support.no_skips")

    assert done.returncode == 1
    assert "no server here" in done.stdout
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts == {"passed": 1, "failed": 1, "expected to fail": 1}


@pytest.mark.parametrize(
    ("stages", "last_line", "status"),
    [
        ([(0, {}), (0, {"passed": 7}), (0, {"passed": 3})], "10 passed, 0 failed", 0),
        (
            [(0, {}), (1, {"passed": 6, "failed": 1}), (None, {})],
            "6 passed, 1 failed",
            1,
        ),
        ([(1, {}), (None, {}), (None, {})], "0 passed, 1 failed", 1),
        ([(0, {}), (0, {"passed": 6, "skipped": 2})], "6 passed, 0 failed, 2 skipped", 0),
    ],
    ids=["all well", "a test failed", "a check failed", "something was skipped"],
)
def test_the_last_line_sums_up_all_stages(capsys, stages, last_line, status):
    plan = []
    for outcome, counts in stages:
        stage = run_all.check("stage", "tool")
        stage.status = outcome
        stage.counts.update(counts)
        plan.append(stage)

    assert run_all.sum_up(plan) == status

    assert capsys.readouterr().out.splitlines()[-1] == last_line


def test_a_stage_whose_folder_is_missing_has_failed():
    stage = run_all.run_of_tests("nowhere", "tests/nowhere")

    run_all.run(stage)

    assert stage.status == 1
