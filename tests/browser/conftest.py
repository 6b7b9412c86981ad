"""The real product with its demo people, and a browser that looks at it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from support.chromium import ChromiumUnavailableError, executable
from support.gateway_process import Gateway

Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    product = Gateway(tmp_path_factory.mktemp("simulator"))
    try:
        product.run("--demo")
        yield product
    finally:
        product.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = _launched(playwright)
        yield browser
        browser.close()


def _launched(playwright: Playwright) -> Browser:
    try:
        path = executable(playwright)
    except ChromiumUnavailableError as error:
        pytest.skip(str(error))
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture
def open_page(gateway: Gateway, browser: Browser) -> Iterator[Opener]:
    """Open the simulator; when the test ends nothing may have gone wrong unseen."""
    troubles: list[str] = []
    contexts = []

    def opened(width: int = 1280, height: int = 800) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None,
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"{gateway.url}/", "blob:"))
                else troubles.append(f"a request left: {request.url}")
            ),
        )
        page.goto(f"{gateway.url}/simulator")
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def page(open_page: Opener) -> Page:
    return open_page()
