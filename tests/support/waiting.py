"""Waiting for something that other processes bring about, with a deadline."""

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, within: float, what: str, every: float = 0.05) -> T:
    """Look until the answer is true, and return it; past the deadline say what did not happen."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what} (last seen: {seen!r})")
        time.sleep(every)


def free_port() -> int:
    """Return a loopback port that nobody uses, and that no other test run will be given."""
    while True:
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        if _reserve(port) and _is_free(port):
            return port


def _first_for_clients() -> int:
    """Tell where the ports begin that the kernel itself gives out, to clients and to port 0."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


#: Below what the kernel gives out: else a connection of anybody could take it before its server.
_PORTS = range(10_000, max(_first_for_clients(), 11_000))


def _reserve(port: int) -> bool:
    """Have a port for the rest of this process, among all test runs on this machine."""
    # A name without a file, which is gone with the process that holds it.
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0timpora-tests-port-{port}")
    except OSError:
        reservation.close()
        return False
    reservation.detach()
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
