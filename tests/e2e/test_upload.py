"""Source `upload` on the real cluster: opened, filled through the data server, sealed, trained on, erased."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.sources import png
from tests.e2e.web import Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

TOP = Path(__file__).resolve().parents[2]
EXAMPLE, README = "examples/04-upload/dataset.yaml", "examples/04-upload/README.md"
READY = "--for=condition=Ready"


Blueno = Callable[..., str]


@pytest.fixture
def blueno(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blueno]:
    """The command line with a token of the demo's administrator, in a home without anybody's settings."""
    made = web.ask("/api/v1/tokens", {"name": "test_upload", "expiresInDays": 1})
    assert made.status == 201, made
    home = str(tmp_path_factory.mktemp("home"))
    given = {names.ENV_SERVER: web.url, names.ENV_TOKEN: made.body["token"], names.ENV_ALLOW_HTTP: "1"}
    env = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": str(TOP), **given}

    def run(kube: Kube, *arguments: str) -> str:
        command = [sys.executable, "-m", "blueno.cli", *arguments, "-n", kube.namespace]
        done = subprocess.run(command, cwd=TOP, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    web.ask(f"/api/v1/tokens/{made.body['id']}", method="DELETE")


def upload(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "blueno.dev/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": name},
        "spec": {"source": {"upload": {}}, **spec},
    }


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in status["conditions"] if c["type"] == kind)


def seal(kube: Kube, name: str, request: str) -> dict[str, Any]:
    """Asks, and waits until it is over; the status."""
    kube.run("annotate", "dataset", name, "--overwrite", f"blueno.dev/requested-at={request}")
    kube.run("wait", f"--for=jsonpath={{.status.lastHandledRequest}}={request}", f"dataset/{name}", "--timeout=240s")
    kube.run("wait", "--for=condition=Reconciling=false", f"dataset/{name}", "--timeout=300s")
    return dict(kube.dataset(name)["status"])


def test_the_example_opens_and_a_seal_of_nothing_changes_nothing(kube: Kube) -> None:
    blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```", (TOP / README).read_text(), re.M | re.S)
    opening, asking = (
        block.replace("hack/cluster kubectl", f"hack/cluster kubectl -n {kube.namespace}") for block in blocks
    )
    subprocess.run(["bash", "-ec", opening], cwd=TOP, check=True)
    status = kube.dataset("birds")["status"]
    assert condition(status, "Ready") == ("True", "AcceptingUploads")
    assert status["working"] == {"accepts": True}
    assert "version" not in status
    kube.no_difference(EXAMPLE)
    subprocess.run(["bash", "-ec", asking], cwd=TOP, check=True)
    status = seal(kube, "birds", "2026-01-01T00:00:00Z")
    assert (condition(status, "Ready"), status["work"]["outcome"]) == (("True", "AcceptingUploads"), "Open")
    assert condition(status, "Stalled")[0] == "False"


def test_a_run_waits_for_the_first_seal(kube: Kube) -> None:
    kube.apply(upload("waited"))
    run = {
        "apiVersion": "blueno.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": "waits"},
        "spec": {"image": "example.org/never:1", "datasets": [{"name": "waited"}]},
    }
    kube.run("wait", READY, "dataset/waited", "--timeout=300s")
    kube.apply(run)
    reason = '--for=jsonpath={.status.conditions[?(@.type=="Succeeded")].reason}=NoSealedVersion'
    kube.run("wait", reason, "trainingrun/waits", "--timeout=180s")
    kube.run("delete", "trainingrun", "waits")


@pytest.mark.parametrize("storage", [{}, {"managedNFS": {"size": "1Gi"}}], ids=["claim", "nfs"])
def test_what_is_added_is_sealed_and_erased(
    space: Kube, blueno: Blueno, storage: dict[str, Any], tmp_path: Path
) -> None:
    """Through the command line, as people do."""
    kube, name = space, "filled"
    kube.apply(upload(name, reclaimPolicy="Delete", **({"storage": storage} if storage else {})))
    kube.run("wait", READY, f"dataset/{name}", "--timeout=300s")
    for number in range(20):
        (tmp_path / f"{number:02d}.png").write_bytes(png(number))
    blueno(kube, "sample", "add", name, str(tmp_path), "--split", "train")
    first = seal(kube, name, "2026-01-01T00:00:01Z")
    assert (first["samples"], first["version"]["sequence"]) == (20, 1)
    assert first["version"]["workingRevision"] == 20
    again = seal(kube, name, "2026-01-01T00:00:02Z")
    assert (again["version"]["digest"], again["version"]["sequence"]) == (first["version"]["digest"], 1)
    blueno(kube, "sample", "rm", name, "00.png", "--yes")
    second = seal(kube, name, "2026-01-01T00:00:03Z")
    assert (second["samples"], second["version"]["sequence"]) == (19, 2)
    kube.run("delete", "dataset", name, "--timeout=200s")
    kube.wait("nothing is left", lambda: name not in kube.run("get", "pvc,deploy,job", "-o", "name"))
