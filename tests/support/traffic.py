"""Villages that text, and a provider that posts again: load for tests that break things meanwhile.

Each sender's messages go one after the other, as over a network: the next one once the last was
answered 200, or given up. What was answered is written down, as that is what must not be lost.
"""

import http.client
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from support.payloads import incoming_sms

Form = Mapping[str, str]

#: Longer than any answer may take; one that takes longer counts as none.
_ANSWER_WITHIN = 40
_PAUSE_AFTER_FAILURE = 0.1
#: In the place of a status. A kept connection may also be closed just as it is used again.
NO_ANSWER = 0


def reports_of(senders: Iterable[str], each: int, **fields: str) -> list[list[dict[str, str]]]:
    """Make so many reports for each sender, each of another number of guests, in their order."""
    return [
        [
            incoming_sms(f"WNA#Jerman#{guests}#riset#kantor desa", sender, **fields)
            for guests in range(1, each + 1)
        ]
        for sender in senders
    ]


class Wire:
    """Posts forms to the machines of a gateway, each thread on connections that it keeps."""

    def __init__(self, webhooks: Sequence[str]) -> None:
        """Take the webhook of each machine."""
        self._webhooks = [urlsplit(one) for one in webhooks]
        self._open: dict[str, http.client.HTTPConnection] = {}

    def post(self, form: Form, which: int) -> int:
        """Post a form to one of the machines and return the status; nought means no answer."""
        target = self._webhooks[which % len(self._webhooks)]
        connection = self._open.get(target.netloc)
        if connection is None:
            connection = http.client.HTTPConnection(target.netloc, timeout=_ANSWER_WITHIN)
            self._open[target.netloc] = connection
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            connection.request("POST", target.path, urlencode(form), kind)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up(target.netloc)
            return NO_ANSWER
        return answer.status

    def hang_up(self, netloc: str = "") -> None:
        """Close one connection, or all of them."""
        for name in [netloc] if netloc else list(self._open):
            if found := self._open.pop(name, None):
                found.close()


@dataclass
class Heard:
    """What the senders' network heard."""

    answered: list[Form] = field(default_factory=list)
    """Answered 200 at least once, by the moment; those of one sender are in their order."""
    unanswered: list[Form] = field(default_factory=list)
    """Tried, and never answered 200."""
    late: list[Form] = field(default_factory=list)
    """Given up by the sender, and answered 200 when a copy came, in no order."""
    statuses: Counter[int] = field(default_factory=Counter)
    """How often each status came; nought is no answer."""
    slowest: dict[int, float] = field(default_factory=dict)
    """For each status, the longest that an answer took, in seconds."""


class Traffic:
    """Senders that text in threads of their own, within a with block or until they are done.

    `gives_up` is how often a message that was not answered 200 is dropped; `copies` how often one
    is posted once more beside, before or after its 200, in any order.
    """

    def __init__(
        self,
        webhooks: Sequence[str],
        batches: Sequence[Sequence[Form]],
        *,
        seed: int = 0,
        threads: int = 4,
        pause: float = 0.0,
        gives_up: float = 0.0,
        copies: int = 0,
    ) -> None:
        """Take the messages of each sender, in their order."""
        self.heard = Heard()
        self._webhooks = webhooks
        self._pause = pause
        self._gives_up = gives_up
        self._copies = copies
        self._begun: list[tuple[Form, int]] = []
        self._answered_copies: set[str] = set()
        self._lock = threading.Lock()
        self._no_more = threading.Event()
        self._all_out = threading.Event()
        shares = [batches[at::threads] for at in range(threads)]
        self._senders = [
            threading.Thread(target=self._text, args=(share, random.Random(f"{seed}/{at}")))  # noqa: S311
            for at, share in enumerate(shares)
        ]
        self._repeaters = [
            threading.Thread(target=self._repeat, args=(random.Random(f"{seed}/copies/{at}"),))  # noqa: S311
            for at in range(2 if copies else 0)
        ]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in [*self._senders, *self._repeaters]:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send nothing new any more; what is on its way is tried on until it is answered."""
        if error is not None:
            self._gives_up = 1.0
        self._no_more.set()
        self.wait()

    def wait(self) -> Heard:
        """Wait until every message is answered or given up, and every copy is out."""
        for thread in self._senders:
            thread.join()
        self._all_out.set()
        for thread in self._repeaters:
            thread.join()
        heard, copied = self.heard, self._answered_copies
        heard.late += [form for form in heard.unanswered if form["id"] in copied]
        heard.unanswered = [form for form in heard.unanswered if form["id"] not in copied]
        return heard

    @property
    def is_over(self) -> bool:
        """Whether every message is answered or given up."""
        return not any(thread.is_alive() for thread in self._senders)

    def _text(self, batches: Sequence[Sequence[Form]], chance: random.Random) -> None:
        wire = Wire(self._webhooks)
        waiting = [deque(batch) for batch in batches if batch]
        while waiting and not self._no_more.is_set():
            sender = chance.choice(waiting)
            self._deliver(sender.popleft(), wire, chance)
            waiting = [one for one in waiting if one]
            self._no_more.wait(self._pause)
        wire.hang_up()

    def _deliver(self, form: Form, wire: Wire, chance: random.Random) -> None:
        if self._copies:
            with self._lock:
                self._begun.append((form, self._copies))
        which = chance.randrange(len(self._webhooks))
        while True:
            status = self._post(form, wire, which)
            if status == http.HTTPStatus.OK:
                with self._lock:
                    self.heard.answered.append(form)
                return
            if chance.random() < self._gives_up:
                with self._lock:
                    self.heard.unanswered.append(form)
                return
            which += 1  # another machine may answer
            time.sleep(_PAUSE_AFTER_FAILURE)

    def _post(self, form: Form, wire: Wire, which: int) -> int:
        began = time.monotonic()
        status = wire.post(form, which)
        took = time.monotonic() - began
        with self._lock:
            self.heard.statuses[status] += 1
            self.heard.slowest[status] = max(took, self.heard.slowest.get(status, 0.0))
        return status

    def _repeat(self, chance: random.Random) -> None:
        """Post messages once more, whether or not the first one is answered yet."""
        wire = Wire(self._webhooks)
        while (form := self._some_begun(chance)) or not self._all_out.is_set():
            if form is None:
                self._all_out.wait(0.02)
                continue
            if self._post(form, wire, chance.randrange(len(self._webhooks))) == http.HTTPStatus.OK:
                with self._lock:
                    self._answered_copies.add(form["id"])
        wire.hang_up()

    def _some_begun(self, chance: random.Random) -> Form | None:
        """Take one of the messages that are to be posted once more; none when there is none."""
        with self._lock:
            if not self._begun:
                return None
            # Not the newest alone: a copy may come long after the sender's next message.
            at = chance.randrange(len(self._begun))
            form, left = self._begun.pop(at)
            if left > 1:
                self._begun.append((form, left - 1))
            return form
