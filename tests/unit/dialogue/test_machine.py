"""The dialogue machine: keys in, states out; what holds for the officers' tree and for any keys."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialogue import machine, screens
from gateway.dialogue.answers import QUESTIONS
from gateway.dialogue.machine import (
    RESERVED,
    Audience,
    Check,
    Content,
    Dialogue,
    Ending,
    Entry,
    Listing,
    Menu,
    Option,
    Page,
    Passage,
)
from gateway.dialogue.switchboard import CHECKS, DEEDS
from gateway.dialogue.tree import OFFICERS
from gateway.providers.base import SCREEN_LIMIT
from gateway.replies import catalogue
from parsers import segments

TEXTS = catalogue.load(None)
AUDIENCES = [
    Audience(role, is_ussd)
    for role in ("member", "duty", "chief", "admin")
    for is_ussd in (True, False)
]
ADMIN = Audience("admin", is_ussd=True)
NAMED = {"asks": QUESTIONS, "check": CHECKS, "does": DEEDS}
VALUES = {
    "wilayah": "W" * 40,
    "sisa": "10",
    "jam": "23:59",
    "kode": "DARURAT",
    "no": "12345678",
    "desa": "W" * 30,
}


def at(name: str, **rest: object) -> Dialogue:
    return Dialogue(at=name, **rest)  # type: ignore[arg-type]


def press(dialogue: Dialogue, key: str, audience: Audience = ADMIN) -> Dialogue:
    heard = machine.hear(OFFICERS, audience, dialogue, key)
    assert isinstance(heard, Dialogue)
    return heard


def listing(count: int, page: int = 0) -> tuple[Dialogue, screens.Shown]:
    """Show a listing of so many options, and give the dialogue that remembers it."""
    content = Content(
        tuple(Option(f"value {n}", f"Kecamatan {n} " + "x" * 30) for n in range(count))
    )
    dialogue = at("latest", page=page, trail=(machine.Stop("main", 0, {}),))
    shown = screens.show(OFFICERS, TEXTS["id"], ADMIN, dialogue, content)
    return at("latest", page=page, pages=shown.pages, meanings=shown.meanings), shown


# The tree -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TEXTS)
def test_the_officers_tree_has_no_fault(language: str):
    assert list(screens.faults(OFFICERS, TEXTS[language], NAMED)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param({"main": Menu("UTAMA", ())}, "is never reached", id="a state nobody reaches"),
        pytest.param(
            {"report": None}, "leads to report, which is not there", id="a way to nowhere"
        ),
        pytest.param(
            {"report": Page("LAPORAN", "weather")}, "asks weather", id="an unknown question"
        ),
        pytest.param(
            {"text_list": Passage("dance", ("list_texted",))}, "does dance", id="an unknown deed"
        ),
        pytest.param(
            {"days": Entry("DIAM_HARI", "x", "x" * 0 or "MASUK_SMS", ("silent",), "days")},
            "shorten DIAM_HARI",
            id="a screen too long with its line of error",
        ),
    ],
)
def test_a_fault_of_a_tree_is_named(change: Mapping[str, machine.State | None], fault: str):
    tree = {name: state for name, state in {**OFFICERS, **change}.items() if state is not None}

    assert any(fault in one for one in screens.faults(tree, TEXTS["id"], NAMED))


def test_every_state_that_waits_has_a_way_out():
    for name, state in OFFICERS.items():
        if isinstance(state, Ending | Passage):
            continue
        heard = machine.hear(OFFICERS, ADMIN, at(name), machine.BACK)
        assert isinstance(heard, Dialogue), name
        assert OFFICERS[heard.at] == OFFICERS["goodbye"], name


# Keys ---------------------------------------------------------------------------------------------


def test_back_goes_the_way_that_was_come():
    first = press(at("main"), "3")
    second = press(first, "1")

    assert (first.at, second.at) == ("villages", "places")
    assert press(second, "0").at == "villages"
    assert press(press(press(second, "0"), "0"), "3").at == "villages"


def test_in_an_entry_nought_is_a_value_and_another_key_goes_back():
    entry = press(at("main"), "4")

    counted = press(entry, "0")
    assert (counted.at, counted.answers["month"]) == ("counts", "0")
    assert press(entry, "99").at == "main"


@pytest.mark.parametrize(
    "key", ["*", "****", "9", "98", "00", "88", "77", "1*2", "satu", "1 2", "-1"]
)
def test_a_key_that_means_nothing_shows_the_same_menu_with_an_error(key: str):
    heard = press(at("main"), key)

    assert (heard.at, heard.slip) == ("main", machine.WRONG_KEY)


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_an_empty_input_changes_nothing(key: str):
    assert press(at("main"), key) == at("main")


@pytest.mark.parametrize("pin", ["4812", "123456"])
def test_a_pin_is_checked_and_kept_nowhere(pin: str):
    heard = machine.hear(OFFICERS, ADMIN, at("login"), pin)

    assert heard == Check("pin", pin)
    assert pin not in repr(heard)


@pytest.mark.parametrize("key", ["123", "1234567", "abcd", "12 34", "١٢٣٤", "*", "0", "1*2345"])
def test_what_has_not_the_shape_of_a_pin_is_no_try(key: str):
    heard = press(at("login"), key)

    assert (heard.at, heard.slip) == ("login", "PIN_BENTUK")


def test_an_option_means_what_was_shown():
    dialogue, _ = listing(30)

    heard = press(dialogue, "2")
    assert (heard.at, heard.answers["report"]) == ("report", "value 1")
    assert press(dialogue, "31").slip == machine.WRONG_KEY or "31" in dialogue.meanings


def test_choices_are_those_of_the_role_and_the_way():
    menu = OFFICERS["main"]
    assert isinstance(menu, Menu)

    def labels(role: str, *, is_ussd: bool) -> set[str]:
        return {one.label for one in machine.visible(menu, Audience(role, is_ussd))}

    assert labels("admin", is_ussd=True) - labels("member", is_ussd=True) == {"BUKA_KUNCI"}
    assert labels("member", is_ussd=True) - labels("member", is_ussd=False) == {"GANTI_PIN"}


# Pages --------------------------------------------------------------------------------------------


def test_keys_never_collide_with_those_of_operators_and_stay_on_every_page():
    keys = list(dict(machine.keyed(range(200))))

    assert not RESERVED & set(keys)
    first, _ = listing(120)
    later, _ = listing(120, page=3)
    assert first.meanings == later.meanings
    assert list(first.meanings) == keys[:120]


def test_no_label_is_cut_by_a_page_and_the_next_is_offered_only_where_there_is_one():
    _, shown = listing(30)
    rows = []
    for page in range(shown.pages):
        _, one = listing(30, page)
        lines = one.screen.text.split("\n")
        assert ("88" in lines[-1]) == (page + 1 < shown.pages)
        rows += lines[1:-1]

    assert len(rows) == 30
    assert all(row.endswith("..") for row in rows)


def test_a_page_beyond_the_last_is_the_last():
    _, shown = listing(3, page=9)

    assert shown.screen.text.split("\n")[1].startswith("1 ")


# What holds for anything --------------------------------------------------------------------------

STATES = [name for name, state in OFFICERS.items() if not isinstance(state, Passage)]
CONTENT = st.builds(
    Content,
    options=st.lists(st.builds(Option, st.text(max_size=9), st.text(max_size=60)), max_size=40).map(
        tuple
    ),
    lines=st.lists(st.text(max_size=300), max_size=12).map(tuple),
    values=st.just(VALUES),
)


@given(
    name=st.sampled_from(STATES),
    audience=st.sampled_from(AUDIENCES),
    page=st.integers(0, 50),
    content=CONTENT,
    language=st.sampled_from(sorted(TEXTS)),
    is_wrong=st.booleans(),
)
def test_every_screen_fits_whatever_stands_in_it(
    name: str, audience: Audience, page: int, content: Content, language: str, *, is_wrong: bool
):
    state = OFFICERS[name]
    slip = machine.WRONG_KEY if is_wrong else ""
    if is_wrong and isinstance(state, Entry):
        slip = state.wrong
    dialogue = at(name, page=page, slip=slip)

    shown = screens.show(OFFICERS, TEXTS[language], audience, dialogue, content)

    text = shown.screen.text
    assert len(text) <= SCREEN_LIMIT
    assert segments.measure(text).segments == 1
    assert segments.is_plain_gsm7(text)
    assert shown.screen.ends == isinstance(state, Ending)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["0", "1", "2", "3", "99", "88", "77", "*"]), st.text(max_size=8)
        ),
        max_size=30,
    )
)
def test_whatever_is_keyed_leaves_a_dialogue_that_can_be_kept(keys: list[str]):
    dialogue = at("main")
    for key in keys:
        heard = machine.hear(OFFICERS, ADMIN, dialogue, key)
        if isinstance(heard, Check) or isinstance(OFFICERS[heard.at], Passage):
            continue
        dialogue = machine.from_json(heard.at, heard.as_json())
        assert dialogue == heard
        assert len(dialogue.trail) <= 12


def test_what_has_no_place_in_a_listing_is_never_offered():
    empty = at("latest", trail=(machine.Stop("main", 0, {}),))
    shown = screens.show(OFFICERS, TEXTS["id"], ADMIN, empty, Content())

    assert isinstance(OFFICERS["latest"], Listing)
    assert "77" not in shown.screen.text
    assert press(empty, "77").slip == machine.WRONG_KEY
