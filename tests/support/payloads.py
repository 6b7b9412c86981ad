"""Forms as Africa's Talking posts them, and phones that belong to nobody."""

from datetime import UTC, datetime
from uuid import uuid4

WNA = "WNA#Jerman#1#riset#kantor desa"
"""A complete report: country, count, purpose, place."""


def phone(number: int) -> str:
    """Return one of a million Indonesian mobile numbers."""
    return f"+62812{90_000_000 + number}"


def incoming_sms(text: str = WNA, sender: str = "", **fields: str) -> dict[str, str]:
    """Return the form of one incoming message, new unless an id is given."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "from": sender or phone(1),
        "id": uuid4().hex,
        "linkId": "",
        "text": text,
        "to": "31234",
        "networkCode": "51010",
        "cost": "KES 0.00",
    } | fields
