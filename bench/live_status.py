"""From a change in the cluster to its row in PostgreSQL, and to the open page: while about 100 objects change a second.

Run by bench/run.py when a cluster with Blueno is up (`make demo` or `make e2e`). Every second each of 50 suspended
Datasets gets a new display name (a patch), and the operator answers each with a status write: two changes. A change
begins with the event of a bare watch beside the operator's. Rows are seen through LISTEN, the page through a
MutationObserver. Rows are measured first without a browser, which belongs on another machine, then with one.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
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


async def watch(cluster: Any, events: dict[str, float]) -> None:
    """Notes when a bare watch brings each name: what the operator's own watch cannot beat."""
    address = f"{cluster._base}{DATASETS.path(NAMESPACE)}?watch=1"
    async with cluster._session.get(address, headers=await cluster._authorization(), timeout=None) as stream:
        async for line in stream.content:
            name = json.loads(line)["object"]["spec"].get("displayName")
            if name:
                events.setdefault(name, time.time())


async def change(repetition: int, accepted: dict[str, float], events: dict[str, float]) -> None:
    """Patch every object once a second; notes when the API server had taken it, and when it told (Unix seconds)."""
    from blueno.kube import Cluster  # the library reads $KUBECONFIG when it is imported

    cluster = await Cluster.connect()

    async def one(number: int) -> None:
        await asyncio.sleep(number / OBJECTS)  # one after the other, all the time: not all at once, every second
        for step in range(ROUNDS):
            started = time.monotonic()
            token = f"live-{repetition}-{number}-{step}"
            await cluster.merge(DATASETS, NAMESPACE, f"live-{number}", {"spec": {"displayName": token}})
            accepted[token] = time.time()
            await asyncio.sleep(max(0.0, 1 - (time.monotonic() - started)))

    watching = asyncio.create_task(watch(cluster, events))
    try:
        await asyncio.sleep(0.5)
        await asyncio.gather(*(one(number) for number in range(OBJECTS)))
        await asyncio.sleep(1)
    finally:
        watching.cancel()
        await cluster.close()


def follow_rows(where: dict[str, Any], found: Any, stop: Any) -> None:
    """Notes when each display name could be read by another connection. In a process of its own: nothing delays it."""
    import psycopg2

    connection = psycopg2.connect(**where)
    connection.autocommit = True
    rows: dict[str, float] = {}
    with connection.cursor() as cursor:
        cursor.execute("LISTEN blueno_changes")
        while not stop.is_set():
            connection.poll()
            if not connection.notifies:  # those that came with the last answer wait here, not on the socket
                select.select([connection], [], [], 0.2)
                continue
            connection.notifies.clear()
            cursor.execute("SELECT display_name FROM projection.dataset WHERE namespace = %s", (NAMESPACE,))
            now = time.time()
            for (name,) in cursor.fetchall():
                rows.setdefault(name, now)
    connection.close()
    found.put(rows)


def _row(metric: str, runs: list[list[float]], percentile: float, most: float, note: str) -> dict[str, Any]:
    figures = [float(np.percentile(run, percentile)) for run in runs]
    return common.row(metric, "ms", figures, {"limit": common.limit(most)}, f"<= {most:g} ms", note)


def _figures(runs: list[dict[str, list[float]]], kind: str) -> list[list[float]]:
    return [run[kind] for run in runs[1:]]  # the first one warms everything up


def open_page(browser: Any, web: Any) -> Any:
    """A logged-in tab that shows every object and notes when it shows which name."""
    page = browser.new_context(viewport={"width": 1400, "height": 6000}).new_page()
    page.goto(web.url)
    page.get_by_label("Email").fill(web.email)
    page.get_by_label("Password").fill(web.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Data sets", exact=True).wait_for()
    page.goto(f"{web.url}/datasets?namespace={NAMESPACE}")
    page.get_by_test_id(f"dataset-{NAMESPACE}-live-0").wait_for(timeout=20000)
    page.evaluate(WATCH_PAGE)
    return page


def measure(page: Any | None, connection: Any, repetition: int) -> dict[str, list[float]]:
    """Milliseconds of one repetition: from the event to the row and to the page, and from the patch to the event."""
    accepted: dict[str, float] = {}
    events: dict[str, float] = {}
    processes = multiprocessing.get_context("spawn")
    found, stop = processes.Queue(), processes.Event()
    known = connection.info
    where = {"host": known.host, "port": known.port, "user": known.user, "dbname": known.dbname}
    where["password"] = known.password
    follower = processes.Process(target=follow_rows, args=(where, found, stop))
    follower.start()
    # Playwright's loop runs in this thread: the changes are made in another one.
    changing = threading.Thread(target=lambda: asyncio.run(change(repetition, accepted, events)))
    changing.start()
    changing.join()
    page.wait_for_timeout(2000) if page else time.sleep(2)
    stop.set()
    rows = found.get(timeout=30)
    follower.join()
    seen = page.evaluate("() => window.seen") if page else {}
    print(f"{len(accepted)} changes, {len(events)} events, {len(rows)} rows, {len(seen)} names in the page", flush=True)
    # The watch begins with what is there: names of the repetition before are no events.
    events = {name: at for name, at in events.items() if name in accepted}
    return {
        "event": [(events[name] - at) * 1000 for name, at in accepted.items() if name in events],
        "row": [(rows[name] - at) * 1000 for name, at in events.items() if name in rows],
        "dom": [seen[name] - at * 1000 for name, at in events.items() if name in seen],
    }


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
        with database(kube) as cursor:
            alone = [measure(None, cursor.connection, repetition) for repetition in range(REPETITIONS + 1)]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = open_page(browser, web)
                beside = [measure(page, cursor.connection, len(alone) + n) for n in range(REPETITIONS + 1)]
                browser.close()
    finally:
        kube.run("delete", "namespace", NAMESPACE, "--wait=false")
    rows = _figures(alone, "row")
    note = f"{OBJECTS} objects patched once a second, as many status writes; from the event of a bare watch"
    made = [
        _row("event_to_row_ms_p99", rows, 99, 150, f"{note} to the row's visibility for another connection"),
        _row("event_to_row_ms_p50", rows, 50, 150, note),
        _row("patch_to_event_ms_p99", _figures(alone, "event"), 99, 150, "the API server's part, before the above"),
        _row(
            "event_to_row_beside_browser_ms_p99", _figures(beside, "row"), 99, 150, f"{note}; Chromium on the same CPUs"
        ),
        _row("event_to_dom_ms_p99", _figures(beside, "dom"), 99, 400, f"{note} to the text in an open page (headless)"),
        _row("event_to_dom_ms_p50", _figures(beside, "dom"), 50, 400, note),
    ]
    common.write("live_status", made)


if __name__ == "__main__":
    main()
