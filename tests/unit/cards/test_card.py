"""The code card: what stands on it, from which data, and how a wrong wish is refused."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from gateway.app import create_app
from gateway.cards import choosing, rendering, texts
from gateway.cards.choosing import NoSuchVillage
from gateway.cards.rendering import Place
from gateway.cli import office as shared
from gateway.cli.main import timpora
from gateway.roster.tables import Row
from gateway.roster.villages import ensure_shipped, import_villages, shipped_rows
from gateway.settings import SettingsError, read_settings
from gateway.wiring import Wiring, wire
from models import schema
from models.people import Village
from parsers import loading
from parsers.datafiles import DataError, Source
from parsers.form import LANGUAGES
from parsers.reading import read as read_sms

OINLASI = Place("53.02.02.2008", "Oinlasi", "desa", "53.02.02", "Mollo Selatan")
MOLLO_SELATAN = "53.02.02"
TEMPLATES = Path(rendering.__file__).parent / "templates"
TEXTS = Path(texts.__file__).parent / "texts.toml"
FORM = """
code = "BANJIR"
order = 25
title = { id = "Air naik", en = "Flood" }
example = "BANJIR#2#dusun 3"
urgency = "sedang"
holds_draft = false
first_state = "received"

[[fields]]
name = "count"
kind = "count"
label = { id = "rumah", en = "houses" }
wanted = true
ask = "ERR_JUMLAH"
limits = { min = 1, max = 200 }
"""


class Page(HTMLParser):
    """What a page shows, and whether every element is closed by its own tag."""

    EMPTY = frozenset(["meta", "link", "br"])

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []
        self.by_card: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "article":
            self.by_card.append([])
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open or "script" in self.open:
            return
        self.shown.append(data)
        if "article" in self.open:
            self.by_card[-1].append(data)

    @property
    def text(self) -> str:
        return as_shown(self.shown)

    @property
    def cards(self) -> list[str]:
        return [as_shown(one) for one in self.by_card]


def as_shown(parts: list[str]) -> str:
    return " ".join("".join(parts).split())


def drawn(
    *places: Place, language: str = "id", number: str | None = None, agency: Path | None = None
) -> Page:
    forms = loading.load(agency).forms.values()
    return Page(rendering.cards(places, forms, texts.shipped()[language], number))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Wiring]:
    wiring = wire(read_settings({"TIMPORA_DATA_DIR": str(tmp_path / "data")}))
    wiring.settings.data_dir.mkdir(exist_ok=True)
    schema.upgrade(wiring.database)
    with wiring.database.writing() as session:
        ensure_shipped(session)
    yield wiring
    wiring.database.dispose()


@pytest.fixture
def client(office: Wiring) -> FlaskClient:
    return create_app(office).test_client()


Call = Callable[..., Result]


@pytest.fixture
def call(office: Wiring, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("TIMPORA_DATA_DIR", str(office.settings.data_dir))
    shared.settings.cache_clear()
    shared.office.cache_clear()

    def run(*arguments: str) -> Result:
        try:
            return CliRunner().invoke(timpora, ["card", *arguments])
        finally:
            shared.office().database.dispose()
            shared.settings.cache_clear()
            shared.office.cache_clear()

    return run


# What stands on a card ----------------------------------------------------------------------------


def test_every_village_has_a_card_with_its_name_kecamatan_and_code(office: Wiring):
    with office.database.reading() as session:
        places = choosing.everyone(session)

    cards = drawn(*places).cards

    assert len(cards) == len(shipped_rows()) == 278
    for place, card in zip(places, cards, strict=True):
        kind = "Desa" if place.kind == "desa" else "Kelurahan"
        assert f"{kind} {place.name} Kecamatan {place.kecamatan}" in card
        assert place.code in card


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_stands_there_with_title_and_example(language: str):
    card = drawn(OINLASI, language=language).cards[0]

    places = []
    for form in loading.load().forms.values():
        places.append(card.index(f"{form.code} {form.title[language]}"))
        assert f": {form.example}" in card[places[-1] :]
    assert places == sorted(places)


def test_a_form_file_in_an_agency_folder_brings_its_line(tmp_path: Path):
    assert "BANJIR" not in drawn(OINLASI).text
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "banjir.toml").write_text(FORM, encoding="utf-8")

    card = drawn(OINLASI, agency=tmp_path).cards[0]

    assert "BANJIR Air naik: rumah Contoh: BANJIR#2#dusun 3" in card
    # In its order, and beside the others.
    assert card.index("WNA ") < card.index("BANJIR ") < card.index("PMI ") < card.index("NIHIL ")
    assert "BANJIR Flood" in drawn(OINLASI, agency=tmp_path, language="en").text


def test_what_suffices_alone_is_said(tmp_path: Path):
    (tmp_path / "forms").mkdir()
    more = FORM.replace("urgency", 'enough = ["place"]\nurgency') + (
        '\n[[fields]]\nname = "place"\nkind = "place"\nlabel = { id = "tempat", en = "place" }\n'
    )
    (tmp_path / "forms" / "banjir.toml").write_text(more, encoding="utf-8")

    assert "Air naik: rumah; atau cukup tempat Contoh:" in drawn(OINLASI, agency=tmp_path).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mends_the_police_and_the_warning_stand_there(language: str):
    card = drawn(OINLASI, language=language).cards[0]

    for typed in ("TIDAK TAHU", "BATAL 104277", "TAMBAH 104277", "BANTU", "R WNA", "110"):
        assert typed in card
    assert ("uang, pulsa atau PIN" if language == "id" else "money, phone credit or a PIN") in card
    assert "{" not in card
    assert "`" not in card


def test_what_the_card_lets_people_type_is_understood():
    words = loading.load()
    typed = {
        piece.words
        for mend in texts.shipped()["id"].mends.values()
        for piece in texts.pieces(mend.what, no="104277", code="WNA")
        if piece.is_typed
    }

    commands = {one.split()[0] for one in typed} - {"TIDAK", "R"}
    assert commands
    assert commands <= words.commands.keys()
    moment = datetime(2026, 6, 15, 9, tzinfo=UTC)
    # The card shows the quiet prefix before the first code.
    quiet = read_sms(f"R {next(iter(words.forms.values())).example}", words, now=moment)
    assert "quiet" in quiet.items[0].flags


def test_the_number_stands_there_or_a_line_to_write_it_on():
    with_number, without = drawn(OINLASI, number="0812-3456-7890"), drawn(OINLASI)

    assert "Kirim SMS ke 0812-3456-7890 Simpan nomor ini" in with_number.text
    assert "tulis nomornya di sini" not in with_number.text
    assert "(tulis nomornya di sini)" in without.text


# The page -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_its_language_and_fetches_nothing(language: str):
    page = drawn(OINLASI, language=language)

    assert ("html", {"lang": language}) in page.tags
    style = (TEMPLATES / "card.css").read_text(encoding="utf-8")
    fetching = {"src", "href", "srcset", "style", "data", "background"}
    assert [tag for tag, given in page.tags if fetching & given.keys()] == []
    assert [word for word in ("url(", "@import") if word in style] == []
    # Examples are Indonesian whatever the page is.
    assert all(given == {"lang": "id"} for tag, given in page.tags if tag == "kbd")


def test_a_hostile_name_is_a_name():
    name = "<script>alert(1)</script>\"'&{{ 7*7 }}<u>"
    page = drawn(Place("53.02.02.2999", name, "desa", MOLLO_SELATAN, name))

    assert page.cards[0].count(name) == 2
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert [tag for tag, _ in page.tags].count("u") == 0
    index = Page(rendering.index([Place('"><i>', name, "desa", '"><i>', name)]))
    assert {"script", "i", "u"}.isdisjoint(tag for tag, _ in index.tags)


def test_the_size_of_letters_follows_the_number_of_codes():
    form = next(iter(loading.load().forms.values()))

    def size(count: int) -> str:
        html = rendering.cards([OINLASI], [form] * count, texts.shipped()["id"], None)
        return re.search(r'class="card (\w+)"', html)[1]

    assert [size(count) for count in (1, 4, 5, 6, 7)] == [
        "large", "large", "middle", "middle", "small",
    ]  # fmt: skip


# The texts ----------------------------------------------------------------------------------------


def test_both_languages_have_the_same_texts():
    first, second = (texts.shipped()[language] for language in LANGUAGES)

    assert first.texts.keys() == second.texts.keys() == set(texts.KEYS)
    assert list(first.mends) == list(second.mends)


def test_no_text_is_left_unused():
    used = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html"))
    named = set(re.findall(r"\bt\.(\w+)", used))

    assert named | {"desa", "kelurahan"} == set(texts.KEYS)


@pytest.mark.parametrize(
    ("found", "instead", "complaint"),
    [
        ('en = "Report by SMS"', 'de = "Bericht"', "title is not in id and en"),
        ('en = "Report by SMS"', 'en = " "', "title is empty or no text"),
        ('id = "Lapor lewat SMS"', "id = 3", "title is empty or no text"),
        ("No {no}.", "No {nomor}.", "receipt has {nomor}"),
        ("police `110`", "police `110", "danger has a backtick too few"),
        ("police `110`", "police `911`", "danger has people type different things"),
        ("save_as = ", "safe_as = ", "[texts] has no save_as"),
        ("[texts]", '[texts]\nextra = { id = "a", en = "b" }', "[texts] has 'extra'"),
        ("[mends.wrong]\nwhen", "[mends.wrong]\nwhy", "[mends.wrong] has no when"),
        ("[mends.wrong]", "[mends]\nwrong = 3\n[mends.other]", "wrong is no section"),
        ("[texts]", "[words]", "the file has no texts"),
        ("[texts]", "[texts", "Mend the TOML there"),
    ],
)
def test_a_wrong_text_is_named(found: str, instead: str, complaint: str, tmp_path: Path):
    path = tmp_path / "texts.toml"
    whole = TEXTS.read_text(encoding="utf-8")
    assert found in whole
    path.write_text(whole.replace(found, instead, 1), encoding="utf-8")

    with pytest.raises(DataError) as refused:
        texts.read(Source.open(path))

    assert complaint in str(refused.value)
    assert re.search(r"texts\.toml, line \d+: ", str(refused.value))


# Which villages -----------------------------------------------------------------------------------


def test_villages_are_chosen_by_code_by_kecamatan_or_all(office: Wiring):
    with office.database.reading() as session:
        chosen = choosing.by_codes(session, ["53.02.02.2008", "53.02.01.1001", "53.02.02.2008"])
        kecamatan = choosing.of_kecamatan(session, MOLLO_SELATAN)

    assert [place.name for place in chosen] == ["Oinlasi", "SoE"]
    assert OINLASI in kecamatan
    assert {place.kecamatan for place in kecamatan} == {"Mollo Selatan"}


def test_a_village_that_is_not_there_is_named_with_the_mend(office: Wiring):
    with office.database.reading() as session:
        with pytest.raises(NoSuchVillage, match=r"no village 53\.02\.02\.9999; mend: .*villages"):
            choosing.by_codes(session, ["53.02.02.2008", "53.02.02.9999"])
        with pytest.raises(NoSuchVillage, match=r"no kecamatan 53\.99\.99; mend: "):
            choosing.of_kecamatan(session, "53.99.99")


def test_whoever_gives_a_name_is_told_the_codes_of_that_name(office: Wiring):
    with office.database.reading() as session, pytest.raises(NoSuchVillage) as refused:
        choosing.by_codes(session, ["oinlasi"])

    assert "53.02.02.2008 (Mollo Selatan)" in str(refused.value)


def test_an_imported_name_is_escaped_on_its_card(office: Wiring, client: FlaskClient):
    cells = {
        "code": "53.02.02.2999",
        "kecamatan": "Mollo <Selatan>",
        "name": "A<b>&",
        "kind": "desa",
    }
    with office.database.writing() as session:
        import_villages(session, [Row(1, cells)])

    html = client.get("/card/53.02.02.2999").text

    assert "Desa A&lt;b&gt;&amp;" in html
    assert "Mollo &lt;Selatan&gt;" in html


# The command --------------------------------------------------------------------------------------


def test_the_command_prints_one_page_for_each_village(call: Call):
    done = call("53.02.02.2008", "53.02.01.1001")

    assert done.exit_code == 0
    first, second = Page(done.stdout).cards
    assert "Desa Oinlasi" in first
    assert "Kelurahan SoE" in second


def test_the_command_writes_a_file_in_english(call: Call, tmp_path: Path):
    path = tmp_path / "cards.html"

    done = call("--kecamatan", MOLLO_SELATAN, "--lang", "en", "--output", str(path))

    cards = Page(path.read_text(encoding="utf-8")).cards
    assert done.exit_code == 0
    assert f"{len(cards)} written" in done.stdout
    assert any("Village Oinlasi Subdistrict Mollo Selatan" in card for card in cards)


def test_the_command_prints_all(call: Call):
    assert len(Page(call("--all").stdout).cards) == 278


def test_without_villages_there_is_nothing_to_print(call: Call, office: Wiring):
    with office.database.writing() as session:
        session.execute(sa.delete(Village))

    done = call("--all")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "there are no villages yet; mend: timpora db upgrade" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("53.02.02.9999",), "timpora: there is no village 53.02.02.9999; mend: "),
        (("--kecamatan", "53"), "timpora: there is no kecamatan 53; mend: "),
        ((), "name villages by their codes"),
        (("53.02.02.2008", "--all"), "name villages by their codes"),
        (("53.02.02.2008", "--output", "/dev/null/card.html"), "cannot be written"),
    ],
)
def test_a_wrong_wish_is_refused(call: Call, arguments: tuple[str, ...], complaint: str):
    done = call(*arguments)

    assert done.exit_code != 0
    assert done.stdout == ""
    assert complaint in done.stderr


# In the browser -----------------------------------------------------------------------------------


def test_file_and_browser_show_the_same(call: Call, client: FlaskClient):
    assert client.get("/card/53.02.02.2008").text == call("53.02.02.2008").stdout.rstrip("\n")
    english = client.get("/card/53.02.02.2008?lang=en").text
    assert english == call("53.02.02.2008", "--lang", "en").stdout.rstrip("\n")


def test_a_kecamatan_and_the_list_of_all(client: FlaskClient):
    cards = Page(client.get(f"/card?kecamatan={MOLLO_SELATAN}").text).cards
    index = Page(client.get("/card").text)

    links = [given["href"] for tag, given in index.tags if tag == "a"]
    assert f"/card?kecamatan={MOLLO_SELATAN}" in links
    assert f"/card/{OINLASI.code}" in links
    assert len([link for link in links if link.startswith(f"/card/{MOLLO_SELATAN}.")]) == len(cards)


@pytest.mark.parametrize(
    "path", ["/card/53.02.02.9999", "/card?kecamatan=1", "/card/53.02.02.2008?lang=de"]
)
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.content_type == "text/plain; charset=utf-8"


def test_only_our_own_style_and_script_may_run(client: FlaskClient):
    for path in ("/card", "/card/53.02.02.2008"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == rendering.POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in rendering.POLICY


def test_production_has_no_such_page(tmp_path: Path):
    settings = read_settings(
        {
            "TIMPORA_DATA_DIR": str(tmp_path),
            "TIMPORA_ENV": "production",
            "TIMPORA_SECRET_KEY": "k" * 32,
            "TIMPORA_WEBHOOK_SECRET": "a-path-of-ours",
            "TIMPORA_CHANNEL": "africastalking",
            "TIMPORA_AFRICASTALKING_USERNAME": "timpora",
            "TIMPORA_AFRICASTALKING_API_KEY": "key",
        }
    )
    client = create_app(wire(settings)).test_client()

    for path in ("/card", "/card/53.02.02.2008", f"/card?kecamatan={MOLLO_SELATAN}"):
        answer = client.get(path)
        assert (answer.status_code, answer.data) == (404, b"")


# The setting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0812-3456-7890", "+62 812 3456 7890", "22345"])
def test_the_number_is_shown_as_it_was_set(number: str, tmp_path: Path):
    environ = {"TIMPORA_DATA_DIR": str(tmp_path), "TIMPORA_SMS_NUMBER": number}

    assert read_settings(environ).sms_number == number


@pytest.mark.parametrize("number", ["TIMPORA", "0812<b>", "12", "0812-", "٠٨١٢٣"])
def test_what_is_no_number_stops_the_start(number: str, tmp_path: Path):
    environ = {"TIMPORA_DATA_DIR": str(tmp_path), "TIMPORA_SMS_NUMBER": number}

    with pytest.raises(SettingsError, match="TIMPORA_SMS_NUMBER must be a number such as"):
        read_settings(environ)
