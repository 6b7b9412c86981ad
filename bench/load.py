"""Send requests to a web server from one cheap process, as a provider would, and time each answer.

`post_all` starts the process; `python -m bench.load` is that process, and reads its order from
stdin. It is cheap so that two cores are left to what is measured: raw sockets that stay open,
requests built beforehand, one epoll. What is not answered 200 is sent again after a pause.
"""

import json
import select
import socket
import subprocess
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

_AGAIN_AFTER = 0.2
"""Seconds until a request that was not answered 200 is sent again."""
_LONGEST_ANSWER = 65536


@dataclass(frozen=True, slots=True)
class Order:
    """What to post, where, and how fast."""

    port: int
    path: str
    bodies: list[str]
    """One form, already encoded, for each request."""
    connections: int = 16
    rate: float = 0.0
    """Requests a second, each sent when its time has come; 0 is as fast as they are taken."""
    method: str = "POST"
    within: float = 600.0
    """Seconds after which it gives up, whatever is not answered yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order."""

    asked: int
    kept: int
    """How many were answered 200."""
    statuses: dict[str, int]
    """How often each status was answered; `closed` is a connection that ended without one."""
    began_at: float
    """Unix time of the first request."""
    ended_at: float
    """Unix time of the last answer."""
    cpu_seconds: float
    """What this process itself used, from the first request to the last answer."""
    milliseconds: list[float]
    """From when a request was sent first, or was due, to its 200; in the order of the answers."""

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return self.ended_at - self.began_at

    @property
    def a_second(self) -> float:
        """Requests answered 200 in a second."""
        return self.kept / self.seconds

    @property
    def cpu_milliseconds_each(self) -> float:
        """What one answered request costs this process."""
        return self.cpu_seconds / max(1, self.kept) * 1000

    def within(self, percent: int) -> float:
        """Give the milliseconds within which so many percent were answered."""
        return quantiles(self.milliseconds, n=100)[percent - 1]


def post_all(order: Order) -> Outcome:
    """Start the generator with this order, and wait for its end; raise what it complains of."""
    done = subprocess.run(  # our own command
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr[-2000:]}")
    return Outcome(**json.loads(done.stdout))


class _Connection:
    """One open connection, and the request that is on it."""

    __slots__ = ("answer", "number", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.number = -1


class _Generator:
    """Sends, waits, notes; all in one loop."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = _built(order)
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._idle: list[_Connection] = []
        self._again: deque[tuple[float, int]] = deque()
        self._next = 0
        self._since = array("d", bytes(8 * len(self._requests)))
        self._milliseconds = array("d")
        self._statuses: Counter[str] = Counter()
        self._begin = 0.0

    def run(self) -> Outcome:
        """Carry the order out."""
        for _ in range(min(self._order.connections, len(self._requests))):
            self._open()
        began_at, began_cpu = time.time(), time.process_time()
        self._begin = time.perf_counter()
        until = self._begin + self._order.within
        while len(self._milliseconds) < len(self._requests):
            now = time.perf_counter()
            if now > until:
                break
            pause = self._send_what_is_due(now)
            for descriptor, _ in self._poll.poll(pause):
                self._receive(self._connections[descriptor])
        ended_at = began_at + time.perf_counter() - self._begin
        cpu_seconds = time.process_time() - began_cpu
        for connection in self._connections.values():
            connection.socket.close()
        return Outcome(
            asked=len(self._requests),
            kept=len(self._milliseconds),
            statuses=dict(self._statuses),
            began_at=began_at,
            ended_at=ended_at,
            cpu_seconds=cpu_seconds,
            milliseconds=[round(one, 3) for one in self._milliseconds],
        )

    def _open(self) -> None:
        connection = _Connection(self._order.port)
        descriptor = connection.socket.fileno()
        self._connections[descriptor] = connection
        self._poll.register(descriptor, select.EPOLLIN)
        self._idle.append(connection)

    def _close(self, connection: _Connection) -> None:
        descriptor = connection.socket.fileno()
        self._poll.unregister(descriptor)
        del self._connections[descriptor]
        connection.socket.close()
        if connection in self._idle:
            self._idle.remove(connection)

    def _send_what_is_due(self, now: float) -> float:
        """Send on idle connections what may be sent now; say how long to wait for answers."""
        rate, number_of_all = self._order.rate, len(self._requests)
        while self._idle:
            if self._again and self._again[0][0] <= now:
                number = self._again.popleft()[1]
            elif self._next < number_of_all:
                # Without a rate the clock of a request starts when it is sent.
                due = self._begin + self._next / rate if rate else time.perf_counter()
                if due > now and rate:
                    return max(0.0, min(due - now, 0.05))
                number = self._next
                self._next += 1
                self._since[number] = due
            else:
                break
            connection = self._idle.pop()
            connection.number = number
            try:
                connection.socket.sendall(self._requests[number])
            except OSError:
                self._lose(connection)
        return 0.05

    def _receive(self, connection: _Connection) -> None:
        try:
            said = connection.socket.recv(_LONGEST_ANSWER)
        except OSError:
            said = b""
        if not said:
            self._lose(connection)
            return
        answer = connection.answer + said if connection.answer else said
        head = answer.find(b"\r\n\r\n")
        if head < 0 or not _is_whole(answer, head):
            connection.answer = answer
            return
        connection.answer = b""
        self._note(connection.number, answer[9:12])
        connection.number = -1
        if b"onnection: close" in answer[:head]:
            self._close(connection)
            self._open()
        else:
            self._idle.append(connection)

    def _note(self, number: int, status: bytes) -> None:
        now = time.perf_counter()
        if status == b"200":
            self._milliseconds.append((now - self._since[number]) * 1000)
        else:
            self._again.append((now + _AGAIN_AFTER, number))
        self._statuses[status.decode()] += 1

    def _lose(self, connection: _Connection) -> None:
        """Open another connection for one that ended; what was on it is sent again."""
        number = connection.number
        self._close(connection)
        if number >= 0:
            self._statuses["closed"] += 1
            self._again.append((time.perf_counter() + _AGAIN_AFTER, number))
        self._open()


def _built(order: Order) -> Sequence[bytes]:
    head = (
        f"{order.method} {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    ).encode()
    bodies = [body.encode() for body in order.bodies]
    return [b"%s%d\r\n\r\n%s" % (head, len(body), body) for body in bodies]


def _is_whole(answer: bytes, head: int) -> bool:
    """Tell whether an answer's body is there, told by its length or by its last chunk."""
    at = answer.find(b"ontent-Length: ", 0, head)
    if at < 0:
        at = answer.find(b"ontent-length: ", 0, head)
    if at >= 0:
        return len(answer) >= head + 4 + int(answer[at + 15 : answer.find(b"\r\n", at)])
    is_in_chunks = answer.find(b"ransfer-Encoding: chunked", 0, head) >= 0
    return not is_in_chunks or answer.endswith(b"\r\n0\r\n\r\n")


def main() -> None:
    """Read an order from stdin, carry it out, and print what became of it."""
    json.dump(asdict(_Generator(Order(**json.load(sys.stdin))).run()), sys.stdout)


if __name__ == "__main__":
    main()
