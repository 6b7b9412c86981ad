"""Delivery reports as bad as they come: early, late, again, backwards, and of nobody's messages."""

import http
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from uuid import uuid4

from support.africastalking_server import ReceivedRequest
from support.traffic import Wire

_BETWEEN_TRIES = 0.2
#: What is told of a message after it was told to be delivered; none of it may change that.
_BACKWARDS = ("Success", "Sent", "Failed", "Buffered", "Rejected", "Success")


class DeliveryStorm:
    """Tells of each message that a stand-in has taken, in a thread of its own in a with block.

    `tell` is the stand-in's `on_request`. Each report is posted until it is answered 200.
    """

    def __init__(self, seed: int, overtakes: float = 0.3) -> None:
        """Take the seed, and how often a report overtakes the answer to the send."""
        self.delivered: set[str] = set()
        """Ids of messages of which `Success` was taken in."""
        self.webhooks: Sequence[str] = ()
        """The address for delivery reports on each machine; without one nothing is told."""
        self._chance = random.Random(f"{seed}/deliveries")  # noqa: S311
        self._overtakes = overtakes
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell what is left to tell, unless something failed."""
        if error is not None:
            self.webhooks = ()
        self._waiting.put(None)
        self._thread.join()

    def tell(self, request: ReceivedRequest) -> None:
        """Tell of a message, before the answer to its send or some time later."""
        for number, message_id in request.message_ids.items():
            with self._lock:
                now = self._chance.random() < self._overtakes
            if now and self.webhooks:
                wire = Wire(self.webhooks)
                if self._post(wire, message_id, number, "Success") == http.HTTPStatus.OK:
                    self.delivered.add(message_id)
                wire.hang_up()
            self._waiting.put((message_id, number))

    def _go_on(self) -> None:
        wire = Wire(self.webhooks)
        while (one := self._waiting.get()) is not None:
            message_id, number = one
            self._until_taken(lambda one=one: self._post(wire, *one, "Success"))
            self.delivered.add(message_id)
            for status in self._chance.sample(_BACKWARDS, 2):
                self._post(wire, message_id, number, status)
            if self._chance.random() < self._overtakes:
                self._post(wire, f"ATXid_{uuid4().hex}", number, "Failed")
        wire.hang_up()

    def _until_taken(self, post: Callable[[], int]) -> None:
        while self.webhooks and post() != http.HTTPStatus.OK:
            time.sleep(_BETWEEN_TRIES)

    def _post(self, wire: Wire, message_id: str, number: str, status: str) -> int:
        fields = {"id": message_id, "status": status, "phoneNumber": number, "retryCount": "0"}
        return wire.post(fields, self._chance.randrange(2))
