"""Adding a code is adding a file: it is read, asked about, explained, listed, shown, printed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from support.conversation import Conversation

from gateway import clock, listing
from gateway.cards import choosing, rendering, texts
from gateway.settings import Settings
from gateway.wiring import Wiring, wire

AGENCY = Path(__file__).with_name("agency")


@pytest.fixture
def wider(settings: Settings) -> Iterator[Wiring]:
    wiring = wire(replace(settings, agency_dir=AGENCY))
    yield wiring
    wiring.database.dispose()


def test_a_file_adds_a_code_everywhere(wider: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    Conversation(wider, set_clock).play(AGENCY / "conversation.txt")

    with wider.database.reading() as session:
        zone = wider.settings.timezone
        listed = listing.reports(session, listing.reports_query(None, None), zone)
        places = choosing.by_codes(session, ["53.02.02.2008"])
    assert [(one["code"], one["state"], one["fields"]) for one in listed] == [
        ("NARKOBA", "received", {"drug": "sabu", "place": "kos dusun 1", "count": 2}),
        ("NARKOBA", "received", {"drug": "ganja", "place": "pasar kapan"}),
    ]
    forms = wider.desk.language.forms.values()
    card = rendering.cards(places, forms, texts.shipped()["id"], None)
    assert "NARKOBA#sabu#2 org#kos dusun 1" in card
    assert "Narkoba di desa" in card
