"""A foreigner's nationality: named, by ISO code, misspelt, vague or not recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidfuzz.distance import DamerauLevenshtein

from parsers.amounts import Role, counts_persons
from parsers.asides import counts_others, is_new_sentence, told_of_before
from parsers.items import Reason
from parsers.kinds.place import inside_places
from parsers.pieces import CODE, COURTESY
from parsers.tokens import TokenKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.amounts import Amount
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

OWN = "ID"
NOT_KNOWN = "XX"
_MOST_OPTIONS = 2
_JOINTS = frozenset(["&", "/", "+", ","])
_OWN_PEOPLE = frozenset(["warga", "wrg", "penduduk", "korban", "calon", "penumpang", "perantau"])
_NOT_OF_PEOPLE = frozenset(
    [
        "b", "bahasa", "bhasa", "bhs", "bhsa", "bendera", "bicara", "bikinan", "buatan", "bukit",
        "film", "kopi", "ngomong", "omong",
    ]
)  # fmt: skip
"""Words before a country that make it a language, a flag or a ware."""
_NEAR_CODE = 4
_SHORTEST_ROUGH, _ROUGHLY = 5, 2
_SHORT_TEXT = 12
# A word with only these meanings is free to be an ISO code or a misspelt country.
_NO_MATTER = frozenset(["destinations", "transport", "roman"])


def read(work: Work, field: Field) -> None:
    """Find the nationality; two with a count each become shares of the report."""
    is_enough = any(name in work.fields or work.has_problem(name) for name in work.form.enough)
    if is_enough or _needs_foreigner(field):  # `PERGI 104277` says all; other words are talk
        _read_beside_foreigner(work, field)
        return
    found = _found(work, field)
    if not found or work.is_settled(field.name):
        _vague(work, field)
        return
    foreign = [(index, values) for index, values in found if OWN not in values]
    if not foreign:
        if not field.wanted:
            return
        work.is_own_citizen = True
        work.take(field.name, *(index for index, _ in found))
        return
    foreign = _of_guests(work, field, foreign) or foreign
    if work.is_settled(field.name):
        return
    sure = [(index, values) for index, values in foreign if len(values) == 1]
    distinct = list(dict.fromkeys(values[0] for _, values in sure))
    if not sure:
        index, values = foreign[0]
        longer = _longer_name(work, index)
        if longer is not None:
            work.fields[field.name] = longer
            work.take(field.name, index, index + 1)
            return
        _ambiguous(work, field, [index], values)
    elif len(distinct) == 1:
        work.fields[field.name] = distinct[0]
        work.take(field.name, *(index for index, _ in sure))
    elif not _shared(work, field, sure):
        _ambiguous(work, field, [index for index, _ in sure], tuple(distinct))


def _of_guests(
    work: Work, field: Field, foreign: Sequence[tuple[int, tuple[str, ...]]]
) -> list[tuple[int, tuple[str, ...]]]:
    """Leave out guests of another time and where these were before.

    In `erman 2 org datang dr dili` what is named first is misspelt.
    """
    before = told_of_before(work)
    guests = [one for one in foreign if one[0] not in before and not _came_from(work, one[0])]
    first = foreign[0][0]
    if guests or not any(piece.is_unknown_word for piece in work.pieces[:first]):
        return guests
    return [one for one in _repaired(work, field) if one[0] < first]


def _came_from(work: Work, index: int) -> bool:
    """See `jerman 2 org datang dr dili`: where they were before, beside what they are."""
    before = work.before(index)
    if before is None or "from" not in before.marks:
        return False
    earlier = work.before(index - 1)
    if "arrive" in before.marks or (earlier is not None and "arrive" in earlier.marks):
        return True
    # `bule hungaria ... sebelum ke sini dari australia`
    first = next((i for i, piece in enumerate(work.pieces) if piece.has("countries")), index)
    led_by = work.before(first)
    is_said_first = led_by is not None and ("foreigner" in led_by.marks or led_by.became == CODE)
    return is_said_first and first < index and work.pieces[index - 1].text != "dan"


def _is_roughly_country(work: Work, typed: str) -> bool:
    """Tell a word that is too far off to be mended, and too near to be passed over."""
    if work.language.words.is_near(typed, "countries"):
        return True
    return len(typed) >= _SHORTEST_ROUGH and any(
        DamerauLevenshtein.distance(typed, spelling, score_cutoff=_ROUGHLY) <= _ROUGHLY
        for spelling in work.language.words.spellings("countries")
        if len(spelling) >= _SHORTEST_ROUGH
    )


def _needs_foreigner(field: Field) -> bool:
    return field.limits.get("only_beside_foreigner", False) is True


def _found(work: Work, field: Field) -> list[tuple[int, tuple[str, ...]]]:
    """Find what names a nationality: names first, then codes, then misspelt names."""
    found = _named(work)
    if found and (all(OWN in values for _, values in found) or _counts_more(work, found)):
        # `2 org aus 1 org belanda`: a code with a count of its own is a nationality, too.
        long = [one for one in _by_code(work) if len(work.pieces[one[0]].text) > 2]  # noqa: PLR2004
        found = sorted({*found, *long, *_misspelt_beside_counts(work)})
    elif found:
        # So is `aus dan belanda`; any other code beside a name is a word like any other.
        found = sorted({*found, *_joined_codes(work, found)})
    if found:
        return found
    if _needs_foreigner(field):
        return _repaired(work, field)
    codes = _by_code(work)
    long_codes = [one for one in codes if len(work.pieces[one[0]].text) > 2]  # noqa: PLR2004
    found = long_codes or _repaired(work, field)
    if found or work.is_settled(field.name):
        return found
    return codes or _all_named(work)


def _read_beside_foreigner(work: Work, field: Field) -> None:
    """Read a nationality where countries are places too (`jenazah dari Malaysia`).

    It counts beside a word for a foreigner or a count of people, or as a field of its own.
    """
    named = [
        (index, values)
        for index, values in _found(work, field)
        if OWN not in values and _is_said_of_people(work, index)
    ]
    if any(name in work.fields for name in work.form.enough):
        named = [one for one in named if work.pieces[one[0]].has("countries")]  # no `no` misspelt
    if not named:
        if any(
            "foreigner" in piece.marks
            or (piece.has("vague_country") and _is_said_of_people(work, index))
            for index, piece in enumerate(work.pieces)
        ):
            _vague(work, field)
        return
    distinct = list(dict.fromkeys(values for _, values in named))
    if len(distinct) == 1 and len(distinct[0]) == 1:
        work.fields[field.name] = distinct[0][0]
        work.take(field.name, *(index for index, _ in named))
    elif any(len(values) > 1 for values in distinct) or not _shared(work, field, named):
        options = tuple(dict.fromkeys(value for values in distinct for value in values))
        _ambiguous(work, field, [index for index, _ in named], options)


def _is_said_of_people(work: Work, index: int) -> bool:
    piece, before, after = work.pieces[index], work.before(index), work.after(index)
    if len(work.pieces) == 1:
        return True  # it answers the question for it
    if piece.begins_field and (after is None or after.begins_field):
        return True
    if before is not None and before.became == CODE and piece.has("countries"):
        return True  # but `SOS jebun kopi` burns; it is no misspelt Jepun
    near = [work.pieces[i] for i in range(max(0, index - _NEAR_CODE), index) if i >= 0]
    is_own = any(one.has("code", "PMI") for one in near)  # `jenazah TKI 1 org dari Malaysia`
    is_led = any("foreigner" in one.marks or _counts_strangers(one) for one in near) and not is_own
    if before is not None and any(mark in before.marks for mark in ("from", "goal", "at", "via")):
        return is_led and "from" in before.marks
    counted = (before is not None and (counts_persons(before) or _counts(work, index - 1))) or (
        after is not None and (after.is_number or counts_persons(after))
    )
    return is_led or counted or (before is not None and before.has("labels", "country"))


def _counts(work: Work, index: int) -> bool:
    """See `2 cina gali batu`."""
    return any(one.role is Role.PEOPLE and one.last == index for one in work.amounts)


def _counts_strangers(piece: Piece) -> bool:
    """Tell a word for people in general from one for our own (`pmi`, `warga`)."""
    own = piece.has("code") or piece.text in _OWN_PEOPLE
    return not own and (counts_persons(piece) or _is_misspelt_person(piece))


def _is_misspelt_person(piece: Piece) -> bool:
    """See `ogr` and `ule`, too short for other repairs."""
    return piece.is_unknown_word and any(
        DamerauLevenshtein.distance(piece.text, word) <= 1 for word in ("org", "bule")
    )


def name_unknown_word(work: Work, field: Field) -> None:
    """Call the first left-over word in a country's place an unknown country."""
    in_place = inside_places(work)
    for index, piece in work.free():
        if not piece.is_unknown_word or index in in_place or len(piece.text) < 2:  # noqa: PLR2004
            continue
        if index <= _NEAR_CODE or _is_alone(work, index):
            work.report_problem(field.name, work.given(index), Reason.UNKNOWN)
            work.take(field.name, index)
            return


def _named(work: Work) -> list[tuple[int, tuple[str, ...]]]:
    """Find the names of countries outside of places: `rmh bpk Israel` names a host."""
    found = _all_named(work)
    if not found:
        return []
    in_place = inside_places(work)
    return [one for one in found if one[0] not in in_place or _follows_people(work, one[0])]


def _all_named(work: Work) -> list[tuple[int, tuple[str, ...]]]:
    if "countries" not in work.domains:
        return []
    return [
        (index, piece.senses["countries"])
        for index, piece in work.free()
        if "countries" in piece.senses
        and not _is_denied(work, index)
        and not _is_street_number(work, index)
    ]


def _counts_more(work: Work, found: Sequence[tuple[int, tuple[str, ...]]]) -> bool:
    """Tell whether more people are counted than there are nationalities named."""
    return sum(1 for amount in work.amounts if _may_be_share(amount)) > len(found)


def _misspelt_beside_counts(work: Work) -> list[tuple[int, tuple[str, ...]]]:
    """Find a misspelt country with a count of its own: `2 jepang 3 tagwan`."""
    if not work.has_strange_words:
        return []
    misspelt: list[tuple[int, tuple[str, ...]]] = []
    for amount in work.amounts:
        if not _may_be_share(amount):
            continue
        for index in {amount.first - 1, amount.last + 1} & set(range(len(work.pieces))):
            piece = work.pieces[index]
            values = work.near(piece.text, "countries") if piece.is_unknown_word else ()
            if len(values) == 1:
                misspelt.append((index, values))
    return misspelt


def _joined_codes(
    work: Work, found: Sequence[tuple[int, tuple[str, ...]]]
) -> list[tuple[int, tuple[str, ...]]]:
    """Find codes that `dan` or a mark like `&` joins to a country that is named."""
    iso, pieces = work.language.words.iso, work.pieces
    codes: list[tuple[int, tuple[str, ...]]] = []
    for index, _ in found:
        for step in (-1, 1):
            at = index + step
            if not 0 <= at < len(pieces):
                continue
            if "plus" in pieces[at].marks:
                at += step
            elif pieces[max(at, index)].gap.strip() not in _JOINTS:
                continue
            if 0 <= at < len(pieces) and pieces[at].text in iso and _is_free_word(pieces[at]):
                codes.append((at, (iso[pieces[at].text],)))
    return codes


def _may_be_share(amount: Amount) -> bool:
    return amount.role is Role.PEOPLE and amount.unit not in ("male", "female", "child")


def _follows_people(work: Work, index: int) -> bool:
    """See `tambang org cina`: people of that country, whatever place was named before them."""
    before = work.before(index)
    return before is not None and (counts_persons(before) or "foreigner" in before.marks)


def _is_street_number(work: Work, index: int) -> bool:
    """See `rrt 04 rw 02`: a misspelt RT, not the Chinese republic."""
    number, behind = work.after(index), work.after(index + 1) if work.after(index) else None
    return number is not None and number.is_number and behind is not None and behind.text == "rw"


def _by_code(work: Work) -> list[tuple[int, tuple[str, ...]]]:
    iso, in_place = work.language.words.iso, inside_places(work)
    return [
        (index, (iso[piece.text],))
        for index, piece in work.free()
        if piece.text in iso
        and _is_free_word(piece)
        and index not in in_place
        and not _is_half_of_name(work, index)
        and (_is_in_a_field(work, index) or _is_long_and_alone(work, index))
    ]


def _is_long_and_alone(work: Work, index: int) -> bool:
    """Take three letters at the end of what is said, or in a short text; in a story they are words.

    `per` and `are` are codes, too.
    """
    after = work.after(index)
    ends = after is None or after.is_after_border
    return len(work.pieces[index].text) > 2 and (ends or len(work.pieces) <= _SHORT_TEXT)  # noqa: PLR2004


def _is_half_of_name(work: Work, index: int) -> bool:
    """See `pri lanka`, `Je png`: no code, but part of a longer name that is misspelt."""
    if _longer_name(work, index) is not None:
        return True
    for first in (index - 1, index):
        if first < 0 or first + 1 >= len(work.pieces):
            continue
        one, other = work.pieces[first], work.pieces[first + 1]
        if other.gap == " " and _is_scrap(one) and _is_scrap(other):
            joined = f"{one.text}{other.text}"
            if len(work.near(joined, "countries")) == 1:
                return True
    return False


def _is_scrap(piece: Piece) -> bool:
    return _is_free_word(piece) and piece.kind is TokenKind.WORD


def _is_in_a_field(work: Work, index: int) -> bool:
    """Tell whether two letters stand where a nationality would: beside the code or a count."""
    piece, before, after = work.pieces[index], work.before(index), work.after(index)
    if after is not None and after.has("place_numbers") and not after.is_after_border:
        return False  # `mh RT 11`
    if piece.begins_field or (after is not None and after.is_number):
        return True
    return before is not None and (
        before.became == CODE
        or before.is_number
        or counts_persons(before)
        or before.has("labels", "country")
    )


def _repaired(work: Work, field: Field) -> list[tuple[int, tuple[str, ...]]]:
    in_place = inside_places(work)
    for index, piece in work.free():
        if index in in_place or piece.kind is not TokenKind.WORD:
            continue
        for last, typed in _spellings(work, index):
            is_field = last == index and _is_alone(work, index) and piece.begins_field
            values = work.near(typed, "countries", is_field=is_field)
            if not values or work.language.words.is_near(typed, "vague_country"):
                continue  # `bile` may be `bule`
            indexes = list(range(index, last + 1))
            if len(values) > 1:
                _ambiguous(work, field, indexes, values)
                return []
            work.take(field.name, *indexes)
            return [(index, values)]
    return []


def _longer_name(work: Work, index: int) -> str | None:
    """See through `korea slatan`: an ambiguous word may be half of a misspelt name."""
    for last, typed in _spellings(work, index):
        values = work.near(typed, "countries") if last > index else ()
        if len(values) == 1:
            return values[0]
    return None


def _spellings(work: Work, index: int) -> list[tuple[int, str]]:
    """List what may be a misspelt name: two words, one of them unknown to us, or one."""
    piece, after = work.pieces[index], work.after(index)
    spellings: list[tuple[int, str]] = []
    if after is not None and not after.is_after_border and after.kind is TokenKind.WORD:
        either = piece.is_unknown_word or after.is_unknown_word
        other = after.is_unknown_word or (piece.is_unknown_word and after.has("ordinary"))
        if either and other and not after.has("purposes") and not piece.has("purposes"):
            spellings.append((index + 1, f"{piece.text} {after.text}"))
        if after.gap == " " and _is_scrap(piece) and _is_scrap(after):
            spellings.append((index + 1, f"{piece.text}{after.text}"))  # `Je png`
    if _is_free_word(piece):
        spellings.append((index, piece.text))
    return spellings


def _vague(work: Work, field: Field) -> None:
    if "vague_country" not in work.domains:
        return
    vague = [i for i, piece in enumerate(work.pieces) if piece.has("vague_country")]
    if vague and not work.is_settled(field.name):
        after = work.after(vague[-1])
        is_next = after is not None and after.is_unknown_word and not after.is_after_border
        if after is not None and is_next and _is_roughly_country(work, after.text):
            # `bule fij`: a country was named, and it cannot be read.
            work.report_problem(field.name, work.given(vague[-1] + 1), Reason.UNKNOWN)
            work.take(field.name, vague[-1] + 1)
            return
        work.fields[field.name] = NOT_KNOWN
        work.take(field.name, *vague)


def _ambiguous(work: Work, field: Field, indexes: list[int], values: tuple[str, ...]) -> None:
    given = " ".join(work.given(index) for index in indexes)
    work.report_problem(field.name, given, Reason.AMBIGUOUS, values[:_MOST_OPTIONS])
    work.take(field.name, *indexes)


def _shared(work: Work, field: Field, sure: Sequence[tuple[int, tuple[str, ...]]]) -> bool:
    """Give each country the count beside it, where each has one."""
    first, last = sure[0][0], sure[-1][0]
    if any(is_new_sentence(piece) for piece in work.pieces[first + 1 : last + 1]):
        return False  # another sentence may tell of other guests
    every = [
        amount
        for amount in work.amounts
        if _may_be_share(amount) and not counts_others(work, amount)
    ]
    counts = _without_total(every, len(sure))
    if len(counts) != len(sure) or any(
        amount.value is None or amount.minus or not 0 < amount.value <= 200  # noqa: PLR2004
        for amount in counts
    ):
        return False
    turns = sorted(
        [(index, alpha2) for index, (alpha2, *_) in sure] + [(a.index, "") for a in counts]
    )
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    if any(bool(one[1]) == bool(other[1]) for one, other in pairs):
        return False
    for total in every[: len(every) - len(counts)]:
        work.take(work.name_of("count"), *range(total.first, total.last + 1))
    numbers = {amount.index: amount for amount in counts}
    for one, other in pairs:
        (index, alpha2), (at, _) = (one, other) if one[1] else (other, one)
        work.shares.append((alpha2, numbers[at].value or 0))
        work.take(field.name, index)
        work.take(work.name_of("count"), *range(numbers[at].first, numbers[at].last + 1))
    return True


def _without_total(counts: list[Amount], number: int) -> list[Amount]:
    """See `4 org, 2 kanada 2 amerika`: the first is the sum of the others."""
    parts = counts[1:]
    is_sum = len(parts) == number and counts[0].value == sum(part.value or 0 for part in parts)
    return parts if is_sum else counts


def _is_denied(work: Work, index: int) -> bool:
    """Tell a country that is a goal (`ke`), a way (`lewat`) or not meant (`bukan`)."""
    before = work.before(index)
    if before is None or work.pieces[index].begins_field or before.became == COURTESY:
        return False
    if "goal" in before.marks:
        return not before.has("labels", "purpose")
    if before.text in _NOT_OF_PEOPLE and not work.pieces[index].begins_field:
        return True  # `ajar b.inggris`
    if "plus" in before.marks and index > 1 and _is_denied(work, index - 2):
        return True  # `lewat malaysia deng singapura`
    return before.text in ("bukan", "bkn") or "via" in before.marks or "at" in before.marks


def _is_free_word(piece: Piece) -> bool:
    return piece.kind is TokenKind.WORD and piece.senses.keys() <= _NO_MATTER


def _is_alone(work: Work, index: int) -> bool:
    after = work.after(index)
    begins = work.pieces[index].is_after_border
    return begins and (after is None or after.is_after_border)
