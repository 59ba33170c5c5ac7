"""How tables and descriptions look, whole: tests/golden/cli/tables.txt. Rewritten by `make golden`; read the diff."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blueno.cli import dataset_text, text
from blueno.cli.health import Finding, State
from blueno.client import RunSummary
from tests.fakes.data_api import DIGEST, dataset
from tests.fakes.runs_api import summary
from tests.unit.cli.data.test_samples import sealed

NOW = datetime(2026, 1, 2, 5, 4, 5, tzinfo=UTC)  # two hours after everything in the stand-ins
GOLDEN = Path(__file__).resolve().parents[3] / "golden/cli/tables.txt"

UNMADE: dict[str, Any] = {"ready": False, "version": None, "samples": None, "bytes": None, "classes": None}
PREPARING = {"stage": "Decoding", "percentage": 43, "estimatedRemainingSeconds": 130}
STATES = (
    dataset(),
    dataset("empty", **UNMADE | {"ready": True}, reason="AcceptingUploads", message="samples can be added"),
    dataset("preparing", **UNMADE, reconciling=True, reason="Preparing", message="", progress=PREPARING),
    dataset("updating", reconciling=True, progress=PREPARING | {"estimatedRemainingSeconds": None}),
    dataset("stuck", **UNMADE, stalled=True, reason="ChecksumMismatch", message="correct the sha256"),
    dataset("a-name-that-is-as-long-as-names-of-objects-may-be-in-kubernetes-63", **UNMADE, reason="Pending"),
)
OVER: dict[str, Any] = {"runningSince": None, "wallSeconds": 90}
UNBEGUN = OVER | {"wallSeconds": 0}
RUNS = (
    summary(),
    summary("failed", state="failed", reason="OutOfMemory", progress=None, gpus=0, gpuSeconds=0, restarts=2, **OVER),
    summary("waiting", state="pending", reason="InsufficientGPU", progress=None, gpuSeconds=0, **UNBEGUN),
)
WORKING = {"key": "2024/owl 1.png", "split": "train", "label": {"class": "owl", "sure": True}, "bytes": 70123}
VERSION = {"digest": DIGEST, "sequence": 3, "sealedAt": "2026-01-01T03:04:05Z", "samples": 70000, "bytes": 54525952}
CONDITION = {"type": "Stalled", "status": "True", "reason": "ChecksumMismatch", "message": "correct the sha256"}
BAD = {"count": 3, "first": [{"key": "a.png", "code": "NotAnImage"}]}


def tables() -> Iterator[str]:
    yield "$ blueno dataset ls"
    yield from text.columns([dataset_text.HEAD, *(dataset_text.row(one, NOW) for one in STATES)])
    yield "\n$ blueno dataset describe digits"
    yield from dataset_text.describe(STATES[0], NOW)
    yield "\n$ blueno dataset describe stuck"
    yield from dataset_text.describe(
        STATES[4] | {"conditions": [CONDITION], "badSamples": BAD, "managedBy": "Flux"}, NOW
    )
    yield "\n$ blueno dataset wait stuck"
    yield dataset_text.status(STATES[4])
    yield "\n$ blueno dataset versions digits"
    rows = [VERSION | {"current": True, "classes": ["a", "b"]}, VERSION | {"sequence": 2, "digest": "1a2b" * 16}]
    yield from text.columns([dataset_text.VERSIONS, *(dataset_text.version_row(one, NOW) for one in rows)])
    yield "\n$ blueno sample ls digits"
    volume = sealed(1) | {"key": "scan", "depth": 64, "height": 512, "width": 512, "label": None, "bytes": 16777216}
    colour = sealed(2) | {"channels": 3, "label": 7}
    yield from text.columns([dataset_text.SAMPLES, *map(dataset_text.sample_row, (sealed(0), volume, colour))])
    added = WORKING | {"by": "ada@example.org", "time": "2026-01-02T05:00:00Z", "sha256": "ab" * 32}
    yield "\n$ blueno sample ls birds --working"
    yield from text.columns([dataset_text.WORKING, dataset_text.working_row(added, NOW)])
    yield "\n$ blueno sample get birds '2024/owl 1.png'"
    yield from dataset_text.describe_sample(added | {"etag": "cd" * 16, "metadata": {"camera": "A", "size": [1, 2]}})
    yield "\n$ blueno run ls"
    runs = [RunSummary.parse(one) for one in RUNS]
    yield from text.columns([text.HEAD, *(text.row(one, NOW) for one in runs)])
    yield text.used(runs, NOW)


def test_tables(request: pytest.FixtureRequest) -> None:
    shown = "\n".join(line.rstrip() for line in tables()) + "\n"
    if request.config.getoption("--update-golden"):
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(shown)
    assert GOLDEN.exists(), "run `make golden`"
    assert shown == GOLDEN.read_text(), "if the new tables are right: `make golden`, and read the difference"


def test_findings_are_told_with_a_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    from blueno.cli import doctor

    doctor._tell(Finding("database", State.FAILED, "it does not answer\x1b[2J", "kubectl get pods"))
    doctor._tell(Finding("login", State.OK, "ada@example.org, admin of *"))
    assert capsys.readouterr().out == (
        "✗ database:       it does not answer[2J\n"
        "                  → kubectl get pods\n"
        "✓ login:          ada@example.org, admin of *\n"
    )
