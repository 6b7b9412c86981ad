"""Group commit: together where many come at once, alone where one comes alone, and once each."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.messaging.group_commit import GroupCommit


class Away(Exception):
    """The database cannot be had."""


class Books:
    """Keeps items in groups; the first group waits at a gate until it is opened."""

    def __init__(self, *, most: int = 100) -> None:
        self.groups: list[list[str]] = []
        self.kept: list[str] = []
        self.away = False
        self.gate = threading.Event()
        self.began = threading.Event()
        self.commit = GroupCommit(self._keep, (Away,), most)

    def _keep(self, items: Sequence[str]) -> list[str]:
        self.groups.append(list(items))
        self.began.set()
        assert self.gate.wait(10)
        if self.away:
            raise Away
        if "bad" in items:
            raise ValueError("bad")
        self.kept += items
        return [item.upper() for item in items]

    def bring_at_once(self, first: str, *others: str) -> list[str]:
        """Bring one item, and the others while it is being kept; give what each heard."""
        with ThreadPoolExecutor(len(others) + 1) as pool:
            heard = [pool.submit(self._heard, first)]
            assert self.began.wait(10)
            heard += [pool.submit(self._heard, other) for other in others]
            while len(self.commit._waiting) < len(others):  # noqa: SLF001  # all wait now
                pass
            self.gate.set()
            return [one.result(10) for one in heard]

    def _heard(self, item: str) -> str:
        try:
            return self.commit.keep(item)
        except (Away, ValueError) as error:
            return type(error).__name__


def test_who_comes_alone_is_kept_at_once():
    books = Books()
    books.gate.set()
    assert books.commit.keep("a") == "A"
    assert books.groups == [["a"]]


def test_who_comes_while_another_is_kept_is_kept_with_all_others_who_wait():
    books = Books()
    assert books.bring_at_once("a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert [sorted(group) for group in books.groups] == [["a"], ["b", "c", "d"]]


def test_no_group_is_larger_than_it_may_be():
    books = Books(most=2)
    assert books.bring_at_once("a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert [len(group) for group in books.groups] == [1, 2, 1]


def test_without_a_database_each_hears_it_and_nothing_is_tried_again():
    books = Books()
    books.away = True
    assert books.bring_at_once("a", "b", "c") == ["Away"] * 3
    assert len(books.groups) == 2
    assert books.kept == []


def test_what_is_at_fault_costs_nobody_else():
    books = Books()
    assert books.bring_at_once("a", "b", "bad", "c") == ["A", "B", "ValueError", "C"]
    assert sorted(books.kept) == ["a", "b", "c"]


def test_the_next_one_is_kept_after_a_fault():
    books = Books()
    books.gate.set()
    with pytest.raises(ValueError, match="bad"):
        books.commit.keep("bad")
    assert books.commit.keep("a") == "A"


def test_of_thousands_each_is_kept_once_and_hears_its_own_result():
    books = Books(most=5)
    books.gate.set()

    def bring(who: int) -> list[str]:
        return [books.commit.keep(f"{who}-{n}x") for n in range(200)]

    with ThreadPoolExecutor(16) as pool:
        heard = list(pool.map(bring, range(16)))
    assert heard == [[f"{who}-{n}X" for n in range(200)] for who in range(16)]
    assert sorted(books.kept) == sorted(f"{who}-{n}x" for who in range(16) for n in range(200))
