"""Single slips of the thumb over clean messages, and what becomes of them.

A slip changes one place of a text: a letter for one on the same phone key or beside it on a small
keyboard, a letter left out or typed twice, two neighbours swapped, a blank lost or put in. Digits
stay: nobody could tell 2 from 3.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from support.corpus import Message, judge, varied

from parsers.answering import Question, read_answer
from parsers.reading import read, read_under

PHONE_KEYS = ("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz")
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SEED = 20261125
_TIMES = 8


class Became(StrEnum):
    """What a slip led to."""

    UNDERSTOOD = "understood"
    ONE_REPLY = "completed by one short reply"
    LESS = "stored without an optional piece"
    AGAIN = "to be sent again"
    WRONG = "silently wrong"


@dataclass(frozen=True)
class Slip:
    """One message with a slip in it."""

    message: Message
    kind: str
    text: str


def patterns():
    """Give patterns filled with many places, countries and numbers."""
    return varied("patterns_a", "patterns_b", times=_TIMES)


def clean_messages(messages, language):
    """Give those that read right in full: reports that lack nothing, and commands."""
    return [
        message
        for message in messages
        if judge(message, language).is_right and _is_whole(_items(message.text, message, language))
    ]


def slips(messages, number, seed=_SEED) -> Iterator[Slip]:
    """Give so many slips, the same ones each time for a seed."""
    chance = random.Random(seed)  # noqa: S311  # the same slips each time
    given = 0
    while given < number:
        message = chance.choice(messages)
        kind = chance.choice(list(_KINDS))
        text = _KINDS[kind](message.text, chance)
        if text is not None:
            given += 1
            yield Slip(message, kind, text)


def what_became(slip, language):
    """Read a slip, and answer what is asked with one short reply."""
    right = _items(slip.message.text, slip.message, language)
    found = _items(slip.text, slip.message, language)
    if _is_same(found, right):
        return Became.UNDERSTOOD
    if _is_wrong(found, right):
        return Became.WRONG
    if len(found) != 1 or len(right) != 1:
        return Became.AGAIN
    return _after_one_reply(slip, found[0], right[0], language)


def _after_one_reply(slip, found, right, language):
    """Name the code where there was none; else answer the question that was put."""
    if found.outcome in ("chat", "question"):
        if right.code not in language.forms:
            return Became.AGAIN
        if found.ask == "ERR_BULAN" and "month" in right.fields:
            reply = f"{right.code} {language.months()[right.fields['month'] - 1]}"
            whole = read(reply, language, now=slip.message.now).items
        else:
            whole = read_under(slip.text, right.code, language, now=slip.message.now).items
        if _is_wrong(whole, (right,)):
            return Became.WRONG
        return Became.ONE_REPLY if _is_same(whole, (right,)) else Became.AGAIN
    if found.code != right.code or found.outcome not in ("report", "draft"):
        return Became.AGAIN
    if not (found.missing or found.problems):
        return Became.LESS
    return _answered(slip, found, right, language)


def _answered(slip, found, right, language):
    form = language.forms[right.code]
    asked = [*(problem.field for problem in found.problems), *found.missing]
    values = [
        _said(form.field(name), right.fields[name], slip.message.now, language)
        for name in dict.fromkeys(asked)
        if name in right.fields
    ]
    question = Question(found.code, _compared(found), found.missing, found.problems)
    answer = read_answer(" ".join(map(str, values)), language, question, now=slip.message.now)
    if not values or answer is None or answer.missing or answer.problems:
        return Became.AGAIN
    known = {**_compared(found), **answer.fields}
    wanted = [field.name for field in form.fields if field.wanted and field.name in right.fields]
    if any(known.get(name) != right.fields[name] for name in wanted if name != "place"):
        return Became.WRONG
    return Became.ONE_REPLY


def _said(field, value, now, language):
    """Give a value as a person says it."""
    if value in ("XX", "tidak_tahu"):
        return "tidak tahu"
    if field.kind == "day" and value == (now.date() - timedelta(days=1)).isoformat():
        return "kemarin"
    return language.shown(field.kind, value)


def _items(text, message, language):
    return read(text, language, now=message.now).items


def _compared(item):
    return {name: value for name, value in item.fields.items() if name not in ("note", "place")}


def _is_whole(items):
    return all(
        item.outcome in ("report", "command") and not item.missing and not item.problems
        for item in items
    )


def _is_same(found, right):
    return (
        len(found) == len(right)
        and _is_whole(found)
        and all(
            (one.outcome, one.code, _compared(one)) == (other.outcome, other.code, _compared(other))
            for one, other in zip(found, right, strict=True)
        )
    )


def _is_wrong(found, right):
    """Tell a stored report that has a value which is not the right one, or another code."""
    for place, item in enumerate(found):
        if item.outcome not in ("report", "command"):
            continue
        other = right[place] if place < len(right) else None
        if other is None or other.code != item.code:
            return True
        values = _compared(other)
        if any(values.get(name) != value for name, value in _compared(item).items()):
            return True
    return False


def _letters(text):
    return [at for at, one in enumerate(text) if one.isascii() and one.isalpha()]


def _beside(letter):
    near = {one for key in PHONE_KEYS if letter in key for one in key}
    for row in KEYBOARD:
        if letter in row:
            at = row.index(letter)
            near |= set(row[max(0, at - 1) : at + 2])
    return sorted(near - {letter})


def _another_key(text, chance):
    at = chance.choice(_letters(text))
    return text[:at] + chance.choice(_beside(text[at].lower())) + text[at + 1 :]


def _left_out(text, chance):
    at = chance.choice(_letters(text))
    return text[:at] + text[at + 1 :]


def _twice(text, chance):
    at = chance.choice(_letters(text))
    return text[:at] + text[at] + text[at:]


def _swapped(text, chance):
    letters = set(_letters(text))
    pairs = [at for at in letters if at + 1 in letters and text[at] != text[at + 1]]
    if not pairs:
        return None
    at = chance.choice(sorted(pairs))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _blank_lost(text, chance):
    blanks = [at for at, one in enumerate(text) if one == " "]
    if not blanks:
        return None
    at = chance.choice(blanks)
    return text[:at] + text[at + 1 :]


def _blank_put_in(text, chance):
    letters = set(_letters(text))
    pairs = sorted(at for at in letters if at + 1 in letters)
    if not pairs:
        return None
    at = chance.choice(pairs)
    return f"{text[: at + 1]} {text[at + 1 :]}"


_KINDS = {
    "another key": _another_key,
    "left out": _left_out,
    "typed twice": _twice,
    "swapped": _swapped,
    "blank lost": _blank_lost,
    "blank put in": _blank_put_in,
}
