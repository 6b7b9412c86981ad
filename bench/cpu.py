"""What processes have used of a core: on a busy machine a figure that others disturb least."""

from collections.abc import Iterable
from pathlib import Path


def used(pids: Iterable[int]) -> float:
    """Give the seconds of CPU that these living processes have used, all their threads together."""
    return sum(_used(pid) for pid in set(pids))


def _used(pid: int) -> float:
    """Add up the threads: the kernel counts each to the nanosecond, and a process in ticks."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended
    return total / 1e9
