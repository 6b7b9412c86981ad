"""Whether the documents tell the truth: each is held against the code that it speaks of."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from re import DOTALL, MULTILINE
from zoneinfo import ZoneInfo

import click
import pytest
import sqlalchemy as sa
from support.office_work import do_all_work, register
from support.repository import ROOT, files_in_repository

from gateway import clock, health
from gateway.accounts import CHANNELS
from gateway.app import create_app
from gateway.cli.main import timpora
from gateway.messaging import receiving
from gateway.messaging.queues import Job
from gateway.providers.base import InboundSms, Intake
from gateway.providers.registry import providers
from gateway.replies import catalogue
from gateway.reporting import preview
from gateway.roster.villages import shipped_rows
from gateway.settings import read_settings
from gateway.wiring import Wiring, wire
from models import schema
from models.inbox import InboundMessage
from models.outbox import OutboundMessage
from models.states import Lane, MessageStatus, ReportState
from parsers import loading, reading
from parsers.form import Command, Form

DOCS = ROOT / "docs"
READMES = ("README.md", "README.id.md")
LONGEST_DECISION = 60
"""Lines: a page that does not fit a screen hides its point."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def markdown() -> tuple[Path, ...]:
    return files_in_repository("*.md")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=DOTALL | MULTILINE)


# --- settings ------------------------------------------------------------------------------------


class Asked(dict[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, **given: str) -> None:
        super().__init__(given)
        self.names: set[str] = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)


@pytest.fixture
def variables(tmp_path: Path) -> set[str]:
    environ = Asked(TIMPORA_DATA_DIR=str(tmp_path))
    read_settings(environ)
    return environ.names


def test_every_setting_that_is_read_is_described(variables: set[str]):
    described = set(re.findall(r"^\| `(TIMPORA_[A-Z_]+)`", text_of("docs/settings.md"), MULTILINE))
    of_channels = set(
        re.findall(r"^\| `TIMPORA_<CHANNEL>_([A-Z_]+)`", text_of("docs/settings.md"), MULTILINE)
    )
    channels = "|".join(name.upper() for name in (*CHANNELS, "ussdjson"))
    own = {name for name in variables if not is_of_channels(name, channels, of_channels)}

    assert described == own
    assert of_channels == {rule for rule in of_channels if f"TIMPORA_KANNEL_{rule}" in variables}


def is_of_channels(name: str, channels: str, rules: set[str]) -> bool:
    """Tell a variable that every channel has, and that is described for all of them at once."""
    found = re.fullmatch(rf"TIMPORA_(?:{channels})_([A-Z_]+)", name)
    return found is not None and found[1] in rules


def test_the_template_of_settings_names_them_all(variables: set[str]):
    named = set(re.findall(r"^#?(TIMPORA_[A-Z_]+)=", text_of(".env.example"), MULTILINE))

    described = text_of("docs/settings.md")
    of_channels = set(re.findall(r"^\| `TIMPORA_<CHANNEL>_([A-Z_]+)`", described, MULTILINE))
    channels = "|".join(name.upper() for name in (*CHANNELS, "ussdjson"))
    assert named == {
        name for name in variables if not is_of_channels(name, channels, of_channels)
    } | {f"TIMPORA_GAMMU_{rule}" for rule in of_channels if f"TIMPORA_GAMMU_{rule}" in variables}


def test_documents_name_no_setting_that_nobody_reads(variables: set[str]):
    named = {
        name
        for path in markdown()
        for name in re.findall(r"TIMPORA_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }

    assert named <= variables


# --- commands, targets, routes, figures ----------------------------------------------------------


def commands(group: click.Group = timpora, path: str = "timpora") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
            if not command.invoke_without_command:
                continue
        yield f"{path} {name}"


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_in_the_guide(command: str):
    assert re.search(rf"`{command}[ `]", text_of("docs/running.md"))


def test_the_guides_name_no_command_that_does_not_exist():
    known = set(commands())
    groups = {command.rsplit(" ", 1)[0] for command in known}
    for path in markdown():
        for words in re.findall(r"`timpora ([a-z][a-z -]*)", path.read_text(encoding="utf-8")):
            first, *rest = words.split()
            named = f"timpora {first}"
            if named in groups - known or (rest and f"{named} {rest[0]}" in known):
                named = f"{named} {rest[0]}"
            assert named in known, f"{path.name}: {named}"


def test_every_make_target_is_in_the_readme_or_in_contributing():
    targets = re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), MULTILINE)
    told = text_of("README.md") + text_of("CONTRIBUTING.md")

    assert targets
    assert [target for target in targets if f"`make {target}" not in told] == []


def test_documents_name_no_make_target_that_does_not_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), MULTILINE))
    for path in markdown():
        named = set(re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")))
        assert named <= targets, path.name


def test_every_figure_is_in_the_guide():
    figures = re.findall(r'"(timpora_\w+)"', Path(health.__file__).read_text(encoding="utf-8"))

    assert figures
    assert [one for one in figures if f"`{one}`" not in text_of("docs/running.md")] == []


@pytest.mark.parametrize(
    "name",
    [*ReportState, *MessageStatus, *Lane, *Job],
)
def test_every_state_status_lane_and_job_is_told(name: str):
    assert f"`{name}`" in text_of("docs/architecture.md") + text_of("docs/running.md")


# --- forms, commands of reporters, providers -----------------------------------------------------


@pytest.fixture(scope="module")
def codes() -> dict[str, Form | Command]:
    words = loading.load()
    done = {code: one for code, one in words.commands.items() if not one.not_open_yet}
    return {**words.forms, **done}


@pytest.mark.parametrize("readme", READMES)
def test_every_code_and_no_other_is_told_to_work(readme: str, codes: dict[str, Form | Command]):
    rows = re.findall(r"^\| `([A-Z]+)`.*\|.*\|$", text_of(readme), MULTILINE)

    assert sorted(rows) == sorted(codes)


@pytest.mark.parametrize("readme", READMES)
def test_what_is_said_not_to_be_there_is_not_there(readme: str, codes: dict[str, Form | Command]):
    paragraph = re.search(
        r"^(?:Not there yet|Belum ada):.*?\n\n", text_of(readme), DOTALL | MULTILINE
    )
    assert paragraph is not None

    assert set(re.findall(r"`([A-Z]+)`", paragraph[0])).isdisjoint(codes)


def test_the_keys_of_a_form_are_in_the_guide():
    guide = text_of("docs/adding-a-form.md")
    for path in (ROOT / "parsers" / "forms").glob("*.toml"):
        form = tomllib.loads(path.read_text(encoding="utf-8"))
        keys = {*form, *(key for field in form["fields"] for key in field)} - {"fields", "replies"}
        assert [key for key in keys if f"`{key}`" not in guide] == [], path.name


@pytest.mark.parametrize("readme", READMES)
def test_every_provider_has_a_page_that_the_readme_links(readme: str, office: Wiring):
    for name in providers(office.settings):
        assert (DOCS / "providers" / f"{name}.md").exists()
        assert f"(docs/providers/{name}.md)" in text_of(readme)


def test_every_route_is_told(office: Wiring):
    guide = text_of("docs/running.md") + text_of("docs/providers/africastalking.md")
    for rule in create_app(office).url_map.iter_rules():
        shown = "`/webhooks/" if rule.rule.startswith("/webhooks/") else f"`{rule.rule}`"
        assert shown in guide


# --- decisions, glossary, links ------------------------------------------------------------------


def decisions() -> list[Path]:
    return sorted((DOCS / "decisions").glob("[0-9]*.md"))


def test_every_decision_is_in_the_index_by_its_number_and_once():
    rows = re.findall(
        r"^\| (\d{4}) \| \[.+\]\((.+)\) \|", text_of("docs/decisions/README.md"), MULTILINE
    )

    assert [name for _, name in rows] == [path.name for path in decisions()]
    assert all(name.startswith(f"{number}-") for number, name in rows)


@pytest.mark.parametrize("page", decisions(), ids=lambda path: path.name[:4])
def test_a_decision_says_why_what_and_what_follows(page: Path):
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.name[:4]} ")
    parts = ["**Context.**", "**Decision.**", "**Status.**"]
    assert [part for part in parts if part not in text] == []
    assert len(text.splitlines()) <= LONGEST_DECISION


def test_every_direct_dependency_has_its_reason():
    project = tomllib.loads(text_of("pyproject.toml"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    named = [one for group in groups for one in group if isinstance(one, str)]
    page = text_of("docs/decisions/0013-dependencies.md")

    names = [re.match(r"[\w-]+", one)[0] for one in named]
    assert [name for name in names if f"**{name}**" not in page] == []


#: Words of the field that code and documents lean on.
TERMS = (
    "adapter", "alias", "camat", "channel", "check digit", "claim", "code", "command",
    "confirmation number", "delivery report (DLR)", "desa", "doorbell", "draft",
    "fingerprint", "flag", "form", "kades", "kecamatan", "lane", "loopback", "MO", "MSISDN",
    "MT", "PMI", "poison message", "provider", "quarantine", "redelivery", "report",
    "reporter", "ring", "roster", "segment", "set aside", "short code", "state", "status",
    "sweep", "sweeper", "Timpora", "TPPO", "turn", "turnstile", "unconfirmed", "urgency",
    "verified", "WNA",
)  # fmt: skip


def test_the_glossary_is_whole_and_in_order():
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text_of("docs/glossary.md"), MULTILINE)[
        1:
    ]
    english = [row[0] for row in rows]
    terms = [term for cell in english for term in cell.split(", ")]

    assert [term for term in TERMS if term not in terms] == []
    assert english == sorted(english, key=str.casefold)
    assert len(terms) == len(set(terms))
    assert all(cell.strip() for row in rows for cell in row)


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), MULTILINE)
    plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", head) for head in heads]
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", markdown(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = without_code(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(path), target


def test_every_page_can_be_reached_from_the_readme():
    seen: set[Path] = set()
    to_read = [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^):#\s]+\.md)", page.read_text(encoding="utf-8"))
        to_read += [(page.parent / target).resolve() for target in links]

    assert [path for path in markdown() if path.is_relative_to(DOCS) and path not in seen] == []


# --- what the READMEs say that the gateway answers -----------------------------------------------


@dataclass(frozen=True)
class Exchange:
    """What a kades sends and hears, one after the other, from a moment on."""

    at: str
    lines: tuple[tuple[str, str], ...]


def exchanges(readme: str) -> list[Exchange]:
    found = []
    for at, body in re.findall(r"^```sms (\S+)\n(.*?)^```", text_of(readme), DOTALL | MULTILINE):
        lines = body.splitlines()
        pairs = zip(lines[::2], lines[1::2], strict=True)
        found.append(
            Exchange(
                at,
                tuple(
                    (said.removeprefix("kades > "), heard.removeprefix("balasan < "))
                    for said, heard in pairs
                ),
            )
        )
    return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Wiring]:
    settings = read_settings({"TIMPORA_DATA_DIR": str(tmp_path), "TIMPORA_PIECE_WAIT": "0"})
    wiring = wire(settings)
    schema.upgrade(wiring.database)
    yield wiring
    wiring.database.dispose()


def oinlasi() -> str:
    """Find the village of the READMEs' kades; other kecamatan have one of that name too."""
    rows = [row.cells for row in shipped_rows()]
    place = {"name": "Oinlasi", "kecamatan": "Mollo Selatan"}
    return str(next(row["code"] for row in rows if place.items() <= row.items()))


def answer(office: Wiring, text: str, at: datetime) -> list[str]:
    message = InboundSms("+6281200000123", "22345", text, network_time=at)
    with office.database.writing() as session:
        kept = receiving.accept(session, office.directory, "loopback", Intake((message,)))
    do_all_work(office)
    with office.database.reading() as session:
        replies = sa.select(OutboundMessage.text).join(
            InboundMessage, InboundMessage.id == OutboundMessage.in_reply_to
        )
        return list(session.scalars(replies.where(InboundMessage.id.in_(kept))))


def test_both_readmes_show_the_same_exchanges():
    first, second = (exchanges(readme) for readme in READMES)

    assert len(first) >= 3
    assert first == second


@pytest.mark.parametrize("exchange", exchanges(READMES[0]), ids=lambda one: one.lines[0][0])
def test_the_gateway_answers_as_the_readme_says(
    exchange: Exchange, office: Wiring, monkeypatch: pytest.MonkeyPatch
):
    at = datetime.fromisoformat(exchange.at)
    monkeypatch.setattr(clock, "now", lambda: at)
    register(office, "+6281200000123", [oinlasi()])

    for said, heard in exchange.lines:
        at += timedelta(minutes=1)
        # Each deployment gives its own numbers: their order hangs on its key.
        heard_here = [re.sub(r"\d{6}", "#", one) for one in answer(office, said, at)]
        assert heard_here == [re.sub(r"\d{6}", "#", heard)]


@pytest.mark.parametrize("exchange", exchanges(READMES[0]), ids=lambda one: one.lines[0][0])
def test_timpora_parse_shows_what_the_readme_says(exchange: Exchange, office: Wiring):
    at = datetime.fromisoformat(exchange.at)

    for said, heard in exchange.lines:
        shown = preview.read_and_answer(said, office.desk, at, "reporter", "Oinlasi")
        is_report = shown["items"][0]["outcome"] in {"report", "draft"}
        # An answer to a question means nothing by itself; a number in a preview is a sample.
        if is_report:
            assert re.sub(r"\d{6}", "#", shown["reply"]) == re.sub(r"\d{6}", "#", heard)


def test_what_pages_quote_from_the_catalogue_stands_there():
    page = text_of("docs/providers/africastalking.md")

    assert f"END {catalogue.load(None)['id'].text('ERR_USSD')}" in page


# --- the guide of a kades ------------------------------------------------------------------------


def examples_of(page: str) -> list[str]:
    """Give what stands in code font and begins with a code or a word of a sentence."""
    return [
        text
        for text in re.findall(r"`([^`]+)`", text_of(page))
        if len(text.split()) > 1 or "#" in text or text.isupper()
    ]


def test_every_example_in_the_guide_of_a_kades_is_understood():
    words = loading.load()
    now = datetime(2026, 11, 25, 10, 0, tzinfo=ZoneInfo("Asia/Makassar"))
    no_reports = {
        "#",
        "R",
        ".2",
        "TIDAK TAHU",
        "salah, 3 orang",
        "sonde tau",
        "tadi malam",
        "tgl 24/11",
    }
    examples = [one for one in examples_of("docs/kades.md") if one not in no_reports]
    outcomes = {text: reading.read(text, words, now=now).items[0] for text in examples}

    assert len(examples) > 20
    assert {
        text: item.outcome
        for text, item in outcomes.items()
        if item.outcome not in {"report", "command", "draft"} or item.problems
    } == {}
    whole = {text: item for text, item in outcomes.items() if "#" in text}
    assert {text: item.missing for text, item in whole.items() if item.missing} == {}
