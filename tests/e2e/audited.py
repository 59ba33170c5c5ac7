"""Writes by the API server's own log, which hack/cluster keeps (clusterlib/components.py). Used by test_writes.py."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

from blueno import names
from tests.e2e.kube import TOP

WRITES = ("create", "update", "patch", "delete")


def audit_log() -> Path | None:
    """Where it is; None when tests run on a cluster of somebody else, or on one that keeps none."""
    if os.environ.get("KUBECONFIG"):
        return None
    command = ["hack/cluster", "status", "--json"]
    known = json.loads(subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout)
    return Path(known["auditLog"]) if known.get("auditLog") else None


def writes_of_the_operator(log: Path, namespace: str) -> Counter[str]:
    """Completed writes in this namespace since the log began, as "verb resource/subresource"."""
    found: Counter[str] = Counter()
    with log.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break  # it is just being written
            entry = json.loads(line)
            about = entry.get("objectRef") or {}
            ours = names.OPERATOR in (entry.get("user") or {}).get("username", "") and entry["verb"] in WRITES
            if ours and about.get("namespace") == namespace and entry["stage"] == "ResponseComplete":
                parts = (about["resource"], about.get("subresource"))
                found[f"{entry['verb']} {'/'.join(part for part in parts if part)}"] += 1
    return found
