"""Group commit: what several threads bring at the same moment is kept in one transaction.

A commit waits for the disk, and a statement for the database; both cost the same for one message
as for ten. So whoever comes while another is committing waits for its turn with all others who
wait, and one of them does it for all. Whoever comes alone waits for nobody.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Entry(Generic[T, R]):
    """What one thread brought, and what became of it."""

    __slots__ = ("error", "is_done", "item", "result", "wake")

    def __init__(self, item: T) -> None:
        self.item = item
        self.result: list[R] = []
        self.error: BaseException | None = None
        self.is_done = False
        self.wake = threading.Lock()
        self.wake.acquire()


class GroupCommit(Generic[T, R]):
    """Does for many threads at once what each of them waits for."""

    def __init__(
        self,
        keep: Callable[[Sequence[T]], Sequence[R]],
        unavailable: tuple[type[Exception], ...],
        most: int,
    ) -> None:
        """Take what keeps several items in one transaction, with a result for each.

        Where it raises `unavailable`, nobody's item was kept; where it raises anything else, some
        item is at fault, and each is kept by itself. No group is larger than `most`.
        """
        self._keep = keep
        self._unavailable = unavailable
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Entry[T, R]] = []
        self._is_led = False

    def keep(self, item: T) -> R:
        """Have an item kept, perhaps with others; give its result, or raise what it met."""
        mine: _Entry[T, R] = _Entry(item)
        with self._lock:
            self._waiting.append(mine)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            mine.wake.acquire()
        if not mine.is_done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.result[0]

    def _lead(self) -> None:
        """Do what waits now, the leader's own first, and let the next one in line lead."""
        with self._lock:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._do(group)
        finally:
            with self._lock:
                follower = self._waiting[0] if self._waiting else None
                self._is_led = follower is not None
            if follower is not None:
                follower.wake.release()
            for entry in group[1:]:
                entry.is_done = True
                entry.wake.release()

    def _do(self, group: Sequence[_Entry[T, R]]) -> None:
        try:
            results = self._keep([entry.item for entry in group])
        except self._unavailable as error:
            for entry in group:
                entry.error = error
        except BaseException as error:  # noqa: BLE001  # each thread raises its own
            if len(group) == 1:
                group[0].error = error
                return
            for entry in group:
                self._do([entry])
        else:
            for entry, result in zip(group, results, strict=True):
                entry.result.append(result)
