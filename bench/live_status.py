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

from blueno.kube import Cluster  # noqa: E402
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
            if not select.select([connection], [], [], 0.2)[0]:
                continue
            connection.poll()
            if not connection.notifies:
                continue
            connection.notifies.clear()
            now = time.time()
            cursor.execute("SELECT display_name FROM projection.dataset WHERE namespace = %s", (NAMESPACE,))
            for (token,) in cursor.fetchall():
                rows.setdefault(token, now)


def _row(metric: str, runs: list[list[float]], percentile: float, most: float, note: str) -> dict[str, Any]:
    figures = [float(np.percentile(run, percentile)) for run in runs]
    return common.row(metric, "ms", figures, {"limit": common.limit(most)}, f"<= {most:g} ms", note)


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
    inside = kube.inside(NAMESPACE)
    inside.apply(*(manifest(number) for number in range(OBJECTS)))
    to_row: list[list[float]] = []
    to_page: list[list[float]] = []
    try:
        with database(kube) as cursor, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1400, "height": 6000}).new_page()
            page.goto(web.url)
            page.get_by_label("Email").fill(web.email)
            page.get_by_label("Password").fill(web.password)
            page.get_by_role("button", name="Sign in").click()
            page.goto(f"{web.url}/datasets?namespace={NAMESPACE}")
            page.get_by_text("live-0", exact=True).first.wait_for(timeout=20000)
            page.evaluate(WATCH_PAGE)
            for repetition in range(REPETITIONS + 1):
                accepted: dict[str, float] = {}
                rows: dict[str, float] = {}
                stop = threading.Event()
                follower = threading.Thread(target=follow_rows, args=(cursor.connection, rows, stop))
                follower.start()
                asyncio.run(change(repetition, accepted))
                page.wait_for_timeout(2000)
                stop.set()
                follower.join()
                seen = page.evaluate("() => window.seen")
                if repetition:  # the first warms everything up
                    to_row.append([(rows[t] - at) * 1000 for t, at in accepted.items() if t in rows])
                    to_page.append([(seen[t] / 1000 - at) * 1000 for t, at in accepted.items() if t in seen])
                print(f"{len(accepted)} changes, {len(rows)} rows seen, page saw {len(seen)} in all", flush=True)
            browser.close()
    finally:
        kube.run("delete", "namespace", NAMESPACE, "--wait=false")
    note = (
        f"{OBJECTS} objects patched once a second, as many status writes of the operator; from the answer to the patch"
    )
    made = [
        _row("event_to_row_ms_p99", to_row, 99, 150, f"{note} to the row's visibility for another connection"),
        _row("event_to_row_ms_p50", to_row, 50, 150, note),
        _row("event_to_dom_ms_p99", to_page, 99, 400, f"{note} to the text in an open page (Chromium, headless)"),
        _row("event_to_dom_ms_p50", to_page, 50, 400, note),
    ]
    common.write("live_status", made)


if __name__ == "__main__":
    main()
