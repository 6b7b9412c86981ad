"""Every conversation file, on both databases: the specification of what people see."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.conversation import Conversation, Dialect, Mismatch

from gateway import clock
from gateway.wiring import Wiring

FOLDER = Path(__file__).parents[1] / "conversations"
FILES = sorted(FOLDER.glob("*.txt"))


def cases() -> list[Any]:
    """Each file, and each with USSD in it by both dialects: they must come to the same."""
    found = []
    for path in FILES:
        by_ussd = " dials " in path.read_text(encoding="utf-8")
        dialects: tuple[Dialect, ...] = ("africastalking", "ussdjson")
        found += [
            pytest.param(path, dialect, id=f"{path.stem} by {dialect}" if by_ussd else path.stem)
            for dialect in (dialects if by_ussd else dialects[:1])
        ]
    return found


def conversation(
    office: Wiring, monkeypatch: pytest.MonkeyPatch, dialect: Dialect = "africastalking"
) -> Conversation:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return Conversation(office, set_clock, dialect)


def test_there_are_conversations() -> None:
    assert FILES


@pytest.mark.parametrize(("path", "dialect"), cases())
def test_conversation(
    path: Path, dialect: Dialect, office: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(office, monkeypatch, dialect).play(path)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        pytest.param("k > BANTU", "not expected, but heard", id="a reply that nobody expects"),
        pytest.param("k > BANTU\nk < Halo", "heard: BANTUAN", id="another reply"),
        pytest.param("k < BANTUAN", "nothing was heard", id="a reply that does not come"),
        pytest.param("o dials *384*1#", "not expected, but shown", id="a screen nobody reads"),
        pytest.param("o dials *384*1#\no sees Halo", "seen: TIMPORA", id="another screen"),
        pytest.param(
            "o dials *384*1#\no sees the end: TIMPORA. Ketik PIN:", "goes on", id="no end yet"
        ),
        pytest.param("o sees TIMPORA", "nothing was shown", id="a screen that does not come"),
    ],
)
def test_a_conversation_that_goes_another_way_fails(
    lines: str,
    complaint: str,
    office: Wiring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "talk.txt"
    officer = "[o = +6281237000500, officer imigrasi 53.02 duty, PIN 4825]"
    path.write_text(f"[k = +6281237000111, 53.02.02.2003]\n{officer}\n{lines}\n")
    with pytest.raises(Mismatch, match=complaint):
        conversation(office, monkeypatch).play(path)
