"""A process ends when the one that started it ends, in whatever way: the kernel sees to it."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def tie_to_parent(parent: int, death_signal: signal.Signals) -> None:
    """Have this process be sent a signal when its parent dies, even of kill -9.

    To be called in the child; `parent` is the id that the parent had before the child was made. The
    kernel watches the thread that made the child: let it be one that lasts.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it died before the tie was made
        os._exit(1)
