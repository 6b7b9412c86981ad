"""Phone numbers in a roster file: how people type them, and which of them are not sure."""

import pytest

from gateway.roster import people
from gateway.roster.tables import read_table
from parsers.msisdn import SenderKind


def understood(phone: str) -> people.Understood:
    line = f'"{phone}",Yos,kades,53.02.02.2008'
    content = f"phone,name,role,village_code\n{line}\n".encode()
    return people.understand(read_table(content, people.COLUMNS))


PHONES = {
    "phone-00-prefix": ("006281200000123", "+6281200000123"),
    "phone-double-62": ("62811000234", "+62811000234"),
    "phone-double-62, a blank before": (" 62811000234", "+62811000234"),
    "phone-extra-zero-after-code": ("+62081200000123", "+6281200000123"),
    "phone-extra-zero-after-code, in brackets": ("+62 (0)812-0000-0123", "+6281200000123"),
    "phone-foreign-sim-border": ("+60123450000", "+60123450000"),
    "phone-indonesian-spacing, blanks": ("0812 0000 0123", "+6281200000123"),
    "phone-indonesian-spacing, 11 digits": ("0812-0000-123", "+628120000123"),
    "phone-indonesian-spacing, plus": ("+6281200000123", "+6281200000123"),
    "phone-pasted-invisible": ("\u200b\t+62 812 0000 0123\ufeff", "+6281200000123"),
    "phone-pasted-invisible, hyphens": ("0812\u20110000\u20110123", "+6281200000123"),
    "roster-excel-number, a decimal": ("81200000123.0", "+6281200000123"),
    "roster-excel-number, with its zero": ("081200000123", "+6281200000123"),
}


@pytest.mark.parametrize(("typed", "number"), PHONES.values(), ids=PHONES.keys())
def test_a_number_is_taken_as_it_is_typed(typed: str, number: str):
    (entry,) = understood(typed).entries

    assert (entry.phone.kind, entry.phone.number) == (SenderKind.MOBILE, number)


REFUSED_PHONES = {
    "phone-62-area-code-ambiguous": ("62435800001", "0 or +62"),
    "phone-short-code-no-reply": ("3636", "mobile"),
    "phone-short-code-no-reply, six digits": ("123456", "mobile"),
    "roster-excel-number, rounded": ("6.2812E+11", "rounded"),
    "a landline": ("0388 21001", "landline"),
    "two numbers in a cell": ("081200000123/081200000124", "mobile"),
    "a name": ("BRI-INFO", "letters"),
    "nothing": ("", "empty"),
}


@pytest.mark.parametrize(("typed", "reason"), REFUSED_PHONES.values(), ids=REFUSED_PHONES.keys())
def test_a_number_that_is_not_sure_is_refused(typed: str, reason: str):
    done = understood(typed)

    assert done.entries == ()
    (fault,) = done.faults.found
    assert (fault.row, fault.column) == (2, "phone")
    assert reason in str(fault)
