"""The code card as a real browser prints it: one A5 page, and nothing cut."""

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, Page, expect
from support.gateway_process import Gateway

from gateway.cards import rendering, texts
from gateway.cards.rendering import Place
from gateway.roster.villages import shipped_rows
from parsers import loading
from parsers.form import LANGUAGES, Form

pytestmark = pytest.mark.e2e

MM = 96 / 25.4
"""Pixels of CSS in a millimetre."""
POINT = 25.4 / 72
A5 = (148, 210)
OINLASI = "53.02.02.2008"


def six_forms() -> list[Form]:
    forms = sorted(loading.load().forms.values(), key=lambda form: form.order)
    assert len(forms) == 6
    return forms


def longest() -> Place:
    row = max((one.cells for one in shipped_rows()), key=lambda cells: len(str(cells["name"])))
    code, name, kind, kecamatan = (str(row[key]) for key in ("code", "name", "kind", "kecamatan"))
    return Place(code, name, kind, code.rpartition(".")[0], kecamatan)


def pages_of(pdf: bytes) -> list[tuple[float, float]]:
    """Give the size of each page in millimetres, as the PDF itself says."""
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == len(re.findall(rb"/MediaBox", pdf))
    boxes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    return [(float(width) * POINT, float(height) * POINT) for width, height in boxes]


@pytest.fixture
def paper(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.emulate_media(media="print")
    yield page
    page.close()


def lay(paper: Page, places: Sequence[Place], language: str, number: str | None) -> None:
    html = rendering.cards(places, six_forms(), texts.shipped()[language], number)
    paper.set_content(html)


@pytest.mark.parametrize("number", ["+62 812-3456-7890", None])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_name_with_all_codes_is_one_a5_page(
    paper: Page, language: str, number: str | None
) -> None:
    lay(paper, [longest()], language, number)

    card = paper.locator(".card")
    expect(card).to_contain_text("Maunum Niki-Niki")
    codes = card.locator(".codes dt").all_inner_texts()
    assert codes == [form.code for form in six_forms()]
    assert {"WNA", "PERGI", "PMI", "CURIGA", "DARURAT", "NIHIL"} <= set(codes)
    for form in six_forms():
        expect(card).to_contain_text(form.example)

    (page,) = pages_of(paper.pdf(prefer_css_page_size=True))
    assert page == pytest.approx(A5, abs=0.5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_on_the_page_is_cut(paper: Page, language: str) -> None:
    # As wide as the paper, so that what sticks out would show.
    paper.set_viewport_size({"width": round(A5[0] * MM), "height": round(A5[1] * MM)})
    lay(paper, [longest()], language, None)

    height, width, inner = paper.locator(".card").evaluate(
        "card => [card.scrollHeight, card.scrollWidth, card.clientWidth]"
    )
    assert height <= A5[1] * MM
    assert width <= inner
    assert paper.evaluate(
        """() => {
            const box = document.querySelector(".card").getBoundingClientRect();
            return [...document.querySelectorAll(".card *")]
                .map(one => one.getBoundingClientRect())
                .every(one => one.left >= box.left && one.right <= box.right
                    && one.top >= box.top && one.bottom <= box.bottom);
        }"""
    )
    # Small letters fade on the third photocopy.
    smallest = paper.evaluate(
        """() => Math.min(...[...document.querySelectorAll(".card *")]
            .map(one => parseFloat(getComputedStyle(one).fontSize)))"""
    )
    assert smallest >= 9 * 96 / 72


def test_each_village_begins_a_page(paper: Page) -> None:
    lay(paper, [longest()] * 3, "id", None)

    assert len(pages_of(paper.pdf(prefer_css_page_size=True))) == 3


def test_the_button_prints_and_is_not_printed(gateway: Gateway, browser: Browser) -> None:
    page = browser.new_page()
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    # A headless browser has no printer: what counts is that it was asked to print.
    page.add_init_script("window.print = () => { document.title = 'asked'; };")
    page.goto(f"{gateway.url}/card")
    page.get_by_text("Mollo Selatan").click()
    page.get_by_role("link", name="Oinlasi", exact=True).locator("visible=true").click()

    expect(page).to_have_url(f"{gateway.url}/card/{OINLASI}")
    expect(page.get_by_role("heading", name="Desa Oinlasi")).to_be_visible()
    page.get_by_role("button", name="Cetak").click()
    expect(page).to_have_title("asked")
    # The policy lets our style in, or the code would not stand in bold beside its line.
    expect(page.locator(".codes dt").first).to_have_css("font-weight", "700")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Cetak")).to_be_hidden()
    assert pages_of(page.pdf(prefer_css_page_size=True)) == [pytest.approx(A5, abs=0.5)]
    page.close()
    assert troubles == []
