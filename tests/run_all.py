"""What `make test` runs: every check and every test, cheapest first, with one summary at the end.

With CI=true a skipped test is a failure, and what the tests need is installed as needed.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
IN_CI = os.environ.get("CI") == "true"
NO_TESTS_COLLECTED = 5
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


@dataclass
class Stage:
    """One command, and what became of it."""

    name: str
    command: list[str]
    folders: list[str] = field(default_factory=list)
    """For tests: where they are."""
    seconds: float = 0.0
    status: int | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def verdict(self) -> str:
        """One word on it."""
        if self.status is None:
            return "not run"
        return "ok" if self.status == 0 else "FAILED"


def check(name: str, *command: str) -> Stage:
    """Make a stage of one of the tools in the virtual environment."""
    return Stage(name, [str(BIN / command[0]), *command[1:]])


def run_of_tests(
    name: str, *folders: str, at_once: int = 1, only: str = "", how: str = "worksteal"
) -> Stage:
    """Make a stage of tests, several at once where none measures time.

    `only` names a mark, and `how` the way in which pytest-xdist deals them out.
    """
    plugins = ["-p", "support.tally", *(("-p", "support.no_skips") if IN_CI else ())]
    parallel = ["-n", str(at_once), "--dist", how] if at_once > 1 else []
    marked = ["-m", only] if only else []
    options = [*plugins, *parallel, *marked, "--durations=5"]
    command = [sys.executable, "-m", "pytest", *options, *folders]
    return Stage(name, command, list(folders))


def stages() -> list[Stage]:
    """List the stages, cheapest first."""
    return [
        check("format", "ruff", "format", "--check", "."),
        check("lint", "ruff", "check", "."),
        check("types", "mypy"),
        check("imports", "lint-imports"),
        run_of_tests("unit", "tests/unit", "tests/contract", "tests/property", at_once=2),
        run_of_tests("integration", "tests/integration", at_once=2, only="not alone"),
        run_of_tests("browser", "tests/browser"),
        run_of_tests("end to end", "tests/e2e", at_once=2, only="not alone and not chaos"),
        run_of_tests("chaos", "tests/e2e", at_once=2, only="chaos", how="loadgroup"),
        run_of_tests("alone", "tests/integration", "tests/e2e", only="alone"),
    ]


def run(stage: Stage) -> None:
    """Run a stage, with its output going where ours goes."""
    began = time.monotonic()
    missing = [folder for folder in stage.folders if not (ROOT / folder).is_dir()]
    if missing:
        say(f"{stage.name}: {', '.join(missing)} does not exist")
        stage.status = 1
    elif stage.folders:
        _run_tests(stage)
    else:
        stage.status = _call(stage.command)
    stage.seconds = time.monotonic() - began


def _run_tests(stage: Stage) -> None:
    with tempfile.TemporaryDirectory(prefix="timpora-tally-") as folder:
        tally = Path(folder) / "tally.json"
        stage.status = _call([*stage.command, "--tally", str(tally)])
        if tally.exists():
            stage.counts.update(json.loads(tally.read_text()))
    if stage.status == NO_TESTS_COLLECTED:
        say(f"{stage.name}: no test was found")


def _call(command: Sequence[str]) -> int:
    # Ends when we are killed, and what tests have started ends with them.
    return subprocess.run(  # noqa: S603
        command,
        cwd=ROOT,
        check=False,
        preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
    ).returncode


def say(text: str) -> None:
    """Print a line at once: the stages write to the same place."""
    print(text, flush=True)  # noqa: T201 - the command's own output


def main() -> int:
    """Run the stages until one fails, and sum up."""
    plan = stages()
    for stage in plan:
        say(f"== {stage.name}: {' '.join([Path(stage.command[0]).name, *stage.command[1:]])}")
        run(stage)
        say(f"== {stage.name}: {stage.verdict}, {stage.seconds:.1f} s")
        if stage.status != 0:
            break
    return sum_up(plan)


def sum_up(plan: Sequence[Stage]) -> int:
    """Print what each stage came to, and the counts of all tests together as the last line."""
    say("")
    total: Counter[str] = Counter()
    for stage in plan:
        total += stage.counts
        counted = ", ".join(f"{number} {what}" for what, number in sorted(stage.counts.items()))
        say(f"{stage.name:12} {stage.verdict:8} {stage.seconds:7.1f} s  {counted}".rstrip())
    failed_checks = [one for one in plan if one.verdict == "FAILED" and not one.counts["failed"]]
    if failed_checks:
        say(f"failed without a test: {', '.join(one.name for one in failed_checks)}")
    # A stage that failed before any test could is counted too: "0 failed" must mean just that.
    failed = total["failed"] + len(failed_checks)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    say(f"{total['passed']} passed, {failed} failed{skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
