"""What time it is: UTC in rows and logs, a village's own zone for people and words like `besok`."""

import time
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

#: A network's time is believed when it lies at most so long before receipt.
BELIEVED = timedelta(days=7)
_DIFFERS = timedelta(minutes=5)


def now() -> datetime:
    """Say what time it is, in UTC."""
    return datetime.now(UTC)


def is_believed(network_time: datetime | None, received_at: datetime) -> bool:
    """Say whether the network's time can be right; clocks may differ by a moment."""
    return network_time is None or -_DIFFERS <= received_at - network_time <= BELIEVED


def spoken_at(network_time: datetime | None, received_at: datetime, zone: ZoneInfo) -> datetime:
    """Say when a message was written, as well as we know, in the zone of its village."""
    if network_time is not None and timedelta(0) <= received_at - network_time <= BELIEVED:
        return network_time.astimezone(zone)
    return received_at.astimezone(zone)


def shown(moment: datetime | None, zone: tzinfo) -> str | None:
    """Write a moment for a list: ISO with its offset, to the second."""
    return moment.astimezone(zone).isoformat(timespec="seconds") if moment else None


class Timetable:
    """When each thing was last done by this process: a new one begins with all of them at once.

    So a gateway that was away asks every channel what it has missed as soon as it is back.
    """

    def __init__(self) -> None:
        """Begin with nothing done."""
        self._done: dict[str, float] = {}

    def is_due(self, what: str, every: timedelta) -> bool:
        """Say whether it is time for something again; if so, it counts as done now."""
        now = time.monotonic()
        last = self._done.get(what)
        if last is not None and now - last < every.total_seconds():
            return False
        self._done[what] = now
        return True
