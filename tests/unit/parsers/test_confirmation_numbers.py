import pytest

from parsers.numbers import damm, is_well_formed, number_for, read_number

KEY = b"a key of the tests"


def test_the_check_digit_is_damms():
    assert damm("572") == 4
    assert is_well_formed("104277")
    assert not is_well_formed("104278")


@pytest.mark.parametrize(
    "number", ["10427", "004277", "", "abc", "\u0661\u0660\u0664\u0662\u0667\u0667"]
)
def test_a_number_of_another_shape_is_not_well_formed(number):
    assert not is_well_formed(number)


def test_six_digits_for_the_first_half_of_the_space_then_seven():
    assert len(number_for(1, KEY)) == 6
    assert len(number_for(45_000, KEY)) == 6
    assert len(number_for(45_001, KEY)) == 7
    assert len(number_for(495_000, KEY)) == 7
    assert len(number_for(495_001, KEY)) == 8


def test_no_number_is_given_twice():
    numbers = {number_for(ordinal, KEY) for ordinal in range(1, 100_001)}

    assert len(numbers) == 100_000
    assert all(is_well_formed(number) for number in numbers)


def test_neighbours_look_unlike():
    for ordinal in range(1, 200):
        one, other = number_for(ordinal, KEY), number_for(ordinal + 1, KEY)
        assert sum(a != b for a, b in zip(one, other, strict=True)) >= 3


def test_ordinals_start_at_one():
    with pytest.raises(ValueError, match="start at 1"):
        number_for(0, KEY)


@pytest.mark.parametrize(
    ("text", "number"),
    [("104277", "104277"), (" 104 277 ", "104277"), ("10-42.77", "104277"), ("104277 x", None),
     ("", None), ("10/42", None)],
)  # fmt: skip
def test_blanks_dots_and_hyphens_between_digits_are_ignored(text, number):
    assert read_number(text) == number


def test_the_order_is_known_only_with_the_key():
    first, second = ([number_for(n, key) for n in range(1, 50)] for key in (KEY, b"another key"))
    assert sum(a == b for a, b in zip(first, second, strict=True)) <= 1
