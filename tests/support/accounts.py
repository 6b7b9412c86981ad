"""Counting what became of messages: in a gateway that loses and doubles nothing it all adds up."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from support.africastalking_server import AfricasTalkingServer
from support.gateway_process import Gateway, Row
from support.waiting import wait_until

CONFIRMATION = re.compile(r"\bNo (\d{6})\b")
#: What a reply may have come to when nothing more will happen to it by itself.
AT_REST = {"sent", "delivered", "failed", "unconfirmed", "expired"}

Form = Mapping[str, str]


def confirmation_number(text: str) -> str:
    """Read the confirmation number out of a reply."""
    found = CONFIRMATION.search(text)
    assert found, f"no confirmation number in {text!r}"
    return found[1]


def replies_by_message(gateway: Gateway, forms: Sequence[Form]) -> dict[str, list[Row]]:
    """Return the outgoing rows for each incoming message, by the provider's id of it."""
    rows = gateway.messages()
    wanted = {form["id"] for form in forms}
    incoming = {
        row["id"]: row["provider_message_id"]
        for row in rows
        if row["direction"] == "in" and row["provider_message_id"] in wanted
    }
    replies: dict[str, list[Row]] = {provider_id: [] for provider_id in incoming.values()}
    for row in rows:
        if row["direction"] == "out" and row["in_reply_to"] in incoming:
            replies[incoming[row["in_reply_to"]]].append(row)
    return replies


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

    return wait_until(look, within=within, every=0.3, what="every message has its reply at rest")


def assert_each_once(
    gateway: Gateway, provider: AfricasTalkingServer, forms: Sequence[Form], *, within: float = 60
) -> dict[str, list[Row]]:
    """Check that each message, one from each phone, made one of each thing; return the replies."""
    replies = wait_until_at_rest(gateway, forms, within=within)
    assert {provider_id: len(rows) for provider_id, rows in replies.items()} == {
        form["id"]: 1 for form in forms
    }, "one reply for each message"

    incoming = defaultdict(list)
    parties = {}
    for row in gateway.messages("in"):
        incoming[row["provider_message_id"]].append(row)
        parties[row["provider_message_id"]] = row["party"]
    assert all(len(incoming[form["id"]]) == 1 for form in forms), "one inbox row for each message"

    reports = defaultdict(list)
    for report in gateway.reports():
        reports[report["reporter"]].append(report)
    for form in forms:
        of_this = reports[parties[form["id"]]]
        assert len(of_this) == 1, f"one report for each phone, not {of_this}"
        reply = replies[form["id"]][0]
        assert confirmation_number(reply["text"]) == of_this[0]["number"]
        sends = provider.sent_to(form["from"])
        assert len(sends) <= 1, "at most one send for each reply"
        if reply["status"] in {"sent", "delivered"}:
            assert [send.text for send in sends] == [reply["text"]]
    numbers = [report["number"] for of_this in reports.values() for report in of_this]
    assert len(numbers) == len(set(numbers)), "no number twice"
    return replies
