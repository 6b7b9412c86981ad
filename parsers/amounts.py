"""What each number of a text is: people, an age, a stay, a date, part of a place, or no matter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import DamerauLevenshtein

from parsers.numbers import is_well_formed
from parsers.pieces import CODE
from parsers.tokens import TokenKind, ends_line_number, is_minus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from parsers.pieces import Piece


class Role(StrEnum):
    """What a number says."""

    PEOPLE = "people"
    AGE = "age"
    STAY = "stay"
    PASSED = "passed"
    DATE = "date"
    MONTH = "month"
    PLACE = "place"
    GROUP = "group"
    OTHER = "other"


@dataclass(slots=True)
class Amount:
    """One number: its role, the pieces it takes, and how sure the role is."""

    role: Role
    index: int
    first: int
    last: int
    value: int | None
    """None when the number is written in a way nobody can be sure of."""
    unit: str = ""
    sure: int = 0
    """2: a unit or label stands beside it; 1: it stands by itself; 0: it belongs to a word."""
    minus: bool = False
    is_rough: bool = False
    """A sign for `about` stands before it."""


_PERSON = "org"
PERSONS = ("people", "adult", "male", "female", "child")
_PERSONS = frozenset(PERSONS)
_STAYS = {"day": 1, "night": 1, "week": 7, "month_unit": 30, "year": 365}
_TENS = range(20, 100, 10)
_LONGEST_NUMBER = 18
_YEAR_DIGITS = 4
_SHORT_UNIT = 3
_LONGEST_PLATE_TAIL = 3
_MOST_PEOPLE = 200
# Before these a people unit wins: "di rumah 2 org" counts people, "RT 3 warga" does not.
_NUMBERED_PLACES = ("dusun", "rumah", "kamar", "lorong")
_LOOSE_PLACES = frozenset(["rumah", "rmh", "rumh", "desa", "ds", "jalan", "jln", "jl"])
_RECOGNISED = [
    "countries",
    "vague_country",
    "purposes",
    "destinations",
    "transport",
    "days",
    "months",
    "durations",
    "numbers",
    "unknown",
    "approximate",
    "places",
    "labels",
    "courtesy",
    "vague_numbers",
]
MOST_AMOUNTS = 64
"""Numbers that are told apart: more than any report has; what is behind them stays in the note."""

_LEADS = frozenset(
    [
        "goal",
        "from",
        "at",
        "by",
        "via",
        "done",
        "absent",
        "age",
        "date",
        "this_month",
        "foreigner",
        "minor",
    ]
)
# The letters that number plates of the region begin with.
_PLATES = frozenset(["dh", "eb", "ed", "dk", "dr", "ea", "dd", "l", "b", "n"])
_TWO_DIGITS = re.compile(r"\d/\d")
_ROUGHLY = ("\u00b1", "+-", "+/-", "~")
_THESE_DAYS = frozenset(["hari ini", "hr ini"])
_ONE_PERSON = frozenset(["seorang", "sorang"])
_CUT_UNITS = ("t", "h")
_OTHER = frozenset(["clock", "money", "phone", "birth", "class"])


def tell_apart(pieces: Sequence[Piece], iso: Collection[str]) -> list[Amount]:
    """Say of each number what it is."""
    amounts: list[Amount] = []
    at = 0
    while at < len(pieces) and len(amounts) < MOST_AMOUNTS:
        piece = pieces[at]
        if (piece.is_number or "numbers" in piece.senses) and piece.became is None:
            amount = _amount(pieces, at, iso)
            if amounts and _is_another(pieces, amounts[-1], amount):
                amount.role = amounts[-1].role
            amounts.append(amount)
            at = max(amount.last, at) + 1
        else:
            at += 1
    return amounts


def _is_another(pieces: Sequence[Piece], before: Amount, amount: Amount) -> bool:
    """See `umur 16 dan 17`, `dusun 1 dan 4`: what is joined and counts nothing is one more."""
    if before.role not in (Role.AGE, Role.PLACE) or amount.role is not Role.PEOPLE or amount.unit:
        return False
    between = pieces[before.last + 1 : amount.first]
    if before.role is Role.PLACE and not between:
        return False  # `rt 3, 2 belanda`
    is_near = pieces[amount.first].gap.strip() in ("", ",", "/", "&", "+")
    joints = ("padahal",) if before.role is Role.AGE else ("sampai", "s/d", "smp")
    joins = all("plus" in piece.marks or piece.text in joints for piece in between)
    return is_near and joins and len(between) <= 1


def counts_persons(piece: Piece) -> bool:
    """Tell a word that says of a number that it counts people."""
    return not _PERSONS.isdisjoint(piece.senses.get("units", ()))


def number_of(piece: Piece) -> int | None:
    """Return the whole number a piece says, None when it is unclear."""
    if piece.kind is TokenKind.NUMBER:
        return int(piece.text) if len(piece.text) <= _LONGEST_NUMBER else 10**_LONGEST_NUMBER
    if piece.has("numbers"):
        return int(piece.value("numbers"))
    return None


class _Spot(NamedTuple):
    """One number with its neighbours on the line."""

    piece: Piece
    pieces: Sequence[Piece]
    at: int
    last: int
    value: int | None
    before: Piece | None
    after: Piece | None
    iso: Collection[str]

    def at_distance(self, steps: int) -> Piece | None:
        """Return a piece before the number (negative) or after its end."""
        index = self.last + steps if steps > 0 else self.at + steps
        return self.pieces[index] if 0 <= index < len(self.pieces) else None

    def amount(self, role: Role, *, first: int = 0, last: int = 0) -> Amount:
        """Return the number with a role, taking pieces beside it."""
        return Amount(role, self.at, self.at - first, self.last + last, self.value)


def _amount(pieces: Sequence[Piece], at: int, iso: Collection[str]) -> Amount:
    piece = pieces[at]
    value, last = _with_unit_word(pieces, at)
    after = pieces[last + 1] if last + 1 < len(pieces) else None
    spot = _Spot(
        piece,
        pieces,
        at,
        last,
        value,
        pieces[at - 1] if at and not piece.begins_line else None,
        None if after is not None and after.begins_line else after,
        iso,
    )
    for rule in (_by_shape, _by_word_before, _in_place, _by_word_after):
        amount = rule(spot)
        if amount is not None:
            return amount
    return _people(spot)


def _with_unit_word(pieces: Sequence[Piece], at: int) -> tuple[int | None, int]:
    """Read `dua puluh lima` and `2 puluh` as one number; return its value and last piece."""
    value = number_of(pieces[at])
    after = pieces[at + 1] if at + 1 < len(pieces) else None
    multiplies = after is not None and after.has("multipliers") and not after.is_after_border
    if value is not None and after is not None and multiplies:
        return value * int(after.value("multipliers")), at + 1
    if value is None or not pieces[at].has("numbers") or value not in _TENS:
        return value, at
    unit = pieces[at + 1] if at + 1 < len(pieces) else None
    if unit is None or not unit.has("numbers") or not 0 < int(unit.value("numbers")) < _TENS.step:
        return value, at
    return value + int(unit.value("numbers")), at + 1


def _by_shape(spot: _Spot) -> Amount | None:
    """Tell by the look of it; a number glued to a strange word is part of that word."""
    piece, before = spot.piece, spot.before
    if piece.kind in (TokenKind.PHONE, TokenKind.NOTHING) or is_well_formed(piece.text):
        return spot.amount(Role.OTHER)
    begins = spot.at == 0 or piece.begins_line
    if (begins and _numbers_a_line(spot)) or (not piece.is_number and _is_doubled_word(spot)):
        return spot.amount(Role.OTHER)
    if before is not None and (
        _is_doubling(piece, before, spot.iso)
        or _is_plate(spot, before)
        or (piece.gap == ":" and _is_minutes(spot))
        or (before.is_unknown_word and not piece.gap and before.text not in spot.iso)
    ):
        return spot.amount(Role.OTHER)
    return _by_slashes(spot) if piece.kind is TokenKind.DATE else None


def _is_doubled_word(spot: _Spot) -> bool:
    """See `dua2`: both of them."""
    after = spot.after
    return spot.piece.has("numbers") and after is not None and after.text == "2" and not after.gap


def _numbers_a_line(spot: _Spot) -> bool:
    """See `1. WNA ...` and `2) PMI ...` on lines of their own."""
    after = spot.after
    return after is not None and after.has("code") and ends_line_number(after.gap)


def _by_slashes(spot: _Spot) -> Amount:
    """Tell a date from `2/3 org` and `rt 3/2`."""
    piece, before = spot.piece, spot.before
    if _unit(spot.after) and not piece.text.count("/") > 1:
        return Amount(Role.PEOPLE, spot.at, spot.at, spot.last + 1, None, _unit(spot.after), 2)
    if _is_two_counts(spot):
        return Amount(Role.PEOPLE, spot.at, spot.at, spot.last, None, "", 1)
    in_place = before is not None and before.has("place_numbers") and not piece.is_after_border
    return spot.amount(Role.PLACE if in_place else Role.DATE)


def _is_minutes(spot: _Spot) -> bool:
    """See `jam 14:30`."""
    hour = spot.at_distance(-2)
    return hour is not None and "clock" in hour.marks


def _is_two_counts(spot: _Spot) -> bool:
    """See `WNA 2/3 AUS`: right behind the code stands a count, and this one is not clear."""
    before, after = spot.before, spot.after
    is_first = before is not None and before.became == CODE and not spot.piece.begins_field
    is_last = not any(piece.is_number for piece in spot.pieces[spot.at + 1 :])
    is_short = _TWO_DIGITS.fullmatch(spot.piece.text) is not None
    return is_first and is_last and is_short and after is not None and after.has("countries")


def _is_doubling(piece: Piece, before: Piece, iso: Collection[str]) -> bool:
    """See `malam2`, `foto2`: a 2 glued to a word says the word again and counts nothing."""
    if piece.gap or piece.text != "2" or before.text in iso:
        return False
    counts = ("code", "ordinary_code", "countries", "labels", "place_numbers", "destinations")
    if before.text in before.senses.get("purposes", ()):
        return False  # `wisata2` names the field; `foto2` says what they do
    return before.kind is TokenKind.WORD and not any(before.has(domain) for domain in counts)


def _is_plate(spot: _Spot, before: Piece) -> bool:
    """See `DH 1472 GB`: a number plate has one or two letters, a number and letters again."""
    is_plate = "plate" in before.marks or before.text in _PLATES
    if not is_plate or spot.value is None or spot.piece.gap.strip():
        return False
    after = spot.after
    has_tail = after is not None and len(after.text) <= _LONGEST_PLATE_TAIL and not after.senses
    return has_tail or spot.value > _MOST_PEOPLE


def _by_word_before(spot: _Spot) -> Amount | None:
    piece, before, after = spot.piece, spot.before, spot.after
    if before is None or not (before.marks or "units" in before.senses):
        return None  # no small word, and no money
    if "age" in before.marks:
        has_year = after is not None and after.has("units", "year")
        return spot.amount(Role.AGE, first=1, last=int(has_year))
    if "date" in before.marks and piece.is_number:
        return spot.amount(Role.DATE, first=1, last=_rest_of_date(spot))
    is_ordinal = before.text == "ke" and piece.is_number and not piece.gap.strip(" -")
    is_self = "own" in before.marks and piece.text == "sendiri"  # `ipar saya sendiri`
    is_year = "year" in before.marks and len(piece.text) == _YEAR_DIGITS
    is_name = piece.has("numbers") and "title" in before.marks and not piece.is_after_border
    is_other = (
        is_self or is_year or is_name or not _OTHER.isdisjoint(before.marks) or _is_rate(spot)
    )
    if is_other or is_ordinal or before.text in ("bukan", "bkn"):
        return spot.amount(Role.OTHER, first=1)
    earlier = spot.at_distance(-2)
    is_measured = earlier is not None and (earlier.is_number or earlier.has("numbers"))
    if "month" in before.marks and not piece.is_after_border and not is_measured:
        return spot.amount(Role.MONTH, first=1)
    return None


def _is_rate(spot: _Spot) -> bool:
    """See `250rb satu malam`, `60 ribu per 1 orang`: what it costs, not how long or how many."""
    before = spot.before
    if before is None or spot.piece.is_after_border:
        return False
    return before.has("units", "money") or before.text == "per"


def _in_place(spot: _Spot) -> Amount | None:
    """Give a number right after a place word to the place, unless it clearly counts people."""
    before, after = spot.before, spot.after
    if before is None or spot.piece.gap.strip(" ."):
        return None
    if not before.has("place_numbers"):
        is_misspelt = before.is_unknown_word and _is_misspelt_place(before.text)
        return spot.amount(Role.PLACE) if is_misspelt and not _unit(after) else None
    if after is not None and after.has("months"):
        return None
    counts = after is not None and (
        counts_persons(after) or any(after.has("units", unit) for unit in _STAYS)
    )
    if counts and before.text in _LOOSE_PLACES:
        return None
    return spot.amount(Role.PLACE)


def _is_misspelt_place(typed: str) -> bool:
    """See `dusu 5`: too near to other words to be mended, but behind it stands its number."""
    return any(
        DamerauLevenshtein.distance(typed, word, score_cutoff=1) <= 1 for word in _NUMBERED_PLACES
    )


def _by_word_after(spot: _Spot) -> Amount | None:
    after = spot.after
    if after is None or after.begins_field:
        return None
    if after.text == "rw":
        return spot.amount(Role.PLACE)
    is_recruiter = "recruiter" in after.marks and after.became != CODE  # `2 calo dari Kupang`
    if ("thing" in after.marks or is_recruiter) and not after.is_after_border:
        return spot.amount(Role.OTHER)
    if after.has("months") and spot.value is not None:
        return spot.amount(Role.DATE, last=_rest_of_date(spot))
    return _by_unit(spot, after)


def _by_unit(spot: _Spot, after: Piece) -> Amount | None:
    if after.text in _THESE_DAYS and spot.before is not None and "done" in spot.before.marks:
        return spot.amount(Role.PASSED, last=1)  # `sudah 3 hari ini`
    units = after.senses.get("units")
    if units is None:
        return None
    if "money" in units or "measure" in units:
        return spot.amount(Role.OTHER, last=1)
    if "group" in units and _is_group(spot, after):
        return spot.amount(Role.GROUP, last=1)
    return _stay(spot, units)


def _stay(spot: _Spot, units: tuple[str, ...]) -> Amount | None:
    """Read `3 malam`, `2 mgg`, `sdh 5 hari`; a year without a label is an age."""
    before = spot.before
    stay = next((unit for unit in _STAYS if unit in units), None)
    if stay is None:
        return None
    if stay == "year" and not (before is not None and before.has("labels", "days")):
        return spot.amount(Role.AGE, last=1)
    if before is not None and before.is_unknown_word and len(before.text) < _SHORT_UNIT:
        return spot.amount(Role.OTHER, last=1)  # `s 3 hari`: `su`, if it is anything
    days = spot.value * _STAYS[stay] if spot.value is not None else None
    role = Role.PASSED if _has_passed(spot) else Role.STAY
    return Amount(role, spot.at, spot.at, spot.last + 1, days)


def _is_group(spot: _Spot, word: Piece) -> bool:
    """Tell `1 rombongan` or `satu keluarga 5 org` from `2 keluarga`, two who visit their kin.

    A word that says a purpose or a transport too is a group only where people are counted apart.
    """
    if not (word.has("purposes") or word.has("transport")):
        return True
    others = [i for i in range(len(spot.pieces) - 1) if not spot.at <= i <= spot.last]
    if spot.value == 1 and any(
        piece is not word and piece.has("purposes") and not piece.has("places")
        for piece in spot.pieces
    ):
        return True  # `1 keluarga wisata` is not one person
    return any(
        (spot.pieces[i].is_number or spot.pieces[i].has("numbers"))
        and counts_persons(spot.pieces[i + 1])
        for i in others
    )


def _has_passed(spot: _Spot) -> bool:
    """Tell time that has passed (`sdh 5 hari`, `2 mgg lalu`) from a stay to come."""
    before, since = spot.before, spot.at_distance(2)
    if before is not None and ("done" in before.marks or "from" in before.marks):
        return True
    if any("past" in piece.marks for piece in spot.pieces[max(0, spot.at - 3) : spot.at]):
        return True  # `sebelum ini dong 2 minggu di ...`
    return since is not None and "ago" in since.marks


def _rest_of_date(spot: _Spot) -> int:
    """Return how many pieces of a date follow its day: the month's name and a year."""
    month, year = spot.at_distance(1), spot.at_distance(2)
    if month is None or not month.has("months") or month.begins_line:
        return 0
    is_year = year is not None and year.kind is TokenKind.NUMBER and len(year.text) == _YEAR_DIGITS
    return 2 if is_year else 1


def _people(spot: _Spot) -> Amount:
    piece, before = spot.piece, spot.before
    if _is_cut_unit(spot):
        return spot.amount(Role.OTHER)
    unit, sure, last = _unit(spot.after), 0, spot.last
    sex = _sex_before(spot)
    if sex:
        unit, sure = sex, 2
    elif unit:
        sure, last = 2, spot.last + 1
    elif before is not None and (
        before.has("labels", "count")
        or (
            before.has("units", "people")
            and not before.has("code")
            and piece.gap.strip() in ("", ":", "=", ".")
        )
    ):
        sure = 2
    elif piece.text in _ONE_PERSON:
        sure = 0  # `2 org ... dengan seorang sopir`
    elif _stands_alone(spot) or _is_said_of_guest(spot):
        sure = 1
    elif piece.has("numbers"):
        return spot.amount(Role.OTHER)
    about = before is not None and before.has("approximate")
    first = spot.at - 1 if about else spot.at
    is_rough = len(piece.gap) > 1 and any(sign in piece.gap for sign in _ROUGHLY)
    minus = is_minus(piece.gap) and piece.is_number
    value = spot.value
    is_bound = before is not None and "bound" in before.marks
    if is_bound or (unit == "child" and _is_added(spot)):
        # `lebih dari 5` is no number, nor is it told whether `3 org + 2 anak` are three or five.
        value, first = None, spot.at - 1 if is_bound else spot.at
        unit = "" if unit == "child" else unit
    return Amount(Role.PEOPLE, spot.at, first, last, value, unit, sure, minus, is_rough)


def _is_said_of_guest(spot: _Spot) -> bool:
    """See `bule sendiri potret ...`: a number word right behind a foreigner."""
    before = spot.before
    if before is None or spot.piece.is_after_border or not spot.piece.has("numbers"):
        return False
    return "foreigner" in before.marks or before.has("countries")


def _is_cut_unit(spot: _Spot) -> bool:
    """See `anak perempuan 14 t hilang`: one letter is what is left of `th` or `hr`."""
    after = spot.after
    if after is None or after.is_after_border or not after.gap:
        return False
    return after.is_unknown_word and after.text in _CUT_UNITS


def _is_added(spot: _Spot) -> bool:
    """Tell a number that is joined to a count before it by `+` or `dan`: `3 org dan 2 anak`."""
    joint, steps = spot.piece.gap.strip(), -1
    if spot.before is not None and "plus" in spot.before.marks and not joint:
        joint, steps = "+", -2
    before = spot.at_distance(steps)
    if joint != "+" or before is None:
        return False
    counted = spot.at_distance(steps - 1) if counts_persons(before) else before
    return counted is not None and (counted.is_number or counted.has("numbers"))


def _sex_before(spot: _Spot) -> str:
    """See `laki 4 perempuan 2`: who is counted stands before each number."""
    before, earlier = spot.before, spot.at_distance(-2)
    if before is None or spot.piece.begins_field or spot.piece.gap.strip(" .:="):
        return ""
    if (
        earlier is not None
        and (earlier.is_number or earlier.has("numbers"))
        and not (before.is_after_border)
    ):
        # `4 laki 2 perempuan`, unless the number before it has its own word already.
        first = spot.at_distance(-3)
        if first is None or not any(first.has("units", unit) for unit in ("male", "female")):
            return ""
    if before.has("units", "child"):
        return "" if _unit(spot.after) else "child"
    return next((u for u in ("male", "female") if before.has("units", u)), "")


def _unit(after: Piece | None) -> str:
    if after is None or after.begins_field or "(" in after.gap:
        return ""
    if after.is_unknown_word and DamerauLevenshtein.distance(after.text, _PERSON) <= 1:
        return PERSONS[0]  # too short to be mended as a word, but behind a number it is clear
    return next((unit for unit in PERSONS if after.has("units", unit)), "")


def _stands_alone(spot: _Spot) -> bool:
    """Tell a count (`2 AUS`) from a number that belongs to the word after it (`2 orang tua`)."""
    before, after = spot.before, spot.after
    if after is None or after.is_after_border or after.is_number or after.text in spot.iso:
        return True
    if before is not None and before.has("code") and before.became is not None:
        return True
    if any(after.has(domain) for domain in _RECOGNISED):
        return True
    if after.is_unknown_word and len(after.text) <= _SHORT_UNIT:
        return True  # `4 nrg`: a unit too short to be mended
    return not _LEADS.isdisjoint(after.marks)
