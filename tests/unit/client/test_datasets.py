"""Data sets, their sealed samples, and users: Client and AsyncClient against a server that answers as agreed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from blueno.client import (
    Client,
    NotInTime,
    datasets,
)
from blueno.client.http import Http
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound
from tests.fakes.datasets_api import DIGEST, DatasetsApi, dataset, running, sample
from tests.fakes.runs_api import TOKEN, problem
from tests.unit.client.conftest import LIMITS

MANIFEST = """
apiVersion: blueno.dev/v1alpha1
kind: Dataset
metadata: {name: mnist, namespace: team, labels: {a: b}}
spec: {source: {tfds: {name: mnist}}}
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetsApi]:
    monkeypatch.setattr(datasets, "LOOK", 0.02)
    with running() as server:
        yield server


@pytest.fixture
def client(server: DatasetsApi) -> Iterator[Client]:
    with Client(server.url, TOKEN) as client:
        client._http = Http(server.url, TOKEN, LIMITS)
        yield client


def away(status: int = 503, code: str = "x") -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        return problem(status, code, "not now")

    return answer


def test_lists_and_details(server: DatasetsApi, client: Client) -> None:
    for number in range(450):
        server.add(dataset(f"d-{number}"))
    server.add(dataset("elsewhere", "other", displayName=None, version=None, progress=None))
    assert [one.name for one in client.datasets.list(namespace="default")] == [f"d-{n}" for n in range(450)]
    assert len(server.asked) == 3
    assert len(client.datasets.list(limit=3)) == 3
    (found,) = client.datasets.list(search="else")
    assert (found.namespace, found.version, found.settled) == ("other", None, True)
    one = next(client.datasets.iterate())
    assert one.version is not None
    assert (one.version.digest, one.progress.percentage if one.progress else 0) == (DIGEST, 40)
    detail = client.datasets.get("d-0")
    assert (detail.splits, detail.license, detail.spec["reclaimPolicy"]) == ({"train": 1797}, "CC0-1.0", "Retain")
    assert detail.raw["name"] == "d-0"


def test_making_from_a_file_and_from_an_object(server: DatasetsApi, client: Client, tmp_path: Path) -> None:
    (tmp_path / "mnist.yaml").write_text(MANIFEST)
    made = client.datasets.create(tmp_path / "mnist.yaml")
    assert (made.namespace, made.name, made.ready) == ("team", "mnist", False)
    spec = {"source": {"upload": {}}}
    client.datasets.create({"spec": spec}, namespace="lab", name="mine", dry_run=True)
    client.datasets.create({"spec": spec, "name": "other"})
    client.datasets.create(tmp_path / "mnist.yaml", namespace="lab", name="second")
    bodies = [(path, body) for _, path, body in server.asked]
    assert bodies[0][0] == "/api/v1/datasets/team"
    assert bodies[0][1]["metadata"] == {"name": "mnist", "namespace": "team", "labels": {"a": "b"}}
    assert bodies[1] == ("/api/v1/datasets/lab?dryRun=true", {"spec": spec, "metadata": {"name": "mine"}})
    assert bodies[2] == ("/api/v1/datasets/default", {"spec": spec, "name": "other"})
    assert bodies[3][1]["metadata"] == {"name": "second", "namespace": "lab", "labels": {"a": "b"}}
    assert ("lab", "mine") not in server.datasets
    assert len(set(server.keys)) == 4
    with pytest.raises(Conflict, match="already") as caught:
        client.datasets.create(tmp_path / "mnist.yaml")
    assert caught.value.code == "already_exists"


def test_making_survives_a_lost_answer(server: DatasetsApi, client: Client) -> None:
    server.misbehave = [away(), away(502), away(409, "in_progress")]
    client.datasets.create({"spec": {}}, name="x")
    assert len(server.keys) == 4
    assert len(set(server.keys)) == 1  # by which the server knows that it is the same wish


@pytest.mark.parametrize(
    "body",
    [{}, {"spec": 1}, {"kind": "Pod", "spec": {}}, {"apiVersion": "v1", "spec": {}}, {"metadata": 1, "spec": {}}],
)
def test_what_is_no_data_set(client: Client, server: DatasetsApi, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        client.datasets.create(body)
    assert server.asked == []


def test_names_cannot_leave_their_place(server: DatasetsApi, client: Client) -> None:
    for namespace, name in (("default", ".."), ("", "a"), ("..", "a")):
        with pytest.raises(BluenoError, match="neither is empty"):
            client.datasets.get(name, namespace)
        with pytest.raises(BluenoError, match="neither is empty"):
            client.samples(name, namespace)
    with pytest.raises(BluenoError, match="not named"):
        client.datasets.create({"spec": {}}, namespace="..")
    with pytest.raises(NotFound):
        client.datasets.get("a/../../users?x=1")
    assert server.asked[0][1] == "/api/v1/datasets/default/a%2F..%2F..%2Fusers%3Fx%3D1"


def test_what_was_just_made_is_waited_for(server: DatasetsApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.datasets.create({"spec": {}}, name="fresh")
    server.hidden = 4
    assert client.datasets.get("fresh").name == "fresh"
    server.hidden = 1
    with pytest.raises(NotFound):
        client.datasets.get("fresh")
    monkeypatch.setattr(datasets, "SEEN", 0.0)
    client.datasets.create({"spec": {}}, name="never")
    server.hidden = 10**6
    with pytest.raises(NotFound):
        client.datasets.get("never")


def test_waiting(server: DatasetsApi, client: Client) -> None:
    server.add(dataset(ready=False))
    looks: list[str] = []

    def later(one: dict[str, Any]) -> None:
        if len(looks) == 2:
            one["ready"] = True

    server.on_get = later
    server.misbehave = [away()] * 6
    assert client.datasets.wait("digits", seen=lambda one: looks.append(one.reason)).ready
    assert len(looks) == 3
    server.add(dataset(ready=False, stalled=True))
    assert client.datasets.wait("digits").stalled
    server.add(dataset(ready=True, reconciling=True))
    with pytest.raises(NotInTime, match=r"was not ready after 0\.1 s"):
        client.datasets.wait("digits", timeout=0.1)


def test_waiting_for_what_was_asked(server: DatasetsApi, client: Client) -> None:
    server.add(dataset())
    asked = client.datasets.seal("digits")
    looks: list[str | None] = []

    def later(one: dict[str, Any]) -> None:
        one["lastHandledRequest"] = "2026-01-02T03:04:05.678Z" if len(looks) > 1 else "2026-01-01T00:00:00.000Z"

    server.on_get = later
    done = client.datasets.wait("digits", since=asked, seen=lambda one: looks.append(one.last_handled_request))
    assert done.last_handled_request == asked
    assert len(looks) == 3
    assert client.datasets.refresh("digits") == asked
    with pytest.raises(Conflict, match="not stalled"):
        client.datasets.retry("digits")
    assert [body for method, _, body in server.asked if method == "POST"] == [
        {"kind": kind} for kind in ("seal", "refresh", "retry")
    ]


def test_changing_and_deleting(server: DatasetsApi, client: Client) -> None:
    server.add(dataset())
    assert client.datasets.change("digits", suspend=True, current_version=None).spec["suspend"] is True
    client.datasets.change("digits", display_name="D", description=None)
    client.datasets.delete("digits")
    client.datasets.wait_deleted("digits", timeout=60)
    assert [body for _, _, body in server.asked[:2]] == [
        {"currentVersion": None, "suspend": True},
        {"displayName": "D", "description": None},
    ]
    server.add(dataset())
    with pytest.raises(NotInTime, match="not gone"):
        client.datasets.wait_deleted("digits", timeout=0.05)


def test_versions_history_samples_facets(server: DatasetsApi, client: Client) -> None:
    server.add(dataset())
    server.samples = [sample(row) for row in range(420)]
    (version,) = client.datasets.versions("digits")
    assert (version.digest, version.current, version.classes) == (DIGEST, True, ("0", "1"))
    assert len(list(client.datasets.history("digits"))) == 250
    samples = client.samples("digits")
    found = samples.list(split="train", label=None, prefix="0")
    assert [one.key for one in found] == [f"{row:04}.png" for row in range(420)]
    assert (found[7].label, found[7].version, found[7].metadata) == (7, DIGEST, {"number": 7})
    pages = [path.partition("?")[2] for _, path, _ in server.asked if "/samples?" in path]
    assert pages[0] == "split=train&label=null&prefix=0&limit=200"
    assert [f"version={DIGEST}" in page for page in pages] == [False, True, True]  # all pages of one version
    assert len(samples.list(limit=5)) == 5
    assert samples.facets().labels == (("cat", 3), (None, 2))


@pytest.mark.parametrize(
    "changes", [{"label": "{"}, {"label": 7}, {"bytes": "1"}, {"key": 3}, {"label": "[" * 100_000}]
)
def test_samples_that_make_no_sense(server: DatasetsApi, client: Client, changes: dict[str, Any]) -> None:
    server.add(dataset())
    server.samples = [sample(0, **changes)]
    with pytest.raises(BluenoError, match="not understood"):
        client.samples("digits").list()


def test_users(server: DatasetsApi, client: Client) -> None:
    made = client.users.add("ada@example.org", "a long password", role="editor", namespaces=["lab"])
    assert (made.role, made.namespaces) == ("editor", ("lab",))
    with pytest.raises(Conflict, match="of that address"):
        client.users.add("ada@example.org", "a long password")
    assert client.users.change("ada@example.org", role="viewer").role == "viewer"
    assert client.users.change("ada@example.org", namespaces=iter(["a", "b"])).namespaces == ("a", "b")
    client.users.set_password("ada@example.org", "another password")
    assert server.asked[-1][1:] == ("/api/v1/users/ada%40example.org/password", {"password": "another password"})
    assert client.users.reset("ada@example.org") == "made up for you"
    client.users.revoke("ada@example.org")
    assert server.asked[-1][:2] == ("POST", "/api/v1/users/ada%40example.org/revoke")
    assert [one.email for one in client.users.list()] == ["ada@example.org"]
    client.users.remove("ada@example.org")
    with pytest.raises(NotFound):
        client.users.remove("ada@example.org")
