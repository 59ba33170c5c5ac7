"""What the gallery has to survive: its database away, killed, deaf or emptied; its own processes killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.e2e.kube import Kube, container, kill_containers
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.web import Web, database, wait_indexed

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]


@contextmanager
def database_away(kube: Kube) -> Iterator[None]:
    """No PostgreSQL at all: its pod is gone."""
    system = kube.inside("blueno-system")
    system.run("scale", "statefulset/blueno-postgres", "--replicas=0")
    kube.wait("the database gone", lambda: not system.get("pod", "blueno-postgres-0"))
    try:
        yield
    finally:
        system.run("scale", "statefulset/blueno-postgres", "--replicas=1")
        system.run("rollout", "status", "statefulset/blueno-postgres", "--timeout=240s")


def pids_of(pod_uid: str, word: str) -> list[int]:
    """Host pids of the pod's processes whose command line holds `word`."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            ours = place.name.isdigit() and pod_uid in (place / "cgroup").read_text()
            if ours and word in (place / "cmdline").read_text():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def healthy(web: Web) -> bool:
    try:
        return web.ask("/api/v1/datasets").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.soak)])
def test_without_postgresql(kube: Kube, mirror: Mirror, web: Web, seconds: int) -> None:
    """From the start of an operator on: data sets become Ready, people are told, and afterwards all is there."""
    content = class_folders(count=40)
    url = mirror.put("p.tar", content)
    kube.apply(archive_dataset("before", url, content))
    wait_indexed(kube, "before")
    with database_away(kube):
        started = time.monotonic()
        killed = kube.kill_operator()
        kube.apply(archive_dataset("meanwhile", url, content))
        kube.wait_operator(killed)
        kube.wait_ready("meanwhile")
        assert kube.condition("meanwhile", "Indexed").get("status") != "True"
        answer = web.ask("/api/v1/datasets")
        assert answer.status == 503, answer
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.body["code"] == "database_unavailable"
        assert web.ask("/healthz").status == 200, "a restart would not help"
        kube.run("delete", "dataset", "before", "--timeout=180s")
        time.sleep(max(0.0, seconds - (time.monotonic() - started)))
    kube.wait("the web process back", lambda: healthy(web))
    wait_indexed(kube, "meanwhile")
    kube.wait("the row", lambda: web.ask(web.dataset(kube, "meanwhile")).status == 200)
    kube.wait("the deleted one gone", lambda: web.ask(web.dataset(kube, "before")).status == 404)
    assert web.get(f"{web.dataset(kube, 'meanwhile')}/samples")["total"] == 40


@contextmanager
def standing_still(kube: Kube, component: str, word: str) -> Iterator[None]:
    """SIGSTOP of a component's processes whose command line holds `word`: connections stay open, nothing answers."""
    pod = kube.wait(f"the pod of {component}", lambda: kube.pod_of(component))
    pids = pids_of(pod["metadata"]["uid"], word)
    assert pids
    try:
        for pid in pids:
            signalled(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            signalled(pid, signal.SIGCONT)


def signalled(pid: int, number: signal.Signals) -> None:
    """A backend whose client has gone, or whose container the kubelet has ended, may be gone by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def test_postgresql_deaf_and_killed(kube: Kube, mirror: Mirror, web: Web) -> None:
    """SIGSTOP: connections stay open, nothing answers. Then SIGKILL of everything in its pod."""
    content = class_folders(count=20)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    wait_indexed(kube, "pictures")
    with standing_still(kube, "postgres", "postgres"):
        answer = web.ask(web.dataset(kube, "pictures"), seconds=60)
        assert answer.status == 503, answer
        assert web.ask("/healthz", seconds=30).status == 200
    kube.wait("answers again", lambda: healthy(web))
    killed = kube.kill("postgres")
    kube.wait_back("postgres", killed)
    kube.wait("answers after the kill", lambda: healthy(web))
    kube.run("patch", "dataset", "pictures", "--type=merge", "-p", '{"spec":{"displayName":"After the kill"}}')
    path = web.dataset(kube, "pictures")
    kube.wait("the mirror at work", lambda: web.ask(path).body.get("displayName") == "After the kill")


@pytest.mark.parametrize("component", ["web", "recorder"])
def test_killed_processes_come_back(kube: Kube, mirror: Mirror, web: Web, component: str) -> None:
    content = class_folders(count=20)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    kube.wait_back(component, kube.kill(component))
    wait_indexed(kube, "pictures")
    kube.wait("answers", lambda: healthy(web))  # with the session of before the kill
    kube.wait("its rows", lambda: web.ask(f"{web.dataset(kube, 'pictures')}/samples").status == 200)


def test_data_server_killed_while_looked_at(kube: Kube, mirror: Mirror, web: Web) -> None:
    content = class_folders(count=20)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    wait_indexed(kube, "pictures")
    sheet = f"{web.dataset(kube, 'pictures')}/sheet"
    first = web.pixels(sheet, rows="0-9").body

    def killed() -> dict[str, Any] | None:
        """The pod, once one is there to stay: the recorder's, which answered just now, may be on its way out."""
        pods = [
            pod for pod in kube.list("pods", "blueno.dev/role=serve") if not pod["metadata"].get("deletionTimestamp")
        ]
        return next((pod for pod in pods if container(pod).get("ready") and kill_containers(pod)), None)

    pod = kube.wait("the data server killed", killed)
    assert web.pixels(sheet, rows="0-9").body == first
    # And one that somebody deleted is made again, because somebody still looks.
    kube.run("delete", "deployment", pod["metadata"]["name"].rsplit("-", 2)[0])
    kube.wait("answers again", lambda: web.ask(f"{sheet}?rows=0-9").status == 200)


def contents(kube: Kube) -> dict[str, Any]:
    """The projection's tables without numbers that only say when a row was written."""
    tables = {
        "dataset": "SELECT uid, namespace, name, ready, reason, samples, version_digest, indexed_digest, "
        "document->'spec', document->'status'->'version', document->'status'->'splits' "
        "FROM projection.dataset WHERE deleted_at IS NULL AND namespace = %s ORDER BY uid",
        "version": "SELECT v.dataset_uid, v.digest, v.sequence, v.samples, v.bytes FROM projection.version v "
        "JOIN projection.dataset d ON d.uid = v.dataset_uid WHERE d.namespace = %s ORDER BY 1, 2",
        "sample": "SELECT v.digest, s.idx, s.row, s.key, s.split_id, s.label_id, s.bytes, encode(s.sha256, 'hex') "
        "FROM projection.sample s JOIN projection.version v ON v.id = s.version_id "
        "JOIN projection.dataset d ON d.uid = v.dataset_uid WHERE d.namespace = %s ORDER BY 1, 2",
        "facet": "SELECT v.digest, f.split_id, f.label_id, f.samples FROM projection.facet f "
        "JOIN projection.version v ON v.id = f.version_id "
        "JOIN projection.dataset d ON d.uid = v.dataset_uid WHERE d.namespace = %s ORDER BY 1, 2, 3",
    }
    found = {}
    with database(kube) as cursor:
        for name, query in tables.items():
            cursor.execute(query, (kube.namespace,))
            found[name] = cursor.fetchall()
    return found


def test_a_dropped_projection_comes_back_whole(kube: Kube, mirror: Mirror, web: Web) -> None:
    for number, count in enumerate((20, 30)):
        content = class_folders(count=count)
        kube.apply(archive_dataset(f"pictures-{number}", mirror.put(f"{number}.tar", content), content))
    for number in range(2):
        wait_indexed(kube, f"pictures-{number}")
    kube.wait("both rows", lambda: len(contents(kube)["version"]) == 2)
    before = contents(kube)

    def dropped() -> bool:
        # It takes the lock of one table after the other: two that write just now may hold each other up.
        with database(kube) as cursor, contextlib.suppress(psycopg2.errors.DeadlockDetected):
            cursor.execute("DROP SCHEMA projection CASCADE")
            return True
        return False

    kube.wait("the projection dropped", dropped)

    def restored() -> bool:
        answer = web.ask(f"{web.dataset(kube, 'pictures-1')}/samples")
        return bool(answer.status == 200 and answer.body["total"] == 30)

    kube.wait("the gallery back", restored, 240)

    def equal() -> bool:
        return contents(kube) == before

    kube.wait("the same contents as before", equal)
