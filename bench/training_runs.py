"""200 training runs applied at once: writes to the API server per run, and how soon Blueno acts and tells.

Run by bench/run.py on the API server that $KUBECONFIG (or hack/cluster) names, with Blueno at work on it. Beside the
operator a bare watcher, in this process, answers each run with a Job at once (suspended: it makes no pod): nothing that
watches and creates can be sooner. They run on a node that is played (played_node.py), spread over SPREAD seconds, as on
a cluster with enough real ones; BLUENO_BENCH_REAL=1 runs them on the real nodes instead, which measures above all how
fast those start containers. When a pod runs is taken from a bare watch of Pods, and when the run says so from one of
TrainingRuns: both by the clock of this process. Writes are counted in the API server's log, that of hack/cluster or the
one that BLUENO_AUDIT_LOG names (JSON lines); where there is none, by the operator's own counter.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP), str(TOP / "bench")]

import common  # noqa: E402
import played_node  # noqa: E402

from blueno import names  # noqa: E402
from blueno.resources.api import JOBS, PODS, TRAINING_RUNS, Resource  # noqa: E402

RUNS = int(os.environ.get("BLUENO_BENCH_RUNS", "200"))  # at once
ALONE = 10  # one after the other, with real pods
SPREAD = 10.0  # seconds within which the pods on the played node start
RUNNING = 5.0  # seconds that each of them runs
REAL = bool(os.environ.get("BLUENO_BENCH_REAL"))
REPETITIONS = int(os.environ.get("BLUENO_BENCH_REPETITIONS", "3"))
AT_A_TIME = 32  # creations under way: what one client sends without being throttled
PATIENCE = 1200.0  # seconds for all runs of a repetition: a small node starts a few pods a second
IMAGE = os.environ.get("BLUENO_BENCH_IMAGE", "localhost/blueno/prep:dev")
METRICS = os.environ.get("BLUENO_METRICS_URL", "")  # of the operator; else through the API server's proxy
AUDIT_LOG = "BLUENO_AUDIT_LOG"
Look = Callable[[dict[str, Any]], None]
_WRITES = re.compile(r'^blueno_api_writes_total\{kind="(?:Job|TrainingRun/status|Service)",verb="\w+"\} (\S+)', re.M)


def run_manifest(name: str, namespace: str, played: bool) -> dict[str, Any]:
    """A run that does nothing for a second, or is played."""
    spec = {
        "image": IMAGE,
        "command": ["sleep", "1"],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
        "shmSize": "16Mi",
    }
    if played:
        spec |= {
            "nodeSelector": {"kubernetes.io/hostname": played_node.NAME},
            "tolerations": [{"key": played_node.TAINT, "operator": "Exists"}],
        }
    return {
        "apiVersion": TRAINING_RUNS.api_version,
        "kind": TRAINING_RUNS.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def bare_job(run: str, namespace: str) -> dict[str, Any]:
    """What the bare watcher makes of a run."""
    container = {"name": "none", "image": IMAGE, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {"name": f"bare-{run}", "namespace": namespace, "labels": {"bench-run": run}},
        "spec": {"suspend": True, "template": template},
    }


@dataclass
class Seen:
    """Unix times by the name of a run: when it was sent, and when watches first told of what came of it."""

    sent: dict[str, float] = field(default_factory=dict)
    job: dict[str, float] = field(default_factory=dict)
    bare: dict[str, float] = field(default_factory=dict)
    pod_runs: dict[str, float] = field(default_factory=dict)
    says_running: dict[str, float] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)  # reason
    news: asyncio.Event = field(default_factory=asyncio.Event)  # another one is over

    async def until(self, wanted: set[str]) -> None:
        """Wait for the ends of these; TimeoutError after PATIENCE."""
        async with asyncio.timeout(PATIENCE):
            while not self.over.keys() >= wanted:
                self.news.clear()
                await self.news.wait()

    def look(self, body: dict[str, Any]) -> None:
        """One event of a watch; a watch begins with what earlier repetitions left."""
        now, meta, status = time.time(), body["metadata"], body.get("status") or {}
        labels = meta.get("labels") or {}
        ours = labels.get(names.OWNER_LABELS[names.TRAINING_RUN_KIND])
        run = ours or labels.get("bench-run") or meta["name"]
        if run not in self.sent:
            return
        if body["kind"] == JOBS.kind:
            (self.job if ours else self.bare).setdefault(run, now)
        elif body["kind"] == PODS.kind:
            states = [(container.get("state") or {}) for container in status.get("containerStatuses") or ()]
            if any("running" in state for state in states):
                self.pod_runs.setdefault(run, now)
        elif body["kind"] == TRAINING_RUNS.kind:
            said = {c["type"]: c for c in status.get("conditions") or ()}
            if said.get("PodsReady", {}).get("status") == "True":
                self.says_running.setdefault(meta["name"], now)
            if said.get("Succeeded", {}).get("status") in ("True", "False"):
                self.over.setdefault(meta["name"], said["Succeeded"]["reason"])
                self.news.set()


async def follow(cluster: Any, resource: Resource, namespace: str, look: Callable[[dict[str, Any]], Any]) -> None:
    """A bare watch, until cancelled; it begins with what is there, and comes back when it is cut."""
    while True:
        address = f"{cluster._base}{resource.path(namespace)}?watch=1"
        async with cluster._session.get(address, headers=await cluster._authorization(), timeout=None) as stream:
            async for line in stream.content:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    look(event["object"])


async def writes(cluster: Any, namespace: str, fresh: int) -> float:
    """Writes for training runs so far; of the audit log only those in `namespace`, from byte `fresh` on."""
    if log := os.environ.get(AUDIT_LOG):
        return float(await asyncio.to_thread(audited, Path(log), namespace, fresh))
    address, headers = METRICS, {}
    if not address:
        selector = "app.kubernetes.io/component=operator"
        (pod,) = [pod async for pod in cluster.list(PODS, selector, namespace=names.SYSTEM_NAMESPACE)]
        path = PODS.path(names.SYSTEM_NAMESPACE, f"{pod['metadata']['name']}:8080", "proxy")
        address, headers = f"{cluster._base}{path}/metrics", await cluster._authorization()
    async with cluster._session.get(address, headers=headers) as answer:
        answer.raise_for_status()
        return sum(float(value) for value in _WRITES.findall(await answer.text()))


def audited(log: Path, namespace: str, fresh: int) -> int:
    """Completed writes of the operator to Jobs, Services and TrainingRuns of `namespace`."""
    count = 0
    with log.open("rb") as lines:
        lines.seek(fresh)
        for line in lines:
            entry = json.loads(line)
            about = entry.get("objectRef") or {}
            count += (
                entry.get("stage") == "ResponseComplete"
                and entry.get("verb") in ("create", "patch", "update", "delete")
                and about.get("namespace") == namespace
                and about.get("resource") in ("jobs", "services", "trainingruns")
                and names.OPERATOR in (entry.get("user") or {}).get("username", "")
            )
    return count


@asynccontextmanager
async def watching(
    cluster: Any, namespace: str, looks: Mapping[Resource, Look], node: played_node.PlayedNode | None
) -> AsyncIterator[None]:
    """Bare watches while the block runs, and the played node."""
    if node is not None:
        await node.join()
    watches = [asyncio.create_task(follow(cluster, kind, namespace, look)) for kind, look in looks.items()]
    try:
        yield
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        if node is not None:
            await node.leave()
        await cluster.close()


async def measure(prefix: str, namespace: str, count: int, at_a_time: int) -> tuple[Seen, float]:
    """Apply `count` runs, `at_a_time` of them at once, and wait for their ends; what was seen, and writes per run."""
    from blueno.kube import Cluster  # the library reads $KUBECONFIG when it is imported

    cluster, seen, tasks = await Cluster.connect(), Seen(), set()
    node = played_node.PlayedNode(cluster, SPREAD, RUNNING) if at_a_time > 1 and not REAL else None
    wanted = [f"{prefix}-{number}" for number in range(count)]

    async def apply(name: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            seen.sent[name] = time.time()
            await cluster.create(TRAINING_RUNS, run_manifest(name, namespace, node is not None))
            if at_a_time == 1:
                await seen.until({name})

    def answer(body: dict[str, Any]) -> None:
        seen.look(body)
        name = body["metadata"]["name"]
        if name in seen.sent and name not in answered:
            answered.add(name)
            task = asyncio.create_task(cluster.create(JOBS, bare_job(name, namespace)))
            tasks.add(task)

    def pod(body: dict[str, Any]) -> None:
        seen.look(body)
        if node is not None:
            node.look(body)

    answered: set[str] = set()
    fresh = os.stat(log).st_size if (log := os.environ.get(AUDIT_LOG)) else 0  # noqa: PTH116
    async with watching(cluster, namespace, {TRAINING_RUNS: answer, JOBS: seen.look, PODS: pod}, node):
        await asyncio.sleep(1)
        before = 0.0 if log else await writes(cluster, namespace, fresh)
        gate = asyncio.Semaphore(at_a_time)
        await asyncio.gather(*(apply(name, gate) for name in wanted))
        await seen.until(set(wanted))
        await asyncio.sleep(2)  # whatever is written after the end counts, too
        made = await writes(cluster, namespace, fresh) - before
        await asyncio.gather(*tasks)
    failed = {name: reason for name, reason in seen.over.items() if reason != "Completed" and name in wanted}
    if failed:
        raise SystemExit(f"runs that did not complete: {failed}")
    print(f"{count} runs: {made / count:.2f} writes per run", flush=True)
    return seen, made / count


def between(begin: dict[str, float], end: dict[str, float]) -> list[float]:
    """Milliseconds from one to the other, of the runs in which both were seen."""
    return [(end[name] - at) * 1000 for name, at in begin.items() if name in end]


def rows(many: list[tuple[Seen, float]], alone: tuple[Seen, float]) -> list[dict[str, Any]]:
    """The table's lines."""

    def percentiles(found: list[list[float]], percentile: float) -> list[float]:
        return [float(np.percentile(times, percentile)) for times in found]

    told = [between(seen.pod_runs, seen.says_running) for seen, _ in many]
    ours = percentiles([between(seen.sent, seen.job) for seen, _ in many], 50)
    bare = percentiles([between(seen.sent, seen.bare) for seen, _ in many], 50)
    how = "by the API server's audit log" if os.environ.get(AUDIT_LOG) else "by the operator's counter"
    where = "real nodes" if REAL else f"a played node, whose pods start within {SPREAD:.0f} s"
    note = f"{len(many[0][0].sent)} runs applied at once, {AT_A_TIME} creations under way, {where}"
    told_note = f"{note}; from a bare watch's event of the pod to that of the run; of {len(told[0])} seen running"
    three, limit = {"limit": common.limit(3)}, {"limit": common.limit(300)}
    few = f"{ALONE} runs one after the other: Job, Running, the end; {how}"
    return [
        common.row("run_writes", "writes", [alone[1]], three, "<= 3", few),
        common.row("run_writes_at_once", "writes", [count for _, count in many], three, "<= 3", f"{note}; {how}"),
        common.row("pod_running_to_status_ms_p50", "ms", percentiles(told, 50), limit, "", told_note),
        common.row("pod_running_to_status_ms_p99", "ms", percentiles(told, 99), limit, "<= 300 ms", told_note),
        common.row(
            "apply_to_job_ms_p50", "ms", ours, {"bare watcher": common.summary(bare)}, "",
            f"{note}; from the request to a bare watch's event of the Job; beside it, at the same time, the Job of a "
            "watcher that does nothing but create one",
        ),
    ]  # fmt: skip


def kubectl(*arguments: str) -> None:
    """kubectl on whatever $KUBECONFIG names."""
    subprocess.run(["hack/cluster", "kubectl", *arguments], cwd=TOP, check=True)


async def repeat(namespace: str) -> list[dict[str, Any]]:
    """One after the other, then all at once; the first repetition warms everything up."""
    alone = await measure("alone", namespace, ALONE, 1)
    many = [await measure(f"many-{number}", namespace, RUNS, AT_A_TIME) for number in range(REPETITIONS + 1)]
    return rows(many[1:], alone)


def main() -> None:
    """Write bench/results/training_runs.json."""
    if "KUBECONFIG" not in os.environ:
        status = ["hack/cluster", "status", "--json"]
        known = json.loads(subprocess.run(status, cwd=TOP, capture_output=True, text=True, check=True).stdout)
        os.environ["KUBECONFIG"] = known["kubeconfig"]
        os.environ.setdefault(AUDIT_LOG, known.get("auditLog", ""))
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", namespace)
    try:
        common.write("training_runs", asyncio.run(repeat(namespace)))
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


if __name__ == "__main__":
    main()
