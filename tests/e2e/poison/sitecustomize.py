r"""Python loads this at its start when the folder is on PYTHONPATH: a library that breaks down.

While the file $POISON exists, `unicodedata.normalize` does this to whoever hands it such a sign:

    \u2620 (skull)      the process is killed, as for want of memory or by a fault in a C library
    \u221e (infinity)   it never ends, in Python, where signals are heard
    \u2622 (radiation)  it never ends, in C, where none is

With $PATIENCE (seconds) time-outs of jobs, and of the watch over them, are no longer than that.
Only libraries are wrapped, none of the product's code.
"""

import faulthandler
import os
import signal
import unicodedata
from pathlib import Path
from typing import Any

KILLS, NEVER_ENDS, HANGS = "\u2620", "\u221e", "\u2622"

_normalize = unicodedata.normalize


def _break_down(form: Any, text: str) -> str:
    if text in {KILLS, NEVER_ENDS, HANGS} and Path(os.environ["POISON"]).exists():
        if text == KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        while text == NEVER_ENDS:
            pass
        sum(range(10**14))
    return _normalize(form, text)


def _hurry(patience: int) -> None:
    from rq.timeouts import UnixSignalDeathPenalty  # noqa: PLC0415 - only where it is wanted

    begin: Any = UnixSignalDeathPenalty.__init__
    watch: Any = faulthandler.dump_traceback_later

    def begin_soon(self: Any, timeout: float, *more: Any, **named: Any) -> None:
        begin(self, min(timeout, patience), *more, **named)

    def watch_soon(timeout: float, **named: Any) -> None:
        watch(min(timeout, patience + 1), **named)

    UnixSignalDeathPenalty.__init__ = begin_soon  # type: ignore[method-assign]
    faulthandler.dump_traceback_later = watch_soon  # type: ignore[assignment]


unicodedata.normalize = _break_down  # type: ignore[assignment]
if "PATIENCE" in os.environ:
    _hurry(int(os.environ["PATIENCE"]))
