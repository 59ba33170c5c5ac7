"""Every example, as its README says: applied with kubectl, Ready, left as applied. The demo's mirror serves them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.kube import Kube

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "hack"))

from demolib import examples, mirror  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DIGITS = "examples/01-digits/dataset.yaml"
MNIST = "examples/02-mnist/dataset.yaml"
STAND_IN = "examples/02-mnist/stand-in/dataset.yaml"
CLAIM = "examples/03-own-photos/claim.yaml"
PHOTOS = "examples/03-own-photos/dataset.yaml"


@pytest.fixture(scope="module")
def files(cluster: Kube) -> Path:
    """Folder of the examples' files, which the demo's mirror serves in the cluster."""
    folder = mirror.files()
    mirror.serve(folder)
    return folder


def apply(kube: Kube, path: str) -> None:
    """Apply, and see at once that nothing of what was applied has been changed (`kubectl diff` ends with 0)."""
    kube.run("apply", "-f", path)
    kube.no_difference(path)


def ready(kube: Kube, name: str) -> dict[str, Any]:
    """Status after the wait that the README recommends."""
    kube.run("wait", "--for=condition=Ready", f"dataset/{name}", "--timeout=300s")
    return dict(kube.dataset(name)["status"])


def test_digits(kube: Kube, files: Path) -> None:
    apply(kube, DIGITS)
    status = ready(kube, "digits")
    assert (status["samples"], status["classes"], status.get("badSamples", {}).get("count", 0)) == (1797, 10, 0)
    assert status["splits"] == [{"name": "train", "samples": 1797}]
    assert status["shapes"] == ["8x8x1 uint8"]
    kube.no_difference(DIGITS)
    row = kube.run("get", "datasets").splitlines()[1].split()
    assert row[:4] == ["digits", "True", "Available", "1797"]


def test_same_yaml_in_another_namespace_has_the_same_digest(kube: Kube, cluster: Kube, files: Path) -> None:
    other = cluster.inside(f"{kube.namespace}-b")
    cluster.run("create", "namespace", other.namespace)
    try:
        for place in (kube, other):
            apply(place, DIGITS)
        digests = [ready(place, "digits")["version"]["digest"] for place in (kube, other)]
    finally:
        cluster.run("delete", "namespace", other.namespace, "--wait=false")
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


def test_mnist_stand_in_says_what_it_is(kube: Kube, files: Path) -> None:
    apply(kube, STAND_IN)
    status = ready(kube, "mnist")
    assert status["splits"] == [{"name": "train", "samples": 60000}, {"name": "test", "samples": 10000}]
    assert (status["classes"], status["shapes"]) == (10, ["28x28x1 uint8"])
    assert "stand-in" in kube.dataset("mnist")["spec"]["displayName"]
    kube.no_difference(STAND_IN)


def test_mnist(kube: Kube, files: Path) -> None:
    source = yaml.safe_load((TOP / MNIST).read_text())["spec"]["source"]
    assert source == {"tfds": {"name": "mnist"}}, "the real one names no mirror"
    apply(kube, MNIST)
    if not examples.internet_answers():
        pytest.skip("pods do not reach the server that TFDS fetches MNIST from: applied and compared, not prepared")
    assert ready(kube, "mnist")["samples"] == 70000


def test_own_photos_leaves_out_three_and_names_them(kube: Kube, files: Path) -> None:
    kube.run("create", "configmap", "photos", f"--from-file={files}/photos.zip")
    apply(kube, CLAIM)
    kube.run("wait", "--for=condition=Complete", "job/copy-my-photos", "--timeout=300s")
    apply(kube, PHOTOS)
    status = ready(kube, "own-photos")
    assert (status["samples"], status["classes"], status["badSamples"]["count"]) == (24, 2, 3)
    assert {bad["key"]: bad["code"] for bad in status["badSamples"]["first"]} == {
        "temple/card-was-full.png": "Empty",
        "temple/copy-broke-off.jpg": "Truncated",
        "flower/not-a-photo.jpg": "UnknownFormat",
    }
    for path in (CLAIM, PHOTOS):
        kube.no_difference(path)


def test_describe_of_a_broken_one_tells_what_to_do(kube: Kube, files: Path) -> None:
    broken = yaml.safe_load((TOP / DIGITS).read_text())
    file = broken["spec"]["source"]["archive"]["files"][0]
    right, wrong = file["sha256"], "0" * 64
    file["sha256"] = wrong
    kube.apply(broken)
    kube.wait_reason("digits", "ChecksumMismatch", kind="Stalled")
    kube.wait("the Warning event", lambda: "Warning" in kube.run("describe", "dataset", "digits"), seconds=60)
    said = kube.run("describe", "dataset", "digits")
    assert "ChecksumMismatch" in said
    assert right in said and wrong in said
    assert "correct" in said
    apply(kube, DIGITS)
    assert ready(kube, "digits")["samples"] == 1797
