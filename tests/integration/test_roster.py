"""The roster and the villages in both databases: whole or not at all, ended, demo people."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from gateway import clock
from gateway.accounts import AfricasTalkingAccount
from gateway.cli import roster as commands
from gateway.identity import Directory
from gateway.reporting.senders import Sender, who_sent
from gateway.roster import demo, people, villages
from gateway.roster.tables import BadCell, Imported, ImportRefused, Row, read_table
from gateway.settings import Settings
from gateway.wiring import Wiring
from models.database.engine import Database
from models.inbox import InboundMessage
from models.people import Mark, Phone, Reporter, Village
from models.report import Report
from models.states import ReportState
from parsers import msisdn

ZONE = ZoneInfo("Asia/Makassar")
OINLASI = "53.02.02.2008"
BIKEKNENO = "53.02.02.2013"
SHIPPED = 278
#: Demo officers.
OFFICERS = 4


def import_roster(
    session: Session, directory: Directory, rows: Sequence[Row], *, dry_run: bool = False
) -> Imported:
    """Take rows as the command does: understood first, stored in the transaction after."""
    return people.store(session, directory, people.understand(rows), dry_run=dry_run)


@pytest.fixture
def database(database: Database) -> Database:
    with database.writing() as session:
        villages.ensure_shipped(session)
    return database


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.writing() as session:
        yield session


def people_table(*lines: str) -> list[Row]:
    return read_table("\n".join(["phone,name,role,village_code", *lines]).encode(), people.COLUMNS)


def villages_table(*lines: str, header: str = "code,kecamatan,name,kind") -> list[Row]:
    return read_table(
        "\n".join([header, *lines]).encode(), villages.COLUMNS, villages.OPTIONAL_COLUMNS
    )


def sender_of(session: Session, directory: Directory, number: str) -> Sender:
    phone = directory.phone(session, msisdn.read_sender(number))
    return who_sent(session, [phone], ZONE)[phone.id]


def entries(session: Session) -> list[tuple[str, str, str, bool]]:
    found = session.execute(
        sa.select(Reporter.name, Reporter.role, Reporter.village_code, Reporter.ended_at).order_by(
            Reporter.id
        )
    )
    return [(name, role, code, ended is None) for name, role, code, ended in found]


def count(session: Session, table: type[Phone | Reporter | Village]) -> int:
    return session.scalars(sa.select(sa.func.count()).select_from(table)).one()


def a_report(session: Session, phone: Phone) -> Report:
    message = InboundMessage(
        channel="africastalking",
        phone_id=phone.id,
        text="NIHIL",
        flags=[],
        payload={},
        received_at=clock.now(),
        segments=1,
    )
    session.add(message)
    session.flush()
    report = Report(
        code="NIHIL",
        state=ReportState.CLOSED,
        urgency="info",
        village_code=OINLASI,
        phone_id=phone.id,
        inbox_id=message.id,
        channel=message.channel,
        fields={},
        missing=[],
        problems=[],
        flags=[],
        note="",
        verified=True,
        text_key="",
        received_at=message.received_at,
    )
    session.add(report)
    session.flush()
    return report


# Villages


def test_the_shipped_villages_are_loaded_once(session: Session):
    villages.ensure_shipped(session)

    assert count(session, Village) == SHIPPED
    oinlasi = session.get_one(Village, OINLASI)
    assert (oinlasi.name, oinlasi.kecamatan, oinlasi.kecamatan_code, oinlasi.kind) == (
        "Oinlasi",
        "Mollo Selatan",
        "53.02.02",
        "desa",
    )


def test_a_shipped_village_stays_as_the_agency_has_named_it(session: Session):
    rows = villages_table(f"{OINLASI},Mollo Selatan,Oinlasi Baru,desa")
    assert villages.import_villages(session, rows) == Imported(new=0, changed=1, unchanged=0)

    session.execute(sa.delete(Village).where(Village.code == BIKEKNENO))
    villages.ensure_shipped(session)

    assert session.get_one(Village, OINLASI, populate_existing=True).name == "Oinlasi Baru"
    assert count(session, Village) == SHIPPED


def test_villages_are_added_and_changed_by_their_code(session: Session):
    header = "code,kecamatan,name,kind,timezone"
    rows = villages_table(
        "53.21.01.2001,Malaka Tengah,Wehali,desa,Asia/Makassar",
        "53.21.01.1002,Malaka Tengah,Betun,KELURAHAN,",
        f"{OINLASI},Mollo Selatan,Oinlasi,desa,",
        f"{OINLASI},Mollo Selatan,Oinlasi,desa,",
        header=header,
    )

    assert villages.import_villages(session, rows) == Imported(new=2, changed=0, unchanged=1)
    assert villages.import_villages(session, rows) == Imported(new=0, changed=0, unchanged=3)
    wehali = session.get_one(Village, "53.21.01.2001")
    assert (wehali.timezone, wehali.kecamatan_code) == ("Asia/Makassar", "53.21.01")
    assert session.get_one(Village, "53.21.01.1002").kind == "kelurahan"


def test_a_file_without_time_zones_leaves_them_as_they_are(session: Session):
    header = "code,kecamatan,name,kind,timezone"
    villages.import_villages(
        session, villages_table("91.01.01.2001,Abe,Nafri,desa,Asia/Jayapura", header=header)
    )

    villages.import_villages(session, villages_table("91.01.01.2001,Abepura,Nafri,desa"))

    nafri = session.get_one(Village, "91.01.01.2001")
    assert (nafri.kecamatan, nafri.timezone) == ("Abepura", "Asia/Jayapura")


def test_every_bad_village_is_named_and_nothing_is_kept(session: Session):
    rows = villages_table(
        "53.21.01.2001,Malaka Tengah,Wehali,desa,",
        "5321012002,Malaka Tengah,Kamanasa,dusun,",
        "53.21.01.2003,,123,desa,Asia/Betun",
        "53.21.01.2001,Malaka Tengah,Wewiku,desa,",
        header="code,kecamatan,name,kind,timezone",
    )

    with pytest.raises(ImportRefused) as caught:
        villages.import_villages(session, rows)

    assert [(fault.row, fault.column) for fault in caught.value.faults] == [
        (3, "code"),
        (3, "kind"),
        (4, "kecamatan"),
        (4, "name"),
        (4, "timezone"),
        (5, "code"),
    ]
    assert "row 2 already" in str(caught.value)
    assert count(session, Village) == SHIPPED


# People


def test_people_are_imported_with_their_villages(session: Session, directory: Directory):
    rows = people_table(
        f"081200000123,Yos Nabu,kades,{OINLASI}",
        f"081200000124,Mina Tse,SEKDES,{OINLASI}",
        f"081200000123,Yos Nabu,kades,{OINLASI}",
    )

    done = import_roster(session, directory, rows)

    assert done == Imported(new=2, changed=0, unchanged=0)
    assert entries(session) == [
        ("Yos Nabu", "kades", OINLASI, True),
        ("Mina Tse", "sekdes", OINLASI, True),
    ]
    assert sender_of(session, directory, "+6281200000123").is_registered


def test_the_same_file_again_changes_nothing(session: Session, directory: Directory):
    rows = people_table(f"081200000123,Yos Nabu,kades,{OINLASI}")
    import_roster(session, directory, rows)
    before = session.execute(sa.select(*Reporter.__table__.c)).all()

    done = import_roster(session, directory, rows)

    assert done == Imported(new=0, changed=0, unchanged=1)
    assert session.execute(sa.select(*Reporter.__table__.c)).all() == before


def test_another_name_or_role_changes_the_entry(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))

    done = import_roster(
        session, directory, people_table(f"+6281200000123,Yosef Nabu,tokoh,{OINLASI}")
    )

    assert done == Imported(new=0, changed=1, unchanged=0)
    assert entries(session) == [("Yosef Nabu", "tokoh", OINLASI, True)]


def test_a_dry_run_says_what_would_change_and_keeps_nothing(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))
    rows = people_table(
        f"081200000123,Yosef,kades,{OINLASI}", f"081200000124,Mina,sekdes,{OINLASI}"
    )

    done = import_roster(session, directory, rows, dry_run=True)

    assert done == Imported(new=1, changed=1, unchanged=0)
    assert entries(session) == [("Yos", "kades", OINLASI, True)]
    assert count(session, Phone) == 1


def test_one_bad_row_of_300_changes_nothing(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000000,Yos,kades,{OINLASI}"))
    lines = [f"0812000{number:05},Kader {number},kader,{OINLASI}" for number in range(300)]
    lines[150] = f"0388 21001,Kader 150,kader,{OINLASI}"

    with pytest.raises(ImportRefused) as caught:
        import_roster(session, directory, people_table(*lines))

    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(152, "phone")]
    assert entries(session) == [("Yos", "kades", OINLASI, True)]
    assert count(session, Phone) == 1


def test_every_bad_cell_is_named_at_once(session: Session, directory: Directory):
    rows = people_table(
        f"12345,Yos,kades,{OINLASI}",
        "081200000124,,pak RT,53.02.02.2099",
        f"081200000125,Yos 081200000126,kades,{OINLASI}",
        "081200000126,Yos,kades,Oinlasi",
        f"081200000127,Yos,kades,{OINLASI}",
        f"+6281200000127,Yosef,kades,{OINLASI}",
    )

    with pytest.raises(ImportRefused) as caught:
        import_roster(session, directory, rows)

    assert [(fault.row, fault.column) for fault in caught.value.faults] == [
        (2, "phone"),
        (3, "name"),
        (3, "role"),
        (3, "village_code"),
        (4, "name"),
        (5, "village_code"),
        (7, "phone"),
    ]
    said = str(caught.value)
    assert "'pak RT' is no role; mend: write one of kades sekdes bpd kader guru tokoh lain" in said
    assert "there is no village 53.02.02.2099; mend: near are 53.02.02.200" in said
    assert "stands in row 6 already" in said


def test_a_cell_that_the_spreadsheet_has_spoilt_is_named_with_its_row(
    session: Session, directory: Directory
):
    row = Row(
        9,
        {
            "phone": BadCell("it looks rounded", "type it as text"),
            "name": "Yos",
            "role": "kades",
            "village_code": OINLASI,
        },
    )

    with pytest.raises(ImportRefused, match="row 9, phone: it looks rounded; mend: type it"):
        import_roster(session, directory, [row])


@pytest.mark.parametrize("case", ["roster-shared-phone", "roster-two-villages-one-head"])
def test_a_phone_may_serve_two_villages(session: Session, directory: Directory, case: str):
    second = "Mina" if case == "roster-shared-phone" else "Yos"
    rows = people_table(
        f"081200000123,Yos,kades,{OINLASI}", f"081200000123,{second},kades,{BIKEKNENO}"
    )

    assert import_roster(session, directory, rows).notices == ()

    sender = sender_of(session, directory, "+6281200000123")
    assert [village.code for village in sender.villages] == [OINLASI, BIKEKNENO]
    assert count(session, Phone) == 1


def test_roster_already_registered_elsewhere(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))

    done = import_roster(session, directory, people_table(f"081200000123,Yos,kades,{BIKEKNENO}"))

    (notice,) = done.notices
    assert notice.startswith(f"row 2: this phone reports for {OINLASI} too")
    assert "timpora roster remove" in notice


def test_roster_number_changed(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))

    assert people.remove(session, directory, "0812-0000-0123") == 1
    import_roster(session, directory, people_table(f"081200000999,Yos,kades,{OINLASI}"))

    assert not sender_of(session, directory, "+6281200000123").is_registered
    assert sender_of(session, directory, "+6281200000999").is_registered


def test_roster_other_district(session: Session, directory: Directory):
    with pytest.raises(ImportRefused, match=r"there is no village 53\.21\.01\.2001") as caught:
        import_roster(session, directory, people_table("081200000123,Yos,kades,53.21.01.2001"))

    assert "timpora villages import" in str(caught.value)


def test_roster_recycled_sim(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))
    report = a_report(session, sender_of(session, directory, "+6281200000123").phone)

    people.remove(session, directory, "+6281200000123", reason="no longer kades")

    stranger = sender_of(session, directory, "+6281200000123")
    assert stranger.unverified_reason == "removed from the roster: no longer kades"
    session.refresh(report)
    assert (report.verified, report.village_code) == (True, OINLASI)
    (row,) = people.listing(session)
    assert row["ended"] is not None


def test_a_removed_phone_imported_again_starts_a_new_entry(session: Session, directory: Directory):
    rows = people_table(f"081200000123,Yos,kades,{OINLASI}")
    import_roster(session, directory, rows)
    people.remove(session, directory, "081200000123")

    assert import_roster(session, directory, rows).new == 1

    assert entries(session) == [
        ("Yos", "kades", OINLASI, False),
        ("Yos", "kades", OINLASI, True),
    ]
    assert count(session, Phone) == 1


def test_remove_ends_all_entries_of_a_phone_by_number_or_alias(
    session: Session, directory: Directory
):
    import_roster(
        session,
        directory,
        people_table(
            f"081200000123,Yos,kades,{OINLASI}",
            f"081200000123,Yos,kades,{BIKEKNENO}",
            f"081200000124,Mina,sekdes,{OINLASI}",
        ),
    )
    alias = sender_of(session, directory, "+6281200000124").phone.alias

    assert people.remove(session, directory, "081200000123") == 2
    assert people.remove(session, directory, "081200000123") == 0
    assert people.remove(session, directory, "081200000555") == 0
    assert people.remove(session, directory, alias.lower()) == 1
    with pytest.raises(msisdn.BadMsisdn):
        people.remove(session, directory, "Yos")


def test_the_list_shows_an_alias_and_never_the_number(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))
    alias = sender_of(session, directory, "+6281200000123").phone.alias

    (row,) = people.listing(session, ZONE)

    assert row == {
        "alias": alias,
        "name": "Yos",
        "role": "kades",
        "village_code": OINLASI,
        "village": "Oinlasi",
        "since": row["since"],
        "ended": None,
        "ended_reason": None,
        "is_demo": False,
    }
    assert row["since"].endswith("+08:00")
    assert "1200000123" not in str(row)


def test_the_number_stands_in_the_table_of_phones_alone(session: Session, directory: Directory):
    import_roster(session, directory, people_table(f"081200000123,Yos,kades,{OINLASI}"))

    for table in (Reporter.__table__, Village.__table__, Mark.__table__):
        assert "1200000123" not in str(session.execute(sa.select(table)).all())


def test_a_long_file_is_imported_with_few_statements(session: Session, directory: Directory):
    lines = [f"0812{number:08},Kader {number},kader,{OINLASI}" for number in range(5000)]
    rows = people_table(*lines)
    assert import_roster(session, directory, rows).new == 5000

    statements = []
    sa.event.listen(
        session.connection(),
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]),
    )
    assert import_roster(session, directory, rows).unchanged == 5000
    assert len(statements) < 30


# Demo people


def test_demo_people_come_with_the_first_start_only(
    session: Session, directory: Directory, settings: Settings
):
    demo.load_demo(session, directory, settings)
    first = entries(session)
    demo.remove_demo(session)
    demo.load_demo(session, directory, settings)

    assert len(first) == SHIPPED + 3
    assert ("Kades Oinlasi", "kades", OINLASI, True) in first
    assert ("Sekdes Oinlasi", "sekdes", OINLASI, True) in first
    assert {code for _, role, code, _ in first if role == "kades"} == set(
        session.scalars(sa.select(Village.code))
    )
    assert not any(active for _, _, _, active in entries(session))


def test_demo_numbers_follow_the_order_of_the_villages(
    session: Session, directory: Directory, settings: Settings
):
    demo.load_demo(session, directory, settings)

    first = sender_of(session, directory, "+6281237000001")
    assert [village.code for village in first.villages] == ["53.02.01.1001"]
    assert len(sender_of(session, directory, "+6281237000280").villages) == 2
    number = demo.demo_phone(session, OINLASI)
    assert number is not None
    assert [v.code for v in sender_of(session, directory, number).villages] == [OINLASI]


def test_there_is_no_demo_number_where_there_are_no_demo_people(
    session: Session, directory: Directory, settings: Settings
):
    assert demo.demo_phone(session, OINLASI) is None
    demo.load_demo(session, directory, settings)
    assert demo.remove_demo(session) == SHIPPED + 3 + OFFICERS
    assert demo.demo_phone(session, OINLASI) is None


def test_production_has_no_demo_people(session: Session, directory: Directory, settings: Settings):
    demo.load_demo(session, directory, replace(settings, env="production"))

    assert count(session, Reporter) == 0


def test_a_real_person_takes_the_place_of_a_demo_one(
    session: Session, directory: Directory, settings: Settings
):
    demo.load_demo(session, directory, settings)
    number = demo.demo_phone(session, OINLASI)

    done = import_roster(
        session, directory, people_table(f"{number},Kades Oinlasi,kades,{OINLASI}")
    )

    assert done == Imported(new=0, changed=1, unchanged=0)
    assert demo.remove_demo(session) == SHIPPED + 2 + OFFICERS


def test_demo_people_meet_no_provider_outside_this_machine(
    session: Session, directory: Directory, settings: Settings
):
    def look(base_url: str | None) -> None:
        account = AfricasTalkingAccount("timpora", "key", None, base_url)
        demo.refuse_outside_world(
            session, replace(settings, accounts=replace(settings.accounts, africastalking=account))
        )

    inside = ["http://127.0.0.1:80", "http://127.9.9.9", "http://[::1]:80", "http://localhost:80"]
    outside = [
        "http://localhost.example.org",
        "http://127.0.0.1@example.org",
        "http://10.0.0.1",
        "http://[::2]",
        "https://sms.example.org",
    ]
    look("https://sms.example.org")
    demo.load_demo(session, directory, settings)

    demo.refuse_outside_world(session, settings)
    for base_url in inside:
        look(base_url)
    for base_url in (*outside, None):
        with pytest.raises(demo.DemoPeopleError, match="TIMPORA_AFRICASTALKING_BASE_URL"):
            look(base_url)
    demo.remove_demo(session)
    look(None)


# Commands


@pytest.fixture
def run(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(commands, "office", lambda: office)
    # It looks for the gateway of the environment; that is proven beside the other commands.
    monkeypatch.setattr(commands, "demand_gateway", lambda: None)
    with office.database.writing() as session:
        villages.ensure_shipped(session)

    def run(group: click.Group, *words: str | Path) -> Result:
        return CliRunner().invoke(group, [str(word) for word in words])

    return run


@pytest.fixture
def roster_file(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(f"phone,name,role,village_code\n081200000123,Yos,kades,{OINLASI}\n")
    return path


def test_the_commands_import_list_and_remove(run: Callable[..., Result], roster_file: Path):
    tried = run(commands.roster, "import", roster_file, "--dry-run")
    imported = run(commands.roster, "import", roster_file)
    shown = run(commands.roster, "list")
    listed = run(commands.roster, "list", "--json")
    removed = run(commands.roster, "remove", "0812 0000 0123")
    again = run(commands.roster, "remove", "0812 0000 0123")

    assert "people: 1 new, 0 changed, 0 unchanged" in tried.stdout
    assert "nothing was kept" in tried.stdout
    assert imported.stdout == "people: 1 new, 0 changed, 0 unchanged\n"
    (row,) = json.loads(listed.stdout)
    assert row["alias"] in shown.stdout
    assert "1200000123" not in listed.stdout + shown.stdout
    assert removed.stdout == "1 removed\n"
    assert (again.exit_code, again.stdout) == (1, "")
    assert "not in the roster" in again.stderr


def test_a_refused_file_ends_with_1_and_its_bad_rows_on_stderr(
    run: Callable[..., Result], roster_file: Path, tmp_path: Path
):
    with roster_file.open("a") as file:
        file.write(f"0388 21001,Mina,sekdes,{OINLASI}\n")
    wrong = tmp_path / "villages.csv"
    wrong.write_text("code,name\n")

    people_done = run(commands.roster, "import", roster_file)
    villages_done = run(commands.villages, "import", wrong)
    nothing = run(commands.roster, "list", "--json")

    assert (people_done.exit_code, people_done.stdout) == (1, "")
    assert "row 3, phone: '0388 21001': this is a landline; mend:" in people_done.stderr
    assert villages_done.exit_code == 1
    assert "lack kecamatan, kind" in villages_done.stderr
    assert json.loads(nothing.stdout) == []


def test_the_commands_import_villages_and_remove_demo_people(
    run: Callable[..., Result], office: Wiring, tmp_path: Path
):
    file = tmp_path / "villages.csv"
    file.write_text("code;kecamatan;name;kind\n53.21.01.2001;Malaka Tengah;Wehali;desa\n")
    with office.database.writing() as session:
        demo.load_demo(session, office.directory, office.settings)

    imported = run(commands.villages, "import", file)
    removed = run(commands.roster, "remove-demo")

    assert imported.stdout == "villages: 1 new, 0 changed, 0 unchanged\n"
    assert removed.stdout == f"{SHIPPED + 3 + OFFICERS} removed\n"
