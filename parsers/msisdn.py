"""Telephone numbers: who sent a message, and what a roster may hold."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

_REGION = "ID"
_MOST_CHARACTERS = 40
_SHORT_CODE = re.compile(r"\d{3,6}")
_NUMBER_LIKE = re.compile(r"\+?[0-9][0-9 ().\-/]*")
_EXCEL_DECIMAL = re.compile(r"\d{9,15}[.,]0+")
_EXPONENT = re.compile(r"\d+(?:[.,]\d+)?[eE][+]?\d+")
#: Timor-Leste, Malaysia, Singapore, Brunei, Hong Kong, Taiwan, Saudi Arabia: where villagers work,
#: and whose SIMs they bring home. Of a number from elsewhere the plus must be there.
_NEIGHBOURS = ("670", "60", "65", "673", "852", "886", "966")
_LETTER = re.compile(r"[^\W\d_]")
# A phone-like run in a text: no letter or digit beside it, nine digits or more.
_IN_TEXT = re.compile(r"(?<![\w+])\+?\d(?:[ ().\-/]{0,2}\d){8,14}(?!\w)")

#: As providers write a moment: `2026-11-25 10:10:00`, `25/11/2026 10.10`.
_MOMENT = re.compile(
    r"(?:(?:19|20)\d\d([-/])(?:0\d|1[0-2])\1[0-3]\d|[0-3]\d([-/])(?:0\d|1[0-2])\2(?:19|20)\d\d)"
    r"[ T][0-2]\d[:.][0-5]\d(?!\d)"
)


class SenderKind(StrEnum):
    """What a sender's address is, and so whether it can be answered."""

    MOBILE = "mobile"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender's kind and its number: E.164 for a mobile, else as received."""

    kind: SenderKind
    number: str


class BadMsisdn(Exception):
    """A number that a roster may not hold."""

    def __init__(self, reason: str, mend: str) -> None:
        """Keep the reason and the mend apart, so that each can be shown in its own column."""
        super().__init__(f"{reason}. {mend}")
        self.reason = reason
        self.mend = mend


def read_sender(raw: str) -> Sender:
    """Read the address of a sender. Never raises."""
    text = _plain(raw)
    kept = text[:_MOST_CHARACTERS]
    if not text:
        return Sender(SenderKind.UNREADABLE, "")
    if _SHORT_CODE.fullmatch(text):
        return Sender(SenderKind.SHORT_CODE, text)
    mobile = _mobile(f"+{text}") if _lost_its_plus(raw) else None
    mobile = mobile or _mobile(text) or _of_a_neighbour(text)
    if mobile is not None:
        return Sender(SenderKind.MOBILE, mobile)
    if _LETTER.search(text):
        return Sender(SenderKind.ALPHANUMERIC, kept)
    return Sender(SenderKind.UNREADABLE, kept)


def _lost_its_plus(raw: str) -> bool:
    """Tell a number whose plus was read as a blank, as every reader of forms does."""
    return raw.startswith(" ") and raw[1:2].isdigit() and raw[1:2] != "0"


def _of_a_neighbour(text: str) -> str | None:
    """Read a foreign SIM of the border whose plus is left out, as a hub for SMPP leaves out all."""
    digits = re.sub(r"\D", "", text)
    if not _NUMBER_LIKE.fullmatch(text) or not digits.startswith(_NEIGHBOURS):
        return None
    return _valid_mobile(f"+{digits}")


def normalise(raw: str) -> str:
    """Return a roster's number as E.164; raise BadMsisdn when it is no mobile or not sure."""
    text = _from_spreadsheet(_plain(raw))
    if not text:
        raise BadMsisdn("the number is empty", "Write it as 0812...")
    if _LETTER.search(text):
        raise BadMsisdn("there are letters in the number", "Write digits only, one number a cell.")
    if not _NUMBER_LIKE.fullmatch(text):
        raise BadMsisdn("this is not one number", "Write one number a cell, as 0812...")
    mobile = _mobile(text)
    if mobile is not None:
        return mobile
    digits = re.sub(r"\D", "", text)
    if digits.startswith("62") and not text.startswith("+") and _is_landline("0" + digits):
        raise BadMsisdn(
            "62 may be the country or an area code",
            "Write 0 or +62 before it; a landline cannot send reports.",
        )
    if _is_landline(digits if digits.startswith("0") else "0" + digits.removeprefix("62")):
        raise BadMsisdn("this is a landline", "Give a mobile number; a landline cannot send SMS.")
    raise BadMsisdn("this is no mobile number", "Check the digits; write it as 0812...")


def find_numbers(text: str) -> list[tuple[int, int]]:
    """Return where phone-like runs of digits stand in a text; a date with its time is none."""
    return [
        (start, end)
        for start, end in (match.span() for match in _IN_TEXT.finditer(text))
        if (moment := _MOMENT.match(text, start)) is None or moment.end() < end
    ]


def hide_numbers(text: str) -> str:
    """Put dots in place of the phone numbers in what others say, such as a provider's error."""
    for start, end in reversed(find_numbers(text)):
        text = f"{text[:start]}...{text[end:]}"
    return text


def _plain(raw: str) -> str:
    """Straighten digits, dashes and blanks that come from chats and word processors."""
    out: list[str] = []
    for character in raw:
        category = unicodedata.category(character)
        if category in ("Cf", "Cc", "Cs"):
            out.append(" " if character in "\t\r\n" else "")
        elif category == "Zs":
            out.append(" ")
        elif category == "Pd" or character == "\u2212":
            out.append("-")
        elif category == "Nd":
            out.append(str(unicodedata.decimal(character)))
        else:
            out.append(unicodedata.normalize("NFKC", character))
    return "".join(out).strip().removeprefix("tel:").strip()


def _from_spreadsheet(text: str) -> str:
    if _EXCEL_DECIMAL.fullmatch(text):
        return re.split("[.,]", text, maxsplit=1)[0]
    if not _EXPONENT.fullmatch(text):
        return text
    mend = "Format the column as text and type the number again."
    try:
        number = Decimal(text.replace(",", ".")).normalize()
    except InvalidOperation:
        raise BadMsisdn("the spreadsheet has rounded the number", mend) from None
    sign, digits, exponent = number.as_tuple()
    if sign or not isinstance(exponent, int) or exponent > 0 or len(digits) < 9:  # noqa: PLR2004
        raise BadMsisdn("the spreadsheet has rounded the number", mend)
    if exponent < 0:
        raise BadMsisdn("the number has a fraction", mend)
    return "".join(str(digit) for digit in digits)


@lru_cache(maxsize=4096)
def _mobile(text: str) -> str | None:
    """Return the E.164 form of a mobile, Indonesian unless a country is named."""
    if not _NUMBER_LIKE.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text)
    if text.startswith("+"):
        international = "+" + digits
    elif digits.startswith("00"):
        # Indonesia's own dial-out prefix is 00x, so the library does not know a bare 00.
        international = "+" + digits.removeprefix("00")
    elif digits.startswith("62"):
        international = "+" + digits
    else:
        international = "+62" + digits.removeprefix("0")
    if international.startswith("+620"):
        international = "+62" + international.removeprefix("+620")
    return _valid_mobile(international)


def _valid_mobile(international: str) -> str | None:
    try:
        number = phonenumbers.parse(international, _REGION)
    except phonenumbers.NumberParseException:
        return None
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if not phonenumbers.is_valid_number(number):
        return None
    if phonenumbers.number_type(number) not in kinds:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_landline(national: str) -> bool:
    try:
        number = phonenumbers.parse(national, _REGION)
    except phonenumbers.NumberParseException:
        return False
    return (
        phonenumbers.is_valid_number(number)
        and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE
    )
