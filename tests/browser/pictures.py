"""The pictures in the guides, taken anew from the real product: `make pictures`."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import Page, sync_playwright  # noqa: E402  # the path comes first
from support import chromium  # noqa: E402
from support.gateway_process import Gateway  # noqa: E402

IMAGES = ROOT / "docs" / "images"
#: A small laptop, and half of one.
WIDTHS = (1280, 800)
KADES, OFFICER = "Kades Oinlasi", "Piket Imigrasi"


def take(page: Page, url: str) -> None:
    """Report as the kades, find it as the officer, and keep what is seen."""
    page.goto(f"{url}/simulator")
    page.wait_for_selector("body[data-ready]")
    _type(page, KADES, "WNA 2 AUS WISATA", "Terima kasih")
    _type(page, KADES, "PMI 3 Malaysia besok naik kapal", "MENDESAK")
    _type(page, OFFICER, "*384*22345#", "Ketik PIN")
    _type(page, OFFICER, "4812", "Cari no laporan")
    officer = page.get_by_role("region", name=OFFICER, exact=True)
    officer.locator(".handset").screenshot(path=IMAGES / "officer-menu.png")
    _type(page, OFFICER, "2", "Laporan terbaru")
    page.wait_for_timeout(1500)
    _shoot(page, "simulator")
    page.get_by_role("button", name="Tambah HP").click()
    page.get_by_label("Cari nama, desa, atau kecamatan").fill("mollo selatan")
    page.get_by_role("button", name="Kades Bisene").wait_for()
    _shoot(page, "whose-phone")
    page.locator("#chooser [data-close]").click()
    page.get_by_role("button", name="Simpan percakapan").click()
    page.locator("#saved-text").get_by_text("kades").first.wait_for()
    _shoot(page, "saved")
    page.locator("#saved [data-close]").click()
    page.get_by_role("button", name="Putar percakapan").click()
    page.locator("#shipped").select_option("wna_report")
    page.locator("#fast").check()
    page.get_by_role("button", name="Putar", exact=True).click()
    page.get_by_text("Selesai.").wait_for()
    _shoot(page, "played")


def _shoot(page: Page, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=IMAGES / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def _type(page: Page, name: str, words: str, until: str) -> None:
    phone = page.get_by_role("region", name=name, exact=True)
    phone.get_by_role("textbox").fill(words)
    phone.get_by_role("textbox").press("Enter")
    phone.get_by_role("group", name="Layar", exact=True).get_by_text(until).first.wait_for()


def main() -> None:
    """Start the product with its demo people, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        gateway = Gateway(Path(folder) / "gateway")
        try:
            gateway.run("--demo")
            browser = playwright.chromium.launch(
                executable_path=chromium.executable(playwright), args=["--no-sandbox"]
            )
            take(browser.new_page(viewport={"width": 1280, "height": 900}), gateway.url)
            browser.close()
        finally:
            gateway.close()


if __name__ == "__main__":
    main()
