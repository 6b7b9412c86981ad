"""The simulator's own side: who may ask, what is shown of a phone, and conversations as files."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from support.conversation import Conversation
from support.office_work import appoint, do_all_work, register

from gateway import clock
from gateway.app import create_app
from gateway.roster import demo, people
from gateway.roster.tables import Row
from gateway.roster.villages import ensure_shipped
from gateway.simulator import script
from gateway.wiring import Wiring
from models.officers import Officer
from models.people import Reporter

OINLASI = "53.02.02.2008"
MARK = {"X-Timpora": "simulator"}
KADES, REAL, STRANGER = "+6281237000017", "+6281237555001", "+6281237555002"
SMS = "/webhooks/africastalking/webhook-secret/sms"
USSD = "/webhooks/africastalking/webhook-secret/ussd"
ROUTES = [
    ("GET", "/simulator"),
    ("GET", "/simulator/"),
    ("GET", "/simulator/static/main.js"),
    ("GET", "/simulator/people"),
    ("GET", f"/simulator/phones/timeline?number=%2B{KADES[1:]}"),
    ("GET", "/simulator/conversations/wna_report"),
    ("POST", "/simulator/conversation"),
    ("POST", "/simulator/script"),
    ("POST", "/simulator/cast"),
]


@pytest.fixture
def client(office: Wiring) -> FlaskClient:
    with office.database.writing() as session:
        pin_hash = office.switchboard.pins.make_hash(demo.DEMO_PIN)
        demo.load_demo(session, office.directory, office.settings, pin_hash)
    return create_app(office).test_client()


@pytest.fixture
def light_client(office: Wiring) -> FlaskClient:
    """Without the demo people, of whom there are hundreds."""
    with office.database.writing() as session:
        ensure_shipped(session)
        cells: dict[str, Any] = {"phone": KADES, "name": "Kades Oinlasi", "role": "kades"}
        rows = [Row(1, {**cells, "village_code": OINLASI})]
        people.store(session, office.directory, people.understand(rows), is_demo=True)
    return create_app(office).test_client()


def say(client: FlaskClient, office: Wiring, text: str, sender: str = KADES) -> None:
    form = {"from": sender, "to": "22345", "id": f"sim-{text}", "text": text}
    assert client.post(SMS, data=form).status_code == 200
    do_all_work(office)


def timeline(client: FlaskClient, number: str = KADES, **after: int) -> Any:
    answer = client.get("/simulator/phones/timeline", query_string={"number": number, **after})
    assert answer.status_code == 200
    return answer.json


# --- who may ask ------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_in_production_there_is_nothing(office: Wiring, method: str, path: str) -> None:
    settings = replace(office.settings, env="production")
    client = create_app(replace(office, settings=settings)).test_client()
    assert client.open(path, method=method, headers=MARK).status_code == 404


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_name_that_may_be_bound_to_us_is_refused(
    light_client: FlaskClient, method: str, path: str
) -> None:
    headers = {**MARK, "Host": "timpora.example.com"}
    assert light_client.open(path, method=method, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7"])
def test_this_machine_by_its_plain_names_is_welcome(light_client: FlaskClient, host: str) -> None:
    assert light_client.get("/simulator", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", [path for method, path in ROUTES if method == "POST"])
def test_a_form_on_another_page_cannot_post(light_client: FlaskClient, path: str) -> None:
    assert light_client.post(path, data="[]").status_code == 403


def test_nothing_from_elsewhere_and_nothing_inside_the_page(light_client: FlaskClient) -> None:
    page = light_client.get("/simulator")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert "//" not in page.text.replace("<!doctype", "")


# --- people -----------------------------------------------------------------------------------


def test_first_the_kades_of_oinlasi_then_others_then_officers(client: FlaskClient) -> None:
    found = client.get("/simulator/people").json["people"]
    assert found[0]["name"] == "Kades Oinlasi"
    assert found[0]["villages"] == [OINLASI]
    assert "Kec. Mollo Selatan" in found[0]["place"]
    assert next(one["name"] for one in found if one["kind"] == "officer") == "Piket Imigrasi"
    assert any(len(one["villages"]) > 1 for one in found)


@pytest.mark.parametrize("query", ["oinlasi", "sekdes OINLASI", "mollo selatan", "piket polres"])
def test_people_are_found_by_name_village_or_kecamatan(client: FlaskClient, query: str) -> None:
    found = client.get("/simulator/people", query_string={"q": query}).json["people"]
    assert found
    for one in found:
        said = f"{one['name']} {one['place']} {one['role']}".casefold()
        assert all(word in said for word in query.casefold().split())


def test_real_people_are_never_shown(office: Wiring, light_client: FlaskClient) -> None:
    register(office, REAL, [OINLASI], name="Kades Sungguhan")
    appoint(office, STRANGER, "imigrasi", "53.02", "duty", "4825")
    for query in ("", "oinlasi", "sungguhan", "imigrasi"):
        said = light_client.get("/simulator/people", query_string={"q": query}).text
        assert REAL not in said
        assert STRANGER not in said
        assert "Sungguhan" not in said
    for number in (REAL, STRANGER):
        answer = light_client.get("/simulator/phones/timeline", query_string={"number": number})
        assert answer.status_code == 403
        assert number not in answer.text


# --- a phone ----------------------------------------------------------------------------------


def test_a_phone_that_nobody_knows_is_empty(light_client: FlaskClient) -> None:
    assert timeline(light_client, STRANGER)["known"] is False


def test_how_a_text_was_understood_what_stands_and_what_went_out(
    office: Wiring, light_client: FlaskClient
) -> None:
    say(light_client, office, "WNA 2 AUS WISATA")
    told = timeline(light_client)
    [message] = told["in"]
    assert [(word["text"], word["became"]) for word in message["words"]] == [
        ("WNA", "kode"),
        ("2", "jumlah"),
        ("AUS", "negara"),
        ("WISATA", "tujuan"),
    ]
    assert message["items"][0]["fields"] == {"country": "AU", "count": 2, "purpose": "wisata"}
    assert (message["outcome"], message["settled"]) == ("report", True)
    [report] = told["reports"]
    assert {"label": "negara", "value": "Australia"} in report["fields"]
    assert (report["state"], report["verified"]) == ("received", True)
    [sent] = told["out"]
    assert report["number"] in sent["text"]
    assert (sent["status"], sent["channel"], sent["segments"]) == ("sent", "loopback", 1)
    later = timeline(light_client, after_in=message["id"], after_out=sent["id"])
    assert (later["in"], later["out"]) == ([], [])
    assert len(later["reports"]) == 1


def test_what_lacks_is_named(office: Wiring, light_client: FlaskClient) -> None:
    say(light_client, office, "WNA 2")
    [report] = timeline(light_client)["reports"]
    assert (report["state"], report["number"]) == ("draft", None)
    assert "negara" in report["missing"]


@pytest.mark.parametrize("text", ["{{7*7}} <b>x</b>", "WNA 2 AUS wisata <script>alert(1)</script>"])
def test_a_text_is_data(office: Wiring, light_client: FlaskClient, text: str) -> None:
    say(light_client, office, text)
    answer = light_client.get("/simulator/phones/timeline", query_string={"number": KADES})
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json["in"][0]["text"] == text


def test_where_a_dialogue_stands_but_never_what_was_keyed(
    client: FlaskClient, office: Wiring
) -> None:
    officer = client.get("/simulator/people", query_string={"q": "piket imigrasi"}).json["people"][
        0
    ]
    form = {"sessionId": "s-1", "phoneNumber": officer["number"], "serviceCode": "*384*22345#"}
    for text in ("", officer["pin"], f"{officer['pin']}*2"):
        answer = client.post(USSD, data={**form, "text": text})
    assert answer.text.startswith("CON Laporan terbaru")
    answer = client.get("/simulator/phones/timeline", query_string={"number": officer["number"]})
    dialogue = answer.json["dialogue"]
    assert (dialogue["at"], dialogue["way"], dialogue["steps"]) == ("latest", ["main"], 2)
    assert officer["pin"] not in answer.text
    client.post(f"{USSD}/end", data=form)
    assert timeline(client, officer["number"])["dialogue"] is None
    do_all_work(office)


# --- conversations ----------------------------------------------------------------------------


def cast(client: FlaskClient, *who: dict[str, Any]) -> Any:
    return client.post("/simulator/cast", json={"people": list(who)}, headers=MARK)


def test_who_is_cast_gets_a_fresh_number_each_time(
    light_client: FlaskClient, office: Wiring
) -> None:
    kades = {"who": "kades", "villages": [OINLASI]}
    officer = {
        "who": "imigrasi",
        "institution": "imigrasi",
        "area": "53.02",
        "role": "duty",
        "pin": "4825",
    }
    first = cast(light_client, kades, officer, {"who": "warga"}).json["numbers"]
    second = cast(light_client, kades).json["numbers"]
    assert len({*first.values(), *second.values()}) == 4
    with office.database.reading() as session:
        assert all(session.scalars(sa.select(Reporter.is_demo)))
        assert all(session.scalars(sa.select(Officer.is_demo)))
    say(light_client, office, "WNA 2 AUS WISATA", first["kades"])
    assert timeline(light_client, first["kades"])["reports"][0]["verified"] is True
    form = {"sessionId": "s-2", "phoneNumber": first["imigrasi"], "serviceCode": "*384*22345#"}
    assert light_client.post(USSD, data={**form, "text": "4825"}).text.startswith("CON TIMPORA")
    assert "Pemeran" not in light_client.get("/simulator/people?q=oinlasi").text


def test_who_reports_and_is_an_officer_has_one_phone(light_client: FlaskClient) -> None:
    camat = {"who": "camat", "institution": "camat", "area": "53.02.02"}
    numbers = cast(light_client, {"who": "camat", "villages": [OINLASI]}, camat).json["numbers"]
    assert list(numbers) == ["camat"]
    person = {**camat, "kind": "officer", "role": "member", "villages": [OINLASI]}
    asked = {"people": [{**person, "number": numbers["camat"]}], "events": []}
    saved = light_client.post("/simulator/conversation", json=asked, headers=MARK).text
    kinds = [type(line) for line in script.parse(saved)]
    assert kinds == [script.Comment, script.Appointed, script.Reporter]


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"who": "kades", "villages": ["53.02.99.9999"]}, id="no such village"),
        pytest.param({"who": "o", "institution": "kua", "area": "53.02"}, id="no such institution"),
        pytest.param(
            {"who": "o", "institution": "imigrasi", "area": "53.02", "role": "raja"}, id="no role"
        ),
        pytest.param({"who": "kades", "villages": [7]}, id="a number"),
        pytest.param({"villages": []}, id="no name"),
        pytest.param([], id="a list"),
    ],
)
def test_who_cannot_be_cast_is_said_and_nobody_is(
    light_client: FlaskClient,
    office: Wiring,
    asked: Any,
) -> None:
    answer = cast(light_client, {"who": "lain", "villages": [OINLASI]}, asked)
    assert answer.status_code == 400
    assert answer.json["reason"]
    with office.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Reporter)) == 1


def test_a_file_as_steps(light_client: FlaskClient) -> None:
    text = (
        "[k = +6281237000111, 53.02.02.2008]\n\nk > WNA 2\n"
        "[+5 menit]\n[nobody hears anything more]\n"
    )
    steps = light_client.post("/simulator/script", data=text, headers=MARK).json["steps"]
    assert [(step["number"], step["kind"]) for step in steps] == [
        (1, "reporter"),
        (3, "says"),
        (4, "later"),
        (5, "silence"),
    ]
    assert steps[1]["line"] == "k > WNA 2"


def test_a_file_that_cannot_be_read_names_the_line(light_client: FlaskClient) -> None:
    answer = light_client.post("/simulator/script", data="# ya\nk berkata WNA\n", headers=MARK)
    assert (answer.status_code, answer.json["line"]) == (400, 2)
    assert "2" in answer.json["reason"]
    assert light_client.post("/simulator/script", data=b"\xff", headers=MARK).status_code == 400


def test_shipped_conversations_can_be_had_and_nothing_else(light_client: FlaskClient) -> None:
    assert "WNA 2 AUS" in light_client.get("/simulator/conversations/wna_report").text
    for name in ("..%2f..%2fpyproject", "none", "wna_report.txt"):
        assert light_client.get(f"/simulator/conversations/{name}").status_code == 404


def events(client: FlaskClient, office: Wiring) -> list[dict[str, Any]]:
    """What a page would have noted: a report, its reply, a question about it, the answer."""
    say(client, office, "WNA 2 AUS WISATA")
    number = timeline(client)["reports"][0]["number"]
    say(client, office, f"STATUS {number}")
    reply, status = [row["text"] for row in timeline(client)["out"]]
    told = [
        ("says", "WNA 2 AUS WISATA"),
        ("hears", reply),
        ("says", f"STATUS {number}"),
        ("hears", status),
    ]
    start = 1795597800000
    return [
        {"who": "kades", "kind": kind, "text": text, "at": start + place * 45_000}
        for place, (kind, text) in enumerate(told)
    ]


@pytest.fixture
def play(office: Wiring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    def played(text: str) -> None:
        path = tmp_path / "saved.txt"
        path.write_text(text, encoding="utf-8")
        # Two replies have been heard already, while it was recorded.
        Conversation(office, set_clock, _seen=2).play(path)

    return played


def test_what_is_saved_is_a_test_as_it_stands(
    light_client: FlaskClient, office: Wiring, play: Callable[[str], None]
) -> None:
    noted = events(light_client, office)
    # The same phone has sent these texts already, so the file is played by another.
    other = {"who": "kades", "number": "+6281237000018", "villages": [OINLASI]}
    saved = light_client.post(
        "/simulator/conversation", json={"people": [other], "events": noted}, headers=MARK
    )
    assert saved.status_code == 200
    assert saved.content_type.startswith("text/plain")
    assert "[+" in saved.text
    assert "kades > STATUS <a>" in saved.text
    assert "No <a>:" in saved.text
    play(saved.text)


def test_a_strangers_number_is_not_saved(light_client: FlaskClient) -> None:
    stranger = {"who": "warga", "kind": "stranger", "number": STRANGER}
    event = {"who": "warga", "kind": "says", "text": "halo", "at": 1795597800000}
    saved = light_client.post(
        "/simulator/conversation", json={"people": [stranger], "events": [event]}, headers=MARK
    ).text
    assert STRANGER not in saved
    assert "[warga = +62" in saved


@pytest.mark.parametrize(
    "text",
    [
        "{{7*7}}",
        "dua\nbaris",
        "a | b",
        "harga <a> rupiah",
        " ",
        "\\n",
        "[draft]",
        "x" * 1600,
        "\u2028",
    ],
)
def test_any_text_is_saved_as_a_file_that_can_be_read(light_client: FlaskClient, text: str) -> None:
    person = {"who": "kades", "number": KADES, "villages": [OINLASI]}
    kinds = ("says", "hears", "keys", "sees", "dials")
    asked = {
        "people": [person],
        "events": [{"who": "kades", "kind": one, "text": text, "at": 0} for one in kinds],
    }
    saved = light_client.post("/simulator/conversation", json=asked, headers=MARK)
    assert saved.status_code == 200
    assert len(script.parse(saved.text)) == len(kinds) + 3


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {"events": {}},
        {"events": [1], "people": []},
        {"events": [], "people": 1},
        {"events": [{"kind": "says", "at": "now"}], "people": []},
        {"events": [{"kind": "says", "at": 1e300}], "people": []},
        {"events": [{"kind": "shouts", "at": 1}], "people": []},
    ],
)
def test_what_is_no_record_is_refused(light_client: FlaskClient, asked: Any) -> None:
    answer = light_client.post("/simulator/conversation", json=asked, headers=MARK)
    assert answer.status_code == 400
