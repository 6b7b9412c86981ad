"""A slip of one digit, a swap of neighbours and a lost digit never give another valid number."""

from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.numbers import is_well_formed, number_for

KEY = b"a key of the tests"

ORDINALS = st.integers(1, 60_000_000)


@given(ORDINALS)
@settings(max_examples=300, deadline=None)
def test_every_slip_of_one_digit_and_every_swap_is_caught(ordinal):
    number = number_for(ordinal, KEY)

    assert is_well_formed(number)
    for at in range(len(number)):
        for digit in "0123456789":
            slip = number[:at] + digit + number[at + 1 :]
            assert slip == number or not is_well_formed(slip)
    for at in range(len(number) - 1):
        swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        assert swapped == number or not is_well_formed(swapped)


@given(st.sets(ORDINALS, min_size=2, max_size=200))
@settings(max_examples=100, deadline=None)
def test_two_ordinals_never_share_a_number(ordinals):
    assert len({number_for(ordinal, KEY) for ordinal in ordinals}) == len(ordinals)


@given(st.integers(44_900, 45_100), st.integers(44_900, 45_100))
@settings(max_examples=200, deadline=None)
def test_numbers_stay_apart_where_they_grow_longer(one, other):
    assert (number_for(one, KEY) == number_for(other, KEY)) is (one == other)
    assert len(number_for(one, KEY)) == (6 if one <= 45_000 else 7)
