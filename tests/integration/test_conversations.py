"""Every conversation file, on both databases: the specification of what people see."""

from datetime import datetime
from pathlib import Path

import pytest
from support.conversation import Conversation, Mismatch

from gateway import clock
from gateway.wiring import Wiring

FOLDER = Path(__file__).parents[1] / "conversations"
FILES = sorted(FOLDER.glob("*.txt"))


def conversation(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Conversation:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return Conversation(office, set_clock)


def test_there_are_conversations() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_conversation(path: Path, office: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation(office, monkeypatch).play(path)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        pytest.param("k > BANTU", "not expected, but heard", id="a reply that nobody expects"),
        pytest.param("k > BANTU\nk < Halo", "heard: BANTUAN", id="another reply"),
        pytest.param("k < BANTUAN", "nothing was heard", id="a reply that does not come"),
        pytest.param("k says hello", "means nothing", id="a line that is none"),
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
    path.write_text(f"[k = +6281237000111, 53.02.02.2003]\n{lines}\n")
    with pytest.raises(Mismatch, match=complaint):
        conversation(office, monkeypatch).play(path)
