import pytest
from support.sms import LANGUAGE, NOW

from parsers.answering import Question, choice, read_answer
from parsers.items import Problem, Reason

NO_COUNTRY = Question("WNA", {"count": 2, "purpose": "wisata"}, ("country",))
NO_PURPOSE = Question("WNA", {"count": 2, "country": "NL"}, ("purpose",))
NO_COUNT = Question("WNA", {"country": "NL", "purpose": "wisata"}, ("count",))
TWO_MISSING = Question("WNA", {"count": 2}, ("country", "purpose"))
KOREA = Question(
    "WNA",
    {"purpose": "wisata"},
    ("count",),
    (Problem("country", "Korea", Reason.AMBIGUOUS, ("KR", "KP")),),
)
PMI = Question("PMI", {}, ("count", "destination", "event_date"))
NO_PLACE = Question("DARURAT", {"kind": "sakit"}, ("place",))
UNCLEAR_COUNT = Question(
    "DARURAT",
    {"kind": "sakit", "place": "pasar"},
    (),
    (Problem("count", "2-3", Reason.UNCLEAR),),
)
PERGI = Question("PERGI", {}, ("country", "count"))
PMI_COUNT = Question("PMI", {"destination": "Batam"}, ("count",))


def answer(text, question):
    return read_answer(text, LANGUAGE, question, now=NOW)


ANSWERS = [
    ("Australia", NO_COUNTRY, {"country": "AU"}, ()),
    ("negara Belanda pak", NO_COUNTRY, {"country": "NL"}, ()),
    ("TIDAK TAHU", NO_COUNTRY, {"country": "XX"}, ()),
    ("wisata", NO_PURPOSE, {"purpose": "wisata"}, ()),
    ("turis", NO_PURPOSE, {"purpose": "wisata"}, ()),
    ("sonde tau", NO_PURPOSE, {"purpose": "tidak_tahu"}, ()),
    ("2", NO_COUNT, {"count": 2}, ()),
    ("3 org", NO_COUNT, {"count": 3}, ()),
    ("dua", NO_COUNT, {"count": 2}, ()),
    ("TIDAK TAHU", NO_COUNT, {}, ()),
    ("Australia wisata", TWO_MISSING, {"country": "AU", "purpose": "wisata"}, ()),
    ("Australia", TWO_MISSING, {"country": "AU"}, ("purpose",)),
    ("tidak tahu", TWO_MISSING, {"country": "XX", "purpose": "tidak_tahu"}, ()),
    ("1", KOREA, {"country": "KR"}, ("count",)),
    ("2", KOREA, {"country": "KP"}, ("count",)),
    ("Korea Utara", KOREA, {"country": "KP"}, ("count",)),
    ("TIDAK TAHU", KOREA, {"country": "XX"}, ("count",)),
    ("korsel 3 org", KOREA, {"country": "KR", "count": 3}, ()),
    ("3 malaysia besok", PMI,
     {"count": 3, "destination": "Malaysia", "event_date": "2026-11-26"}, ()),
    ("25/12", PMI, {"event_date": "2026-12-25"}, ("count", "destination")),
    ("TIDAK TAHU", PMI, {}, ()),
    ("4", PMI_COUNT, {"count": 4}, ()),
    # Something more than was asked for, or what is known said again.
    ("3 org belanda", NO_COUNT, {"count": 3, "country": "NL"}, ()),
    ("3 org, tinggal 2 minggu", NO_COUNT, {"count": 3, "days": 14}, ()),
    # The choice by its number, spelled out.
    ("satu", KOREA, {"country": "KR"}, ("count",)),
    # The number of the report answers all that PERGI asks.
    ("104277", PERGI, {"ref": "104277"}, ()),
    ("dekat pasar", NO_PLACE, {"place": "dekat pasar"}, ()),
    ("Nunbena", NO_PLACE, {"place": "nunbena"}, ()),
    ("5", UNCLEAR_COUNT, {"count": 5}, ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "question", "fields", "missing"),
    ANSWERS,
    ids=[
        f"{text} to {'+'.join([*(p.field for p in q.problems), *q.missing])}"
        for text, q, _, _ in ANSWERS
    ],
)
def test_an_answer_fills_what_was_asked(text, question, fields, missing):
    found = answer(text, question)

    assert found is not None
    assert (dict(found.fields), found.missing, found.problems) == (fields, missing, ())


@pytest.mark.parametrize("text", ["3", "2 org", "2 orang"])
def test_a_count_beside_an_open_choice_leaves_the_choice_open(text):
    found = answer(text, KOREA)

    assert found is not None
    assert dict(found.fields) == {"count": int(text[0])}
    assert found.problems == KOREA.problems


@pytest.mark.parametrize(
    "text",
    ["WNA", "WNA Jerman 1 kerja", "PMI", "NIHIL", "besok rapat", "terima kasih", "", "bantuan",
     "BANTU", "2", "Australia kami tunggu di kantor", "104277"],
)  # fmt: skip
def test_anything_else_is_no_answer(text):
    assert answer(text, NO_COUNTRY) is None


def test_an_answer_may_be_a_problem_itself():
    assert answer("Wakanda", NO_COUNTRY).problems == (
        Problem("country", "Wakanda", Reason.UNKNOWN),
    )
    assert answer("Austrila", NO_COUNTRY).problems[0].options == ("AT", "AU")
    assert answer("0", NO_COUNT).problems == (Problem("count", "0", Reason.OUT_OF_RANGE),)
    assert answer("Indonesia", NO_COUNTRY).problems[0].reason == Reason.CONTRADICTION


def test_an_answer_carries_its_flags():
    assert answer("sekitar 5", NO_COUNT).flags == ("approximate",)
    assert answer("3 anak", PMI_COUNT).flags == ("minor",)


def test_what_was_said_to_be_unknown_is_not_asked_for_again():
    count_unknown = Question("WNA", {"purpose": "wisata"}, ("country",))

    assert answer("Belanda", count_unknown).missing == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (" 2. ", 2), ("\u0662", 2), ("3", None), ("0", None), ("1 2", None), ("-1", None),
     ("satu", None), ("", None), ("9" * 5000, None)],
)  # fmt: skip
def test_a_choice_is_one_number_in_range(text, number):
    assert choice(text, 2) == number


TALK = ["tidak", "2", "nanti saya tanya dulu", "kapan petugas datang", "hubungi saya", "besok"]


@pytest.mark.parametrize("text", TALK)
def test_talk_is_no_place(text):
    assert answer(text, NO_PLACE) is None


def test_what_contradicts_the_report_is_no_answer():
    assert answer("3 org jepang", NO_COUNT) is None


def test_a_minus_is_asked_about_again():
    (problem,) = answer("-2", NO_COUNT).problems

    assert (problem.field, problem.reason) == ("count", Reason.OUT_OF_RANGE)


def test_a_departure_that_has_happened_answers_when():
    said = answer("sudah berangkat", Question("PMI", {"count": 3}, ("event_date",)))

    assert said.begun
    assert (said.fields, said.missing) == ({}, ())
