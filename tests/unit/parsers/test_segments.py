import pytest

from parsers.segments import Measure, measure, shorten, to_gsm7

MEASURES = {
    "enc-gsm-extension-counts-two": ("[[[[[", Measure("GSM-7", 10, 1)),
    "enc-gsm-extension-in-a-full-reply": ("a" * 159 + "{", Measure("GSM-7", 161, 2)),
    "enc-split-on-encoded-length": ("a" * 159 + "\u20ac", Measure("GSM-7", 161, 2)),
    "enc-escape-pair-not-split": ("a" * 152 + "[" + "a" * 152, Measure("GSM-7", 306, 3)),
    "euros": ("\u20ac" * 153, Measure("GSM-7", 306, 3)),
    "emoji": ("\U0001f600" * 67, Measure("UCS-2", 134, 3)),
    "one full segment": ("a" * 160, Measure("GSM-7", 160, 1)),
    "one too long": ("a" * 161, Measure("GSM-7", 161, 2)),
    "enc-template-invisible-character": ("a\u200b", Measure("UCS-2", 2, 1)),
    "empty": ("", Measure("GSM-7", 0, 1)),
}


@pytest.mark.parametrize("case", MEASURES)
def test_a_text_is_measured_as_the_network_cuts_it(case):
    text, expected = MEASURES[case]

    assert measure(text) == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Soe", "Soe"),
        ("\u201cS\u00f2e\u201d \u2013 caf\u00e9\u2026", '"S\u00f2e" - caf\u00e9...'),
        ("\u00e1\u00ed\u00e7", "aic"),
        ("[a]{b}|", "(a)(b)/"),
        ("\U0001f600", "?"),
        ("a\u200bb\u00a0c", "ab c"),
        ("\u20ac5", "EUR5"),
    ],
)
def test_an_echo_is_plain_gsm7(text, plain):
    assert to_gsm7(text) == plain
    assert measure(plain).encoding == "GSM-7"


def test_a_long_word_is_cut_with_dots():
    assert shorten("abcdefghijklmnopqrstuvwxyz0123456789") == "abcdefghij..."
    assert shorten("Kasongo") == "Kasongo"
    assert shorten("a  b\nc") == "a b c"
