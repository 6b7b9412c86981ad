import pytest
from support.sms import LANGUAGE, NOW

from parsers.cleaning import clean, storable
from parsers.reading import key_of, read


def test_what_a_database_cannot_hold_is_replaced():
    assert storable("agen\x00contoh.id") == "agen@contoh.id"
    assert storable("a\ud800b") == "a\ufffdb"
    assert storable("caf\u00e9 \u00b2") == "caf\u00e9 \u00b2"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("WNA", "wna"),
        ("\ufeffNIHIL", "nihil"),
        ("\u201cNihil\u201d", '"nihil"'),
        ("WNA\u00a02", "wna 2"),
        ("\uff37\uff2e\uff21", "wna"),
        ("\u0662 \u096b", "2 5"),
        ("S\u00e3o Tom\u00e9", "sao tome"),
        ("a\u2013b", "a-b"),
    ],
)
def test_a_text_is_cleaned_for_matching(text, plain):
    assert clean(text) == plain


def key(text):
    return key_of(read(text, LANGUAGE, now=NOW).text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("WNA#Belanda#2#wisata", "wna belanda 2  wisata"), ("NIHIL.", "nihil"),
     ("WNA, Belanda", "WNA;\nBelanda"), ("WNA\u00a0Belanda", "WNA Belanda")],
)  # fmt: skip
def test_the_same_message_has_one_key(one, other):
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("WNA Belanda 2 wisata", "WNA Belanda 2 wisata .2"), ("WNA 2,5", "WNA 2 5"),
     ("WNA -2", "WNA 2"), ("WNA 2-3", "WNA 2 3"), ("WNA \u00b2", "WNA \u00b3"),
     ("PMI " + "x" * 5000 + "1", "PMI " + "x" * 5000 + "2"), ("STATUS 104277", "STATUS 104278")],
    ids=["repeat mark", "decimal", "minus", "range", "superscript", "far end", "number"],
)  # fmt: skip
def test_two_messages_never_share_a_key(one, other):
    assert key(one) != key(other)
