"""Conversations as text: what is written is read again; an error names the mend."""

import ast
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator import script
from gateway.simulator.script import ScriptError, parse, write

FILES = sorted((Path(__file__).parents[2] / "conversations").glob("*.txt"))

WORDS = st.from_regex(r"[a-zA-Z0-9_]{1,8}", fullmatch=True)
WHO = st.from_regex(r"[a-z_][a-z0-9_.]{0,8}", fullmatch=True)
SENDERS = st.from_regex(r"\+62[0-9]{8,11}|[A-Z]{3,9}|[0-9]{3,5}", fullmatch=True)
AREAS = st.from_regex(r"[0-9]{2}(\.[0-9]{2}){0,2}", fullmatch=True)
PINS = st.from_regex(r"([0-9]{4,6})?", fullmatch=True)
CODES = st.from_regex(r"\*384\*[0-9]{3,5}(\*[0-9*]{0,6})?#", fullmatch=True)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # hypothesis takes naive bounds
    lambda moment: moment.replace(microsecond=0)
)
AMOUNTS = st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
#: All that a text can hold, and far more often what the format itself is made of.
TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                *" |\n\r\\<>#[]{}nu:.",
                " | ",
                "\\n",
                "\\u{7c}",
                "the end:",
                "nothing",
                "\u2028",
                "\ud800",
                "\x00",
            ]
        )
    ).map("".join),
)
LINES = st.one_of(
    st.builds(script.Comment, TEXTS),
    st.builds(script.Reporter, WHO, SENDERS, st.lists(AREAS, max_size=3).map(tuple)),
    st.builds(script.Appointed, WHO, SENDERS, WORDS, AREAS, WORDS, PINS),
    st.builds(script.Removed, WHO),
    st.builds(script.Now, MOMENTS),
    st.builds(script.Later, AMOUNTS),
    st.builds(script.Written, MOMENTS),
    st.builds(script.Says, WHO, TEXTS),
    st.builds(script.Hears, WHO, TEXTS),
    st.builds(script.Dials, WHO, CODES),
    st.builds(script.Keys, WHO, TEXTS),
    st.builds(script.Sees, WHO, TEXTS, st.booleans()),
    st.builds(script.Again, WHO),
    st.builds(script.HangsUp, WHO),
    st.builds(script.Drops, WHO),
    st.builds(script.IsState, WORDS, WORDS),
    st.just(script.OneMoreDraft()),
    st.just(script.Silence()),
)


@given(st.lists(LINES, max_size=6).map(tuple))
@settings(max_examples=500, deadline=None)
def test_what_is_written_is_read_again(lines: tuple[script.Line, ...]) -> None:
    written = write(lines)

    assert parse(written) == lines
    assert write(parse(written)) == written
    assert [line.number for line in parse(written)] == list(range(1, len(lines) + 1))


@given(st.one_of(st.text(), TEXTS))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        lines = parse(text)
    except ScriptError:
        return
    assert parse(write(lines)) == lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_comes_back_as_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert write(parse(text)).splitlines() == [line for line in text.splitlines() if line]


WRITTEN = [
    ("# a comment", script.Comment("a comment")),
    ("[k = +6281237000111]", script.Reporter("k", "+6281237000111")),
    ("[k = 3636, 53.02, 53]", script.Reporter("k", "3636", ("53.02", "53"))),
    (
        "[o = +6281237000500, officer imigrasi 53.02 duty]",
        script.Appointed("o", "+6281237000500", "imigrasi", "53.02", "duty"),
    ),
    (
        "[o = +6281237000500, officer imigrasi 53.02 duty, PIN 4825]",
        script.Appointed("o", "+6281237000500", "imigrasi", "53.02", "duty", "4825"),
    ),
    ("[o is removed]", script.Removed("o")),
    ("[now = 2026-11-25 10:10 WITA]", script.Now(datetime(2026, 11, 25, 2, 10, tzinfo=UTC))),
    (
        "[written 2026-11-25 10:10:07 WITA]",
        script.Written(datetime(2026, 11, 25, 2, 10, 7, tzinfo=UTC)),
    ),
    ("[+30 menit]", script.Later(timedelta(minutes=30))),
    ("[+25 jam]", script.Later(timedelta(hours=25))),
    (r"k.desa > WNA 1\nPMI 2", script.Says("k.desa", "WNA 1\nPMI 2")),
    (r"k > C:\\new", script.Says("k", r"C:\new")),
    ("k >", script.Says("k", "")),
    ("k > o dials *384*1#", script.Says("k", "o dials *384*1#")),
    ("k < No <a>: 2 org", script.Hears("k", "No <a>: 2 org")),
    ("o dials *384*22345#", script.Dials("o", "*384*22345#")),
    ("o dials *384*22345*1*2#", script.Dials("o", "*384*22345*1*2#")),
    ("o keys 4825", script.Keys("o", "4825")),
    ("o keys nothing", script.Keys("o", "")),
    ("o sees TIMPORA | 0 Keluar", script.Sees("o", "TIMPORA\n0 Keluar")),
    ("o sees the end: Terima kasih.", script.Sees("o", "Terima kasih.", ends=True)),
    ("o sends again", script.Again("o")),
    ("o hangs up", script.HangsUp("o")),
    ("o drops out", script.Drops("o")),
    ("[report <a> is received]", script.IsState("a", "received")),
    ("[draft]", script.OneMoreDraft()),
    ("[nobody hears anything more]", script.Silence()),
]


@pytest.mark.parametrize(("written", "line"), WRITTEN)
def test_how_each_line_is_written(written: str, line: script.Line) -> None:
    assert parse(written) == (line,)
    assert write([line]) == f"{written}\n"


def test_there_is_a_line_of_each_kind_in_the_table() -> None:
    kinds = {kind.__name__ for kind in script.Line.__subclasses__()}

    assert {type(line).__name__ for _, line in WRITTEN} == kinds


def test_blank_lines_and_indents_are_not_kept() -> None:
    lines = parse("\n  k > a\n\n\tk hangs up \n")

    assert lines == (script.Says("k", "a"), script.HangsUp("k"))
    assert [line.number for line in lines] == [2, 4]


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("[now = 2026-11-31 10:10 WITA]", "[now = 2026-11-25 10:10 WITA]"),
        ("[now = 2026-11-25 10:10]", "[now = 2026-11-25 10:10 WITA]"),
        ("[written yesterday]", "[written 2026-11-24 20:15 WITA]"),
        ("[+2 minggu]", "[+30 menit]"),
        (f"[+{'9' * 30} hari]", "[+30 menit]"),
        ("[report a is received]", "[report <a> is received]"),
        ("[o = +62812, officer imigrasi]", "officer imigrasi 53.02 member, PIN 4825]"),
        ("[k = +62812, Oinlasi]", "[NAME = +6281237000111, 53.02.02.2008]"),
        ("[silence]", "[nobody hears anything more]"),
        ("o dials 384", "NAME dials *384*22345#"),
        ("o keys", "NAME keys nothing"),
        ("Pak Kades > WNA", "a NAME has letters, digits, _ and dots"),
        ("hello", "NAME > text"),
    ],
)
def test_an_error_names_the_line_and_the_mend(line: str, mend: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(f"# first\n\n{line}\nk > more\n")

    assert caught.value.number == 3
    assert str(caught.value).startswith("line 3: ")
    assert line[:20] in caught.value.reason
    assert mend in caught.value.reason


@pytest.mark.parametrize(
    "line",
    [
        script.Says("Pak Kades", "WNA"),
        script.Says("k > x\nk", "WNA"),
        script.Dials("o", "384"),
        script.Reporter("k", "+62 812"),
        script.Now(datetime(2026, 11, 25, 2, 10, 0, 1, tzinfo=UTC)),
        script.Later(timedelta(seconds=-1)),
    ],
    ids=repr,
)
def test_what_no_line_can_say_is_written_and_does_not_come_back(line: script.Line) -> None:
    written = write([line])
    try:
        found = parse(written)
    except ScriptError:
        return
    assert found != (line,)


def test_it_imports_the_standard_library_alone() -> None:
    tree = ast.parse(Path(script.__file__).read_text(encoding="utf-8"))
    found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]

    assert {name.split(".")[0] for name in found} <= sys.stdlib_module_names
