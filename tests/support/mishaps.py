"""What may happen to a site, drawn by lot from a seed: the same seed, the same mishaps in order."""

import random
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from support.site import Seat, Site, pause

if TYPE_CHECKING:
    from pathlib import Path


class Mishaps:
    """Draws mishaps for a site and lets them happen; each leaves the site mended or mending."""

    def __init__(self, site: Site, seed: int) -> None:
        """Take the seed that decides which mishap comes when."""
        self.happened: list[str] = []
        self._site = site
        self._chance = random.Random(f"{seed}/mishaps")  # noqa: S311
        self._old: Path | None = None
        common: Mapping[str, Callable[[], str]] = {
            "kill": self._kill,
            "kill again": self._kill,
            "kill everything of one kind": self._kill_kind,
            "kill a child": self._kill_child,
            "stop": self._stop,
            "redis wiped": self._wipe,
            "redis killed": self._redis_killed,
            "redis from an old dump": self._old_dump,
            "redis evicts": self._evict,
        }
        for_postgres: Mapping[str, Callable[[], str]] = {
            "database restarted": self._restart,
            "database killed": self._database_killed,
            "database frozen": self._lasting(site.database_frozen, 2.5),
        }
        for_sqlite: Mapping[str, Callable[[], str]] = {
            "database locked": self._lasting(site.database_locked, 2.5),
            "disk full": self._lasting(site.disk_full, 1.5),
        }
        self._all = [*common.items(), *(for_postgres if site.postgres else for_sqlite).items()]
        self._deck: list[tuple[str, Callable[[], str]]] = []
        self.number = len(self._all)
        """How many kinds there are."""

    def one(self) -> None:
        """Let the next one happen; all have their turn before one comes again."""
        if not self._deck:
            self._deck = self._chance.sample(self._all, len(self._all))
        name, happen = self._deck.pop()
        self.happened.append(f"{name} {happen()}".strip())

    def _seat(self, *roles: str) -> Seat:
        return self._chance.choice(self._site.of(*(roles or ("web", "worker", "sweeper"))))

    def _kill(self) -> str:
        seat = self._seat()
        seat.kill()
        seat.start()
        return seat.role

    def _kill_kind(self) -> str:
        role = self._chance.choice(["web", "worker", "sweeper"])
        for seat in self._site.of(role):
            seat.kill()
        for seat in self._site.of(role):
            seat.start()
        return role

    def _kill_child(self) -> str:
        self._seat("web").kill_a_child()
        return "of web"

    def _stop(self) -> str:
        seat = self._seat()
        heard = seat.ask_to_stop()
        status = seat.wait_stopped()
        fine = {0} if heard else {0, -signal.SIGTERM}
        assert status in fine, f"{seat.role} ends with {status} when it is asked to"
        seat.start()
        return seat.role

    def _wipe(self) -> str:
        self._site.redis.wipe()
        return ""

    def _redis_killed(self) -> str:
        self._site.redis.kill()
        pause(self._chance.uniform(0, 1))
        self._site.redis.start()
        return ""

    def _old_dump(self) -> str:
        """Start Redis with what was in it when this came last; the first time it is kept only."""
        redis, old = self._site.redis, self._old
        self._old = redis.snapshot()
        redis.kill()
        redis.start(old or self._old)
        return ""

    def _evict(self) -> str:
        self._site.redis.limit_memory(1, "allkeys-lru")
        pause(self._chance.uniform(0.2, 1.5))
        self._site.redis.limit_memory(0)
        return ""

    def _restart(self) -> str:
        assert self._site.postgres
        self._site.postgres.restart()
        return ""

    def _database_killed(self) -> str:
        assert self._site.postgres
        self._site.postgres.kill()
        pause(self._chance.uniform(0, 1))
        self._site.postgres.launch()
        return ""

    def _lasting(
        self, trouble: Callable[[], AbstractContextManager[None]], most: float
    ) -> Callable[[], str]:
        def happen() -> str:
            seconds = self._chance.uniform(0.2, most)
            with trouble():
                pause(seconds)
            return f"{seconds:.1f} s"

        return happen
