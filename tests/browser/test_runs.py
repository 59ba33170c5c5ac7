"""What people see of training runs: the list without a reload, curves, the log, actions, lineage, hostile text."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_gallery_pages import prepared
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.test_gallery_faults import standing_still
from tests.e2e.web import Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

HOSTILE = "<img src=x onerror=document.title=1>"
# Ten steps at once, then it waits to be stopped; what it prints is read as metrics.
TRAINS = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
for step in range(10):
    print(json.dumps({"step": step, "loss": 1.0 / (step + 1), "accuracy": step / 10}), flush=True)
print("waiting at the end", flush=True)
time.sleep(600)
"""
# Reports what examples/10-digits-jax does, after each of its epochs.
DIGITS = """
import blueno
for epoch in range(1, 41):
    blueno.report(step=epoch, progress=epoch / 40, loss=2.3 / epoch, accuracy=1 - 1 / epoch)
"""
METRICS = {"stdout": True, "objective": {"name": "accuracy", "direction": "maximize"}}


def trains(name: str, **more: Any) -> dict[str, Any]:
    """A run that prints metrics and goes on until it is stopped."""
    return a_run(name, TRAINS, metrics=METRICS, terminationGracePeriodSeconds=5, **more)


def opened(page: Page, web: Web, kube: Kube, name: str) -> None:
    page.goto(f"{web.url}/runs/{kube.namespace}/{name}")
    page.get_by_role("heading", name=name, exact=True).wait_for()


def test_a_run_appears_and_ends_without_a_reload(page: Page, kube: Kube, web: Web) -> None:
    page.goto(f"{web.url}/runs?namespace={kube.namespace}")
    page.get_by_role("heading", name="Training runs", exact=True).wait_for()
    page.evaluate("window.sameDocument = true")
    kube.apply(a_run("short", "print('done')"))
    row = page.get_by_test_id(f"run-{kube.namespace}-short")
    expect(row).to_contain_text("Completed", timeout=180_000)
    kube.run("delete", "trainingrun", "short", "--timeout=60s")
    expect(row).to_be_hidden()
    assert page.evaluate("window.sameDocument") is True


def test_filters_are_in_the_address(page: Page, kube: Kube, web: Web) -> None:
    for name, program in (("good", "pass"), ("broken", "raise SystemExit(3)")):
        kube.apply(a_run(name, program, backoffLimit=0))
    wait_reason(kube, "good", "Completed", 120)
    page.goto(f"{web.url}/runs?namespace={kube.namespace}")
    page.get_by_label("State", exact=True).select_option("failed")
    expect(page.get_by_test_id("run-count")).to_have_text("1")
    expect(page).to_have_url(re.compile("state=failed"))
    page.reload()
    expect(page.get_by_test_id(f"run-{kube.namespace}-broken")).to_contain_text("exit code 3")
    expect(page.get_by_test_id(f"run-{kube.namespace}-good")).to_be_hidden()


def test_curves_and_log_of_a_running_run(page: Page, kube: Kube, web: Web) -> None:
    kube.apply(trains("curves"))
    wait_reason(kube, "curves", "Running", 120)
    opened(page, web, kube, "curves")
    expect(page.get_by_role("img", name=re.compile(r"^loss\. curves: last 0\.1, best 0\.1 at step 9"))).to_be_visible()
    expect(page.locator(".chart canvas").first).to_be_visible()
    log = page.get_by_test_id("log")
    expect(log).to_contain_text("waiting at the end")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the whole log").click()
    assert "waiting at the end" in download.value.path().read_text()


def test_accuracy_is_on_the_page_of_a_run_that_has_ended(page: Page, kube: Kube, web: Web) -> None:
    kube.apply(a_run("digits-like", DIGITS, metrics={"objective": METRICS["objective"]}))
    wait_reason(kube, "digits-like", "Completed", 120)
    opened(page, web, kube, "digits-like")
    status = page.get_by_label("Status", exact=True)
    expect(status).to_contain_text(re.compile(r"accuracy \(the objective: maximize\)\s*0\.975"))
    curve = re.compile(r"^accuracy\. digits-like: last 0\.975, best 0\.975 at step 40")
    expect(page.get_by_role("img", name=curve)).to_be_visible()
    page.goto(f"{web.url}/runs?namespace={kube.namespace}")
    expect(page.get_by_test_id(f"run-{kube.namespace}-digits-like")).to_contain_text(re.compile(r"0\.975\s*accuracy"))


def test_a_page_opened_before_the_recorder_was_done_shows_the_rest(page: Page, kube: Kube, web: Web) -> None:
    with standing_still(kube, "recorder", "blueno.recorder"):  # for less than its liveness probe allows
        kube.apply(a_run("late", "print('the only line')\n" + textwrap.dedent(DIGITS)))
        wait_reason(kube, "late", "Completed", 120)
        opened(page, web, kube, "late")
        expect(page.get_by_label("Status", exact=True)).to_contain_text("Completed")
        expect(page.get_by_text("No metrics were reported yet.")).to_be_visible()
        expect(page.get_by_text("Nothing was kept yet")).to_be_visible()
    expect(page.get_by_test_id("log")).to_contain_text("the only line")
    curve = re.compile(r"^accuracy\. late: last 0\.975, best 0\.975 at step 40")
    expect(page.get_by_role("img", name=curve)).to_be_visible()


def test_suspend_and_resume(page: Page, kube: Kube, web: Web) -> None:
    kube.apply(trains("pausing"))
    wait_reason(kube, "pausing", "Running", 120)
    opened(page, web, kube, "pausing")
    page.get_by_role("button", name="Suspend").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    page.get_by_role("button", name="Resume").click()
    # The reason is said while its pod still stops; the condition holds when it rests.
    kube.run("wait", "--for=condition=Suspended", "trainingrun/pausing", "--timeout=120s")
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    wait_reason(kube, "pausing", "Running", 120)
    assert status_of(kube, "pausing")["attempt"] == 2
    expect(page.get_by_label("Status", exact=True)).to_contain_text("Running")


def test_two_runs_are_compared(page: Page, kube: Kube, web: Web) -> None:
    for name, lr in (("first", "0.1"), ("second", "0.2")):
        kube.apply(trains(name, parameters={"lr": lr}))
        wait_reason(kube, name, "Running", 120)
    opened(page, web, kube, "first")
    field = page.get_by_role("combobox", name="Compare with another run")
    field.focus()
    field.press_sequentially("second")
    expect(page.get_by_role("option", name=re.compile("^second"))).to_be_visible()
    field.press("Enter")
    expect(page).to_have_url(re.compile("compare=second"))
    expect(page.get_by_role("row", name=re.compile(r"parameters\.lr 0\.1 0\.2"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^loss.*first: .*second: "))).to_be_visible()


def test_lineage_from_the_data_set_to_its_runs(page: Page, kube: Kube, mirror: Mirror, web: Web) -> None:
    prepared(kube, mirror, 20)
    kube.apply(a_run("reads", "print('read')", datasets=[{"name": "pictures"}]))
    wait_reason(kube, "reads", "Completed", 120)
    page.goto(f"{web.url}/datasets/{kube.namespace}/pictures")
    section = page.get_by_role("region", name="Training runs")
    expect(section.get_by_role("link", name="current")).to_be_visible()
    section.get_by_role("link", name="reads").click()
    page.get_by_role("link", name=re.compile("samples of this version")).click()
    expect(page.get_by_test_id("total")).to_have_text("20")


def test_hostile_output_is_text(page: Page, kube: Kube, web: Web) -> None:
    program = f"""
        import json
        print(json.dumps({{"step": 1, {HOSTILE!r}: 1.0}}))
        print("y" * 2_000_000)
        print({HOSTILE!r}, flush=True)
        raise SystemExit(3)
    """
    kube.apply(a_run("hostile", program, parameters={"title": HOSTILE}, backoffLimit=0, metrics={"stdout": True}))
    page.goto(f"{web.url}/runs?namespace={kube.namespace}")
    expect(page.get_by_test_id(f"run-{kube.namespace}-hostile")).to_contain_text(
        re.compile("Error|Exceeded"), timeout=180_000
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    opened(page, web, kube, "hostile")
    expect(page.get_by_test_id("log")).to_contain_text("onerror")
    expect(page.get_by_role("region", name="Inputs")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("document.body.textContent.length") < 200_000, "two megabytes of log are not in the page"
    assert page.title() != "1"
    assert [text for text in said if "503" not in text] == [], "no script error, no breach of the content policy"


def test_keyboard_leads_to_the_runs(page: Page, kube: Kube, web: Web) -> None:
    page.goto(f"{web.url}/datasets")
    page.get_by_role("heading", name="Data sets", exact=True).wait_for()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Training runs", exact=True)).to_be_visible()
