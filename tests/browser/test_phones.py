"""The simulator in a real browser: texting, typing, dialling, saving, playing; by keyboard too."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from support.gateway_process import Gateway

from gateway.simulator import script
from parsers import segments

pytestmark = pytest.mark.e2e

_count = count()


def fresh(words: str) -> str:
    """Make a text that no other test has sent: the same again within a day is no new report."""
    tens, ones = divmod(next(_count), 26)
    return f"{words} rumah zz{chr(97 + tens)}{chr(97 + ones)}"


def desk(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def text(phone: Locator, words: str) -> None:
    phone.get_by_role("textbox").fill(words)
    phone.get_by_role("textbox").press("Enter")


def tap(phone: Locator, keys: str) -> None:
    for key in keys:
        phone.locator(f'[data-key="{key}"]').click()


def screen(phone: Locator) -> Locator:
    return phone.get_by_role("group", name="Layar", exact=True)


@pytest.fixture
def kades(page: Page) -> Locator:
    return desk(page, "Kades Oinlasi")


@pytest.fixture
def officer(page: Page) -> Locator:
    return desk(page, "Piket Imigrasi")


def test_a_kades_texts_and_reads_the_numbered_reply(kades: Locator) -> None:
    text(kades, "WNA 2 AUS WISATA")
    expect(screen(kades)).to_contain_text("Terima kasih. No ")
    expect(kades.get_by_role("status")).to_contain_text(["SMS dari TIMPORA: Terima kasih"])
    words = kades.locator(".card.latest .words li")
    expect(words).to_have_text(["WNA: kode", "2: jumlah", "AUS: negara", "WISATA: tujuan"])
    report = kades.get_by_role("region", name="Laporan di basis data")
    expect(report).to_contain_text("Australia")
    expect(kades.get_by_role("region", name="Ke penyedia")).to_contain_text("saluran loopback")


def test_a_rubbish_text_gets_its_help_and_shows_as_typed(kades: Locator) -> None:
    rubbish = fresh("{{7*7}} <b>tebal</b> <img src=x>")
    text(kades, rubbish)
    expect(screen(kades)).to_contain_text(rubbish)
    expect(screen(kades).locator(".theirs").last).to_contain_text("BANTU")
    expect(kades.locator("b", has_text="tebal")).to_have_count(0)


def test_a_word_by_multi_tap(kades: Locator) -> None:
    kades.get_by_role("button", name="Tombol kanan: Tulis").click()
    typed = screen(kades).locator(".typed")
    tap(kades, "22255528")
    expect(typed).to_have_text("Clat")
    expect(typed.locator("mark")).to_have_text("t")
    # The letter stands after a pause, and the same key begins another.
    expect(typed.locator("mark")).to_have_count(0)
    tap(kades, "8#")
    expect(screen(kades).locator("..")).to_contain_text("ABC")
    tap(kades, "9")
    tap(kades, "#0")
    tap(kades, "45*")
    expect(typed).to_have_text("ClattW045#")
    kades.get_by_role("button", name="Tombol kanan: Hapus").click()
    expect(typed).to_have_text("ClattW045")


def test_what_was_typed_on_the_keys_is_sent(kades: Locator) -> None:
    kades.get_by_role("button", name="Tombol kanan: Tulis").click()
    # H-A-L-O, and a blank, as thumbs do it.
    tap(kades, "442555666")
    tap(kades, "0")
    kades.get_by_role("button", name="Tombol kiri: Kirim").click()
    expect(screen(kades).locator(".mine").last).to_contain_text("Halo")


def test_two_phones_at_once(page: Page, kades: Locator) -> None:
    page.get_by_role("button", name="Tambah HP").click()
    page.get_by_label("Cari nama, desa, atau kecamatan").fill("bisene")
    page.get_by_role("button", name="Kades Bisene").click()
    other = desk(page, "Kades Bisene")
    text(kades, fresh("WNA 1 Jerman riset"))
    text(other, fresh("WNA 3 Belanda kerja"))
    expect(screen(kades).locator(".theirs").last).to_contain_text("Ds Oinlasi")
    expect(screen(other).locator(".theirs").last).to_contain_text("Ds Bisene")


def test_an_officer_dials_walks_the_menu_and_hangs_up(officer: Locator) -> None:
    officer.get_by_role("button", name="Panggil", exact=True).click()
    expect(screen(officer)).to_contain_text("*384*22345#")
    officer.get_by_role("button", name="Panggil", exact=True).click()
    expect(screen(officer)).to_contain_text("Ketik PIN:")
    tap(officer, "4812")
    officer.get_by_role("button", name="Tombol kiri: Kirim").click()
    expect(screen(officer)).to_contain_text("Cari no laporan")
    text(officer, "2")
    expect(screen(officer)).to_contain_text("Laporan terbaru")
    expect(officer.locator(".dialogue")).to_contain_text("menu utama \u203a laporan terbaru")
    expect(officer.get_by_role("status")).to_contain_text(["Layar: Laporan terbaru"])
    officer.get_by_role("button", name="Akhiri").click()
    expect(screen(officer)).to_contain_text("Piket Imigrasi")
    expect(officer.locator(".dialogue")).to_be_hidden()


def test_a_kades_who_dials_sees_the_end(kades: Locator) -> None:
    text(kades, "*384*22345*1*2#")
    expect(kades.get_by_role("button", name="Tombol kiri: OK")).to_be_visible()
    expect(screen(kades).locator(".screen-text")).not_to_be_empty()


def test_a_real_persons_number_is_not_taken(page: Page, gateway: Gateway) -> None:
    roster = gateway.folder / "real.csv"
    roster.write_text(
        "phone,name,role,village_code\n+6281237555001,Kades Nyata,kades,53.02.02.2003\n"
    )
    gateway.cli("roster", "import", str(roster))
    page.on("console", lambda _: None)
    answer = page.request.get(
        f"{gateway.url}/simulator/phones/timeline", params={"number": "+6281237555001"}
    )
    assert answer.status == 403
    page.get_by_role("button", name="Tambah HP").click()
    page.get_by_label("Cari nama, desa, atau kecamatan").fill("nyata")
    expect(page.get_by_text("Tidak ada yang cocok")).to_be_visible()


def test_a_stranger_texts(page: Page) -> None:
    page.get_by_role("button", name="Tambah HP").click()
    page.get_by_label("Atau nomor lain").fill("0812 3755 5099")
    page.get_by_role("button", name="Pakai nomor ini").click()
    stranger = desk(page, "Nomor lain")
    expect(stranger).to_contain_text("+6281237555099")
    text(stranger, fresh("WNA 2 AUS wisata"))
    expect(screen(stranger).locator(".theirs")).to_have_count(1)
    expect(stranger).to_contain_text("pelapor belum terdaftar")


def test_a_conversation_is_saved_as_a_file_that_can_be_read(page: Page, kades: Locator) -> None:
    text(kades, fresh("WNA 4 India kerja"))
    expect(screen(kades).locator(".theirs").last).to_contain_text("India")
    page.get_by_role("button", name="Simpan percakapan").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Unduh").click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    kinds = [type(line) for line in script.parse(saved)]
    assert kinds == [script.Comment, script.Reporter, script.Now, script.Says, script.Hears]
    assert "No <a>:" in saved


@pytest.mark.parametrize("shipped", ["wna_report", "ussd_odd_keys"])
def test_a_shipped_conversation_plays_and_all_marks_are_right(page: Page, shipped: str) -> None:
    page.get_by_role("button", name="Putar percakapan").click()
    page.get_by_label("Contoh").select_option(shipped)
    page.get_by_label("langsung, tanpa jeda").check()
    page.get_by_role("button", name="Putar", exact=True).click()
    expect(page.locator("#summary")).to_contain_text("Selesai.", timeout=60_000)
    wrong = page.locator('[data-verdict="wrong"]')
    assert wrong.all_inner_texts() == []
    assert page.locator('[data-verdict="right"]').count() > 5
    expect(page.locator('[data-verdict="running"]')).to_have_count(0)


def test_a_conversation_of_ones_own_is_played_and_a_difference_is_marked(
    page: Page, tmp_path: Path
) -> None:
    own = tmp_path / "percakapan.txt"
    own.write_text("[k = +6281237000111, 53.02.02.2008]\n[+5 menit]\nk > BANTU\nk < Halo\n")
    page.get_by_role("button", name="Putar percakapan").click()
    page.get_by_label("Berkas sendiri").set_input_files(own)
    page.get_by_label("langsung, tanpa jeda").check()
    page.get_by_role("button", name="Putar", exact=True).click()
    expect(page.locator("#summary")).to_contain_text("Selesai. 0 sesuai, 1 berbeda, 1 dilewati.")
    expect(page.locator("#steps")).to_contain_text("jam tidak bisa diubah di sini")
    expect(page.locator('[data-verdict="wrong"]')).to_contain_text("yang datang: ")


def test_by_keyboard_alone(page: Page, kades: Locator) -> None:
    def tab_to(what: Locator) -> None:
        for _ in range(40):
            if what.evaluate("it => it === document.activeElement"):
                return
            page.keyboard.press("Tab")
        pytest.fail("the Tab key does not lead there")

    tab_to(kades.get_by_role("textbox"))
    page.keyboard.type(fresh("WNA 5 Tiongkok kerja"))
    page.keyboard.press("Enter")
    expect(screen(kades).locator(".theirs").last).to_contain_text("Tiongkok")
    page.keyboard.press("Escape")
    expect(screen(kades)).to_contain_text("Kades Oinlasi")
    page.keyboard.press("Shift+Tab")
    tab_to(kades.get_by_role("textbox"))
    page.keyboard.press("Shift+Tab")
    expect(kades.locator(".keypad :focus")).to_have_accessible_name("1 tanda baca")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(kades.locator(".keypad :focus")).to_have_accessible_name("5 j k l")
    page.keyboard.press("Enter")
    page.keyboard.type("*")
    expect(screen(kades).locator(".typed")).to_have_text("5*")
    assert kades.locator(".keypad :focus").evaluate(
        "it => getComputedStyle(it).outlineStyle !== 'none'"
    )


@pytest.mark.parametrize("size", [(1280, 800), (800, 900)], ids=["wide", "narrow"])
def test_nothing_is_wider_than_the_window(
    open_page: Callable[..., Page], size: tuple[int, int]
) -> None:
    page = open_page(*size)
    text(desk(page, "Kades Oinlasi"), "WNA " + "x" * 300)
    expect(screen(desk(page, "Kades Oinlasi"))).to_contain_text("xxxx")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("", id="nothing"),
        pytest.param("WNA 2 AUS", id="a report"),
        pytest.param("a" * 160, id="just one"),
        pytest.param("a" * 161, id="just two"),
        pytest.param("a" * 159 + "{", id="a pair at the end"),
        pytest.param("a" * 152 + "{" * 10, id="a pair at the cut"),
        pytest.param("\u00e9\u2026", id="one letter makes it UCS-2"),
        pytest.param("\U0001f642" * 36, id="emoji"),
        pytest.param("\u20ac" * 200, id="euros"),
    ],
)
def test_segments_are_counted_as_the_gateway_counts(page: Page, words: str) -> None:
    found = page.evaluate(
        "words => import('/simulator/static/segments.js').then((it) => it.measure(words))", words
    )
    measure = segments.measure(words)
    expected = {
        "encoding": measure.encoding,
        "units": measure.units,
        "segments": measure.segments,
    }
    assert expected.items() <= json.loads(json.dumps(found)).items()


def test_buttons_have_names_and_fields_have_labels(page: Page, kades: Locator) -> None:
    expect(kades.get_by_role("button", name="2 a b c", exact=True)).to_be_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select')]
            .filter((it) => !it.getAttribute('aria-label') && !it.labels?.length
                && !it.textContent.trim()).map((it) => it.outerHTML)"""
    )
    assert nameless == []
