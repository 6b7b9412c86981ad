"""What every test of the parsers needs: the shipped language, a fixed moment, one item."""

from datetime import datetime, timedelta, timezone

from parsers.loading import load
from parsers.reading import Item, read

WITA = timezone(timedelta(hours=8))
NOW = datetime(2026, 11, 25, 10, 0, tzinfo=WITA)
LANGUAGE = load()


def items(text, now=NOW, sender="reporter"):
    return read(text, LANGUAGE, now=now, sender=sender).items


def only(text, now=NOW) -> Item:
    found = items(text, now)
    assert len(found) == 1, [item.as_json() for item in found]
    return found[0]


def problems(item):
    return [(one.field, one.given, one.reason.value, *one.options) for one in item.problems]
