"""The wish to stop: a signal brings it, and whatever works here heeds it between two steps."""

import os
import select
import signal
from functools import cache
from types import FrameType


class Stop:
    """Whether this process was asked to stop.

    A signal comes in the midst of anything: of a library that swallows every exception, of a lock
    that is held. So what hears it neither raises, nor takes a lock, nor speaks with anybody: it
    marks that it came, and writes one byte for those who wait.
    """

    def __init__(self) -> None:
        """Not asked yet."""
        self.is_asked = False
        self._heard, self._told = os.pipe()

    def listen(self) -> None:
        """Be asked by SIGTERM and by SIGINT from now on; the main thread alone can say so."""
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, self._hear)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        self.ask()

    def ask(self) -> None:
        """Ask it to stop; once more says nothing new."""
        if not self.is_asked:
            self.is_asked = True
            os.write(self._told, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is asked, in any number of threads; say whether it is."""
        if not self.is_asked:
            poll = select.poll()
            poll.register(self._heard, select.POLLIN)
            poll.poll(seconds * 1000)
        return self.is_asked


@cache
def own_stop() -> Stop:
    """Give this process's own: RQ calls a job with nothing but a row's id."""
    return Stop()
