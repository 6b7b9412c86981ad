"""What processes have used of a core: on a busy machine a figure that others disturb least."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def used(pids: Iterable[int]) -> float:
    """Give the seconds of CPU that these living processes have used, all their threads together."""
    return sum(_used(pid) for pid in set(pids))


def _used(pid: int) -> float:
    """Take the threads' sum, which the kernel counts to the nanosecond, or what it counts for all.

    That comes in ticks, and holds those threads too that have ended since.
    """
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return max(total / 1e9, (int(after_name[11]) + int(after_name[12])) / _TICKS)
