import pytest

from parsers.msisdn import BadMsisdn, Sender, SenderKind, find_numbers, normalise, read_sender

MOBILES = {
    "phone-00-prefix": ("006281200000123", "+6281200000123"),
    "phone-double-62": ("62811000234", "+62811000234"),
    "phone-double-62-blank": (" 62811000234", "+62811000234"),
    "phone-extra-zero-after-code": ("+62081200000123", "+6281200000123"),
    "phone-extra-zero-in-brackets": ("+62 (0)812-0000-0123", "+6281200000123"),
    "phone-foreign-sim-border": ("+60123450000", "+60123450000"),
    "phone-indonesian-spacing": ("0812 0000 0123", "+6281200000123"),
    "phone-indonesian-hyphens": ("0812-0000-123", "+628120000123"),
    "phone-pasted-invisible": ("\u200b\t+62 812 0000 0123\ufeff", "+6281200000123"),
    "phone-pasted-hyphens": ("+62\u2011812\u20110000\u20110123", "+6281200000123"),
    "no-trunk-zero": ("81234567890", "+6281234567890"),
    "dots": ("0812.3456.7890", "+6281234567890"),
    "full-width": ("\uff10\uff18\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
                   "+6281234567890"),
    "tel-uri": ("tel:+62-812-3456-7890", "+6281234567890"),
}  # fmt: skip


@pytest.mark.parametrize("case", MOBILES)
def test_every_spelling_of_a_mobile_is_one_number(case):
    raw, number = MOBILES[case]
    sender = read_sender(raw)

    assert (sender.kind, sender.number) == (SenderKind.MOBILE, number)
    assert normalise(raw) == number
    assert normalise(number) == number


OTHERS = {
    "3636": SenderKind.SHORT_CODE,
    "123456": SenderKind.SHORT_CODE,
    "112": SenderKind.SHORT_CODE,
    "TELKOMSEL": SenderKind.ALPHANUMERIC,
    "0812DESA1234": SenderKind.ALPHANUMERIC,
    "0812-3456-7890 (Budi)": SenderKind.ALPHANUMERIC,
    "HALO 081234567890": SenderKind.ALPHANUMERIC,
    "0215551234": SenderKind.UNREADABLE,
    "*123#": SenderKind.UNREADABLE,
    "8112345": SenderKind.UNREADABLE,
    "": SenderKind.UNREADABLE,
    "\ud800": SenderKind.UNREADABLE,
}


@pytest.mark.parametrize("raw", OTHERS, ids=ascii)
def test_what_is_no_mobile_is_kept_as_received(raw):
    sender = read_sender(raw)

    assert sender.kind == OTHERS[raw]
    assert len(sender.number) <= 40


def test_a_long_sender_is_cut():
    assert read_sender("X" * 500).number == "X" * 40


def test_a_spreadsheet_decimal_is_restored_when_nothing_is_lost():
    assert normalise("81200000123.0") == "+6281200000123"
    assert normalise("6.281200000123E+12") == "+6281200000123"


REFUSED = {
    "phone-62-area-code-ambiguous": ("62435800001", "62 may be"),
    "rounded": ("6.2812E+11", "rounded"),
    "landline": ("0215551234", "landline"),
    "letters": ("0812DESA1234", "letters"),
    "two numbers": ("081234567890, 081234567891", "one number"),
    "empty": ("  ", "empty"),
    "short code": ("3636", "no mobile"),
    "too long": ("0812345678901234", "no mobile"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_roster_number_that_is_not_sure_is_refused_with_a_mend(case):
    raw, words = REFUSED[case]
    with pytest.raises(BadMsisdn) as caught:
        normalise(raw)

    assert words in caught.value.reason
    assert caught.value.mend


def test_phone_like_runs_are_found_in_a_text():
    text = "hub 0812-3456-7890 atau +62 812 0000 0123, laporan 104277 desa 5"

    found = [text[start:end] for start, end in find_numbers(text)]
    assert found == ["0812-3456-7890", "+62 812 0000 0123"]


@pytest.mark.parametrize(
    "text",
    ["2026-11-25 10:10:00", "2026-11-25 10.10", "25/11/2026 10:10", "pada 25-11-2026 23.59 WITA"],
)
def test_a_moment_as_providers_write_it_is_no_number(text):
    assert find_numbers(text) == []


@pytest.mark.parametrize("text", ["2026-11-25 1099", "2026-11-25 10.10 081", "2026-13-25 10:10"])
def test_what_only_looks_like_a_moment_is_hidden_as_a_number(text):
    assert find_numbers(text)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("60123450000", "+60123450000"),
        (" 60123450000", "+60123450000"),
        ("67077231234", "+67077231234"),
        (" 67077231234", "+67077231234"),
        ("6591234567", "+6591234567"),
        (" 819012345678", "+819012345678"),
        ("819012345678", "+62819012345678"),
        (" 62811000234", "+62811000234"),
        (" 081200000123", "+6281200000123"),
        (" 81200000123", "+6281200000123"),
    ],
)
def test_a_sim_of_the_border_is_known_without_its_plus(raw: str, number: str):
    assert read_sender(raw) == Sender(SenderKind.MOBILE, number)


@pytest.mark.parametrize("raw", ["447700900123", "1234567890", "60123", "6012345000000000"])
def test_other_digits_without_a_plus_are_no_mobile(raw: str):
    assert read_sender(raw).kind is not SenderKind.MOBILE


def test_a_roster_wants_the_plus_of_a_foreign_number():
    with pytest.raises(BadMsisdn):
        normalise("60123450000")
    assert normalise("+60123450000") == "+60123450000"
