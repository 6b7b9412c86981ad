"""Leading: of all sweepers one at a time sweeps, polls and sends what costs money.

Who leads is decided by a lock in the database, which its holder has as long as it lives and is
connected. The others look every second, and one of them takes over.
"""

import time

from gateway import logs
from gateway.watch.leader import LEADER
from models.database.engine import UNAVAILABLE, Database
from models.database.holding import HeldDatabase, NotLeading, hold
from workers.stopping import Stop

_log = logs.logger()

_LOOK_EVERY = 1.0
#: Who could not ask for so long, in seconds, does not believe that it leads: it was stopped
#: (SIGSTOP), or the network is broken.
_BELIEVED_FOR = 4.0


class Lead:
    """Takes the lead when nobody has it, and knows from second to second whether it still has."""

    def __init__(self, database: Database) -> None:
        """Prepare; `look` takes the lead, `keep_looking` does so again and again."""
        self._hold = hold(database, LEADER)
        self._seen = float("-inf")
        self._is_settled = False
        self._was_ours = False
        self.database: Database = HeldDatabase(database, self._hold)
        """Writes only while the lead is ours, whatever this process believes."""

    @property
    def is_ours(self) -> bool:
        """Say whether we lead; asks nobody."""
        return time.monotonic() - self._seen < _BELIEVED_FOR

    def look(self) -> bool:
        """Take the lead if nobody has it, or see whether it is still ours; say whether it is."""
        # From before the question: an answer that was read late says nothing of now.
        asked = time.monotonic()
        try:
            has = self._take()
        except (*UNAVAILABLE, NotLeading) as error:
            has = False
            _log.warning("lead_not_known", error=type(error).__name__)
        self._seen = asked if has else float("-inf")
        if has is not self._was_ours:
            if has:
                _log.info("leading")
            else:
                _log.warning("lead_lost")
        self._was_ours = has
        return has

    def _take(self) -> bool:
        if not self._hold.take():
            self._is_settled = False
            return False
        if not self._is_settled:
            # Whoever led before us may be in the midst of a transaction.
            self._hold.settle()
            self._is_settled = True
        return True

    def keep_looking(self, stop: Stop) -> None:
        """Look every second until asked to stop."""
        while not stop.wait(_LOOK_EVERY):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  # a sweeper that does not look is none
                self._seen = float("-inf")
                _log.error("lead_not_known", error=logs.name_of(error))

    def let_go(self) -> None:
        """Let another one lead at once."""
        self._seen = float("-inf")
        self._hold.let_go()
        self.database.dispose()
