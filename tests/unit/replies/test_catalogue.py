"""The reply texts: every one fits an SMS whatever stands in it, and a wrong one stops the start."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.replies import catalogue
from gateway.replies.catalogue import (
    LANGUAGES,
    LONGEST,
    Catalogue,
    Named,
    ReplyError,
    fill,
    load,
)
from gateway.reporting.voice import Kept, Reply, Voice
from gateway.roster.villages import shipped_rows
from models.states import ReportState
from parsers import segments
from parsers.loading import load as load_language
from parsers.vocabulary import PURPOSES

SHIPPED = load(None)
WORDS = load_language()
VARIABLE = re.compile(r"\{(\w+)\}")


def all_texts() -> dict[str, str]:
    """Give every text and word of both languages, by language and key."""
    return {
        f"{language}: {key}": text
        for language, own in SHIPPED.items()
        for part in (own.texts, own.words, own.screens)
        for key, text in part.items()
    }


def with_every(template: str, value: str) -> str:
    """Fill a template with one value for all its variables."""
    return fill(template, dict.fromkeys(VARIABLE.findall(template), value))


def costly(filled: dict[str, str]) -> dict[str, segments.Measure]:
    """Give those that are not one SMS in GSM-7."""
    measured = {key: segments.measure(text) for key, text in filled.items()}
    return {
        key: one for key, one in measured.items() if (one.encoding, one.segments) != ("GSM-7", 1)
    }


# What is shipped ----------------------------------------------------------------------------------


def test_both_languages_have_the_same_keys_and_variables():
    leading, other = (SHIPPED[language] for language in LANGUAGES)

    for ours, theirs in ((leading.texts, other.texts), (leading.words, other.words)):
        assert set(ours) == set(theirs)
        for key, text in ours.items():
            assert set(VARIABLE.findall(text)) == set(VARIABLE.findall(theirs[key])), key


def test_every_text_is_one_sms_with_its_longest_values():
    longest = {
        key: fill(text, {name: "W" * LONGEST[name] for name in VARIABLE.findall(text)})
        for key, text in all_texts().items()
    }

    assert costly(longest) == {}


def test_every_text_is_one_sms_with_values_longer_than_any():
    assert costly({key: with_every(text, "W" * 500) for key, text in all_texts().items()}) == {}


def test_every_value_has_its_longest_and_none_is_left_over():
    used = {name for text in all_texts().values() for name in VARIABLE.findall(text)}

    assert used <= set(LONGEST)


def test_no_text_says_what_no_village_head_should_read():
    for key, text in SHIPPED["id"].texts.items():
        assert not set(re.findall(r"\w+", text.lower())) & {"wajib", "sanksi", "ilegal"}, key


# What people wrote --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # A brace costs two units in GSM-7, so it is shown as its plain likeness.
        ("{{7*7}}", "((7*7))"),
        ("{no}", "(no)"),
        ("{x}", "(x)"),
        ("%s %(no)s", "%s %(no)s"),
        ("$no ${no}", "$no $(no)"),
        (r"\g<1>", "/g<1>"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_what_a_person_wrote_is_never_read_as_a_template(written: str, shown: str):
    text = SHIPPED["id"].text("ERR_NEGARA_KENAL", x=written, no="104277")

    assert f'negara "{shown}" belum' in text
    assert "49" not in text
    assert "104277" not in text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Timór", "Timor"),
        ("Perú", "Peru"),
        ("“Bali”", '"Bali"'),
        ("Łódź", "?odz"),
        ("\U0001f600", "?"),
        ("Йен", "???"),
        ("a\u200bb", "ab"),
        ("a\u00a0b", "a b"),
        ("a\tb\r\nc", "a b c"),
        ("", ""),
    ],
)
def test_a_value_is_made_plain(written: str, shown: str):
    assert fill("<{x}>", {"x": written}) == f"<{shown}>"


@given(st.text())
def test_no_value_makes_a_text_dear(written: str):
    for language in LANGUAGES:
        text = SHIPPED[language].text("ERR_NEGARA_KENAL", x=written)
        assert segments.measure(text).encoding == "GSM-7"
        assert segments.measure(text).segments == 1


def test_a_value_that_no_text_asks_for_is_left_out():
    assert fill("No {no}.", {"no": "104277", "x": "whatever"}) == "No 104277."


# The agency's own texts ---------------------------------------------------------------------------


class Agency:
    """An agency's folder, with one file of texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "replies").mkdir()

    def says(self, source: str | bytes, language: str = "id") -> dict[str, Catalogue]:
        content = source if isinstance(source, bytes) else source.encode()
        (self.folder / "replies" / f"{language}.toml").write_bytes(content)
        return dict(load(self.folder))

    def is_refused(self, source: str | bytes, language: str = "id") -> str:
        with pytest.raises(ReplyError) as refused:
            self.says(source, language)
        return str(refused.value)


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path)


def test_an_agency_without_texts_gets_the_shipped_ones(tmp_path: Path):
    assert load(tmp_path) == SHIPPED


def test_an_agency_replaces_the_texts_that_it_names_and_no_other(agency: Agency):
    loaded = agency.says(
        '[texts]\nOK_DIAM = "Makasih, {no}."\n[words]\ndan = " serta "\n', language="id"
    )

    assert loaded["id"].text("OK_DIAM", no="104277") == "Makasih, 104277."
    assert loaded["id"].word("dan") == " serta "
    assert loaded["id"].texts["OK_WNA"] == SHIPPED["id"].texts["OK_WNA"]
    assert loaded["en"] == SHIPPED["en"]


def test_an_agency_may_leave_out_a_part_or_a_variable(agency: Agency):
    assert agency.says('[texts]\nOK_DIAM = "Sudah masuk."\n')["id"].text("OK_DIAM") == (
        "Sudah masuk."
    )
    assert agency.says("")["id"] == SHIPPED["id"]


WRONG = [
    (
        "a variable that nobody knows",
        'OK_DIAM = "No {nomor}."',
        "OK_DIAM has {nomor}; known are ",
    ),
    ("braces with nothing between", 'OK_DIAM = "No {}."', "OK_DIAM has {}; known are "),
    (
        "a text that is too long",
        f'OK_DIAM = "{"x" * 153}{{no}}"',
        "OK_DIAM has 161 units with its longest values; shorten it to 160",
    ),
    (
        "a curly quote",
        'OK_DIAM = "No \u2018{no}\u2019"',
        "OK_DIAM has '\u2018', which would make the SMS dear or long; write it plain",
    ),
    ("a long dash", 'OK_DIAM = "No \u2014 {no}"', "OK_DIAM has '\u2014', which would make"),
    ("a letter of no phone", 'OK_DIAM = "Łaporan {no}"', "OK_DIAM has 'Ł', which would make"),
    ("an invisible blank", 'OK_DIAM = "No\u200b {no}"', "OK_DIAM has '\\u200b', which would make"),
    ("a sign that costs two", 'OK_DIAM = "No [{no}]"', "OK_DIAM has '[', which would make"),
    ("a template of another kind", 'OK_DIAM = "{{no}}"', "OK_DIAM has '{', which would make"),
    ("a number for a text", "OK_DIAM = 104277", "OK_DIAM must be a text in quotes"),
    ("a list for a text", 'OK_DIAM = ["No", "{no}"]', "OK_DIAM must be a text in quotes"),
]


@pytest.mark.parametrize(
    ("line", "said"), [row[1:] for row in WRONG], ids=[label for label, *_ in WRONG]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_text_is_refused_with_file_line_and_mend(
    agency: Agency, language: str, line: str, said: str
):
    refusal = agency.is_refused(f"# Ours\n[texts]\n\n{line}\n", language)

    assert refusal.startswith(f"{language}.toml, line 4: {said}")


def test_a_wrong_word_is_refused_like_a_text(agency: Agency):
    assert agency.is_refused('[words]\norg = "{n} Leute{m}"\n') == (
        f"id.toml, line 2: org has {{m}}; known are {', '.join(sorted(LONGEST))}"
    )


def test_a_file_that_is_no_toml_is_refused_with_the_place(agency: Agency):
    refusal = agency.is_refused('[texts]\nOK_DIAM = "No {no}\n')

    assert refusal.startswith("id.toml: ")
    assert "line 2" in refusal


def test_a_key_that_stands_twice_is_refused(agency: Agency):
    refusal = agency.is_refused('[texts]\nOK_DIAM = "a"\nOK_DIAM = "b"\n')

    assert refusal.startswith("id.toml: ")
    assert "line 3" in refusal


def test_a_key_that_is_none_of_ours_is_refused_by_name(agency: Agency):
    refusal = agency.is_refused('[texts]\nOK_DAIM = "No {no}."\n')

    assert refusal == "id.toml, line 2: OK_DAIM is no key of ours; see replies/id.toml"


def test_a_section_that_is_none_of_ours_is_refused_by_name(agency: Agency):
    refusal = agency.is_refused('[text]\nOK_DIAM = "No {no}."\n')

    assert refusal == "id.toml, line 1: [text] is not known; use [texts], [words] or [screens]"


@pytest.mark.parametrize("source", ['[texts]\nOK_DAIM = "a"\n', '\n[text]\nOK_DIAM = "a"\n'])
def test_a_key_or_section_that_is_none_of_ours_is_refused_with_its_line(
    agency: Agency, source: str
):
    assert "line 2" in agency.is_refused(source)


@pytest.mark.parametrize(
    "source",
    ['texts = "No {no}."\n', "[[texts]]\n", b'[texts]\nOK_DIAM = "caf\xe9"\n'],
    ids=["a text for a section", "a list of sections", "a file that is not UTF-8"],
)
def test_a_file_of_another_shape_is_refused(agency: Agency, source: str | bytes):
    assert agency.is_refused(source).startswith("id.toml")


def test_a_variable_that_this_text_is_never_given_is_refused(agency: Agency):
    assert "bulan" in agency.is_refused('[texts]\nSTATUS = "No {no}, {bulan}"\n')


def test_the_shipped_files_are_as_strict_as_an_agencys(tmp_path: Path):
    for language in LANGUAGES:
        path = Path(catalogue.__file__).with_name(f"{language}.toml")
        parts = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(parts) == {"texts", "words", "screens"}
        folder = tmp_path / language
        folder.mkdir()

        assert Agency(folder).says(path.read_bytes(), language)[language] == SHIPPED[language]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", sorted(SHIPPED["id"].texts))
def test_a_text_that_names_its_day_is_still_one_sms_and_keeps_its_number(key: str, language: str):
    catalogue_ = SHIPPED[language]
    voice = Voice(WORDS, catalogue_)
    text = catalogue.longest_of(catalogue_.texts[key]).replace("W" * LONGEST["no"], "10427712")
    dated = voice.dated(Reply(key, text), date(2026, 12, 31)).text
    assert segments.measure(dated).segments == 1
    assert dated.startswith("(SMS 31/12) ")
    assert ("No 10427712" in dated) == ("No 10427712" in text)


NAMED = {"OK_BENCANA": Named("BENCANA", "ok")}


def test_an_agencys_own_form_brings_its_own_text(agency: Agency):
    path = agency.folder / "replies" / "id.toml"
    path.write_text('[texts]\nOK_BENCANA = "Bencana No {no}, Ds {desa}."\n')

    for catalogue_ in load(agency.folder, NAMED).values():
        assert (
            catalogue_.text("OK_BENCANA", no="104277", desa="Boti") == "Bencana No 104277, Ds Boti."
        )


def test_a_form_that_names_a_text_that_is_nowhere_stops_the_start():
    with pytest.raises(ReplyError, match="the form BENCANA names the reply OK_BENCANA"):
        load(None, NAMED)


def test_an_empty_text_is_refused(agency: Agency):
    assert agency.is_refused('[texts]\nOK_DIAM = ""\n').endswith("helps nobody")


# Real values are shown whole ----------------------------------------------------------------------


def real_values(language: str) -> dict[str, set[str]]:
    """Give every value that can really stand in a text, by its variable."""
    words, texts = WORDS.words, SHIPPED[language]
    fields = [field for form in WORDS.forms.values() for field in form.fields]
    countries = {WORDS.country_short(alpha2, language) for alpha2 in words.countries}
    goals = {WORDS.shown("destination", value, language) for value in words.values("destinations")}
    days = {
        WORDS.shown("day", date(2026, month, 28).isoformat(), language) for month in range(1, 13)
    }
    villages = {str(row.cells["name"]) for row in shipped_rows()}
    return {
        "negara": countries | {texts.word("negara_belum_tahu")},
        "pilih_a": countries | goals | set(PURPOSES),
        "tujuan": {WORDS.purpose_name(purpose, language) for purpose in PURPOSES},
        "ke": goals | {texts.word("ke_belum_tahu")},
        "kapan": days | {texts.word("kapan_belum_tahu")},
        "bulan": set(WORDS.months(language)),
        "org": {texts.word("org", n="200"), texts.word("org_belum_tahu")},
        "desa": villages,
        "apa_terjadi": set(words.values("emergencies")) | {texts.word("kejadian_belum_tahu")},
        "kode": {*WORDS.forms, *WORDS.commands},
        "status": {texts.word(f"state_{state.value}") for state in ReportState},
        "no": {"99999999"},
        "apa": {
            ", ".join(field.label[language] for field in form.fields if field.wanted)
            for form in WORDS.forms.values()
        }
        | {field.label[language] for field in fields},
        "contoh": {form.example for form in WORDS.forms.values()},
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_real_value_is_cut(language: str):
    cut = {
        f"{name}: {value}"
        for name, values in real_values(language).items()
        for value in values
        if fill(f"{{{name}}}", {name: value}) != segments.to_gsm7(value)
    }

    assert cut == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_real_value_in_every_text_is_one_sms(language: str):
    values = real_values(language)
    longest = {name: max(found, key=len) for name, found in values.items()}
    every = {name: "W" * LONGEST[name] for name in LONGEST} | longest

    texts = {key: fill(text, every) for key, text in SHIPPED[language].texts.items()}

    assert costly(texts) == {}


# Quiet mode ---------------------------------------------------------------------------------------


def test_a_quiet_report_is_answered_by_its_number_and_what_lacks_alone():
    voice = Voice(WORDS, SHIPPED["id"])
    kept = Kept("PMI", {}, ("count",), (), "mendesak", ("quiet",), "104277", ("Oinlasi",))
    draft = Kept("WNA", {}, ("country",), (), "biasa", ("quiet",), None, ("Oinlasi",))

    assert voice.kept(kept).text == "No 104277. Kurang: jumlah."
    assert voice.kept(draft).text == "Kurang: negara. Balas bagian itu saja."
    assert voice.several([kept, draft], ()).text == "No 104277. Kurang: jumlah, negara."


# What a question offers ---------------------------------------------------------------------------


def test_a_field_whose_question_offers_tidak_tahu_takes_it():
    texts = SHIPPED["id"].texts
    offered = {
        f"{form.code}: {field.name}"
        for form in WORDS.forms.values()
        for field in form.fields
        for key in (field.ask, f"{field.ask}_KENAL", f"{field.ask}_PILIH")
        if "TIDAK TAHU" in texts.get(key or "", "") and not field.may_be_unknown
    }

    assert offered == set()
