"""What the real API server makes of our schema: defaults, bounds, unknown fields, the status nobody wrote yet."""

from __future__ import annotations

from typing import Any

import pytest

from blueno.resources.dataset import Prepare
from tests.contract.crd import CRDS, ScratchKind, load_crd
from tests.fakes.kstatus import KStatus, evaluate

TFDS: dict[str, Any] = {"tfds": {"name": "mnist"}}
FILE = {"url": "https://example.org/digits.zip", "sha256": "4d1e0b2c" * 8}


def dataset(spec: dict[str, Any], name: str = "schema") -> dict[str, Any]:
    return {"kind": "Dataset", "metadata": {"name": name}, "spec": {"source": TFDS, **spec}}


def archive(*files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"source": {"archive": {"files": list(files), **more}}}


def test_the_server_takes_the_schema(datasets: ScratchKind) -> None:
    """Established, names accepted, and nothing to say about its structure."""
    crd = datasets.api.must("GET", f"{CRDS}/{datasets.full_name}")
    assert {c["type"]: c["status"] for c in crd["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


def test_a_new_object_has_the_unseen_status(datasets: ScratchKind) -> None:
    """Also when somebody brings a status along: a copied Dataset starts anew."""
    copied = dataset({}, "copied") | {"status": {"observedGeneration": 7, "samples": 3}}
    code, answer = datasets.create(datasets.own(copied))
    assert code == 201, answer
    assert answer["status"] == {"observedGeneration": -1}
    assert evaluate(answer) is KStatus.IN_PROGRESS


def test_few_constants_are_filled_in(datasets: ScratchKind) -> None:
    spec = {"prepare": {"gpus": {"count": 2}}}
    code, answer = datasets.create(datasets.own(dataset(spec)), dryRun="All")
    assert code == 201, answer
    assert answer["spec"] == {
        "source": TFDS,
        "reclaimPolicy": "Retain",
        "suspend": False,
        "prepare": {
            "parallelism": 1,
            "gpus": {"count": 2, "resourceName": "nvidia.com/gpu"},
            "onBadSample": "Skip",
            "maxBadSamples": 100,
            "backoffLimit": 3,
            "ttlSecondsAfterFinished": 3600,
        },
    }


def test_the_operator_knows_the_same_constants() -> None:
    """Without `prepare` the schema fills in nothing: the operator's own defaults hold, and they are the same."""
    prepare = load_crd("dataset")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = prepare["properties"]["prepare"]["properties"]
    ours = Prepare()
    assert {
        "onBadSample": ours.on_bad_sample,
        "maxBadSamples": ours.max_bad_samples,
        "backoffLimit": ours.backoff_limit,
        "ttlSecondsAfterFinished": ours.ttl_seconds_after_finished,
        "parallelism": 1,
    } == {name: field["default"] for name, field in fields.items() if "default" in field}


def test_metadata_keeps_any_json(datasets: ScratchKind) -> None:
    metadata = {"camera": "XZ-10", "site": {"room": 4, "tags": ["a", {"b": None}]}, "score": 0.5, "ok": True}
    code, answer = datasets.create(datasets.own(dataset({"metadata": metadata})), dryRun="All")
    assert code == 201, answer
    assert answer["spec"]["metadata"] == metadata


UNKNOWN: dict[str, dict[str, Any]] = {
    "spec.sauce": {"sauce": {}},
    "spec.source.tfds.split": {"source": {"tfds": {"name": "mnist", "split": "train"}}},
    "spec.source.archive.files[0].md5": archive(FILE | {"md5": "0"}),
    "spec.storage.smb": {"storage": {"smb": {"server": "smb.example.org", "path": "/"}}},
    "spec.prepare.gpu": {"prepare": {"gpu": 1}},
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_unknown_fields_are_refused(datasets: ScratchKind, field: str) -> None:
    code, answer = datasets.create(datasets.own(dataset(UNKNOWN[field])), dryRun="All")
    assert code == 400
    assert f'unknown field "{field}"' in answer["message"]


OUT_OF_BOUNDS: dict[str, tuple[dict[str, Any], str]] = {
    "no-name": ({"source": {"tfds": {}}}, "spec.source.tfds.name: Required value"),
    "65-files": (
        archive(*(FILE | {"url": f"https://example.org/{n}.zip"} for n in range(65))),
        "spec.source.archive.files: Too many: 65",
    ),
    "no-files": (archive(), "spec.source.archive.files: Invalid value"),
    "same-file-twice": (archive(FILE, FILE), "spec.source.archive.files[1]: Duplicate value"),
    "upper-case-sum": (
        archive(FILE | {"sha256": "4D1E0B2C" * 8}),
        "spec.source.archive.files[0].sha256: Invalid value",
    ),
    "short-sum": (archive(FILE | {"sha256": "4d1e0b2c"}), "spec.source.archive.files[0].sha256: Invalid value"),
    "same-split-twice": (
        {"source": {"tfds": {"name": "mnist", "splits": ["test", "test"]}}},
        "spec.source.tfds.splits[1]: Duplicate value",
    ),
    "version-with-star": ({"source": {"tfds": {"name": "mnist", "version": "3.*.*"}}}, "spec.source.tfds.version"),
    "no-samples": (
        {"source": {"tfds": {"name": "mnist", "maxSamplesPerSplit": 0}}},
        "maxSamplesPerSplit: Invalid value",
    ),
    "long-text": ({"description": "x" * 4097}, "spec.description: Too long"),
    "65-metadata-keys": ({"metadata": {str(n): n for n in range(65)}}, "spec.metadata: Too many: 65"),
    "metadata-is-a-list": ({"metadata": [1]}, "spec.metadata: Invalid value"),
    "size-is-a-number": (
        {"storage": {"claimTemplate": {"size": 10}}},
        "spec.storage.claimTemplate.size: Invalid value",
    ),
    "read-only-claim": (
        {"storage": {"claimTemplate": {"size": "1Gi", "accessModes": ["ReadOnlyMany"]}}},
        "accessModes[0]: Unsupported value",
    ),
    "two-pods": ({"prepare": {"parallelism": 2}}, "spec.prepare.parallelism: Invalid value"),
    "negative-ttl": ({"prepare": {"ttlSecondsAfterFinished": -1}}, "ttlSecondsAfterFinished: Invalid value"),
    "bad-policy": ({"reclaimPolicy": "Keep"}, "spec.reclaimPolicy: Unsupported value"),
    "bad-amount": ({"prepare": {"resources": {"limits": {"memory": "4 GB"}}}}, "spec.prepare.resources.limits.memory"),
    "bad-gpu": ({"prepare": {"gpus": {"count": 1, "resourceName": "gpu"}}}, "spec.prepare.gpus.resourceName"),
    "control-character": (
        {"source": {"claim": {"name": "c", "path": "a\nb"}}},
        "spec.source.claim.path: Invalid value",
    ),
}


@pytest.mark.parametrize("case", OUT_OF_BOUNDS)
def test_bounds(datasets: ScratchKind, case: str) -> None:
    spec, words = OUT_OF_BOUNDS[case]
    code, answer = datasets.create(datasets.own(dataset(spec)), dryRun="All")
    assert code == 422, answer
    assert words in answer["message"]
