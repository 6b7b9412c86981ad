"""Run a command that dies when the process that started it dies, whatever ends that one.

Run as a script: `die_with_parent.py PARENT_PID SIGNAL USER COMMAND...` (an empty USER means: as we
are). A pre-exec function would do the same, but it may not be used beside threads.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1


def launch(
    command: Sequence[str],
    *,
    output: IO[bytes],
    environment: Mapping[str, str],
    folder: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    user: str = "",
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; call this from the main thread.

    The kernel watches the thread that started the child, not only its process.
    """
    launcher = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal))]
    return subprocess.Popen(  # noqa: S603 - the caller's own command
        [*launcher, user, *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def become(user: str) -> None:
    """Give up root for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    """Bind our life to the parent's, then turn into the command."""
    parent, death_signal, user, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if user:
        become(user)
    # Only after the change of user: the kernel forgets the signal when the user changes.
    if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("the parent was gone before the start")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
