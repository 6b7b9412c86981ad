from support.sms import LANGUAGE, NOW

from parsers.reading import explain


def test_each_word_is_shown_with_what_it_became():
    rows = explain("Slmt pagi, WNA#Belanda#2 org#wisata#xyz abc", LANGUAGE, now=NOW)

    assert rows == [
        ("Slmt pagi", "courtesy"),
        ("WNA", "code"),
        ("Belanda", "country"),
        ("2 org", "count"),
        ("wisata", "purpose"),
        ("xyz abc", "place"),
    ]


def test_left_over_words_are_shown_as_the_note():
    assert explain("WNA X 2 AUS WISATA", LANGUAGE, now=NOW)[1] == ("X", "note")
    assert explain("", LANGUAGE, now=NOW) == []
