"""`blueno doctor`: a cluster that is well, and each way in which one is not, with what to do about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from blueno.cli import health
from blueno.cli.health import State
from tests.fakes.api_server import ApiServer
from tests.fakes.data_api import DataApi
from tests.fakes.runs_api import running
from tests.unit.cli.conftest import Blueno

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def api() -> Iterator[DataApi]:
    with running(DataApi) as api:
        yield api


def crd(plural: str, **changes: Any) -> dict[str, Any]:
    spec = {"group": names.GROUP, "versions": [{"name": names.VERSION, "served": True}]}
    status = {"conditions": [{"type": "Established", "status": "True"}]}
    return {"metadata": {"name": f"{plural}.{names.GROUP}"}, "spec": spec, "status": status} | changes


def deployment(name: str = names.OPERATOR, replicas: int = 1, ready: int = 1) -> dict[str, Any]:
    selector = {"matchLabels": {"app": name}}
    metadata = {"name": name, "namespace": names.SYSTEM_NAMESPACE}
    return {
        "metadata": metadata,
        "spec": {"replicas": replicas, "selector": selector},
        "status": {"readyReplicas": ready},
    }


def pod(app: str = names.OPERATOR, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{app}-0", "namespace": names.SYSTEM_NAMESPACE, "labels": {"app": app}},
        "status": status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"containerStatuses": [{"name": "x", "state": {"waiting": {"reason": reason, "message": message}}}]}


def test_kinds() -> None:
    every = [crd(one.plural) for one in health.OURS]
    assert health.of_crds(every).state is State.OK
    missing = health.of_crds(every[1:])
    assert (missing.state, missing.said) == (State.FAILED, "datasets.blueno.dev is missing")
    assert "kubectl apply" in missing.fix
    unserved = crd("datasets", spec={"versions": [{"name": "v1", "served": True}]})
    assert "is not served in version v1alpha1" in health.of_crds([unserved, *every[1:]]).said
    young = crd("datasets", status={})
    assert "is not established yet" in health.of_crds([young, *every[1:]]).said


def test_processes() -> None:
    place = "Deployment blueno-system/blueno-operator"
    assert health.of_deployment("operator", deployment(), [], place).state is State.OK
    assert health.of_deployment("operator", None, [], place).said == f"there is no {place}"
    off = health.of_deployment("operator", deployment(replicas=0), [], place)
    assert off.fix == "kubectl scale -n blueno-system deployment blueno-operator --replicas=1"
    pods = [pod(**waiting("ImagePullBackOff", "no such image"))]
    down = health.of_deployment("operator", deployment(ready=0), pods, place)
    assert (down.state, down.said) == (
        State.FAILED,
        f"{place}: 0 of 1 ready (blueno-operator-0: ImagePullBackOff: no such image)",
    )
    assert health.of_deployment("operator", deployment(replicas=2), [], place).state is State.WARNING


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (waiting("CrashLoopBackOff"), "p: CrashLoopBackOff"),
        ({"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 3}}}]}, "p: i ended with 3"),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
                ]
            },
            "p: Unschedulable: no node",
        ),
        ({"phase": "Running"} | waiting("ContainerCreating"), "p: Running, not ready yet"),
        ({}, "p: Pending, not ready yet"),
    ],
)
def test_what_a_pod_says(status: dict[str, Any], said: str) -> None:
    body = {"metadata": {"name": "p", "labels": {"app": names.OPERATOR}}, "status": status}
    found = health.of_deployment("operator", deployment(ready=0), [body], "Deployment a/b")
    assert found.said == f"Deployment a/b: 0 of 1 ready ({said})"


def lease(renewed: datetime | None) -> dict[str, Any]:
    time = {} if renewed is None else {"renewTime": renewed.isoformat().replace("+00:00", "Z")}
    return {"spec": {"holderIdentity": "op-1", **time}}


def test_the_operators_sign() -> None:
    assert health.of_lease(lease(NOW - timedelta(seconds=4)), NOW).said == "op-1 gave a sign 4 s ago"
    assert health.of_lease(lease(NOW + timedelta(seconds=4)), NOW).state is State.OK  # clocks differ
    old = health.of_lease(lease(NOW - timedelta(seconds=300)), NOW)
    assert (old.state, old.said) == (State.FAILED, "the last sign of op-1 is 300 s old")
    assert health.of_lease(None, NOW).state is State.FAILED
    assert health.of_lease(lease(None), NOW).state is State.FAILED


def test_data_servers() -> None:
    assert health.of_data_servers([], []).state is State.OK
    asleep, awake, stuck = deployment("a", 0, 0), deployment("b"), deployment("c", 1, 0)
    assert health.of_data_servers([asleep, awake], []).said == "1 awake, 1 asleep"
    found = health.of_data_servers([asleep, awake, stuck], [pod("c", **waiting("ErrImagePull")), pod("b")])
    assert found.state is State.WARNING
    assert found.said == "blueno-system/c is not ready (c-0: ErrImagePull); 1 awake, 1 asleep"


def hold(cluster: ApiServer, kind: str, body: dict[str, Any]) -> None:
    """An object with its status, as it would be after a while."""
    metadata = {"uid": f"uid-{body['metadata']['name']}", "resourceVersion": "1", **body["metadata"]}
    key = (kind, metadata.get("namespace", ""), metadata["name"])
    cluster.objects[key] = {"kind": kind, **body, "metadata": metadata}


@pytest.fixture
def well(cluster: ApiServer, environment: dict[str, str]) -> ApiServer:
    """A cluster in which Blueno runs."""
    for name in (names.OPERATOR, names.WEB, names.RECORDER):
        hold(cluster, "Deployment", deployment(name))
    metadata = {"name": names.LEASE, "namespace": names.SYSTEM_NAMESPACE}
    hold(cluster, "Lease", {**lease(datetime.now(UTC)), "metadata": metadata})
    for one in health.OURS:
        hold(cluster, "CustomResourceDefinition", crd(one.plural))
    return cluster


@pytest.mark.usefixtures("well")
def test_all_is_well(blueno: Blueno, api: DataApi) -> None:
    done = blueno("doctor")
    assert done.exit_code == 0, done.output
    checks = [line.split(":")[0][2:] for line in done.stdout.splitlines()]
    assert checks == [
        *("server", "login", "versions", "database", "cluster", "kinds", "operator", "web process", "recorder"),
        *("operator works", "data servers"),
    ]
    assert all(line.startswith("✓ ") for line in done.stdout.splitlines())
    body = json.loads(blueno("doctor", "-o", "json").stdout)
    assert body["well"] is True
    assert {one["state"] for one in body["checks"]} == {"ok"}


def test_what_is_wrong_is_said_with_a_way_out(blueno: Blueno, api: DataApi, well: ApiServer) -> None:
    well.objects.pop(("Deployment", names.SYSTEM_NAMESPACE, names.RECORDER))
    api.down = "the database does not answer"
    done = blueno("doctor")
    assert done.exit_code == 11
    assert "✗ database:       " in done.stdout
    assert "the database does not answer" in done.stdout
    assert "✗ recorder:       there is no Deployment blueno-system/blueno-recorder\n" in done.stdout
    assert done.stdout.count("→") == 2
    assert done.stdout.endswith("2 of 9 checks failed\n")
    assert blueno("doctor", "-o", "name").stdout == "database\nrecorder\n"


@pytest.mark.usefixtures("well")
def test_a_server_that_is_away_and_a_token_that_is_none(
    blueno: Blueno, api: DataApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUENO_TOKEN", "blueno_other")
    done = blueno("doctor")
    assert (done.exit_code, f"→ blueno login {api.url}\n" in done.stdout) == (11, True)
    monkeypatch.setenv("BLUENO_SERVER", "http://127.0.0.1:1")
    assert "✗ server:" in blueno("doctor").stdout
    monkeypatch.delenv("BLUENO_SERVER")
    assert "no server is known" in blueno("doctor").stdout


def test_who_has_a_server_needs_no_cluster(
    blueno: Blueno, api: DataApi, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    done = blueno("doctor")
    assert (done.exit_code, done.stdout.splitlines()[-1][:10]) == (0, "- cluster:")


def test_a_cluster_that_does_not_answer(blueno: Blueno, api: DataApi, well: ApiServer) -> None:
    well.fail = lambda verb, path: 500
    done = blueno("doctor")
    assert (done.exit_code, "! cluster:        it is not looked at" in done.stdout) == (0, True)
    assert "context" in done.stdout


def test_what_one_may_not_see_is_no_fault(blueno: Blueno, api: DataApi, well: ApiServer) -> None:
    well.fail = lambda verb, path: 403 if "customresourcedefinitions" in path else None
    done = blueno("doctor")
    assert (done.exit_code, "- kinds:" in done.stdout) == (0, True)


def test_a_newer_server_is_a_warning(blueno: Blueno, api: DataApi, well: ApiServer) -> None:
    api.version = "9.9.9"
    done = blueno("doctor")
    assert (done.exit_code, "! versions:       client 0.1.0, server 9.9.9" in done.stdout) == (0, True)
