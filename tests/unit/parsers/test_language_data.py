"""Wrong data stops the start, with file, line and mend."""

import re
from pathlib import Path

import pytest
from support.sms import LANGUAGE, NOW, items, only

import parsers
from parsers import loading
from parsers.answering import Question, read_answer
from parsers.datafiles import DataError
from parsers.form import LANGUAGES
from parsers.loading import load
from parsers.reading import read
from parsers.segments import is_plain_gsm7
from parsers.spelling import Spelling
from parsers.tokens import tokenise

WORDS = Path(parsers.__file__).parent / "words"

FORM = """\
code = "UJI"
order = 99
title = { id = "Uji", en = "Test" }
example = "UJI 3"
urgency = "biasa"
holds_draft = true
first_state = "received"
aliases = ["ujian"]

[[fields]]
name = "count"
kind = "count"
label = { id = "jumlah", en = "number" }
wanted = true
ask = "ERR_JUMLAH"
"""

WRONG_FORMS = {
    "unknown kind": ('kind = "count"', 'kind = "jumlah"', 12, "unknown kind 'jumlah'"),
    "alias of another form": ('["ujian"]', '["turis"]', 8, "belongs to WNA already"),
    "missing ask": ('ask = "ERR_JUMLAH"', "", 10, "wanted and has no ask"),
    "unknown key": ("order = 99", "urutan = 99", 2, "unknown key 'urutan'"),
    "wrong type": ("order = 99", 'order = "9"', 2, "order is missing or no int"),
    "bad urgency": ('"biasa"', '"gawat"', 5, "urgency is 'gawat'"),
    "example of another code": ('"UJI 3"', '"WNA"', 4, "does not read as UJI"),
    "example with a gap": ('"UJI 3"', '"UJI"', 4, "does not read as UJI"),
    "label outside GSM-7": ('id = "jumlah"', 'id = "juml\u00e2h"', 13, "is not plain GSM-7"),
    "label in one language": (', en = "number"', "", 10, "label has no en"),
    "lower-case code": ('"UJI"', '"uji"', 1, "is no code"),
    "code of another form": ('code = "UJI"', 'code = "PMI"', 1, "is there twice"),
}


@pytest.mark.parametrize("case", WRONG_FORMS)
def test_a_wrong_form_names_file_and_line(case, tmp_path):
    good, bad, line, words = WRONG_FORMS[case]
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "uji.toml").write_text(FORM.replace(good, bad, 1), encoding="utf-8")

    with pytest.raises(DataError, match=re.escape(words)) as caught:
        load(tmp_path)
    assert f"uji.toml, line {line}:" in str(caught.value)


def test_broken_toml_names_file_and_line(tmp_path):
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "uji.toml").write_text("code = \n", encoding="utf-8")

    with pytest.raises(DataError, match=r"uji\.toml.*line 1"):
        load(tmp_path)


WRONG_WORDS = {
    "countries.csv": ("alpha2,alpha3\nAU,AUS\n", 1, "the columns are"),
    "country_aliases.csv": ("value,word\nZZ,zzland\n", 2, "ZZ is no country"),
    "numbers.csv": ("value,word\n# x\nsatu,satu\n", 3, "'satu' is not in 0..1000"),
    "purposes.csv": ("value,word\nmakan,makan\n", 2, "is no purpose"),
    "transport.csv": ("value,word\nkapal\n", 2, "does not fit"),
    "courtesy.csv": ("value,word\ncourtesy,##\n", 2, "holds no letter"),
}


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_wrong_words_name_file_and_line(name, tmp_path):
    content, line, words = WRONG_WORDS[name]
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / name).write_text(content, encoding="utf-8")

    with pytest.raises(DataError, match=re.escape(words)) as caught:
        load(tmp_path)
    assert f"{name}, line {line}:" in str(caught.value)


def test_an_agency_adds_a_form_by_adding_a_file(tmp_path):
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "uji.toml").write_text(FORM, encoding="utf-8")

    language = load(tmp_path)

    assert list(language.forms)[-1] == "UJI"
    item = read("ujian 5", language, now=NOW).items[0]
    assert (item.outcome, item.code, dict(item.fields)) == ("report", "UJI", {"count": 5})


def test_an_agency_file_of_the_same_name_replaces_the_shipped_one(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "transport.csv").write_text(
        "value,word\nmotor,sepeda\n", encoding="utf-8"
    )

    language = load(tmp_path)

    assert language.words.meaning("sepeda")["transport"] == ("motor",)
    assert "transport" not in language.words.meaning("kapal")


def test_the_forms_stand_in_their_order():
    assert list(LANGUAGE.forms) == ["WNA", "PERGI", "PMI", "CURIGA", "DARURAT", "NIHIL"]
    assert LANGUAGE.forms["NIHIL"].first_state == "closed"


@pytest.mark.parametrize("code", list(LANGUAGE.forms))
def test_a_forms_example_reads_as_itself(code):
    item = only(LANGUAGE.forms[code].example)

    assert (item.outcome, item.code, item.missing) == ("report", code, ())
    assert not item.problems


def test_what_only_mending_needs_is_built_when_it_is_asked_for_and_once(monkeypatch):
    built = []

    def counted(*given):
        built.append(given)
        return Spelling(*given)

    monkeypatch.setattr("parsers.vocabulary.Spelling", counted)
    words = loading._load(None).words  # noqa: SLF001 - the language of the others has read already

    assert not built
    words.get_ready()
    words.get_ready()
    assert words.mended(tokenise("wisatta"))[0].text == "wisata"
    assert len(built) == 1


def test_every_country_has_plain_names_that_read_back():
    assert len(LANGUAGE.words.countries) == 249
    for alpha2 in LANGUAGE.words.countries:
        for lang in LANGUAGES:
            assert is_plain_gsm7(LANGUAGE.country_name(alpha2, lang))
            assert len(LANGUAGE.country_short(alpha2, lang)) <= 15
            meaning = LANGUAGE.words.meaning(LANGUAGE.country_name(alpha2, lang))
            assert alpha2 in meaning["countries"]


def test_names_are_shown_as_the_field_uses_them():
    assert LANGUAGE.country_name("TL") == "Timor Leste"
    assert LANGUAGE.country_name("GB") == "Inggris"
    assert LANGUAGE.country_name("XX") == "tidak tahu"
    assert LANGUAGE.country_short("XX", "en") == "not known"
    assert LANGUAGE.purpose_name("penelitian") == "riset"
    assert LANGUAGE.months()[0] == "Januari"
    assert LANGUAGE.months("en")[-1] == "December"


def words_of(name):
    for line in (WORDS / f"{name}.csv").read_text(encoding="utf-8").splitlines()[2:]:
        value, word = line.split(",", maxsplit=1)
        yield value, word


def test_no_everyday_word_is_taken_for_a_country():
    for _, word in words_of("ordinary"):
        for item in items(f"WNA {word} 2 wisata"):
            assert "country" not in item.fields, word


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("purposes", "WNA#Belgia#2#{}", "purpose"),
        ("destinations", "PMI 2 ke {} lusa", "destination"),
        ("transport", "PMI 2 ke Batam lusa naik {}", "transport"),
    ],
)
def test_every_word_of_a_list_reads_as_its_value(name, text, field):
    for value, word in words_of(name):
        assert only(text.format(word)).fields[field] == value, word


def test_every_country_alias_reads_as_its_country_or_is_asked_back():
    pairs = list(words_of("country_aliases"))
    for alpha2, word in pairs:
        item = only(f"WNA#{word}#2#wisata")
        twins = tuple(other for other, same in pairs if same == word)
        if alpha2 == "ID":
            assert item.outcome == "rejected", word
        elif len(twins) > 1:
            assert item.problems[0].options == twins, word
        else:
            assert item.fields["country"] == alpha2, word


ALARM = """\
code = "ALARM"
order = 55
title = { id = "Darurat", en = "Emergency" }
example = "ALARM kebakaran di pantai Kolbano"
urgency = "mendesak"
holds_draft = false
bare_is_draft = false
first_state = "received"
beside = ["alarms"]
takes_over = { PMI = ["alarms"] }

[[fields]]
name = "kind"
kind = "word"
label = { id = "apa", en = "what" }
wanted = true
ask = "ERR_KURANG"
limits = { words = "alarms" }

[[fields]]
name = "place"
kind = "place"
label = { id = "tempat", en = "place" }
wanted = true
ask = "ERR_KURANG"
"""


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    agency = tmp_path_factory.mktemp("agency")
    (agency / "forms").mkdir()
    (agency / "words").mkdir()
    (agency / "forms" / "alarm.toml").write_text(ALARM, encoding="utf-8")
    (agency / "words" / "alarms.csv").write_text(
        "value,word\napi,kebakaran\nair,bah\n", encoding="utf-8"
    )
    return load(agency)


NEW_CODES = {
    "ALARM": ("report", "ALARM", {}),
    "ALARM bah di dusun 2": ("report", "ALARM", {"kind": "air", "place": "dusun 2"}),
    "PMI 3 org, kebakaran": ("report", "ALARM", {"kind": "api"}),
    "jam alarm rusak": ("chat", None, {}),
}


@pytest.mark.parametrize("text", NEW_CODES)
def test_a_new_code_needs_data_only(text, wider):
    outcome, code, fields = NEW_CODES[text]
    (item,) = read(text, wider, now=NOW).items

    assert (item.outcome, item.code) == (outcome, code)
    assert {**item.fields, **fields} == dict(item.fields)


def test_a_wanted_place_is_answered_by_any_words(wider):
    question = Question("ALARM", {"kind": "api"}, ("place",))

    found = read_answer("Fatumnasi dekat gereja", wider, question, now=NOW)
    assert dict(found.fields) == {"place": "fatumnasi dekat gereja"}
    assert read_answer("terima kasih", wider, question, now=NOW) is None
