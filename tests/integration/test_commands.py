"""The commands beside a database: what they list, what they settle, and how they refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from support.office_work import do_all_work, register

from gateway import clock, listing
from gateway.cli import office as shared
from gateway.cli.main import timpora
from gateway.messaging import receiving
from gateway.providers.base import InboundSms, Intake
from gateway.settings import Settings
from gateway.wiring import Wiring
from models.inbox import Quarantined
from models.outbox import OutboundMessage
from models.people import AuditEntry
from models.states import MessageStatus

KADES = "+6281237000111"
OINLASI = "53.02.02.2008"
REPORT_KEYS = {
    "number",
    "code",
    "state",
    "urgency",
    "village",
    "fields",
    "missing",
    "problems",
    "flags",
    "note",
    "received_at",
    "network_time",
    "channel",
    "verified",
    "reporter",
    "history",
}
MESSAGE_KEYS = {
    "id",
    "direction",
    "channel",
    "party",
    "text",
    "status",
    "segments",
    "created_at",
    "provider_message_id",
    "in_reply_to",
    "network_time",
    "attempts",
    "parts",
    "error",
}

Call = Callable[..., Result]


@pytest.fixture
def call(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Call:
    environ = {
        "TIMPORA_DATA_DIR": str(settings.data_dir),
        "TIMPORA_DATABASE_URL": settings.database_url,
        "TIMPORA_REDIS_URL": settings.redis_url,
        "TIMPORA_SECRET_KEY": settings.secret_key,
        "TIMPORA_WEBHOOK_SECRET": settings.secret_of("africastalking"),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, text: str | None = None) -> Result:
        """Call as a new process would: nothing is remembered from one call to the next."""
        shared.settings.cache_clear()
        shared.office.cache_clear()
        try:
            return CliRunner().invoke(timpora, arguments, input=text)
        finally:
            if shared.office.cache_info().currsize:
                shared.office().database.dispose()

    return run


@pytest.fixture
def busy(office: Wiring) -> Wiring:
    """A gateway with a report, a draft, a stranger's report, chat and an operator's text."""
    register(office, KADES, [OINLASI])
    texts = [
        (KADES, "WNA 2 AUS wisata"),
        (KADES, "WNA 2 wisata"),
        ("+6281298765432", "PMI 3 Malaysia besok"),
        (KADES, "besok jadi rapat jam 7"),
        ("TELKOMSEL", "Sisa pulsa Anda Rp 1.250"),
    ]
    messages = tuple(InboundSms(sender=who, recipient="22345", text=text) for who, text in texts)
    with office.database.writing() as session:
        receiving.accept(session, office.directory, "africastalking", Intake(messages=messages))
    do_all_work(office)
    return office


def listed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


@pytest.mark.usefixtures("busy")
def test_reports_are_listed_without_drafts_and_without_numbers_of_phones(call: Call) -> None:
    rows = listed(call("reports", "--json"))
    assert [row["code"] for row in rows] == ["WNA", "PMI"]
    assert all(row.keys() >= REPORT_KEYS for row in rows)
    assert [row["verified"] for row in rows] == [True, False]
    assert rows[0]["village"] == OINLASI
    assert rows[0]["reporter"].startswith("P-")
    assert rows[0]["received_at"].endswith("+08:00")
    assert "81237000111" not in json.dumps(rows)
    assert call("reports", "--count").stdout == "2\n"
    assert [row["state"] for row in listed(call("reports", "--json", "--state", "draft"))] == [
        "draft"
    ]
    assert listed(call("reports", "--json", "--since", "2100-01-01T00:00:00+08:00")) == []


@pytest.mark.usefixtures("busy")
def test_messages_are_listed_in_both_directions(call: Call) -> None:
    rows = listed(call("messages", "--json"))
    assert all(row.keys() >= MESSAGE_KEYS for row in rows)
    assert call("messages", "--count", "--direction", "in").stdout == "5\n"
    sent = listed(call("messages", "--json", "--direction", "out", "--status", "sent"))
    assert len(sent) == 4
    assert {row["in_reply_to"] for row in sent} <= {row["id"] for row in rows}
    assert "81237000111" not in json.dumps(rows)


@pytest.mark.usefixtures("busy")
def test_a_number_is_shown_for_a_reason_that_is_kept(call: Call, office: Wiring) -> None:
    rows = listed(call("messages", "--json", "--reveal", "kades asked"))
    assert KADES in {row["party"] for row in rows}
    with office.database.reading() as session:
        entries = session.scalars(sa.select(AuditEntry)).all()
    assert {entry.reason for entry in entries} == {"kades asked"}
    assert call("messages", "--json", "--reveal", " ").exit_code == 1


@pytest.mark.usefixtures("busy")
def test_the_inbox_shows_what_waits_for_a_person(call: Call) -> None:
    kinds = [row["kind"] for row in listed(call("inbox", "--json"))]
    assert sorted(kinds) == ["chat", "draft", "operator", "unverified"]


@pytest.mark.usefixtures("busy")
def test_of_long_lists_the_newest_are_shown_alone_when_that_is_asked_for(call: Call) -> None:
    everything = {name: listed(call(name, "--json")) for name in ("reports", "messages")}
    assert listed(call("reports", "--json", "--limit", "1")) == everything["reports"][-1:]
    assert listed(call("messages", "--json", "--limit", "3")) == everything["messages"][-3:]
    assert listed(call("messages", "--json", "--limit", "99")) == everything["messages"]
    incoming = [row for row in everything["messages"] if row["direction"] == "in"]
    few = listed(call("messages", "--json", "--direction", "in", "--limit", "2"))
    assert few == incoming[-2:]
    assert call("reports", "--count", "--limit", "1").stdout == "1\n"
    assert call("messages", "--count", "--limit", "3").stdout == "3\n"
    assert call("reports", "--limit", "0").exit_code == 2


@pytest.mark.usefixtures("busy")
def test_the_inbox_shows_the_newest_of_each_kind_and_says_what_it_leaves_out(call: Call) -> None:
    everything = call("inbox", "--json", "--all")
    assert everything.stderr == ""
    assert listed(call("inbox", "--json")) == listed(everything)

    short = call("inbox", "--json", "--limit", "1")
    assert [row["kind"] for row in listed(short)] == ["operator", "unverified"]
    assert short.stderr.splitlines() == [
        "timpora: 1 older messages not shown; --limit shows more, --all shows all",
        "timpora: 1 older reports not shown; --limit shows more, --all shows all",
    ]
    assert "operator" in call("inbox", "--limit", "1").stdout


def test_of_what_the_inbox_leaves_out_only_so_many_are_counted(
    call: Call, busy: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_COUNTED", 3)
    with busy.database.writing() as session:
        moment = clock.now()
        session.add_all(
            Quarantined(
                channel="kannel", reason="odd", body="{}", received_at=moment, digest=str(n)
            )
            for n in range(7)
        )
    short = call("inbox", "--json", "--limit", "2")
    assert [row["id"] for row in listed(short)][-2:] == ["quarantine-6", "quarantine-7"]
    assert "at least 3 older requests in quarantine not shown" in short.stderr


def test_an_unconfirmed_message_is_settled_once(call: Call, busy: Wiring) -> None:
    with busy.database.writing() as session:
        messages = session.scalars(sa.select(OutboundMessage).order_by(OutboundMessage.id)).all()
        for message in messages[:2]:
            message.status = MessageStatus.UNCONFIRMED
    assert call("messages", "settle", "out-1", "--sent").stdout == "out-1 is sent\n"
    assert call("messages", "settle", "2", "--resend").stdout == "out-2 is queued\n"
    again = call("messages", "settle", "out-1", "--sent")
    assert again.exit_code == 1
    assert "only an unconfirmed one" in again.stderr
    assert call("messages", "settle", "out-99", "--sent").exit_code == 1
    assert call("messages", "settle", "seven", "--sent").exit_code == 1


@pytest.mark.usefixtures("database")
def test_parse_prints_the_contracts_object(call: Call) -> None:
    result = call("parse", "--json", "--now", "2026-11-25T10:10:00+08:00", "WNA 2 AUS WISATA")
    assert json.loads(result.stdout)["items"] == [
        {
            "outcome": "report",
            "code": "WNA",
            "fields": {"country": "AU", "count": 2, "purpose": "wisata"},
            "missing": [],
            "problems": [],
            "urgency": "biasa",
            "flags": [],
        }
    ]
    assert json.loads(result.stdout)["reply_key"] == "OK_WNA"
    assert json.loads(result.stdout)["segments"] == 1
    nothing = json.loads(call("parse", "--json", "terima kasih pak").stdout)
    assert nothing["reply"] is None
    assert call("parse").exit_code == 1
    assert call("parse", "--village", "99.99.99.9999", "NIHIL").exit_code == 1
    assert call("parse", "--now", "soon", "NIHIL").exit_code == 1


@pytest.mark.usefixtures("database")
def test_parse_knows_what_an_officer_may_text(call: Call) -> None:
    to_officer = json.loads(call("parse", "--json", "--as", "officer", "MENU").stdout)
    to_kades = json.loads(call("parse", "--json", "MENU").stdout)

    assert [item["code"] for item in to_officer["items"]] == ["MENU"]
    assert to_officer["reply"].startswith("TIMPORA. Kode sekali pakai: ")
    assert to_officer["segments"] == 1
    assert to_kades["reply_key"] == "ERR_KODE"


@pytest.mark.usefixtures("database")
def test_parse_reads_many_lines_in_order(call: Call) -> None:
    lines = "\n".join(json.dumps({"id": n, "text": f"WNA {n} AUS wisata"}) for n in (3, 1, 2))
    out = [json.loads(line) for line in call("parse", "--jsonl", text=lines).stdout.splitlines()]
    assert [one["id"] for one in out] == [3, 1, 2]
    assert [one["items"][0]["fields"]["count"] for one in out] == [3, 1, 2]
    bad = call("parse", "--jsonl", text='{"id": 1, "text": "NIHIL"}\n[]\n')
    assert bad.exit_code == 1
    assert "line 2" in bad.stderr


@pytest.mark.usefixtures("database")
def test_nothing_to_requeue_is_said(call: Call) -> None:
    assert call("requeue").stdout == "0 will be handled again\n"
    result = call("requeue", "in-7")
    assert result.exit_code == 1
    assert "in-7" in result.stderr


def test_the_doctor_finds_this_gateway_well_but_for_what_is_not_there(call: Call) -> None:
    call("db", "upgrade")
    findings = listed(call("doctor", "--json"))
    by_what = {one["what"]: one["level"] for one in findings}
    assert by_what["database"] == by_what["key"] == by_what["villages"] == "green"
    assert by_what["disk"] == "green"
    assert all(one["mend"] for one in findings if one["level"] != "green")


def test_the_doctor_names_the_wrong_key(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("db", "upgrade")
    monkeypatch.setenv("TIMPORA_SECRET_KEY", "another-key-altogether")
    result = call("doctor", "--json")
    assert result.exit_code == 1
    red = [one for one in json.loads(result.stdout) if one["level"] == "red"]
    assert [one["what"] for one in red] == ["key"]


@pytest.mark.parametrize(
    "arguments",
    [("messages",), ("reports", "--json"), ("inbox",), ("roster", "list"), ("requeue",)],
)
def test_a_command_where_no_gateway_is_makes_nothing(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMPORA_DATA_DIR", str(tmp_path / "nowhere"))
    shared.settings.cache_clear()
    shared.office.cache_clear()
    result = CliRunner().invoke(timpora, arguments)
    assert result.exit_code == 1
    assert "there is no gateway's database" in result.stderr
    assert not (tmp_path / "nowhere").exists()
    shared.settings.cache_clear()
    shared.office.cache_clear()
