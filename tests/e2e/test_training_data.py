"""What a TrainingRun holds and what outlives it: its data sets, its checkpoints, its log, its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.kube import Kube, container
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, log_of, pods_of, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import volume_path
from tests.e2e.web import Web

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]

# Sixty steps of half a second with a checkpoint after each; then it says which it did.
STEPS = """
import os, time, blueno
latest = blueno.checkpoint.latest()
first = latest.step + 1 if latest else 1
print("from step", first, flush=True)
for step in range(first, 61):
    time.sleep(0.5)
    blueno.checkpoint.save(step, lambda folder: (folder / "state").write_text(str(step)))
    blueno.report(step=step, progress=step / 60, loss=1 / step)
    if step == 12 and not latest and os.environ.get("EATS"):
        hoard = bytearray(400_000_000)
print("done at", step, flush=True)
"""


def pod_named(kube: Kube, name: str) -> str:
    """The newest pod of a run."""
    pods = sorted(pods_of(kube, name), key=lambda pod: pod["metadata"]["creationTimestamp"])
    return str(pods[-1]["metadata"]["name"])


def first_step(log: str) -> int:
    return int(log.partition("from step ")[2].split()[0])


def at_step(kube: Kube, name: str, step: int) -> int:
    """Waits until the run has reported a checkpoint at or after `step`; which."""

    def there() -> Any:
        found = (status_of(kube, name).get("checkpoint") or {}).get("step") or 0
        return found if found >= step else None

    return int(kube.wait(f"{name} at step {step}", there))


def test_goes_on_after_suspension(kube: Kube) -> None:
    # As process 1 a program is deaf to a SIGTERM that it does not handle: it works on until the grace period is over.
    kube.apply(a_run("steps", STEPS, terminationGracePeriodSeconds=2))
    reached = at_step(kube, "steps", 5)
    kube.run("patch", "trainingrun", "steps", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    kube.run("wait", "--for=condition=Suspended", "trainingrun/steps", "--timeout=180s")
    kube.run("patch", "trainingrun", "steps", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    wait_reason(kube, "steps", "Completed", 240)
    log = log_of(kube, pod_named(kube, "steps"))
    assert first_step(log) > reached
    assert "done at 60" in log
    status = status_of(kube, "steps")
    assert (status["attempt"], status["restarts"]) == (2, 0)
    assert status["usage"]["wallSeconds"] >= 28, "sixty steps of half a second, in two attempts; times are in seconds"

    def line() -> list[str]:
        return kube.run("get", "trainingrun", "steps", "--no-headers").split()[:3]

    # What a program reports last may be heard after its end.
    kube.wait("all of it", lambda: line() == ["steps", "Completed", "100%"], 60)
    # Another run begins where this one has ended.
    more = {"checkpoint": {"resume": "From", "from": {"run": "steps"}}}
    program = "import os; print(sorted(os.listdir(os.environ['BLUENO_RESUME_FROM'])))"
    kube.apply(a_run("fine-tune", program, **more))
    wait_reason(kube, "fine-tune", "Completed")
    assert "'state'" in log_of(kube, pod_named(kube, "fine-tune"))


def test_goes_on_after_eviction_which_is_nobodys_failure(kube: Kube) -> None:
    kube.apply(a_run("evicted", STEPS, terminationGracePeriodSeconds=1))
    reached = at_step(kube, "evicted", 5)
    kube.evict(pod_named(kube, "evicted"))
    wait_reason(kube, "evicted", "Completed", 240)
    assert first_step(log_of(kube, pod_named(kube, "evicted"))) >= reached
    assert status_of(kube, "evicted")["restarts"] == 1
    assert status_of(kube, "evicted")["attempt"] == 1


def test_goes_on_after_too_much_memory(kube: Kube) -> None:
    limits = {"requests": {"memory": "64Mi"}, "limits": {"memory": "160Mi"}}
    eats = [{"name": "EATS", "value": "1"}]
    kube.apply(a_run("greedy", STEPS, resources=limits, env=eats, backoffLimit=1))
    wait_reason(kube, "greedy", "Completed", 240)
    assert first_step(log_of(kube, pod_named(kube, "greedy"))) == 13
    assert status_of(kube, "greedy")["restarts"] == 1


def test_a_data_set_in_use_waits_with_its_deletion(kube: Kube, mirror: Mirror) -> None:
    content = class_folders(count=10)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    kube.wait_ready("pictures")
    kube.apply(a_run("reader", "import time; time.sleep(600)", datasets=[{"name": "pictures"}]))
    wait_reason(kube, "reader", "Running")
    kube.run("delete", "dataset", "pictures", "--wait=false")
    said = kube.wait_reason("pictures", "InUse")
    assert "reader" in said["message"]
    kube.apply(a_run("late", datasets=[{"name": "pictures"}]))
    assert "being deleted" in wait_reason(kube, "late", "DatasetNotReady")["message"]
    kube.run("patch", "trainingrun", "reader", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    kube.wait("pictures to go", lambda: not kube.dataset("pictures"), 240)


# Told to end, it takes its time, as one that saves a last checkpoint does.
LINGERS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(8), sys.exit(0)))
time.sleep(600)
"""


def test_a_namespace_goes_with_what_runs_in_it(kube: Kube, mirror: Mirror) -> None:
    """The run first: as long as its process is there, so are the pictures that it reads."""
    content = class_folders(count=10)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, reclaimPolicy="Delete"))
    sealed = volume_path(kube, kube.wait_ready("pictures")["status"]["volume"]["claimName"])
    kube.apply(a_run("reader", LINGERS, datasets=[{"name": "pictures"}]))
    wait_reason(kube, "reader", "Running")
    pod = pod_named(kube, "reader")
    kube.run("delete", "namespace", kube.namespace, "--wait=false")

    def gone() -> bool:
        kept = kube.hack("exec", "--", "sh", "-c", f"ls {sealed} 2>/dev/null | wc -l").strip() != "0"
        runs = "running" in container(kube.get("pod", pod) or None).get("state", {})  # asked after: it may end between
        seen.append((runs, kept))
        return not kube.get("namespace", kube.namespace)

    seen: list[tuple[bool, bool]] = []
    kube.wait("the namespace gone", gone, 240, 0.2)
    assert (True, False) not in seen, "data were taken away under a run"
    assert (True, True) in seen, "the run was still there when the namespace began to go"
    assert seen[-1] == (False, False), "reclaimPolicy Delete leaves nothing"


def test_log_and_numbers_outlive_the_pod(kube: Kube, web: Web) -> None:
    program = """
        import json, sys, time
        for step in range(20):
            print(json.dumps({"step": step, "loss": 1 / (step + 1), "odd": float("nan")}), flush=True)
        sys.stdout.buffer.write(b"\\xff\\x00 binary " + b"x" * 300_000 + b"\\n")
        print("token=very-secret-value the last line", flush=True)
        time.sleep(2)
    """
    kube.apply(a_run("talker", program, metrics={"stdout": True}, ttlSecondsAfterFinished=5))
    wait_reason(kube, "talker", "Completed")
    kube.wait("its pod to be removed", lambda: pods_of(kube, "talker") == [])
    path = f"/api/v1/trainingruns/{kube.namespace}/talker"

    def kept() -> Any:
        found = web.get(f"{path}/logs")
        return found if "the last line" in found["text"] else None

    log = kube.wait("the log", kept)
    assert "very-secret-value" not in log["text"]
    assert sum(part["bytes"] for part in log["parts"]) > 300_000
    series = {one["name"]: one["points"] for one in web.get(f"{path}/metrics")["series"]}
    assert [point[0] for point in series["loss"]] == list(range(20))
    assert "odd" not in series
    assert web.get(path)["state"] == "succeeded"
