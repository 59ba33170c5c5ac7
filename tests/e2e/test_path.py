"""The one true path: apply a Dataset, real pods make it Ready; and what people get wrong on the way."""

from __future__ import annotations

import hashlib

import pytest

from blueno.resources.conditions import parse_time
from controllers.dataset.status import PROGRESS_SECONDS
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders, png, tar

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def digest_of(dataset: dict) -> str:
    return str(dataset["status"]["version"]["digest"])


def test_apply_makes_ready(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(count=60)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    kube.run("wait", "--for=condition=Ready", "dataset/pictures", "--timeout=240s")
    dataset = kube.wait_ready("pictures")
    status = dataset["status"]
    assert (status["samples"], status["classes"], status["version"]["sequence"]) == (60, 4, 1)
    assert status["splits"] == [{"name": "train", "samples": 60}]
    assert status["badSamples"]["count"] == 0
    line = kube.run("get", "dataset", "pictures", "--no-headers").split()
    assert line[:3] == ["pictures", "True", "Available"]
    wide = kube.run("get", "dataset", "pictures", "--no-headers", "-o", "wide")
    assert "archive:p.tar" in wide and status["volume"]["claimName"] in wide
    # One Job did it, and the operator wrote nothing but status.
    assert len(kube.list("jobs")) == 1
    fields = {f"{m['manager']}/{m.get('subresource', '')}" for m in dataset["metadata"]["managedFields"]}
    assert {f for f in fields if f.startswith("blueno")} == {"blueno-operator/status"}
    assert "annotations" not in dataset["metadata"] or all(
        "kopf" not in key for key in dataset["metadata"]["annotations"]
    )


def test_unknown_tfds_name_suggests_the_nearest(kube: Kube) -> None:
    kube.apply(
        {
            "apiVersion": "blueno.dev/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": "typo"},
            "spec": {"source": {"tfds": {"name": "mnits"}}},
        }
    )
    said = kube.wait_reason("typo", "SourceNotFound")
    assert "mnist" in said["message"]
    assert kube.condition("typo", "Stalled")["status"] == "True"
    assert "mnist" in kube.run("describe", "dataset", "typo")


def test_wrong_checksum_names_both_digests(kube: Kube, mirror: Mirror) -> None:
    content = class_folders()
    url = mirror.put("p.tar", content)
    kube.apply(archive_dataset("pictures", url, b"something else"))
    said = kube.wait_reason("pictures", "ChecksumMismatch")
    assert hashlib.sha256(content).hexdigest() in said["message"]
    assert hashlib.sha256(b"something else").hexdigest() in said["message"]
    # Corrected, it heals; nothing has to be deleted.
    kube.apply(archive_dataset("pictures", url, content))
    kube.wait_ready("pictures")


def test_source_that_is_down_is_tried_again(kube: Kube, mirror: Mirror) -> None:
    content = class_folders()
    url = mirror.put("p.tar", content)
    mirror.stop()
    kube.apply(archive_dataset("pictures", url, content))
    said = kube.wait_reason("pictures", "SourceUnavailable")
    assert "p.tar" in said["message"] or str(mirror.port) in said["message"]
    assert kube.condition("pictures", "Stalled")["status"] == "False"
    mirror.start()
    assert kube.wait_ready("pictures")["status"]["samples"] == 40


def test_private_address_is_refused(kube: Kube, mirror: Mirror) -> None:
    kube.apply(archive_dataset("inside", "http://169.254.169.254/latest/meta-data/p.tar"))
    said = kube.wait_reason("inside", "SourceNotAllowed")
    assert "169.254.169.254" in said["message"]
    assert mirror.requests == []


def test_missing_claims_are_waited_for(kube: Kube, mirror: Mirror) -> None:
    content = class_folders()
    dataset = archive_dataset("late", mirror.put("p.tar", content), content)
    dataset["spec"]["storage"] = {"existingClaim": {"name": "mine"}}
    kube.apply(dataset)
    assert "mine" in kube.wait_reason("late", "WaitingForVolume")["message"]
    assert kube.list("jobs") == []
    kube.apply(claim("mine"))
    kube.wait_ready("late")


def test_missing_image_is_said_within_thirty_seconds(kube: Kube, mirror: Mirror) -> None:
    system = kube.inside("blueno-system")
    system.run("set", "env", "deployment/blueno-operator", "BLUENO_PREP_IMAGE=localhost/blueno/nothing:here")
    system.run("rollout", "status", "deployment/blueno-operator", "--timeout=180s")
    try:
        kube.wait_at_work()
        kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders())))
        said = kube.wait_reason("pictures", "ImagePullFailed", seconds=30)
        assert "localhost/blueno/nothing:here" in said["message"]
        assert kube.condition("pictures", "Stalled")["status"] == "False"
    finally:
        system.run("set", "env", "deployment/blueno-operator", "BLUENO_PREP_IMAGE-")
        system.run("rollout", "status", "deployment/blueno-operator", "--timeout=180s")


def test_too_many_bad_samples_keep_the_work(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(count=40, broken=3)
    dataset = archive_dataset("torn", mirror.put("p.tar", content), content, prepare={"maxBadSamples": 2})
    kube.apply(dataset)
    said = kube.wait_reason("torn", "TooManyBadSamples")
    assert "broken" in said["message"]
    asked = len(mirror.requests)
    dataset["spec"]["prepare"]["maxBadSamples"] = 3
    kube.apply(dataset)
    ready = kube.wait_ready("torn")
    assert ready["status"]["badSamples"]["count"] == 3
    assert ready["status"]["samples"] == 40
    assert len(mirror.requests) == asked, "what was fetched is not fetched again"


def test_claim_that_is_not_writable(kube: Kube, mirror: Mirror) -> None:
    kube.apply(claim("locked"))
    kube.wait("the claim bound", lambda: kube.get("pvc", "locked")["status"].get("phase") == "Bound")
    path = volume_path(kube, "locked")
    kube.hack("exec", "--", "chmod", "0555", path)
    kube.hack("exec", "--", "chown", "0:0", path)
    dataset = archive_dataset("pictures", mirror.put("p.tar", class_folders()))
    dataset["spec"]["storage"] = {"existingClaim": {"name": "locked"}}
    kube.apply(dataset)
    said = kube.wait_reason("pictures", "VolumePermissionDenied")
    assert "65532" in said["message"] and "/volume" in said["message"]
    kube.hack("exec", "--", "chmod", "1777", path)
    kube.wait_ready("pictures", seconds=300)


def test_changed_source_makes_a_new_version_beside_the_old(kube: Kube, mirror: Mirror) -> None:
    first, second = class_folders(400), class_folders(404)
    kube.apply(archive_dataset("pictures", mirror.put("a.tar", first), first))
    before = digest_of(kube.wait_ready("pictures"))
    mirror.delay = 5.0  # half a minute of download, so that it is seen
    kube.apply(archive_dataset("pictures", mirror.put("b.tar", second), second))
    kube.wait_reason("pictures", "Downloading", kind="Reconciling")
    assert kube.condition("pictures", "Ready")["status"] == "True"
    mirror.delay = 0.0
    kube.wait("the new version", lambda: digest_of(kube.dataset("pictures")) != before)
    status = kube.wait_ready("pictures")["status"]
    assert (status["version"]["sequence"], status["samples"]) == (2, 404)
    # And back: the earlier work is found on the volume, with its digest.
    kube.apply(archive_dataset("pictures", mirror.put("a.tar", first), first))
    kube.wait("the first version again", lambda: digest_of(kube.dataset("pictures")) == before)


def test_failing_new_version_leaves_the_old_one(kube: Kube, mirror: Mirror) -> None:
    content = class_folders()
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    kube.wait_ready("pictures")
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), b"wrong"))
    assert "sha256" in kube.wait_reason("pictures", "ChecksumMismatch", kind="Stalled")["message"]
    assert kube.condition("pictures", "Ready")["status"] == "True"


def test_request_reads_the_source_again(kube: Kube, mirror: Mirror) -> None:
    url = mirror.put("p.tar", class_folders(40))
    kube.apply(archive_dataset("live", url))
    kube.wait_ready("live")
    mirror.put("p.tar", class_folders(41))
    kube.run("annotate", "dataset", "live", "blueno.dev/requested-at=2026-01-01T00:00:00Z")
    kube.wait("41 samples", lambda: kube.dataset("live")["status"].get("samples") == 41)
    status = kube.wait_ready("live")["status"]
    assert status["lastHandledRequest"] == "2026-01-01T00:00:00Z"
    assert status["version"]["sequence"] == 2


def test_moving_samples_between_splits_changes_the_digest(kube: Kube, mirror: Mirror) -> None:
    pictures = {f"{i % 2}/{i:03d}.png": png(i) for i in range(20)}
    train = tar({f"train/{name}": data for name, data in pictures.items()} | {"test/0/x.png": png(99)})
    test = tar({f"test/{name}": data for name, data in pictures.items()} | {"train/0/x.png": png(99)})
    for name, content in (("one", train), ("other", test)):
        layout = {"type": "splitClassFolders"}
        kube.apply(archive_dataset(name, mirror.put(f"{name}.tar", content), content, layout=layout))
    digests = {digest_of(kube.wait_ready(name)) for name in ("one", "other")}
    assert len(digests) == 2


def claim(name: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "blueno-local",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def volume_path(kube: Kube, name: str) -> str:
    """The directory behind a claim of the local cluster, as this machine sees it."""
    volume = kube.get("pv", kube.get("pvc", name)["spec"]["volumeName"])
    source = volume["spec"].get("hostPath") or volume["spec"].get("local") or {}
    return kube.hack("exec", "--", "readlink", "-f", source["path"]).strip()


def test_percentage_and_remaining_time_move(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(2400)
    mirror.delay = 0.5  # a download of about half a minute, written down every five seconds
    kube.apply(archive_dataset("slow", mirror.put("p.tar", content), content))
    seen: list[dict] = []

    def ready() -> bool:
        status = kube.dataset("slow").get("status") or {}
        if status.get("progress"):
            seen.append({**status["progress"], "column": status["summary"]["progress"]})
        return status.get("version") is not None

    kube.wait("slow sealed", ready, every=0.3)
    percentages = [step["percentage"] for step in seen]
    assert percentages == sorted(percentages), "never backwards"
    assert len(set(percentages)) >= 3
    assert any(step["column"].endswith("s") for step in seen), "an estimate of the remaining time"
    moments = sorted({step["lastUpdatedTime"] for step in seen if step["stage"] == "Downloading"})
    first, last = (parse_time(moment) for moment in (moments[0], moments[-1]))
    assert first and last
    assert len(moments) <= 1 + ((last - first).total_seconds() + 1) / PROGRESS_SECONDS
    assert "progress" not in kube.wait_ready("slow")["status"]
