"""What people see: the list, the gallery, a change without a reload, ten tabs, hostile names as text."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import sign_in
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders, png, tar
from tests.e2e.web import Web, wait_indexed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

expect.set_options(timeout=60_000)


def prepared(kube: Kube, mirror: Mirror, count: int = 60, name: str = "pictures") -> None:
    content = class_folders(count=count)
    kube.apply(archive_dataset(name, mirror.put(f"{name}.tar", content), content))
    wait_indexed(kube, name)


def listed(page: Page, web: Web, kube: Kube) -> None:
    page.goto(f"{web.url}/datasets?namespace={kube.namespace}")
    page.get_by_test_id(f"dataset-{kube.namespace}-pictures").wait_for()


def test_login_refuses_the_wrong_and_returns_to_where_one_was(browser: Browser, web: Web) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{web.url}/users")
    sign_in(page, Web(web.url, web.email, "wrong password"))
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, web)
    expect(page).to_have_url(re.compile("/users"))
    page.context.close()


def test_gallery_filters_by_label_and_keeps_it_in_the_address(page: Page, kube: Kube, mirror: Mirror, web: Web) -> None:
    prepared(kube, mirror)
    listed(page, web, kube)
    page.get_by_role("link", name=f"Samples of {kube.namespace}/pictures").click()
    total = page.get_by_test_id("total")
    expect(total).to_have_text("60")
    page.get_by_role("button", name=re.compile("class1, ")).click()
    expect(total).to_have_text("15")
    assert "class1" in page.url
    cell = page.get_by_role("gridcell").first
    expect(cell).to_have_attribute("title", re.compile("class1/"))
    # The pictures are there, and not only their places.
    expect(page.get_by_role("grid")).to_have_attribute("aria-busy", "false")
    page.reload()
    expect(total).to_have_text("15")
    cell.click()
    expect(page.get_by_test_id("sample-key")).to_contain_text("class1/")
    page.get_by_role("button", name="Full size").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_change_by_kubectl_appears_without_reload(page: Page, kube: Kube, mirror: Mirror, web: Web) -> None:
    prepared(kube, mirror, 20)
    listed(page, web, kube)
    page.evaluate("window.sameDocument = true")
    kube.run("patch", "dataset", "pictures", "--type=merge", "-p", '{"spec":{"displayName":"Renamed by kubectl"}}')
    expect(page.get_by_text("Renamed by kubectl")).to_be_visible()
    kube.run("delete", "dataset", "pictures", "--timeout=60s")
    expect(page.get_by_test_id(f"dataset-{kube.namespace}-pictures")).to_be_hidden()
    assert page.evaluate("window.sameDocument") is True


def test_ten_tabs_are_all_live(context: BrowserContext, kube: Kube, mirror: Mirror, web: Web) -> None:
    prepared(kube, mirror, 20)
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        listed(tab, web, kube)
    kube.run("patch", "dataset", "pictures", "--type=merge", "-p", '{"spec":{"displayName":"Seen in ten tabs"}}')
    for tab in tabs:
        expect(tab.get_by_text("Seen in ten tabs")).to_be_visible()


def test_hostile_names_are_shown_as_text(page: Page, kube: Kube, mirror: Mirror, web: Web) -> None:
    name = "<img src=x onerror=document.title=1>"
    content = tar({f"pictures/{name}/{i}{name}.png": png(i) for i in range(3)})
    dataset = archive_dataset("pictures", mirror.put("h.tar", content), content, displayName=name)
    kube.apply(dataset)
    wait_indexed(kube, "pictures")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    listed(page, web, kube)
    expect(page.get_by_text(name).first).to_be_visible()
    page.get_by_role("link", name=f"Samples of {kube.namespace}/pictures").click()
    expect(page.get_by_test_id("total")).to_have_text("3")
    page.get_by_role("gridcell").first.click()
    expect(page.get_by_test_id("sample-key")).to_contain_text("onerror")
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "1"
    assert [text for text in said if "503" not in text] == [], "no script error, no breach of the content policy"


def test_keyboard_opens_help(page: Page, kube: Kube, mirror: Mirror, web: Web) -> None:
    page.goto(f"{web.url}/datasets")
    page.get_by_role("heading", name="Data sets", exact=True).wait_for()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
