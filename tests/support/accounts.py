"""Counting what became of messages: in a gateway that loses and doubles nothing it all adds up.

The books are read from the database behind the product's back, as each command costs a process;
what the commands show is compared with them at the end.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from support.africastalking_server import AfricasTalkingServer
from support.database_dump import connected
from support.gateway_process import Gateway, Row
from support.traffic import Heard
from support.waiting import wait_until

CONFIRMATION = re.compile(r"\bNo (\d{6})\b")
#: What a reply may have come to when nothing more will happen to it by itself.
AT_REST = {"sent", "delivered", "failed", "unconfirmed", "expired"}
#: What a reply may be when the provider has never been given it, or may have been.
NOT_SURELY_SENT = {"failed", "unconfirmed", "expired"}

Form = Mapping[str, str]

_INBOX = (
    "SELECT id, provider_message_id, phone_id, text, handled_at, set_aside_at, last_error,"
    " redelivered, received_at FROM inbox ORDER BY id"
)
_OUTBOX = (
    "SELECT id, in_reply_to, phone_id, text, reply_key, status, attempts, channel,"
    " provider_message_id, error FROM outbox ORDER BY id"
)
_REPORTS = "SELECT id, inbox_id, phone_id, number, state FROM reports ORDER BY id"
_PHONES = "SELECT id, number FROM phones"


def confirmation_number(text: str) -> str:
    """Read the confirmation number out of a reply."""
    found = CONFIRMATION.search(text)
    assert found, f"no confirmation number in {text!r}"
    return found[1]


@dataclass
class Books:
    """What stands in the database: rows in the order in which they were written."""

    inbox: list[Row]
    outbox: list[Row]
    reports: list[Row]
    numbers: dict[int, str]
    """Each phone's number."""
    by_message: dict[str, list[Row]] = field(default_factory=dict)
    """Inbox rows by the provider's id."""
    replies: dict[int, list[Row]] = field(default_factory=dict)
    """Outgoing rows by the inbox row that they answer."""

    @classmethod
    def read(cls, url: str) -> "Books":
        """Read them all in one transaction."""
        with connected(url) as connection:

            def rows(query: str) -> list[Row]:
                return [dict(row) for row in connection.execute(sa.text(query)).mappings()]

            phones = {row["id"]: row["number"] for row in rows(_PHONES)}
            # What comes later is read first: a reply always has its message beside it.
            outbox, reports, inbox = rows(_OUTBOX), rows(_REPORTS), rows(_INBOX)
        books = cls(inbox, outbox, reports, phones)
        for row in inbox:
            books.by_message.setdefault(row["provider_message_id"], []).append(row)
        for row in outbox:
            if row["in_reply_to"] is not None:
                books.replies.setdefault(row["in_reply_to"], []).append(row)
        return books

    def unfinished(self, answered: Collection[str]) -> list[str]:
        """Say what has not come to its end: a few words for each, without numbers."""
        found = [f"{one} is not there" for one in answered if one not in self.by_message]
        found += [
            f"message {row['id']} waits"
            for row in self.inbox
            if row["handled_at"] is None and row["set_aside_at"] is None
        ]
        found += [
            f"reply {row['id']} is {row['status']}"
            for row in self.outbox
            if row["status"] not in AT_REST
        ]
        return found


def replies_by_message(gateway: Gateway, forms: Sequence[Form]) -> dict[str, list[Row]]:
    """Return the outgoing rows for each incoming message, by the provider's id of it."""
    books = Books.read(gateway.database_url)
    rows = [(form["id"], books.by_message.get(form["id"], [])) for form in forms]
    return {
        provider_id: [reply for row in incoming for reply in books.replies.get(row["id"], [])]
        for provider_id, incoming in rows
        if incoming
    }


def wait_until_at_rest(
    gateway: Gateway, forms: Sequence[Form], *, within: float
) -> dict[str, list[Row]]:
    """Wait until each message has a reply to which nothing more will happen."""

    def look() -> dict[str, list[Row]]:
        replies = replies_by_message(gateway, forms)
        done = len(replies) == len(forms) and all(
            rows and all(row["status"] in AT_REST for row in rows) for rows in replies.values()
        )
        return replies if done else {}

    return wait_until(look, within=within, every=0.2, what="every message has its reply at rest")


def assert_each_once(
    gateway: Gateway, provider: AfricasTalkingServer, forms: Sequence[Form], *, within: float = 60
) -> dict[str, list[Row]]:
    """Check that each message, one from each phone, made one of each thing; return the replies."""
    replies = wait_until_at_rest(gateway, forms, within=within)
    books = Books.read(gateway.database_url)
    _assert_whole(books, [form["id"] for form in forms])
    per_phone = Counter(row["phone_id"] for row in books.reports)
    given = _given_to(provider)
    for form in forms:
        (row,) = books.by_message[form["id"]]
        assert per_phone[row["phone_id"]] == 1, "one report for each phone"
        _assert_handed_over(books, given, form)
    return replies


def assert_all_accounted(
    gateway: Gateway,
    provider: AfricasTalkingServer,
    *,
    heard: Heard,
    within: float = 180,
) -> Books:
    """Wait until nothing is under way, and check that all of it adds up; return the books.

    Each message is a report that is complete. What was answered 200 must be there, once. What never
    was may be there, if its answer was lost; but then whole, with its report and its reply.
    """
    promised = [*heard.answered, *heard.late]
    _wait_for_rest(gateway, [form["id"] for form in promised], within)
    books = Books.read(gateway.database_url)
    kept = [form for form in heard.unanswered if form["id"] in books.by_message]
    everything = [*promised, *kept]
    _assert_whole(books, [form["id"] for form in everything])
    _assert_in_order(books, heard.answered)
    given = _given_to(provider)
    for form in everything:
        _assert_handed_over(books, given, form)
    _assert_nothing_else_sent(books, given)
    return books


def _wait_for_rest(gateway: Gateway, ids: Collection[str], within: float) -> None:
    left: list[str] = []

    def is_done() -> bool:
        left[:] = Books.read(gateway.database_url).unfinished(ids)
        return not left

    try:
        wait_until(is_done, within=within, every=0.3, what="nothing is under way any more")
    except AssertionError as failure:
        failure.add_note(f"{len(left)} unfinished: {', '.join(left[:20])}")
        raise


def _assert_whole(books: Books, ids: Sequence[str]) -> None:
    """Check that each message has one row, one report with its number, and one reply with that."""
    counted = Counter({one: len(books.by_message.get(one, [])) for one in ids})
    _assert_none(counted, lambda one: counted[one] != 1, "one inbox row for each message")
    rows = {one: books.by_message[one][0] for one in ids}
    aside = [row["last_error"] for row in rows.values() if row["set_aside_at"] is not None]
    assert not aside, f"none was set aside: {aside[:5]}"
    reports = defaultdict(list)
    for report in books.reports:
        reports[report["inbox_id"]].append(report)
    _assert_none(rows, lambda one: len(reports[rows[one]["id"]]) != 1, "one report for each")
    _assert_none(
        rows, lambda one: len(books.replies.get(rows[one]["id"], [])) != 1, "one reply for each"
    )
    for one, row in rows.items():
        number = reports[row["id"]][0]["number"]
        assert number is not None, f"{one}: its report has a number"
        (reply,) = books.replies[row["id"]]
        assert confirmation_number(reply["text"]) == number, f"{one}: the reply tells its number"
    given = [report["number"] for report in books.reports if report["number"] is not None]
    assert len(given) == len(set(given)), "no number twice"


def _assert_none(among: Collection[str], is_wrong: Callable[[str], bool], rule: str) -> None:
    wrong = [one for one in among if is_wrong(one)]
    assert not wrong, f"{rule}: not so for {len(wrong)} of {len(among)}, such as {wrong[:5]}"


def _assert_in_order(books: Books, answered: Sequence[Form]) -> None:
    """Check that what one sender sent was taken in, and made into reports, in that order."""
    place = {report["inbox_id"]: report["id"] for report in books.reports}
    of_sender: dict[str, list[int]] = defaultdict(list)
    for form in answered:
        of_sender[form["from"]].append(books.by_message[form["id"]][0]["id"])
    for rows in of_sender.values():
        assert rows == sorted(rows), f"one sender's messages in their order: {rows}"
        reports = [place[row] for row in rows]
        assert reports == sorted(reports), f"one sender's reports in their order: {reports}"


def _given_to(provider: AfricasTalkingServer) -> Counter[tuple[str, str]]:
    """Count how often the provider was given each text for each number."""
    return Counter((number, one.text) for one in provider.requests for number in one.recipients)


def _assert_handed_over(books: Books, given: Counter[tuple[str, str]], form: Form) -> None:
    """Check that the provider was given the reply once, or the books say that this is not sure."""
    (row,) = books.by_message[form["id"]]
    (reply,) = books.replies[row["id"]]
    sends = given[(form["from"], reply["text"])]
    assert sends <= 1, f"reply {reply['id']} ({reply['status']}) left {sends} times"
    if reply["status"] not in NOT_SURELY_SENT:
        assert sends == 1, f"reply {reply['id']} is {reply['status']} and never left"


def _assert_nothing_else_sent(books: Books, given: Counter[tuple[str, str]]) -> None:
    """Check that the provider was given nothing that does not stand in the outbox."""
    written = {(books.numbers[row["phone_id"]], row["text"]) for row in books.outbox}
    unknown = set(given) - written
    assert not unknown, f"{len(unknown)} texts left that nobody wrote"


def assert_shown(gateway: Gateway, books: Books) -> None:
    """Check that the commands show each message and report as the books have it."""
    shown = {row["id"]: row["status"] for row in gateway.messages()}
    written = {f"out-{row['id']}": row["status"] for row in books.outbox}
    # A delivery report may have come since the books were read.
    assert {one: shown.get(one) for one in written if shown.get(one) != "delivered"} == {
        one: status for one, status in written.items() if shown.get(one) != "delivered"
    }
    assert {f"in-{row['id']}" for row in books.inbox} <= set(shown)
    numbers = [report["number"] for report in gateway.reports()]
    assert sorted(numbers) == sorted(
        row["number"] for row in books.reports if row["number"] is not None
    )
