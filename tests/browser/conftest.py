"""A system Chromium driven by Playwright, on the real deployment; fixtures of the end-to-end tests besides."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.conftest import cluster, kube, mirror, web  # noqa: F401  fixtures
from tests.e2e.web import Web

# Without the background-networking flags Chromium looks for its maker's servers all the time.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, web: Web) -> Iterator[BrowserContext]:  # noqa: F811
    """A browser profile of the test's own, logged in as the demo's user."""
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(60_000)  # a machine that starts a second cluster meanwhile is slow
    page = made.new_page()
    page.goto(web.url)
    sign_in(page, web)
    page.get_by_role("heading", name="Data sets", exact=True).wait_for()
    page.close()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab that notes what went wrong in it."""
    return context.new_page()


def sign_in(page: Page, web: Web) -> None:  # noqa: F811
    """As a person does."""
    page.get_by_label("Email").fill(web.email)
    page.get_by_label("Password").fill(web.password)
    page.get_by_role("button", name="Sign in").click()
