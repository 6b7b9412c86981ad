"""PINs: their form, which are too easy, and how they are kept."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.officers import pins
from gateway.officers.pins import Pins
from gateway.settings import PinRules

RULES = PinRules(3, timedelta(minutes=15), timedelta(minutes=30))
PINS = Pins("a-secret-of-the-tests", RULES)


@pytest.mark.parametrize(
    "pin", ["123", "1234567", "", "abcd", "12a4", "12 34", "-1234", "١٢٣٤", "1²34", "1234\n"]
)
def test_what_has_no_four_to_six_digits_is_no_pin(pin: str):
    assert pins.fault_of(pin) == "PIN_BENTUK"


@pytest.mark.parametrize(
    "pin",
    [
        pytest.param("1111", id="one digit"),
        pytest.param("000000", id="one digit six times"),
        pytest.param("1234", id="a run"),
        pytest.param("67890", id="a run to nought"),
        pytest.param("4321", id="a run downwards"),
        pytest.param("1212", id="a pair twice"),
        pytest.param("121212", id="a pair three times"),
        pytest.param("123123", id="two halves"),
        pytest.param("1987", id="a year"),
    ],
)
def test_an_easy_pin_is_refused(pin: str):
    assert pins.fault_of(pin) == "PIN_MUDAH"


@pytest.mark.parametrize("pin", ["4812", "4825", "739164", "90210"])
def test_others_are_taken(pin: str):
    assert pins.fault_of(pin) is None


def test_a_hash_is_argon2id_and_tells_no_pin():
    made = PINS.make_hash("4825")

    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PINS.is_right("4825", made)
    assert not PINS.is_right("4826", made)
    assert made != PINS.make_hash("4825"), "salted"


def test_a_stolen_table_is_worth_nothing_without_the_key():
    assert not Pins("another-secret", RULES).is_right("4825", PINS.make_hash("4825"))


@pytest.mark.parametrize("kept", ["", "4825", "$argon2id$broken"])
def test_what_is_no_hash_fits_no_pin(kept: str):
    assert not PINS.is_right("4825", kept)


@given(st.text(max_size=8))
def test_any_text_has_a_verdict(text: str):
    assert pins.fault_of(text) in {None, "PIN_BENTUK", "PIN_MUDAH"}
