"""Runs first in a Python under libfaketime: sleep in a way that it does not break.

When told to leave the monotonic clock alone, libfaketime 0.9.10 (Debian 12) still shifts the moment
until which `time.sleep` asks the kernel to sleep, and the kernel refuses.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
