"""Anonymous memory of the operator's process in its pod, with nothing to do and with 500 Datasets.

Needs the cluster of hack/cluster with the operator in it (`make demo`); the Datasets are suspended, so that no
preparation runs. Resident anonymous memory (RssAnon of /proc) is what a memory limit counts against.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import common

DATASETS = 500
SAMPLES = 5
SECONDS_BETWEEN = 2.0
LIMIT_MB = 100.0


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """kubectl on the test cluster."""
    command = ["hack/cluster", "kubectl", *arguments]
    done = subprocess.run(command, cwd=common.TOP, input=stdin, capture_output=True, text=True, check=True)
    return done.stdout


def operator_pid() -> int:
    """The operator's process as this machine sees it: the newest with its pod's uid in its cgroup."""
    selector = "app.kubernetes.io/component=operator"
    pods = json.loads(kubectl("-n", "blueno-system", "get", "pods", "-l", selector, "-o", "json"))["items"]
    uid = pods[0]["metadata"]["uid"]
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and uid in (entry / "cgroup").read_text()
            if ours and b"kopf" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    raise SystemExit("the operator's process was not found on this machine: is the cluster the local one?")


def measure(pid: int) -> list[float]:
    """RssAnon in MB, a few times."""
    found = []
    for _ in range(SAMPLES):
        time.sleep(SECONDS_BETWEEN)
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
        found.append(kilobytes * 1024 / 1e6)
    return found


def suspended(namespace: str) -> str:
    """Manifests of many Datasets that ask for nothing."""
    spec = {"suspend": True, "source": {"tfds": {"name": "mnist"}}}
    items = [
        {
            "apiVersion": "blueno.dev/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": f"idle-{number}", "namespace": namespace},
            "spec": spec,
        }
        for number in range(DATASETS)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def main() -> int:
    """Measure idle, then with the Datasets, and clean up."""
    pid = operator_pid()
    idle = measure(pid)
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", namespace)
    try:
        kubectl("create", "-f", "-", stdin=suspended(namespace))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            reasons = kubectl("-n", namespace, "get", "datasets", "--no-headers")
            if reasons.count("Suspended") == DATASETS:
                break
            time.sleep(1)
        many = measure(pid)
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
    beside = {"limit": common.limit(LIMIT_MB)}
    note = "RssAnon of the process in its pod; {}, each with a claim, suspended: no Job."
    common.write(
        "operator_memory",
        [
            common.row("operator_rss_anon_mb", "MB", idle, beside, "<= 1", "nothing to do"),
            common.row("operator_rss_anon_mb_500", "MB", many, beside, "<= 1", note.format(f"{DATASETS} Datasets")),
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
