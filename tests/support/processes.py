"""What /proc tells about processes: who is whose child, who is still there."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process for good: the kernel reuses a number, never a number with its start time."""

    pid: int
    started: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} {self.command}"


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> tuple[int, str, int] | None:
    """Parent, state and start time of a process; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0], int(fields[19])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def identify(pid: int) -> ProcessId | None:
    """Name the process that has this number now; a zombie counts as gone."""
    stat = _stat(pid)
    if stat is None or stat[1] == "Z":
        return None
    return ProcessId(pid, stat[2], _command(pid))


def heeds(pid: int, which: signal.Signals) -> bool:
    """Tell whether a process has a handler for a signal; one that is still loading has none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (which - 1) & 1)


def descendants(pid: int) -> list[ProcessId]:
    """List children and grandchildren that are alive, without the process itself."""
    children: dict[int, list[int]] = {}
    for one in _all_pids():
        if stat := _stat(one):
            children.setdefault(stat[0], []).append(one)
    found: list[ProcessId] = []
    waiting = list(children.get(pid, []))
    while waiting:
        child = waiting.pop()
        waiting += children.get(child, [])
        if process := identify(child):
            found.append(process)
    return found


def alive(processes: list[ProcessId]) -> list[ProcessId]:
    """Return those that still run."""
    return [one for one in processes if (now := identify(one.pid)) and now.started == one.started]


def marked(variable: str, value: str) -> list[ProcessId]:
    """List processes, orphans too, that were started with this environment variable."""
    wanted = f"{variable}={value}".encode()
    found: list[ProcessId] = []
    for one in _all_pids():
        try:
            environment = Path(f"/proc/{one}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environment and (process := identify(one)):
            found.append(process)
    return found


def kill_all(processes: list[ProcessId]) -> None:
    """Kill those that still run."""
    for process in alive(processes):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
