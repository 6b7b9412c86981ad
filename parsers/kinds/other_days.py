"""Days that a text names beside the one that is asked for: ends of stays, visits, feasts, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsers.asides import is_new_sentence

if TYPE_CHECKING:
    from parsers.amounts import Amount
    from parsers.form import Field
    from parsers.pieces import Piece
    from parsers.work import Work

_NOW = frozenset(["sekarang", "skrg", "skrang", "skr", "skarang", "saat ini"])
_PLANNED = frozenset(["nanti", "nnti", "nti", "nt", "untuk", "utk", "acara", "pesta"])
_SHORT_TEXT = 12
_NEAR = 4
_LEAVING = frozenset(["left", "moved", "depart", "by", "urgent", "on_the_way", "people_leaving"])
_URGENT_DAYS = frozenset(["malam ini", "mlm ini", "su mau jalan", "nanti malam", "nanti mlm"])
_GOES_ON = frozenset(["lanjut", "lanjutkan", "melanjutkan"])


def leaves(field: Field) -> bool:
    return field.limits.get("direction") == "future"


def is_of_coming(work: Work, field: Field, amount: Amount) -> bool:
    """See `datang 20 oktober, pulang 22 november`, `tgl 20 kemarin calo datang`."""
    before, after = work.before(amount.first), work.after(amount.last)
    if before is not None and "arrive" in before.marks:
        return True
    return leaves(field) and after is not None and is_gone(after)


def is_of_visit(work: Work, amount: Amount) -> bool:
    """See `2 kali datang ke sini, tgl 12 dan tgl 19.`: a sentence in which nobody leaves."""
    first = amount.first
    while first > 0 and not is_new_sentence(work.pieces[first]):
        first -= 1
    own = work.pieces[first : amount.first]
    comes = any("comes" in piece.marks for piece in own)
    return comes and not any(_LEAVING & {*piece.marks} for piece in own)


def is_gone(piece: Piece) -> bool:
    return piece.has("days") and int(piece.value("days")) < 0 and not piece.is_after_border


def is_name(work: Work, index: int) -> bool:
    """See `ibu snin`, `di jmaat Efata`: whatever it is, it is no day."""
    before = work.before(index)
    if before is None or work.pieces[index].is_after_border:
        return False
    earlier = work.before(index - 1)
    is_led = earlier is not None and (earlier.has("places") or "at" in earlier.marks)
    is_place = before.has("places") and "left" not in before.marks  # `jalan jumat` leaves
    return "at" in before.marks or is_place or (before.has("courtesy") and is_led)


def is_end_of_stay(work: Work, field: Field, index: int) -> bool:
    """See `sampai besok`, `pulang tgl 30`: the end of a stay, no day of coming."""
    if leaves(field):
        return False
    piece, before = work.pieces[index], work.before(index)
    is_until = "until" in piece.marks or (before is not None and "until" in before.marks)
    if is_until and not _has_come(piece):
        return True
    if not field.limits.get("arrival"):
        is_talk = piece.text in _NOW and len(work.pieces) > _SHORT_TEXT
        return is_talk and field.limits.get("of_departure") is True
    if before is not None and "arrive" in before.marks:
        return False
    return (
        _is_followed_by_leave(work, index)
        or _is_no_day_of_coming(work, index)
        or _is_led_by_leave(work, index)
    )


def _has_come(piece: Piece) -> bool:
    """See `sampai tadi pagi`: whoever arrives is told of with the same word."""
    return piece.has("days") and int(piece.value("days")) <= 0


def _is_led_by_leave(work: Work, index: int) -> bool:
    """See `pulang tgl 30`; `su pulang kmrn` is no stay any more."""
    before = work.before(index)
    if before is None or "left" not in before.marks:
        return False
    earlier = work.before(index - 1)
    return earlier is None or "done" not in earlier.marks


def _is_followed_by_leave(work: Work, index: int) -> bool:
    """See `besok dong kembali ke kupang`, `besok lanjut`."""
    for at in (index + 1, index + 2):
        piece = work.pieces[at] if at < len(work.pieces) else None
        if piece is None or piece.is_after_border:
            return False
        if "left" in piece.marks or piece.text in _GOES_ON:
            return True
    return False


def _is_no_day_of_coming(work: Work, index: int) -> bool:
    """See `besok baru naik gunung`, `pesta nanti tgl 28`, `sekarang liburan di desa`.

    In a long text a day to come, or a day of the week, tells of an arrival beside a word for it.
    """
    piece, before, after = work.pieces[index], work.before(index), work.after(index)
    behind = work.pieces[index + 1 : index + 4]
    if piece.text in _NOW or any("tells" in one.marks for one in behind):
        return True  # `yang kemarin beta telpon itu`
    if before is not None and (before.text in _PLANNED or before.has("units", "money")):
        return True
    is_weekday = piece.has("weekdays")
    if not is_weekday and (not piece.has("days") or int(piece.value("days")) <= 0):
        return False
    if any("arrive" in one.marks for one in work.pieces[max(0, index - 4) : index + 3]):
        return False
    if len(work.pieces) > _SHORT_TEXT:
        return not (before is not None and "from" in before.marks)
    return not is_weekday and not (after is None or after.is_after_border or after.has("courtesy"))


def is_of_recruiter(work: Work, field: Field, index: int) -> bool:
    """See `calo datang kmrn, mau bawa 3 org`, `skrg dia cari nona`: a day on which nobody leaves.

    In a long text a day that has come is the departure only where leaving is spoken of near it.
    """
    if not leaves(field) or int(work.pieces[index].value("days")) > 0:
        return False
    near = work.pieces[max(0, index - _NEAR) : index]
    if near and "until" in near[-1].marks:
        return True  # `sampai skrg HP sonde aktif`
    if any("arrive" in piece.marks for piece in near[-2:]) or _is_reported(work, index):
        return True
    if len(work.pieces) <= _SHORT_TEXT or work.pieces[index].text in _URGENT_DAYS:
        return False
    around = [*near, *work.pieces[index : index + 2 * _NEAR]]
    return not any(
        _LEAVING & {*piece.marks}
        or piece.has("transport")
        or piece.has("destinations")
        or piece.text in _GOES_ON
        for piece in around
    )


def _is_reported(work: Work, index: int) -> bool:
    """See `orang tua lapor ke saya tadi pagi`, `datang ke dusun 3 kmrn`, without a mark between."""
    for at in range(index, max(0, index - _NEAR), -1):
        if work.pieces[at].is_after_border:
            return False
        before = work.pieces[at - 1]
        if "reporting" in before.marks or "comes" in before.marks:
            return True
    return False


def is_something_else(work: Work, index: int) -> bool:
    """`tadi` alone means today only where nothing follows it that says otherwise.

    And `bsk` before a name, as in `rmh bsk Neolaka`, or after a greeting is a misspelt `bpk`.
    """
    before, after = work.before(index), work.after(index)
    if before is not None and before.has("weekdays") and not work.pieces[index].is_after_border:
        return True  # `senin kemarin` is Monday
    if work.pieces[index].text == "bsk" and before is not None:
        ends = after is None or after.is_after_border
        return before.has("courtesy") if ends else before.has("places")
    if work.pieces[index].text != "tadi":
        return False
    if after is None or after.is_after_border:
        return False
    # `tadi` with a word that is not known may be `tadi malam`, which is another day.
    return "not" in after.marks or after.is_unknown_word
