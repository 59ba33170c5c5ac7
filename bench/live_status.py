"""From a change in the cluster to its row in PostgreSQL, and to the open page: while about 100 objects change a second.

Run by bench/run.py when a cluster with Blueno is up (`make demo` or `make e2e`). Every second each of 50 suspended
Datasets gets a new display name (a patch), and the operator answers each with a status write: two changes. A change
begins when the API server has accepted the patch. Rows are seen through LISTEN, the page by a MutationObserver.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP), str(TOP / "hack")]

import common  # noqa: E402

from blueno.resources.api import DATASETS  # noqa: E402

NAMESPACE = "bench-live"
OBJECTS = 50
ROUNDS = 20  # seconds
REPETITIONS = 5
WATCH_PAGE = """
() => {
  window.seen = {};
  const look = () => {
    const now = Date.now();
    for (const token of document.body.innerText.match(/live-\\d+-\\d+-\\d+/g) || [])
      if (!(token in window.seen)) window.seen[token] = now;
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
  look();
}
"""


def manifest(number: int) -> dict[str, Any]:
    """A Dataset that asks for nothing."""
    return {
        "apiVersion": DATASETS.api_version,
        "kind": DATASETS.kind,
        "metadata": {"name": f"live-{number}", "namespace": NAMESPACE},
        "spec": {"suspend": True, "source": {"tfds": {"name": "mnist"}}},
    }


async def change(repetition: int, accepted: dict[str, float]) -> None:
    """Patch every object once a second; notes when the API server had taken it (Unix seconds)."""
    from blueno.kube import Cluster  # the library reads $KUBECONFIG when it is imported

    cluster = await Cluster.connect()

    async def one(number: int) -> None:
        for step in range(ROUNDS):
            started = time.monotonic()
            await asyncio.sleep(number / OBJECTS if step == 0 else 0)
            token = f"live-{repetition}-{number}-{step}"
            await cluster.merge(DATASETS, NAMESPACE, f"live-{number}", {"spec": {"displayName": token}})
            accepted[token] = time.time()
            await asyncio.sleep(max(0.0, 1 - (time.monotonic() - started)))

    try:
        await asyncio.gather(*(one(number) for number in range(OBJECTS)))
    finally:
        await cluster.close()


def follow_rows(connection: Any, rows: dict[str, float], stop: threading.Event) -> None:
    """Notes when each display name could be read by another connection."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN blueno_changes")
        while not stop.is_set():
            connection.poll()
            if not connection.notifies:  # those that came with the last answer wait here, not on the socket
                select.select([connection], [], [], 0.2)
                continue
            connection.notifies.clear()
            now = time.time()
            cursor.execute("SELECT display_name FROM projection.dataset WHERE namespace = %s", (NAMESPACE,))
            for (token,) in cursor.fetchall():
                rows.setdefault(token, now)


def _row(metric: str, runs: list[list[float]], percentile: float, most: float, note: str) -> dict[str, Any]:
    figures = [float(np.percentile(run, percentile)) for run in runs]
    return common.row(metric, "ms", figures, {"limit": common.limit(most)}, f"<= {most:g} ms", note)


def open_page(browser: Any, web: Any) -> Any:
    """A logged-in tab that shows every object and notes when it shows which name."""
    page = browser.new_context(viewport={"width": 1400, "height": 6000}).new_page()
    page.goto(web.url)
    page.get_by_label("Email").fill(web.email)
    page.get_by_label("Password").fill(web.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Data sets").wait_for()
    page.goto(f"{web.url}/datasets?namespace={NAMESPACE}")
    page.get_by_test_id(f"dataset-{NAMESPACE}-live-0").wait_for(timeout=20000)
    page.evaluate(WATCH_PAGE)
    return page


def measure(page: Any, connection: Any, repetition: int) -> tuple[list[float], list[float]]:
    """Milliseconds from accepted change to row, and to the page, of one repetition."""
    accepted: dict[str, float] = {}
    rows: dict[str, float] = {}
    stop = threading.Event()
    follower = threading.Thread(target=follow_rows, args=(connection, rows, stop))
    follower.start()
    # Playwright's loop runs in this thread: the changes are made in another one.
    changing = threading.Thread(target=lambda: asyncio.run(change(repetition, accepted)))
    changing.start()
    changing.join()
    page.wait_for_timeout(2000)
    stop.set()
    follower.join()
    seen = page.evaluate("() => window.seen")
    to_row = [(rows[token] - at) * 1000 for token, at in accepted.items() if token in rows]
    to_page = [seen[token] - at * 1000 for token, at in accepted.items() if token in seen]
    print(f"{len(accepted)} changes, {len(to_row)} rows seen, {len(to_page)} seen in the page", flush=True)
    return to_row, to_page


def main() -> None:
    """Write bench/results/live_status.json."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.kube import Kube
    from tests.e2e.web import database, demo_user

    status = subprocess.run(["hack/cluster", "status", "--json"], cwd=TOP, capture_output=True, text=True, check=True)
    known = json.loads(status.stdout)
    os.environ["KUBECONFIG"] = known["kubeconfig"]
    kube = Kube(TOP, known)
    web = demo_user()
    kube.run("create", "namespace", NAMESPACE)
    kube.inside(NAMESPACE).apply(*(manifest(number) for number in range(OBJECTS)))
    try:
        with database(kube) as cursor, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = open_page(browser, web)
            runs = [measure(page, cursor.connection, repetition) for repetition in range(REPETITIONS + 1)]
            browser.close()
    finally:
        kube.run("delete", "namespace", NAMESPACE, "--wait=false")
    to_row, to_page = ([run[kind] for run in runs[1:]] for kind in (0, 1))  # the first one warms everything up
    note = f"{OBJECTS} objects patched once a second, as many status writes; from the answer to the patch"
    made = [
        _row("event_to_row_ms_p99", to_row, 99, 150, f"{note} to the row's visibility for another connection"),
        _row("event_to_row_ms_p50", to_row, 50, 150, note),
        _row("event_to_dom_ms_p99", to_page, 99, 400, f"{note} to the text in an open page (Chromium, headless)"),
        _row("event_to_dom_ms_p50", to_page, 50, 400, note),
    ]
    common.write("live_status", made)


if __name__ == "__main__":
    main()
