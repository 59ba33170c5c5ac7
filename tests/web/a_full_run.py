"""A training run with everything in it, and how a list shows it. Used by test_training_runs.py and its neighbours."""

from __future__ import annotations

from typing import Any

from tests.runs import DIGEST, run_uid

FULL: dict[str, Any] = {
    "spec": {
        "command": ["python", "train.py"],
        "args": ["--lr", "$(params.lr)"],
        "parameters": {"lr": "0.001"},
        "gpus": {"count": 2},
        "numNodes": 2,
        "queueName": "team-a",
        "metrics": {"objective": {"name": "accuracy", "direction": "maximize"}},
    },
    "status": {
        "attempt": 2,
        "restarts": 1,
        "nodes": ["node1"],
        "datasets": [{"name": "digits", "digest": DIGEST}],
        "startTime": "2026-03-01T12:00:05Z",
        "completionTime": "2026-03-01T12:30:00Z",
        "jobRef": {"name": "train-0a1b2c3d-a2"},
        "imageDigest": "sha256:" + "ef" * 32,
        "codeRevision": "abc123",
        "outputs": {"claimName": "blueno-outputs", "path": "train-0a1b2c3d"},
        "checkpoint": {"path": "checkpoints/step-000000000100", "step": 100, "time": "2026-03-01T12:20:00Z"},
        "failure": {"reason": "UserError", "exitCode": 1, "pod": "train-x", "lastLines": ["Traceback", "ValueError"]},
        "trainerStatus": {
            "progressPercentage": 43,
            "estimatedRemainingSeconds": 120,
            "metrics": [{"name": "loss", "value": "0.31"}],
        },
        "usage": {"gpuSeconds": 360, "wallSeconds": 90},
    },
    "meta": {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
}
SUMMARY = {
    "uid": run_uid("train"),
    "namespace": "lab",
    "name": "train",
    "state": "failed",
    "reason": "UserError",
    "message": "exit <b>1",
    "stalled": True,
    "suspended": False,
    "progress": {"percentage": 43, "estimatedRemainingSeconds": 120},
    "metrics": [{"name": "loss", "value": "0.31"}],
    "objective": {"name": "accuracy", "direction": "maximize"},
    "datasets": [{"name": "digits", "digest": DIGEST}],
    "parameters": {"lr": "0.001"},
    "gpus": 4,
    "nodes": ["node1"],
    "numNodes": 2,
    "gpuSeconds": 360,
    "wallSeconds": 90,
    "runningSince": None,
    "attempt": 2,
    "restarts": 1,
    "queue": "team-a",
    "startedAt": "2026-03-01T12:00:05.000Z",
    "endedAt": "2026-03-01T12:30:00.000Z",
    "managedBy": "Helm",
    "createdAt": "2026-03-01T12:00:00.000Z",
}
