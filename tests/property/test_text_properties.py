"""Segments, echoes, masking and telephone numbers, against oracles and against themselves."""

import re

import smsutil
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parsers.cleaning import clean, storable
from parsers.masking import mask_documents
from parsers.msisdn import BadMsisdn, SenderKind, find_numbers, normalise, read_sender
from parsers.segments import is_plain_gsm7, measure, shorten, to_gsm7

GSM = st.sampled_from("abcZ 019@\u00a3$\u00e9\u00d1\n\r^{}\\[~]|\u20ac\u0394")
# An escape alone is no character of GSM-7, whatever the oracle says.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\x1b")
TEXTS = st.one_of(st.text(GSM, max_size=700), st.text(ANY, max_size=400))


@given(TEXTS)
@example("\u20ac" * 153)
@example("\U0001f600" * 67)
@settings(max_examples=300, deadline=None)
def test_segments_agree_with_an_independent_splitter(text):
    oracle = smsutil.split(text)
    measured = measure(text)

    assert measured.segments == max(len(oracle.parts), 1)
    assert (measured.encoding == "GSM-7") is (not text or bool(smsutil.is_valid_gsm(text)))


@given(st.text(st.characters(), max_size=200))
@settings(max_examples=300, deadline=None)
def test_an_echo_is_always_plain_gsm7(text):
    assert is_plain_gsm7(to_gsm7(text))
    assert to_gsm7(to_gsm7(text)) == to_gsm7(text)
    assert len(shorten(text, 10)) <= 13


@given(st.text(st.characters(), max_size=200))
@settings(max_examples=300, deadline=None)
def test_what_is_stored_is_valid_text_and_cleaning_never_raises(text):
    kept = storable(text)

    assert "\x00" not in kept
    kept.encode("utf-8")
    clean(text)


DIGITS = st.text("0123456789", min_size=16, max_size=16).filter(lambda d: d[0] != "0")
AROUND = st.text("abc #,.()WNA2\n", max_size=20).map(lambda text: text.rstrip("2").lstrip("2"))


@given(AROUND, DIGITS, AROUND, st.sampled_from(["", "nik ", "KTP: ", "no ktp "]))
@settings(max_examples=300, deadline=None)
def test_masking_never_leaves_an_identity_number(before, digits, after, word):
    covered, was_masked = mask_documents(f"{before} {word}{digits} {after}")

    assert was_masked
    assert digits not in covered
    assert mask_documents(covered) == (covered, False)


@given(
    st.one_of(st.text(st.characters(), max_size=150), st.text("paspor nik0129.-AC", max_size=80))
)
@settings(max_examples=500, deadline=None)
def test_masking_twice_is_masking_once(text):
    once, _ = mask_documents(text)

    assert mask_documents(once) == (once, False)
    assert re.search(r"(?<!\d)\d{16}(?!\d)", once) is None


NUMBERS = st.from_regex(r"8(1[1-9]|2[1-3]|5[1-9])[0-9]{7,8}", fullmatch=True)
PREFIXES = ["0", "62", "+62", "+620", "0062", "", "+62 0", "+62 (0)"]


@given(NUMBERS, st.sampled_from(PREFIXES), st.sampled_from(["", " ", "-", "."]))
@settings(max_examples=300, deadline=None)
def test_every_spelling_of_a_mobile_normalises_to_one_number(number, prefix, joint):
    spelt = prefix + joint.join([number[:3], number[3:7], number[7:]])

    assert normalise(spelt) == f"+62{number}"
    assert normalise(normalise(spelt)) == normalise(spelt)
    assert read_sender(spelt).number == f"+62{number}"
    assert read_sender(spelt).kind is SenderKind.MOBILE


@given(st.text(st.characters(), max_size=60))
@settings(max_examples=400, deadline=None)
def test_reading_a_sender_never_raises(raw):
    sender = read_sender(raw)

    assert len(sender.number) <= 40
    find_numbers(raw)
    number = normalised_or_refused(raw)
    assert number is None or normalise(number) == number


def normalised_or_refused(raw):
    try:
        return normalise(raw)
    except BadMsisdn:
        return None
