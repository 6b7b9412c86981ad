"""The bench itself: its load generator against a small server, its table and its parts."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from bench import __main__ as table
from bench.figures import TABLE_HEAD, Figure, at_least, at_most
from bench.load import Order, Outcome, post_all

Answer = Callable[[bytes], tuple[int, str]]
"""What to answer to a body: a status, and how: whole, in chunks, hang up, or nothing at all."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, manner = self.server.answer(body)
        if manner == "nothing":
            self.close_connection = True
            return
        self.send_response(status)
        if manner == "chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in (b"2\r\nok\r\n", b"0\r\n\r\n"):
                self.wfile.write(chunk)
                self.wfile.flush()
            return
        if manner == "hang up":
            self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(answer: Answer) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.answer = answer
    server.daemon_threads = False  # all threads are waited for
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _post(answer: Answer, number: int, **order: float) -> tuple[Outcome, Counter[bytes]]:
    seen: Counter[bytes] = Counter()

    def noted(body: bytes) -> tuple[int, str]:
        seen[body] += 1
        return answer(body)

    with _serving(noted) as port:
        bodies = [f"text=pesan+{n}" for n in range(number)]
        return post_all(Order(port, "/sms", bodies, connections=4, within=20, **order)), seen


@pytest.mark.parametrize("manner", ["whole", "chunks", "hang up"])
def test_each_request_is_posted_once_however_it_is_answered(manner: str):
    outcome, seen = _post(lambda _: (200, manner), 50)
    assert outcome.kept == 50
    assert outcome.statuses == {"200": 50}
    assert set(seen.values()) == {1}
    assert len(outcome.milliseconds) == 50


@pytest.mark.parametrize("first", [(503, "whole"), (200, "nothing")])
def test_what_is_not_answered_200_is_sent_again(first: tuple[int, str]):
    tried: set[bytes] = set()

    def answer(body: bytes) -> tuple[int, str]:
        if body.endswith(b"7") and body not in tried:
            tried.add(body)
            return first
        return 200, "whole"

    outcome, seen = _post(answer, 30)
    assert outcome.kept == 30
    assert [seen[f"text=pesan+{n}".encode()] for n in (6, 7, 17, 27)] == [1, 2, 2, 2]
    # The wait for the second try is in the time that its sender waited.
    assert sorted(outcome.milliseconds)[-3] >= 200


def test_a_rate_is_kept():
    outcome, _ = _post(lambda _: (200, "whole"), 20, rate=40.0)
    assert outcome.kept == 20
    assert outcome.seconds >= 19 / 40


def test_it_gives_up_when_its_time_is_over():
    with _serving(lambda _: (503, "whole")) as port:
        outcome = post_all(Order(port, "/sms", ["text=a"], within=0.5))
    assert outcome.kept == 0
    assert outcome.statuses["503"] >= 1


def test_a_server_that_is_not_there_is_told():
    with _serving(lambda _: (200, "whole")) as port:
        pass
    with pytest.raises(RuntimeError, match="the load generator failed"):
        post_all(Order(port, "/sms", ["text=a"]))


@pytest.mark.parametrize("part", table.PARTS)
def test_every_part_can_be_measured_by_its_name(part: str):
    assert callable(import_module(f"bench.{part}").measure)


def test_a_figure_tells_whether_its_goal_is_met():
    assert at_most("a", 3.0, 3).verdict == "met"
    assert at_most("a", 3.1, 3).verdict == "missed"
    assert at_least("a", 3.0, 3).verdict == "met"
    assert at_least("a", 2.9, 3).verdict == "missed"
    assert Figure("a", "1").verdict == ""


def test_the_table_is_written_between_the_marks_and_the_prose_stays(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{table.BEGIN}\n\nold\n\n{table.END}\n\nAfter.\n")
    table.write(page, "measured today", [("growth", at_most("what", 1, 2))])
    written = page.read_text()
    assert written.startswith("Before.\n\n")
    assert written.endswith("\n\nAfter.\n")
    assert "- `growth`: measured today\n" in written
    assert "| what | 1 | ≤ 2 | met | `growth` |" in written
    assert "old" not in written


def test_parts_that_were_not_measured_stay_as_they_were():
    first = [("growth", Figure("a", "1")), ("morning", Figure("b", "2"))]
    old = table.merged("", "measured in June", first)
    again = table.merged(old, "measured in July", [("growth", Figure("c", "3"))])
    assert again.splitlines() == [
        "- `morning`: measured in June",
        "- `growth`: measured in July",
        "",
        *TABLE_HEAD,
        "| b | 2 |  |  | `morning` |",
        "| c | 3 |  |  | `growth` |",
    ]
    assert table.merged(again, "measured in July", []) == again


def test_a_page_without_the_marks_is_refused_by_name(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("Nothing here.\n")
    with pytest.raises(SystemExit, match=r"page\.md lacks"):
        table.write(page, "measured today", [])


def test_the_page_on_performance_has_the_marks():
    assert table.BEGIN in table.PAGE.read_text()
    assert table.END in table.PAGE.read_text()
