"""What is new in what providers relay: by table, for both dialects."""

from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialogue import relayed
from gateway.dialogue.relayed import Before, News
from gateway.providers.base import KeyPress


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def press(said: str, *, is_cumulative: bool = True, begins: bool = False) -> KeyPress:
    return KeyPress("s", "+6281234567890", "*384*1#", said, is_cumulative, begins)


def heard(*steps: str, age: float = 60) -> Before:
    """Remember a session whose cumulative texts were these."""
    return Before(
        len(steps[-1]),
        digest(steps[-1]),
        tuple(digest(one) for one in steps[:-1] if one),
        timedelta(seconds=age),
    )


@pytest.mark.parametrize(
    ("before", "said", "news", "inputs"),
    [
        pytest.param(None, "", News.START, (), id="a dial"),
        pytest.param(None, "1*2", News.START, ("1", "2"), id="a dial with a path, or a lost row"),
        pytest.param(heard(""), "1", News.INPUT, ("1",), id="the first key"),
        pytest.param(heard("", "1"), "1*2", News.INPUT, ("2",), id="the next key"),
        pytest.param(heard("", "1*2"), "1*2*****", News.INPUT, ("****",), id="literal stars"),
        pytest.param(heard("", "1"), "1**2", News.INPUT, ("*2",), id="a star, then a key"),
        pytest.param(heard("", "1"), "1*", News.INPUT, ("",), id="an empty input"),
        pytest.param(
            heard("", "1", "1*"), "1**2", News.INPUT, ("2",), id="a key after an empty one"
        ),
        pytest.param(heard("", "1"), "1", News.REPEAT, (), id="the same request again"),
        pytest.param(heard("", "1", "1*2"), "1", News.REPEAT, (), id="an older request, late"),
        pytest.param(heard("", "1", "1*2"), "", News.START, (), id="a second start"),
        pytest.param(heard("", "1*2"), "7", News.START, ("7",), id="an id that is used again"),
        pytest.param(heard("", "1*2"), "1*3*4", News.START, ("1", "3", "4"), id="another history"),
        pytest.param(heard("", "4321"), "4321*1", News.INPUT, ("1",), id="a PIN is no key again"),
    ],
)
def test_all_input_so_far(before: Before | None, said: str, news: News, inputs: tuple[str, ...]):
    assert relayed.read(press(said), before, digest) == (news, inputs)


@pytest.mark.parametrize(
    ("before", "said", "begins", "news", "inputs"),
    [
        pytest.param(None, "", True, News.START, (), id="a dial"),
        pytest.param(None, "1*2", True, News.START, ("1", "2"), id="a dial with a path"),
        pytest.param(None, "2468", False, News.START, (), id="a key of a session we lost"),
        pytest.param(heard("1"), "2", False, News.INPUT, ("2",), id="a key"),
        pytest.param(heard("1"), "1", False, News.INPUT, ("1",), id="the same key, a minute later"),
        pytest.param(heard("1", age=1), "1", False, News.REPEAT, (), id="the same request at once"),
        pytest.param(heard("1", age=1), "", False, News.INPUT, ("",), id="an empty input"),
        pytest.param(heard("1"), "5*5", False, News.INPUT, ("5*5",), id="a literal star"),
        pytest.param(heard("1"), "", True, News.START, (), id="a second start"),
    ],
)
def test_the_last_input_alone(
    before: Before | None,
    said: str,
    begins: bool,  # noqa: FBT001
    news: News,
    inputs: tuple[str, ...],
):
    one = press(said, is_cumulative=False, begins=begins)

    assert relayed.read(one, before, digest) == (news, inputs)


def test_a_dial_with_very_many_parts_is_cut():
    _, inputs = relayed.read(press("1*" * 500), None, digest)

    assert len(inputs) == 20


@given(st.lists(st.text("0123456789*#ab", max_size=6), min_size=1, max_size=12))
def test_both_dialects_bring_the_same_inputs(keys: list[str]):
    before = heard("")
    texts = [""]
    for place in range(1, len(keys) + 1):
        said = "*".join(keys[:place])
        if said == "":  # an empty first input is a second start: no provider can say it otherwise
            continue
        news, inputs = relayed.read(press(said), before, digest)
        if place > 1 or keys[0]:
            assert (news, inputs) == (News.INPUT, (said[len(texts[-1]) + bool(texts[-1]) :],))
        texts.append(said)
        before = heard(*texts)
