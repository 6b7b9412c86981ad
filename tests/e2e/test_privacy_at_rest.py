"""The reporter is protected first: where a number, a text or a document may be found afterwards."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from support.africastalking_server import AfricasTalkingServer
from support.database_dump import cells, dump_database
from support.databases import DATABASES, database_url_for
from support.gateway_process import Gateway, post_form
from support.payloads import WNA, incoming_sms, phone
from support.redis_server import RedisServer
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

PASSPORT = "C01X00T47"
NIK = "5302120101900001"
KADES, STRANGER, OTHER = phone(345_678), phone(456_789), phone(567_890)
NUMBERS = [KADES, STRANGER, OTHER]
OFFICER = phone(678_901)
#: Digits that stand in no number, time or hash of ours, so a hit is a leak.
PIN, NEW_PIN, WRONG_PIN = "739164", "846203", "915637"
#: Words that stand in no code, catalogue or log of ours, so a hit is a leak.
TEXTS = [
    WNA,
    f"WNA#Jerman#1#riset#kantor desa#paspor {PASSPORT}",
    f"WNA#Kanada#2#wisata#homestay Oelbubuk paspor {PASSPORT.lower()} nik {NIK}",
    f"PMI#3#Malaysia#besok#hubungi saya di {OTHER}",
    f"DARURAT#hilang#jembatan Noelmina hubungi 0{OTHER[3:]}",
    "selamat sore bapak ibu sekalian kalabahi",
    "WNA#Belanda",
    "STATUS 123456",
]


def spellings(number: str) -> list[str]:
    """Return the ways in which a number is written: +62.., 62.., 08.., and parted."""
    national = number.removeprefix("+62")
    parted = f"0{national[:3]}-{national[3:7]}-{national[7:]}"
    return [number, f"62{national}", f"0{national}", national, parted]


def unreadable_forms() -> list[bytes]:
    """Return bodies that hold a number, and that no adapter can read."""
    form = "id=x{}&from={}&text=WNA%23Jerman%231%23riset%23paspor+{}"
    return [
        f"text=WNA%23Jerman%231&phone={KADES}&paspor={PASSPORT}".encode(),
        form.format(1, "%2B62%FF%FE" + KADES[3:], PASSPORT).encode(),
        b'{"from": "' + KADES.encode() + b'", "text": "paspor ' + PASSPORT.encode() + b'"}',
        b"\xff\xfe from=" + STRANGER.encode() + b"&text=\x00paspor:" + PASSPORT.encode(),
    ]


@dataclass(frozen=True)
class Busy:
    """A deployment that has had a busy time, with failures of several kinds."""

    gateway: Gateway
    redis: RedisServer
    database: dict[str, list[dict[str, Any]]]
    """All that stood in the database at the end of it."""


@pytest.fixture(scope="module", params=DATABASES)
def busy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Busy]:
    database_url = database_url_for(request.param, request)
    with AfricasTalkingServer.running() as provider, RedisServer.running() as redis:
        gateway = Gateway(
            tmp_path_factory.mktemp("busy") / "gw",
            database_url=database_url,
            redis_url=redis.url,
            provider_url=provider.url,
        )
        try:
            have_a_busy_time(gateway, provider)
            yield Busy(gateway, redis, dump_database(gateway.database_url))
        finally:
            gateway.close()


def have_a_busy_time(gateway: Gateway, provider: AfricasTalkingServer) -> None:
    """Report, repeat, ramble, fail to send, and post what nobody can read."""
    gateway.prepare([KADES])
    gateway.start_web()
    gateway.start_worker()
    gateway.start_sweeper()
    look_things_up(gateway)
    provider.behave("refuse:403", number=STRANGER)
    forms = [incoming_sms(text, number) for text in TEXTS for number in (KADES, STRANGER)]
    for form in forms:
        assert gateway.post_sms(form).status_code == 200
        gateway.post_sms(form)
    for body in unreadable_forms():
        assert gateway.post_sms(body).status_code == 200
    gateway.post_sms(b"{}", **{"Content-Type": "application/json"})
    provider.post_delivery_report(gateway.webhook("dlr"), "ATXid_nobody", KADES, status="Failed")
    wait_until(
        lambda: len(gateway.reports()) >= 8, within=30, every=0.5, what="the reports are there"
    )
    provider.behave("http:503")
    gateway.post_sms(incoming_sms("WNA#Belanda#2#wisata#rumah RT 3", KADES))
    for request in provider.requests:
        for recipient, message_id in request.message_ids.items():
            provider.post_delivery_report(gateway.webhook("dlr"), message_id, recipient)
    wait_until(
        lambda: any(request.behaviour == "http:503" for request in provider.requests),
        within=15,
        what="a send is deferred",
    )


def look_things_up(gateway: Gateway) -> None:
    """Be an officer by USSD and by SMS: a wrong PIN, the right one, a new one, one in an SMS."""
    options = ("--name", "Ani", "--institution", "imigrasi", "--area", "53.02")
    gateway.cli("officer", "add", "--phone", OFFICER, *options)
    gateway.cli("officer", "pin", "--phone", OFFICER, given=f"{PIN}\n")
    keyed: list[str] = []
    for key in ("", WRONG_PIN, PIN, "2", "0", "6", NEW_PIN, NEW_PIN, "1"):
        keyed += [key] if key else []
        form = {
            "sessionId": f"ATUid_{OFFICER}",  # an id may hold anything
            "phoneNumber": OFFICER,
            "serviceCode": "*384*22345#",
            "text": "*".join(keyed),
        }
        screen = post_form(gateway.webhook("ussd"), form)
        assert screen.text.startswith("CON "), screen.text
        # What nobody can read may hold a PIN as well.
        unreadable = {name: value for name, value in form.items() if name != "sessionId"}
        assert post_form(gateway.webhook("ussd"), unreadable).text.startswith("END ")
        press = {"msisdn": OFFICER, "event": "nonsense", "input": key}
        url = gateway.webhook("ussd").replace("africastalking", "ussdjson")
        assert requests.post(url, json=press, timeout=10).json()["close"]
    notice = {"sessionId": form["sessionId"], "input": form["text"], "lastAppResponse": screen.text}
    assert post_form(gateway.webhook("ussd/end"), notice).status_code == 200
    for text in ("MENU", NEW_PIN):
        gateway.post_sms(incoming_sms(text, OFFICER))
        wait_until(
            lambda: all(one["status"] == "handled" for one in gateway.messages("in")),
            within=20,
            every=0.3,
            what="the officer is answered",
        )


def test_no_pin_is_found_anywhere(busy: Busy):
    places = [
        ("Redis", busy.redis.dump().decode("latin-1")),
        *busy.gateway.log_texts().items(),
        *cells(busy.database),
    ]

    found = [
        (place, pin)
        for place, content in places
        for pin in (PIN, NEW_PIN, WRONG_PIN)
        if pin in content
    ]
    assert not found
    tries = busy.database["pin_tries"]
    assert len(tries) == 3, "the PINs and the code were really tried"


def test_after_a_busy_run_numbers_stand_in_one_table_documents_and_texts_where_they_belong(
    busy: Busy,
):
    dump = dict(busy.database)
    redis = busy.redis.dump().decode("latin-1")
    logs = busy.gateway.log_texts()

    held_by_phones = {str(row["number"]) for row in dump.pop("phones")}
    assert {KADES, STRANGER} <= held_by_phones, "the one table that holds numbers"
    leaks = [
        f"{where}: {spelling} in {value[:200]!r}"
        for where, value in cells(dump)
        for number in (KADES, STRANGER, OFFICER)
        for spelling in spellings(number)
        if spelling in value
    ]
    assert not leaks, "a sender's number outside its table"
    documents = [
        f"{where}: {value[:200]!r}"
        for where, value in cells(dump)
        if re.search(f"{PASSPORT}|{NIK}", value, re.IGNORECASE)
    ]
    assert not documents, "a document number that is not masked"
    assert any("Oelbubuk" in value for _, value in cells(dump)), "what is not secret is kept"

    secrets = [spelling for number in NUMBERS for spelling in spellings(number)]
    secrets += [PASSPORT, NIK, busy.gateway.secret, busy.gateway.environment["TIMPORA_SECRET_KEY"]]
    secrets += ["kalabahi", "Oelbubuk", "Noelmina", "kantor desa"]
    for place, content in {"Redis": redis, **logs}.items():
        found = [secret for secret in secrets if secret.lower() in content.lower()]
        assert not found, f"{place} holds {found}"
    assert redis, "what was ever in Redis can be read, so the search means something"


def test_nothing_that_lists_shows_a_number(busy: Busy):
    shown = "".join(
        busy.gateway.cli(*command).stdout
        for command in (
            ("reports", "--json"),
            ("messages", "--json"),
            ("inbox", "--json"),
            ("reports",),
            ("messages",),
            ("inbox",),
        )
    )

    # What somebody typed about a third person is part of the report, and stands in its text.
    hits = [one for number in (KADES, STRANGER) for one in spellings(number) if one in shown]
    assert not hits
    assert PASSPORT not in shown


def test_who_asks_for_a_number_with_a_reason_gets_it_and_is_remembered(busy: Busy):
    revealed = busy.gateway.cli("messages", "--json", "--reveal", "pemeriksaan").stdout

    assert KADES in revealed
    audited = dump_database(busy.gateway.database_url)["audit_entries"]
    assert any("pemeriksaan" in str(row["reason"]) for row in audited)
