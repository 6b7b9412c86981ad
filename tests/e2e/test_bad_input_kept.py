"""Whatever a provider or a stranger posts: never a 500, and what a person sent is never dropped."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from support.africastalking_server import AfricasTalkingServer
from support.database_dump import dump_database
from support.databases import DATABASES, database_url_for
from support.gateway_process import Gateway, post_form
from support.payloads import WNA, incoming_sms, phone
from support.redis_server import RedisServer
from support.waiting import wait_until

pytestmark = pytest.mark.e2e

KADES = phone(1)
FROM = KADES.replace("+", "%2B")
TEXT = "WNA%23Jerman%231%23riset%23kantor"
TAIL = "to=31234&networkCode=51010"


@pytest.fixture(scope="module", params=DATABASES)
def web(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A web process, and nobody yet who works off what it keeps."""
    with RedisServer.running() as redis:
        deployment = Gateway(
            tmp_path_factory.mktemp("web") / "gw",
            database_url=database_url_for(request.param, request),
            redis_url=redis.url,
        )
        try:
            deployment.prepare([KADES])
            deployment.start_web()
            yield deployment
        finally:
            deployment.close()


def form(identity: str, *, sender: str = FROM, text: str = TEXT, date: str = "2026-11-25") -> bytes:
    """Return an encoded form, its parts as they are given."""
    fields = f"date={date}&from={sender}&id={identity}&text={text}&{TAIL}"
    return fields.encode("latin-1")


ODD_FORMS = {
    "text that is not UTF-8": lambda one: form(one, text="WNA%23caf%E9%231"),
    "bytes that are not UTF-8": lambda one: form(one, text="WNA \xff\xfe 1"),
    "a plus that was not encoded": lambda one: form(one, sender=KADES),
    "a number without a plus": lambda one: form(one, sender=f"0{KADES[3:]}"),
    "no text": lambda one: f"date=2026-11-25&from={FROM}&id={one}&{TAIL}".encode(),
    "an empty text": lambda one: form(one, text=""),
    "blanks alone": lambda one: form(one, text="+++%0A%0A"),
    "a date that is none": lambda one: form(one, date="kemarin%20sore"),
    "an empty date": lambda one: form(one, date=""),
    "a date before the epoch": lambda one: form(one, date="0001-01-01+00%3A00%3A00"),
    "a date out of range": lambda one: form(one, date="9999-99-99T99%3A99%3A99Z"),
    "a NUL": lambda one: form(one, text="WNA%23Jer%00man%231"),
    "a lone surrogate": lambda one: form(one, text="WNA%23Jerman%231%ED%A0%80"),
    "a NUL in the sender": lambda one: form(one, sender="%2B62812%00555"),
    "a sender of letters": lambda one: form(one, sender="TELKOMSEL"),
    "a short code as sender": lambda one: form(one, sender="2000"),
    "an endless sender": lambda one: form(one, sender="9" * 4000),
    "no sender": lambda one: f"date=2026-11-25&id={one}&text={TEXT}&{TAIL}".encode(),
    "an empty sender": lambda one: form(one, sender=""),
    "a field named twice": lambda one: form(one) + b"&text=PMI&from=%2B628999",
    "a thousand fields": lambda one: form(one) + b"".join(b"&a%d=1" % at for at in range(990)),
    "another character set": lambda one: form(one, text="WNA%23%E7%8E%8B%20%F0%9F%98%80%231"),
    "a long text": lambda one: form(one, text="WNA%23" + "x" * 20_000),
    "an endless id": lambda one: form(one + "y" * 5000),
}


@dataclass(frozen=True)
class Posted:
    """What became of one odd form."""

    identity: str
    status: int
    new_rows: int


def kept_rows(web: Gateway) -> int:
    """Count what is kept, whether it could be read or not."""
    dump = dump_database(web.database_url)
    return len(dump["inbox"]) + len(dump["quarantine"])


@pytest.fixture(scope="module")
def posted(web: Gateway) -> dict[str, Posted]:
    """Post every odd form once."""
    outcome = {}
    for at, (kind, make) in enumerate(ODD_FORMS.items()):
        identity = f"aneh-{at}-x"
        before = kept_rows(web)
        answer = web.post_sms(make(identity))
        outcome[kind] = Posted(identity, answer.status_code, kept_rows(web) - before)
    return outcome


@pytest.mark.parametrize("kind", ODD_FORMS)
def test_an_odd_form_is_answered_200_and_kept_once(posted: dict[str, Posted], kind: str):
    assert posted[kind].status == 200
    assert posted[kind].new_rows == 1


def test_what_is_kept_can_be_seen_by_a_person(web: Gateway, posted: dict[str, Posted]):
    messages, inbox = web.messages("in"), web.inbox()
    listed = json.dumps(messages)
    elsewhere = [one for one in posted.values() if one.identity not in listed]

    dump = dump_database(web.database_url)
    assert len(elsewhere) <= len(dump["quarantine"]) <= len(inbox)
    assert "Traceback" not in "".join(web.log_texts().values())


def test_a_form_without_an_id_is_kept_and_the_same_again_is_the_same(web: Gateway):
    body = f"date=2026-11-25+01%3A18%3A52&from={FROM}&text=WNA%23Kanada%231%23riset&{TAIL}".encode()
    before = len(web.messages("in"))

    assert [web.post_sms(body).status_code for _ in range(2)] == [200, 200]

    assert len(web.messages("in")) == before + 1


def test_a_wrong_secret_is_not_found_and_nothing_is_kept(web: Gateway):
    before = len(web.messages("in")), len(web.inbox())
    for secret in ("wrong-secret", web.secret[:-1], web.secret + "x", "%00", "..%2f.."):
        for kind in ("sms", "dlr"):
            answer = post_form(web.webhook(kind, secret=secret), incoming_sms(WNA, KADES))
            assert answer.status_code == 404

    assert (len(web.messages("in")), len(web.inbox())) == before


def test_a_body_that_is_too_large_is_refused(web: Gateway):
    assert web.post_sms(form("besar", text="x" * 65 * 1024)).status_code == 413


def test_other_methods_are_refused(web: Gateway):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        for kind in ("sms", "dlr"):
            answer = requests.request(method, web.webhook(kind), timeout=10)
            assert answer.status_code == 405, f"{method} {kind}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"id=ATXid_1",
        b"id=&status=Success",
        b"status=Success&phoneNumber=%2B62812",
        b"id=ATXid_2&status=Bingung&phoneNumber=%2B62812&failureReason=",
        b"id=%00&status=%00",
        b"id=%FF&status=%ED%A0%80&retryCount=x",
        b"id=" + b"z" * 5000 + b"&status=Success",
    ],
    ids=range(8),
)
def test_an_odd_delivery_report_is_answered_200(web: Gateway, body: bytes):
    assert post_form(web.webhook("dlr"), body).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
def test_another_content_type_is_no_error_of_ours(web: Gateway, content_type: str):
    answer = web.post_sms(form("jenis"), **{"Content-Type": content_type})

    assert answer.status_code in {200, 400, 415}


def test_a_worker_gets_through_all_of_it(web: Gateway, posted: dict[str, Posted]):
    assert posted
    web.start_worker()
    web.start_sweeper()

    def waiting() -> list[str]:
        return [row["text"][:40] for row in web.messages("in") if row["status"] != "handled"]

    wait_until(lambda: not waiting(), within=20, every=0.5, what=f"{waiting()} handled")
    for process in web.processes:
        assert process.running
        assert "Traceback" not in process.text()


@pytest.mark.parametrize("date", ["9999-12-31T23%3A59%3A59Z", "0001-01-01T00%3A00%3A00Z"])
def test_a_message_from_the_end_or_the_beginning_of_time_is_handled_and_listed(
    gateway: Gateway, provider: AfricasTalkingServer, date: str
):
    gateway.prepare([KADES])
    gateway.start_web()
    gateway.start_worker()

    assert gateway.post_sms(form("kiamat", date=date)).status_code == 200

    wait_until(lambda: provider.sent_to(KADES), within=15, what="it is answered")
    assert [row["provider_message_id"] for row in gateway.messages("in")] == ["kiamat"]
    assert len(gateway.reports()) == 1
