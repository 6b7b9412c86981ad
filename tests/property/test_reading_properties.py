"""No text breaks the reader, and a report reads the same however it is typed."""

from datetime import datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.sms import LANGUAGE, NOW, WITA

from parsers.answering import Question, choice, read_answer
from parsers.items import Outcome, Problem, Reason
from parsers.reading import explain, key_of, read

WORDS = [
    "WNA", "PMI", "NIHIL", "nhl", "bule", "calo", "STATUS", "BATAL", "BANTU", "R", "Belanda",
    "Korea", "Austrila", "malaysia", "batam", "kupang", "2", "16", "-1", "2,5", "104277", "org",
    "anak", "umur", "th", "mgg", "besok", "kmrn", "tgl", "30/02", "31/12", "juni", "wisata",
    "gereja", "rumah", "RT", "di", "ke", "dr", "tidak tahu", "tidak ada", "su", "pulang", "dan",
    "sekitar", "banyak", "paspor", "A1234567", ".2", "\n", "#", "#-#", "?", "\u00b2", "\u0662",
    "(no ditutup)", "5302011203900001", "0812-3456-7890", "aman", "pak", "selamat pagi", "xqz",
]  # fmt: skip
ANY_TEXT = st.text(st.characters(), max_size=300)
FIELD_TEXT = st.lists(st.sampled_from(WORDS), max_size=25).flatmap(
    lambda words: st.sampled_from([" ", "#", ", ", "", "."]).map(lambda joint: joint.join(words))
)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=WITA)
)


@given(st.one_of(ANY_TEXT, FIELD_TEXT), MOMENTS)
@example("\ud800", NOW)
@example("WNA \ud800\udfff 2 \x00", NOW)
@example("\u0130\u00df\ufb03\u1e9b", NOW)
@settings(max_examples=800, deadline=None)
def test_reading_never_raises_and_always_gives_a_sound_item(text, now):
    reading = read(text, LANGUAGE, now=now)

    assert reading.items
    for item in reading.items:
        json = item.as_json()
        assert json["flags"] == sorted(set(json["flags"]))
        assert not {*item.missing} & {*item.fields}
        assert not {*item.missing} & {problem.field for problem in item.problems}
        count = item.fields.get("count")
        assert count is None or 1 <= count <= 200
        if item.code == "PMI":
            assert item.outcome in (Outcome.REPORT, Outcome.DRAFT, Outcome.REJECTED)
        "".join(str(value) for value in item.fields.values()).encode()


@given(st.one_of(ANY_TEXT, FIELD_TEXT))
@settings(max_examples=200, deadline=None)
def test_explaining_never_raises_and_shows_words_of_the_text(text):
    for words, became in explain(text, LANGUAGE, now=NOW):
        assert words
        assert became


QUESTIONS = [
    Question("WNA", {"count": 2}, ("country", "purpose")),
    Question("WNA", {}, (), (Problem("country", "Korea", Reason.AMBIGUOUS, ("KR", "KP")),)),
    Question("PMI", {}, ("count", "destination", "event_date")),
]


@given(st.one_of(ANY_TEXT, FIELD_TEXT), st.sampled_from(QUESTIONS))
@settings(max_examples=300, deadline=None)
def test_answering_never_raises(text, question):
    found = read_answer(text, LANGUAGE, question, now=NOW)
    number = choice(text, 2)

    assert number in (None, 1, 2)
    assert found is None or not {*found.fields} & {*found.missing}


COUNTRIES = sorted(set(LANGUAGE.words.countries) - {"ID", "CD", "CG"})
PURPOSES = ["wisata", "keluarga", "kerja", "bisnis", "riset", "rohani", "sosial", "transit"]
CODES = {"riset": "penelitian"}
CASES = [str.lower, str.upper, str.title]
SEPARATORS = ["#", "*", ";", " # ", "; ", " ", "  ", "\t", ", ", " * ", "!", " : "]


@given(
    st.sampled_from(COUNTRIES),
    st.integers(1, 200),
    st.sampled_from(PURPOSES),
    st.permutations([0, 1, 2]),
    st.sampled_from(SEPARATORS),
    st.sampled_from(CASES),
)
@settings(max_examples=500, deadline=None)
def test_a_guest_reads_the_same_in_any_order_case_and_separator(
    country, count, purpose, order, separator, case
):
    name = LANGUAGE.country_name(country)
    fields = [name, str(count), purpose]
    text = case(separator.join(["WNA", *(fields[position] for position in order)]))

    (item,) = read(text, LANGUAGE, now=NOW).items

    assert (item.outcome, item.missing, item.problems) == (Outcome.REPORT, (), ())
    assert dict(item.fields) == {
        "country": country,
        "count": count,
        "purpose": CODES.get(purpose, purpose),
    }


DESTINATIONS = ["Malaysia", "Batam", "Kalimantan", "Hong Kong", "Timor Leste", "Papua", "Jakarta"]
DAYS = {"besok": "2026-11-26", "lusa": "2026-11-27", "20/12": "2026-12-20", "kemarin": "2026-11-24"}


@given(
    st.sampled_from(DESTINATIONS),
    st.integers(1, 200),
    st.sampled_from(sorted(DAYS)),
    st.permutations([0, 1, 2]),
    st.sampled_from([one for one in SEPARATORS if "," not in one]),
    st.sampled_from(CASES),
)
@settings(max_examples=300, deadline=None)
def test_recruitment_reads_the_same_in_any_order_case_and_separator(
    destination, count, day, order, separator, case
):
    fields = [destination, str(count), day]
    text = case(separator.join(["PMI", *(fields[position] for position in order)]))

    (item,) = read(text, LANGUAGE, now=NOW).items

    assert (item.outcome, item.missing, item.problems) == (Outcome.REPORT, (), ())
    assert dict(item.fields) == {
        "count": count,
        "destination": destination,
        "event_date": DAYS[day],
    }


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789 #,.-", max_size=80))
@settings(max_examples=300, deadline=None)
def test_the_key_does_not_care_for_case_and_runs_of_blanks(text):
    key = key_of(text)

    assert key_of(text.upper()) == key
    assert key_of(f"  {text}\n") == key
