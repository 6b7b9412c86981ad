"""Confirmation numbers: digits only, no leading zero, the last a Damm check digit."""

from __future__ import annotations

import hmac
import re

# Damm's quasigroup of order ten: it catches every wrong digit and every swap of neighbours.
_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip
_FIRST_LENGTH = 5
_ROUNDS = 4
_JOINTS = re.compile(r"(?<=\d)[ .\-]+(?=\d)")
_NUMBER = re.compile(r"[1-9][0-9]{5,11}")


def damm(digits: str) -> int:
    """Return the check digit of some digits; 0 when they end in their own."""
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return interim


def is_well_formed(number: str) -> bool:
    """Tell whether this can be a confirmation number: its length, first digit and check digit."""
    return _NUMBER.fullmatch(number) is not None and damm(number) == 0


def number_for(ordinal: int, key: bytes) -> str:
    """Return the number of the n-th report, in an order that only the key tells.

    Who has two numbers cannot reckon how many reports others have sent in between. A length is left
    when half of its numbers are given out, so that a guess is as likely wrong.
    """
    if ordinal < 1:
        raise ValueError("ordinals start at 1")
    position, length = ordinal - 1, _FIRST_LENGTH
    while position >= _given_out(length):
        position -= _given_out(length)
        length += 1
    lowest = 10 ** (length - 1)
    body = str(lowest + _shuffled(position, 9 * lowest, key))
    return body + str(damm(body))


def read_number(text: str) -> str | None:
    """Return the one number in a text, its groups joined; None if there is anything else."""
    joined = _JOINTS.sub("", text.strip())
    return joined if joined.isascii() and joined.isdigit() else None


def _given_out(length: int) -> int:
    return 9 * int(10 ** (length - 1)) // 2


def _shuffled(position: int, size: int, key: bytes) -> int:
    """Give each position below the size another one: a Feistel network, walked until it fits."""
    half = (size.bit_length() + 1) // 2
    mask = (1 << half) - 1
    while True:
        left, right = position >> half, position & mask
        for step in range(_ROUNDS):
            said = f"{size}:{step}:{right}".encode()
            left, right = right, left ^ (int.from_bytes(hmac.digest(key, said, "sha256")) & mask)
        position = left << half | right
        if position < size:
            return position
