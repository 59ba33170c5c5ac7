"""Random faults for a while: whatever is killed, every Dataset ends Ready with the digest it always gets, and every
TrainingRun completes with one Job.

One minute in `make test`; `make soak` for BLUENO_SOAK_MINUTES (default 30). The seed is printed; BLUENO_SOAK_SEED
replays it.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_faults import running_pod
from tests.e2e.test_path import digest_of

SEED = int(os.environ.get("BLUENO_SOAK_SEED") or random.SystemRandom().randrange(10**9))
MINUTES = float(os.environ.get("BLUENO_SOAK_MINUTES") or 30)


def kill_operator(kube: Kube) -> str:
    kube.wait_operator(kube.kill_operator())
    return "operator killed"


def kill_preparation(kube: Kube) -> str:
    pod = running_pod(kube)
    if pod is None:
        return ""
    return f"pod {pod['metadata']['name']} killed" if kube.kill_container(pod["metadata"]["uid"]) else ""


def delete_pod(kube: Kube) -> str:
    pod = running_pod(kube)
    if pod is None:
        return ""
    kube.run("delete", "pod", pod["metadata"]["name"], "--wait=false")
    return f"pod {pod['metadata']['name']} deleted"


def delete_job(kube: Kube) -> str:
    jobs = [job for job in kube.list("jobs", "blueno.dev/role=prepare") if not job["status"].get("completionTime")]
    if not jobs:
        return ""
    kube.run("delete", "job", jobs[0]["metadata"]["name"], "--wait=false", "--ignore-not-found")
    return f"job {jobs[0]['metadata']['name']} deleted"


def kill_control_plane(kube: Kube) -> str:
    component = random.Random(time.monotonic()).choice(["apiserver", "controller-manager", "kubelet"])
    kube.hack("kill", component)
    kube.wait("the API server", lambda: "ok" in kube.run("get", "--raw", "/readyz", check=False), 60)
    return f"{component} killed"


FAULTS = (kill_operator, kill_preparation, delete_pod, delete_job, kill_control_plane)


def storm(kube: Kube, mirror: Mirror, seconds: float) -> None:
    """Faults against a stream of Datasets, a third of them deleted and made again under the same name."""
    print(f"BLUENO_SOAK_SEED={SEED}")
    dice = random.Random(SEED)
    content = class_folders(600)
    url = mirror.put("p.tar", content)
    kube.apply(archive_dataset("reference", url, content))
    expected = digest_of(kube.wait_ready("reference"))
    mirror.delay = 0.05
    deadline, number, fired = time.monotonic() + seconds, 0, 0
    while time.monotonic() < deadline:
        name = f"victim-{number % 7}"
        if kube.dataset(name):
            if dice.random() < 0.33:
                kube.run("delete", "dataset", name, "--timeout=90s")
            else:
                assert digest_of(kube.wait_ready(name, 240)) == expected
        # Deleted Jobs and killed pods count against backoffLimit: a person who soaks allows for it.
        prepare = {"backoffLimit": 20}
        kube.apply(archive_dataset(name, url, content, reclaimPolicy="Delete", prepare=prepare))
        kube.apply(a_run(f"run-{number}", f"import time; time.sleep({dice.uniform(0, 4):.1f})"))
        time.sleep(dice.uniform(0, 3))
        if told := dice.choice(FAULTS)(kube):
            fired += 1
            print(f"{seconds - (deadline - time.monotonic()):6.1f} s  {name}: {told}")
        number += 1
    names = [body["metadata"]["name"] for body in kube.list("datasets.blueno.dev")]
    for name in names:
        assert digest_of(kube.wait_ready(name, 300)) == expected
    for run in (f"run-{one}" for one in range(number)):
        wait_reason(kube, run, "Completed", 240)
        assert status_of(kube, run)["attempt"] == 1, run
    assert fired > 0, "no fault fired: the test proved nothing"
    kube.run("delete", "trainingruns.blueno.dev", "--all", "--timeout=120s")
    kube.run("delete", "datasets.blueno.dev", "--all", "--timeout=120s")
    kube.wait("nothing left", lambda: not kube.list("jobs") and not kube.list("pods"), 60)
    left = [body["metadata"]["name"] for body in kube.list("pvc") if not body["metadata"].get("deletionTimestamp")]
    kept = ("reference", "blueno-outputs")
    assert all(name.startswith(kept) for name in left), "Delete leaves no claim, Retain keeps its own"


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_minute_of_random_faults(kube: Kube, mirror: Mirror) -> None:
    storm(kube, mirror, 60)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_random_faults_for_long(kube: Kube, mirror: Mirror) -> None:
    storm(kube, mirror, MINUTES * 60)
