"""Every conversation file, on both databases: the specification of what people see."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.carriers import all_carriers
from support.conversation import Conversation, Dialect, Mismatch

from gateway import clock
from gateway.providers.africastalking import AfricasTalking
from gateway.providers.base import Answer
from gateway.simulator import script
from gateway.wiring import Wiring

FOLDER = Path(__file__).parents[1] / "conversations"
FILES = sorted(FOLDER.glob("*.txt"))
DIALECTS: tuple[Dialect, ...] = ("africastalking", "ussdjson")


def cases() -> list[Any]:
    """Each file, and each with USSD in it by both dialects: they must come to the same."""
    found = []
    for path in FILES:
        by_ussd = " dials " in path.read_text(encoding="utf-8")
        found += [
            pytest.param(path, dialect, id=f"{path.stem} by {dialect}" if by_ussd else path.stem)
            for dialect in (DIALECTS if by_ussd else DIALECTS[:1])
        ]
    return found


def conversation(
    office: Wiring, monkeypatch: pytest.MonkeyPatch, dialect: Dialect = "africastalking"
) -> Conversation:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return Conversation(office, set_clock, dialect)


#: The other channels, each on one of the two databases: what differs is how a message comes in.
CARRIERS = {"kannel": "sqlite", "gammu": "sqlite", "jasmin": "postgresql", "smsgate": "postgresql"}


def carried() -> list[Any]:
    """Each file by each channel, but what an SMPP hub cannot tell: when a text was written."""
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for carrier, kind in CARRIERS.items():
            if " > " in text and not (carrier == "jasmin" and "\n[written" in text):
                found.append(pytest.param(path, carrier, kind, id=f"{path.stem} over {carrier}"))
    return found


@pytest.mark.parametrize(("path", "carrier", "kind"), carried(), indirect=["kind"])
def test_conversation_over_another_channel(
    path: Path, carrier: str, office: Wiring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    office, carriers = all_carriers(office, tmp_path)
    talk = conversation(office, monkeypatch)
    talk.carrier = carriers[carrier]
    talk.play(path)


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
        pytest.param(
            "o dials *384*1#\no sees TIMPORA. Ketik PIN:\no sends again",
            "not expected, but shown",
            id="a second screen nobody reads",
        ),
        pytest.param(
            "k dials *384*1#\nk sees Maaf, layanan ini belum dibuka untuk nomor ini.",
            "the session ended",
            id="an end too soon",
        ),
        pytest.param("o keys 1", "o has no session", id="a key without a session"),
        pytest.param("x > BANTU", "nobody is called x", id="a phone that nobody named"),
        pytest.param("k > BATAL <a>", "is called <a>", id="a number that nobody heard"),
        pytest.param("k < Halo", "talk.txt:3: k < Halo", id="the file, the number and the line"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_conversation_that_goes_another_way_fails(
    lines: str,
    complaint: str,
    dialect: Dialect,
    office: Wiring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "talk.txt"
    officer = "[o = +6281237000500, officer imigrasi 53.02 duty, PIN 4825]"
    path.write_text(f"[k = +6281237000111, 53.02.02.2003]\n{officer}\n{lines}\n")
    with pytest.raises(Mismatch, match=complaint):
        conversation(office, monkeypatch, dialect).play(path)


def test_a_line_that_cannot_be_read_names_its_number(
    office: Wiring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("# A talk.\n\n[k = +6281237000111]\nk dials 384\n")
    with pytest.raises(script.ScriptError, match=r"line 4: 'k dials 384' .*NAME dials \*384"):
        conversation(office, monkeypatch).play(path)


@pytest.mark.parametrize(
    ("bodies", "complaint"),
    [
        pytest.param(["OK TIMPORA"], "no screen of this dialect", id="neither CON nor END"),
        pytest.param([f"CON {'x' * 157}"], "too long", id="more than 160 with its CON"),
        pytest.param(["CON a\r\nb"], "not plain", id="a CR"),
        pytest.param(["CON harga \N{EURO SIGN}5"], "not plain", id="a character of two units"),
        pytest.param(["CON a", "CON b"], "another screen than before", id="a repeat answered anew"),
        pytest.param(["CON a", "END a"], "another screen than before", id="a repeat that ends"),
    ],
)
def test_a_screen_that_no_phone_should_get_fails(
    bodies: list[str],
    complaint: str,
    office: Wiring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    left = iter(bodies)
    monkeypatch.setattr(AfricasTalking, "show", lambda *_: Answer(body=next(left)))
    path = tmp_path / "talk.txt"
    path.write_text("[k = +6281237000111]\nk dials *384*1#\nk sees a\nk sends again\n")
    with pytest.raises(Mismatch, match=complaint):
        conversation(office, monkeypatch).play(path)
