"""Sessions that went wrong in the field, each kind a test, as Africa's Talking sends them."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from support.office_work import appoint, register

from gateway.app import create_app
from gateway.providers.base import Screen
from gateway.wiring import Wiring
from models.inbox import Quarantined
from models.officers import DialogueRow, PinTry

OFFICER, PIN = "+6281237000500", "4321"
Ask = Callable[..., str]


@pytest.fixture
def client(office: Wiring) -> FlaskClient:
    # An easy PIN in the field's own case; the register takes what an office sets.
    appoint(office, OFFICER, "imigrasi", "53.02", "duty", PIN)
    register(office, "+6281237000111", ["53.02.02.2008"])
    return create_app(office).test_client()


@pytest.fixture
def ask(client: FlaskClient, office: Wiring) -> Ask:
    """Post one request of a session; give the body."""
    secret = office.settings.secret_of("africastalking")

    def post(text: str, session: str = "s1", phone: str = OFFICER) -> str:
        form = {"sessionId": session, "phoneNumber": phone, "serviceCode": "*1#", "text": text}
        answer = client.post(f"/webhooks/africastalking/{secret}/ussd", data=form)
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain")
        assert answer.text[:4] in {"CON ", "END "}
        assert "\r" not in answer.text
        return answer.text

    return post


def walk(ask: Ask, *keys: str, session: str = "s1") -> str:
    """Dial, then key one input after the other, as a provider tells of it."""
    shown = ask("", session)
    for place in range(1, len(keys) + 1):
        shown = ask("*".join(keys[:place]), session)
    return shown


def state(office: Wiring) -> str:
    with office.database.reading() as session:
        newest = sa.select(DialogueRow.at).order_by(DialogueRow.touched_at.desc()).limit(1)
        return session.scalars(newest).one()


def test_back_with_history_is_a_step_like_any_other(ask: Ask, office: Wiring):
    walk(ask, PIN, "3", "1", "0", "2")

    assert state(office) == "days"


@pytest.mark.parametrize(
    "notice",
    [
        "clean=cleann&error=523&SessionID=s1&=&=&en=",
        "sessionId=&SESSIONID=s1&sessionId=",
        "sessionId=s1&status=Incomplete&durationInMillis=&cost=",
    ],
)
def test_an_end_notice_with_odd_parameters_closes_the_session(
    notice: str, ask: Ask, client: FlaskClient, office: Wiring
):
    walk(ask, PIN, "2")
    secret = office.settings.secret_of("africastalking")

    for _ in range(2):  # it may come twice
        answer = client.post(f"/webhooks/africastalking/{secret}/ussd/end?{notice}", data=notice)
        assert (answer.status_code, answer.text) == (200, "")

    with office.database.reading() as session:
        (row,) = session.scalars(sa.select(DialogueRow))
        assert row.closed_at is not None
    assert "1 Lanjut" in walk(ask, PIN, session="s2"), "what was under way can be gone on with"


def test_all_input_and_the_last_input_reach_the_same_screen(
    ask: Ask, client: FlaskClient, office: Wiring
):
    by_all = walk(ask, PIN, "3", "2").removeprefix("CON ")
    url = f"/webhooks/ussdjson/{office.settings.secret_of('ussdjson')}/ussd"
    for event, keyed in (("begin", ""), ("input", PIN), ("input", "2"), ("input", "3")):
        answer = client.post(
            url, json={"session_id": "j", "msisdn": OFFICER, "event": event, "input": keyed}
        )
    # Its session broke off in the one before: it was asked, and began anew.
    answer = client.post(
        url, json={"session_id": "j", "msisdn": OFFICER, "event": "input", "input": 2}
    )

    assert answer.get_json()["text"] == by_all


def test_a_session_that_starts_twice_shows_the_first_screen_and_applies_a_key_once(
    ask: Ask, office: Wiring
):
    assert ask("") == ask("")

    assert "Cari no laporan" in ask(PIN)
    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PinTry)) == 1


def test_an_empty_input_shows_the_same_screen(ask: Ask, office: Wiring):
    menu = walk(ask, PIN)

    assert ask(f"{PIN}*") == menu
    assert "Laporan terbaru" in ask(f"{PIN}**2")
    assert state(office) == "latest"


def test_stars_that_a_person_keys_are_one_answer(ask: Ask, office: Wiring):
    before = walk(ask, PIN, "1")

    shown = ask(f"{PIN}*1*****")
    assert shown.endswith(before.removeprefix("CON "))
    assert "Nomor hanya angka" in shown
    assert state(office) == "find"


@pytest.mark.parametrize("text", ["\nHalo", "Halo\n", "Hal\r\no", "\r\nHalo", ""])
def test_a_screen_with_odd_line_breaks_cannot_be_made(text: str):
    with pytest.raises(ValueError, match="breaks its lines"):
        Screen(text, ends=False)


def test_a_page_keeps_labels_whole_and_numbers_the_same(ask: Ask):
    pages = [walk(ask, PIN, "3", "1")]
    keys = [PIN, "3", "1"]
    while "88" in pages[-1].split("\n")[-1]:
        keys.append("88")
        pages.append(ask("*".join(keys)))

    rows = [row for page in pages for row in page.split("\n")[1:-1]]
    assert [row.split()[0] for row in rows] == [str(n) for n in range(1, 33)]
    assert "10 Ki'e" in rows or "10 KI'E" in rows
    assert "Kok Baun" in rows[22]


def test_a_pin_is_checked_once_and_what_follows_is_no_pin(ask: Ask, office: Wiring):
    walk(ask, PIN, "1")

    assert state(office) == "find"
    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PinTry)) == 1


@pytest.mark.parametrize(
    ("text", "shown"), [("1*2", "Ketik PIN"), (f"{PIN}*2", "Laporan terbaru"), ("*", "Ketik PIN")]
)
def test_a_session_whose_row_is_lost_is_built_again(text: str, shown: str, ask: Ask):
    assert shown in ask(text, session="never seen")


def test_an_older_request_that_comes_late_does_not_turn_the_session_back(ask: Ask, office: Wiring):
    shown = walk(ask, "9999", PIN, "3", "1")

    for late in ("9999", f"9999*{PIN}", f"9999*{PIN}*3"):
        assert ask(late) == shown
    ask(f"9999*{PIN}*3*1*2")
    assert state(office) == "places"
    assert "Biloto" in ask(f"9999*{PIN}*3*1*2")
    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PinTry)) == 2


def test_a_session_belongs_to_its_phone(ask: Ask, office: Wiring):
    appoint(office, "+6281237000501", "polres", "53.02", "duty", "7391")
    walk(ask, PIN, "2")

    assert "Ketik PIN" in ask(f"{PIN}*2", phone="+6281237000501"), "not the other's list"
    assert "belum dibuka" in ask(f"{PIN}*2*1", phone="+6281237000111")
    assert "Laporan terbaru" in ask(f"{PIN}*2")


def test_nought_is_a_value_where_one_is_asked(ask: Ask, office: Wiring):
    walk(ask, PIN, "4", "0")

    assert state(office) == "counts"


def test_who_has_not_the_secret_has_no_menu(client: FlaskClient):
    form = {"sessionId": "s", "phoneNumber": OFFICER, "text": PIN}

    for path in ("ussd", "ussd/end"):
        answer = client.post(f"/webhooks/africastalking/guessed-secret/{path}", data=form)
        assert (answer.status_code, answer.text) == (404, "")


def test_what_cannot_be_read_is_set_apart_without_its_body_and_answered(
    client: FlaskClient, office: Wiring
):
    url = f"/webhooks/africastalking/{office.settings.secret_of('africastalking')}/ussd"
    answer = client.post(url, data={"text": PIN, "phoneNumber": OFFICER})

    assert (answer.status_code, answer.text[:4]) == (200, "END ")
    with office.database.reading() as session:
        (kept,) = session.scalars(sa.select(Quarantined))
    assert (kept.reason, kept.body) == ("no `sessionId` or no `phoneNumber`", "")


def test_a_database_that_is_away_is_told_on_the_screen(
    client: FlaskClient, office: Wiring, monkeypatch: pytest.MonkeyPatch
):
    def away() -> None:
        raise sa.exc.OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(office.database, "writing", away)
    form = {"sessionId": "s", "phoneNumber": OFFICER, "text": ""}
    url = f"/webhooks/africastalking/{office.settings.secret_of('africastalking')}/ussd"

    answer = client.post(url, data=form)
    assert (answer.status_code, answer.text) == (
        200,
        "END Maaf, ada gangguan. Coba lagi sebentar.",
    )
