"""Samples that are not sealed yet: seen as they come, looked at like a version, sealed by a button."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.sources import png
from tests.e2e.web import Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

expect.set_options(timeout=60_000)


def accepting(kube: Kube, name: str = "uploads") -> None:
    """An empty data set that takes samples."""
    kube.apply(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.DATASET_KIND,
            "metadata": {"name": name, "namespace": kube.namespace},
            "spec": {"source": {"upload": {}}, "storage": {"claimTemplate": {"size": "1Gi"}}},
        }
    )
    kube.run("wait", "dataset", name, "--for=condition=Ready", "--timeout=180s")


def put(page: Page, web: Web, kube: Kube, samples: dict[str, bytes], label: str, name: str = "uploads") -> None:
    """A bundle, sent with the session of the browser; asked again while the data server wakes."""
    head = "".join(
        json.dumps({"key": key, "bytes": len(content), "label": label, "split": "train"}) + "\n"
        for key, content in samples.items()
    ).encode()
    body = len(head).to_bytes(8, "little") + head + b"".join(samples.values())
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies(web.url))
    request = urllib.request.Request(
        f"{web.url}/api/v1/datasets/{kube.namespace}/{name}/bundles",
        body,
        {"Content-Type": "application/vnd.blueno.bundle", "Cookie": cookies, "Sec-Fetch-Site": "same-origin"},
    )

    def sent() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.load(answer)["refused"] == []
                return True
        except urllib.error.HTTPError as error:
            assert error.code == 503, error.read()
            return False

    for _ in range(120):
        if sent():
            return
        page.wait_for_timeout(1000)  # as Retry-After asks
    raise AssertionError("the data server did not start")


def test_samples_come_while_one_looks_and_are_sealed(page: Page, kube: Kube, web: Web) -> None:
    accepting(kube)
    put(page, web, kube, {f"beach/{n:03}.png": png(n) for n in range(12)}, "sea")
    page.goto(f"{web.url}/gallery?dataset={kube.namespace}/uploads")
    total = page.get_by_test_id("total")
    expect(total).to_have_text("12")
    expect(page.get_by_text("12 samples are not sealed yet")).to_be_visible()
    expect(page.get_by_role("grid")).to_have_attribute("aria-busy", "false")
    page.evaluate("window.sameDocument = true")
    put(page, web, kube, {"beach/live.png": png(99)}, "sky")
    expect(total).to_have_text("13")
    page.get_by_role("button", name=re.compile("^sky, ")).click()
    expect(total).to_have_text("1")
    page.get_by_role("gridcell").first.click()
    expect(page.get_by_test_id("sample-key")).to_have_text("beach/live.png")
    expect(page.get_by_test_id("etag")).to_have_text(re.compile("^[0-9a-f]{32}$"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("window.sameDocument") is True
    page.get_by_role("button", name="Seal").click()
    page.get_by_role("dialog").get_by_role("button", name="Seal").click()
    expect(page.get_by_text("Nothing is waiting to be sealed")).to_be_visible(timeout=180_000)
    page.get_by_role("link", name="Show the version").click()
    expect(total).to_have_text("13")


def test_what_is_new_since_a_version_stands_beside_it(page: Page, kube: Kube, web: Web) -> None:
    accepting(kube)
    put(page, web, kube, {f"{n}.png": png(n) for n in range(3)}, "a")
    kube.run("annotate", "dataset", "uploads", f"{names.REQUESTED_AT}=2026-01-01T00:00:00Z", "--overwrite")
    kube.run("wait", "dataset", "uploads", "--for=condition=Indexed", "--timeout=180s")
    put(page, web, kube, {"new.png": png(7), "1.png": png(1)}, "a")
    page.goto(f"{web.url}/gallery?dataset={kube.namespace}/uploads")
    choice = page.get_by_label("Version")
    expect(choice.locator("option").first).to_have_text("Not sealed yet (1)")
    choice.select_option("working")
    expect(page.get_by_test_id("total")).to_have_text("1")
    expect(page.get_by_role("gridcell")).to_have_attribute("title", "new.png")
    page.goto(f"{web.url}/datasets/{kube.namespace}/uploads")
    expect(page.get_by_test_id("not-sealed")).to_contain_text("1 sample is not sealed yet")
