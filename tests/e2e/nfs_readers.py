"""Pods that read a sealed version again and again from the server, and say what they saw. Used by test_nfs*.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.e2e.kube import Kube
from tests.e2e.nfs_volumes import pod
from tests.e2e.runs import a_run

PREP = "localhost/blueno/prep:dev"

# Every round drops what the node remembers of the files, reads all samples through the loader with all sums compared,
# and makes one sum of everything; all rounds have to agree. Where a fault is to come, it goes on until it is told.
_READ = """
import hashlib, json, os, sys, time
from pathlib import Path
from blueno.data.dataset import open_dataset
top, seconds = Path(sys.argv[1]), float(sys.argv[2])
end, worst, sums = time.monotonic() + seconds, 0.0, []
while time.monotonic() < end or len(sums) < 2 or (sys.argv[3:] and not os.path.exists('/tmp/told')):
    started = time.monotonic()
    for path in top.rglob('*'):
        if path.is_file():
            with path.open('rb') as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    dataset = open_dataset(top, verify=True)
    total = hashlib.sha256()
    versions = top / 'versions'  # a run sees one version only
    for path in sorted((versions if versions.is_dir() else top).rglob('*')):
        if path.is_file():
            total.update(path.read_bytes())
    sums.append(total.hexdigest())
    worst = max(worst, time.monotonic() - started)
    if len(sums) == 1:
        print('begun', flush=True)
assert len(set(sums)) == 1, sums
print(json.dumps({'digest': dataset.digest, 'samples': len(dataset), 'rounds': len(sums), 'worst': round(worst, 1)}))
"""


def reader(name: str, dataset: Mapping[str, Any], seconds: float = 15, *until: str) -> dict[str, Any]:
    """A pod of the Dataset's namespace that reads its version for so long, and `until` it is told to end."""
    volume = dataset["status"]["volume"]
    command = ["python", "-c", _READ, f"/volume/{volume['path']}", str(seconds), *until]
    return pod(name, command, {"/volume": volume["claimName"]}, image=PREP)


def reading_run(name: str, dataset: str, seconds: float = 15, *until: str) -> dict[str, Any]:
    """A TrainingRun that does the same with the version that is mounted for it."""
    made = a_run(name, datasets=[{"name": dataset}])
    made["spec"]["command"] = ["python", "-c", _READ, f"$(BLUENO_DATASET_{dataset.upper()})", str(seconds), *until]
    return made


def result(kube: Kube, name: str, seconds: float = 300) -> dict[str, Any]:
    """What it saw, once it has ended well: `digest`, `samples`, `rounds`, the `worst` round's seconds."""

    def phase() -> str:
        return str(kube.get("pod", name)["status"].get("phase"))

    kube.wait(f"{name}'s end", lambda: phase() in ("Succeeded", "Failed"), seconds)
    said = kube.run("logs", name)
    assert phase() == "Succeeded", said
    return what(said)


def what(said: str) -> dict[str, Any]:
    """The same from a log."""
    return dict(json.loads(said.strip().splitlines()[-1]))
