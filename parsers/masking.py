"""Passport and identity numbers are covered before anything is stored."""

from __future__ import annotations

import re

COVER = "(no ditutup)"
"""What stands in a number's place: plain GSM-7, and no digit, so that it is never covered again."""

_IDENTITY_DIGITS = 16
_MOST_GROUPS = 8
_PHONE_DIGITS = range(9, 14)
_ENOUGH_DIGITS = 4
_ENOUGH_CHARACTERS = 5
_MOST_CHARACTERS = 16

_DIGIT = re.compile(r"\d")
_GROUP = re.compile(r"\d+")
_GROUP_JOINTS = frozenset([" ", ".", "-", "/", " - ", ". ", " / "])
_PHONE_START = re.compile(r"0[28]|62|8[1-9]")
_DOCUMENT = re.compile(
    r"(?:pass?port?|pas[pf][ou]r|passpor|pspr|psprt|paspr|ktp|nik|kitas|kitap|visa)"
    r"(?:nya)?(?![^\W\d_])",
    re.IGNORECASE,
)
_JOINT = r"[\s.:;#=,*/()\-!]{0,4}"
# A word may stand between: `paspor no`, `paspor australia`.
_BETWEEN = re.compile(rf"{_JOINT}(?:[^\W\d_]{{2,12}}(?![^\W_]){_JOINT})?", re.IGNORECASE)
_BARE = re.compile(_JOINT)
_AND_ANOTHER = re.compile(r"\s{0,2}(?:[,;/&+]|dan\s|sm\s)\s{0,2}", re.IGNORECASE)
_NUMBER = re.compile(
    r"[a-z]{0,3}[ \-.]?[a-z\d]{1,20}(?:[ \-.]\d{3,12}(?![^\W_])){0,3}", re.IGNORECASE
)
_ALONE = re.compile(r"(?<![^\W_])([a-z]{1,2})[ ]?\d{6,8}(?![^\W_])", re.IGNORECASE)
# Letters and digits mixed, as German passports have them. A number plate has at most four digits.
_MIXED = re.compile(r"(?<![^\W_])[a-z][a-z\d]{6,8}(?![^\W_])", re.IGNORECASE)
_MIXED_DIGITS = 5
_SPACED_DIGITS = range(7, 9)
_NOT_A_SERIES = frozenset(["no", "rp", "hp", "wa", "rt", "rw", "km", "rb", "th", "r", "di", "ke"])
_NOT_A_NUMBER = frozenset(["hp", "wa", "rt", "rw", "km", "rp", "dan", "utk", "org", "ada", "di"])


def mask_documents(text: str) -> tuple[str, bool]:
    """Cover document numbers; say whether there were any."""
    if len(_DIGIT.findall(text)) < _ENOUGH_DIGITS:
        return text, False
    covered = _cover(text, _identity_spans(text))
    covered = _cover(covered, _named_spans(covered))
    covered = _cover(covered, _lone_spans(covered))
    return covered, covered != text


def _cover(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        pieces += [text[end:start], COVER]
        end = stop
    return "".join([*pieces, text[end:]])


def _identity_spans(text: str) -> list[tuple[int, int]]:
    """Find sixteen digits, whole or in the groups people cut them into; phones are let be."""
    groups = [match.span() for match in _GROUP.finditer(text)]
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(groups):
        start, stop = groups[at]
        if stop - start == _IDENTITY_DIGITS:
            spans.append((start, stop))
            at += 1
            continue
        taken = _groups_of(text, groups, at, range(_IDENTITY_DIGITS, _IDENTITY_DIGITS + 1))
        phone = 0
        if _PHONE_START.match(text, start):
            phone = _groups_of(text, groups, at, _PHONE_DIGITS)
        if taken and not phone:
            spans.append((start, groups[at + taken - 1][1]))
        at += phone or taken or 1
    return spans


def _groups_of(text: str, groups: list[tuple[int, int]], at: int, wanted: range) -> int:
    """Count the groups from one on that hold so many digits together; 0 if they do not."""
    digits = 0
    for taken in range(1, min(_MOST_GROUPS, len(groups) - at) + 1):
        start, stop = groups[at + taken - 1]
        joint = text[groups[at + taken - 2][1] : start] if taken > 1 else ""
        if taken > 1 and joint not in _GROUP_JOINTS:
            return 0
        digits += stop - start
        if digits in wanted:
            return taken
        if digits >= wanted.stop:
            return 0
    return 0


def _named_spans(text: str) -> list[tuple[int, int]]:
    """Find what follows a word for a document and looks like its number, and further ones."""
    spans: list[tuple[int, int]] = []
    for word in _DOCUMENT.finditer(text):
        for joint in (_BARE, _BETWEEN):
            found = joint.match(text, word.end())
            at = found.end() if found else word.end()
            if (not spans or at >= spans[-1][1]) and _take_numbers(text, at, spans):
                break
    return spans


def _take_numbers(text: str, at: int, spans: list[tuple[int, int]]) -> bool:
    """Take a document number from there, and others after a comma; say whether there was one."""
    taken = False
    while (number := _NUMBER.match(text, at)) is not None:
        stop = _document_end(number.group())
        if not stop:
            break
        spans.append((at, at + stop))
        taken = True
        another = _AND_ANOTHER.match(text, at + stop)
        if another is None:
            break
        at = another.end()
    return taken


def _document_end(words: str) -> int:
    """Return how much of the words is a document number; 0 when none of it is."""
    stop = digits = characters = 0
    for match in re.finditer(r"[^\W_]+", words):
        group = match.group()
        has_digit = any(character.isdigit() for character in group)
        if not has_digit and (stop or group.lower() in _NOT_A_NUMBER):
            break
        if stop and characters + len(group) > _MOST_CHARACTERS:
            break
        characters += len(group)
        digits += sum(character.isdigit() for character in group)
        stop = match.end()
    good = digits >= _ENOUGH_DIGITS and characters >= _ENOUGH_CHARACTERS
    bare = re.sub(r"\D", "", words[:stop])
    is_phone = _PHONE_START.match(bare) is not None and bare == words[:stop] and digits > 9  # noqa: PLR2004
    return stop if good and not is_phone else 0


def _lone_spans(text: str) -> list[tuple[int, int]]:
    """Find a passport number that stands alone: a short series and digits, or both mixed."""
    alone = [
        match.span()
        for match in _ALONE.finditer(text)
        if match[1].lower() not in _NOT_A_SERIES
        and (" " not in match.group() or _is_spaced_passport(match.group()))
    ]
    mixed = [match.span() for match in _MIXED.finditer(text) if _is_mixed(match.group())]
    return sorted({*alone, *mixed})


def _is_spaced_passport(text: str) -> bool:
    """See `P 1234567`: one letter and seven or eight digits; six are a confirmation number's."""
    letters, _, digits = text.partition(" ")
    return len(letters) == 1 and len(digits) in _SPACED_DIGITS


def _is_mixed(word: str) -> bool:
    """Tell `C01X00T47` from `No104277` and `Rp1500000`: a letter stands behind a digit."""
    digits = sum(character.isdigit() for character in word)
    return digits >= _MIXED_DIGITS and re.search(r"\d[a-z]", word, re.IGNORECASE) is not None
