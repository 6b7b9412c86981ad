"""The repository that the tests stand in, and the files that belong to it."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files_in_repository(*patterns: str) -> tuple[Path, ...]:
    """List what is tracked or would be, of these patterns or all."""
    listed = subprocess.run(  # noqa: S603
        ["git", "ls-files", "-co", "--exclude-standard", "-z", *patterns],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return tuple(path for path in paths if path.is_file())
