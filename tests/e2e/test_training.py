"""TrainingRuns with real pods: the path, what people see on the way, and how it ends."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, condition, log_of, pods_of, run_of, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

READS = """
    import os, pathlib, blueno
    found = blueno.open_dataset(os.environ["BLUENO_DATASET_PICTURES"])
    pathlib.Path(os.environ["BLUENO_OUTPUT"], "count.txt").write_text(str(len(found)))
    print("lr", os.environ["BLUENO_PARAM_LR"], "samples", len(found), "user", os.getuid())
    try:
        pathlib.Path(os.environ["BLUENO_DATASET_PICTURES"], "x").write_text("x")
    except OSError as error:
        print("read-only", error.errno)
"""


def test_a_run_starts_when_its_data_set_is_ready_and_completes(kube: Kube, mirror: Mirror) -> None:
    kube.apply(a_run("train", READS, datasets=[{"name": "pictures"}], parameters={"lr": "0.1"}))
    said = wait_reason(kube, "train", "DatasetNotReady")
    assert "pictures" in said["message"]
    assert kube.list("jobs") == []
    content = class_folders(count=60)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    kube.run("wait", "--for=condition=Succeeded", "trainingrun/train", "--timeout=240s")
    status = status_of(kube, "train")
    digest = kube.dataset("pictures")["status"]["version"]["digest"]
    assert status["datasets"] == [{"name": "pictures", "digest": digest}]
    assert status["outputs"]["claimName"] == "blueno-outputs"
    assert status["imageDigest"]
    assert status["attempt"] == 1
    (pod,) = pods_of(kube, "train")
    said = log_of(kube, pod["metadata"]["name"])
    assert "lr 0.1 samples 60 user 65532" in said
    assert "read-only 30" in said  # EROFS
    line = kube.run("get", "trainingrun", "train", "--no-headers").split()
    assert line[:2] == ["train", "Completed"]
    assert "Completed" in kube.run("describe", "trainingrun", "train")
    # The next run finds the claim, and its own directory in it.
    kube.apply(a_run("second", "import os; print(os.listdir(os.environ['BLUENO_OUTPUT']))"))
    wait_reason(kube, "second", "Completed")
    assert "['checkpoints']" in log_of(kube, pods_of(kube, "second")[0]["metadata"]["name"])
    fields = {f"{m['manager']}/{m.get('subresource', '')}" for m in run_of(kube, "train")["metadata"]["managedFields"]}
    assert {f for f in fields if f.startswith("blueno")} == {"blueno-operator/status"}


def test_a_program_that_fails_is_quoted(kube: Kube) -> None:
    program = """
        import os
        print("epoch 1")
        raise SystemExit("no such file: password=hunter2-secret " + os.environ["HOME"])
    """
    kube.apply(a_run("broken", program))
    said = wait_reason(kube, "broken", "UserError")
    assert "exit code 1" in said["message"]
    failure = status_of(kube, "broken")["failure"]
    assert failure["exitCode"] == 1
    assert any("no such file" in line for line in failure["lastLines"])  # two streams: in no order
    assert "hunter2" not in json.dumps(run_of(kube, "broken")["status"])
    assert condition(kube, "broken", "Stalled")["status"] == "True"


def test_too_much_memory(kube: Kube) -> None:
    limits = {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    kube.apply(a_run("greedy", "x = bytearray(500_000_000)\nprint(len(x))", resources=limits))
    said = wait_reason(kube, "greedy", "OutOfMemory")
    assert "spec.resources.limits.memory" in said["message"]


def test_suspend_resume_and_cancel(kube: Kube) -> None:
    program = """
        import os, pathlib, signal, sys, time
        state = pathlib.Path(os.environ["BLUENO_CHECKPOINT_DIR"], "state")
        def stop(*_):
            state.write_text("what attempt " + os.environ["BLUENO_ATTEMPT"] + " had")
            sys.exit(1)
        before = state.read_text() if state.exists() else "nothing"
        signal.signal(signal.SIGTERM, stop)
        print("begins with", before, flush=True)
        time.sleep(600)
    """
    kube.apply(a_run("long", program))
    wait_reason(kube, "long", "Running")
    kube.wait("it to begin", lambda: "nothing" in log_of(kube, pods_of(kube, "long")[0]["metadata"]["name"]))
    kube.run("patch", "trainingrun", "long", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    kube.run("wait", "--for=condition=Suspended", "trainingrun/long", "--timeout=180s")
    assert [pod for pod in pods_of(kube, "long") if pod["status"]["phase"] == "Running"] == []
    kube.run("patch", "trainingrun", "long", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    wait_reason(kube, "long", "Running")
    newest = kube.list("pods", "blueno.dev/training-run=long,blueno.dev/attempt=2")[0]["metadata"]["name"]
    kube.wait("it to go on", lambda: "what attempt 1 had" in log_of(kube, newest))
    assert status_of(kube, "long")["attempt"] == 2
    kube.run("patch", "trainingrun", "long", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    wait_reason(kube, "long", "Cancelled")
    refused = kube.run("patch", "trainingrun", "long", "--type=merge", "-p", '{"spec":{"cancel":false}}', check=False)
    assert "stays cancelled" in refused


def test_two_nodes_find_each_other_in_order(kube: Kube) -> None:
    program = """
        import json, os, socket, time
        rank, address = int(os.environ["PET_NODE_RANK"]), os.environ["PET_MASTER_ADDR"]
        assert json.loads(os.environ["TF_CONFIG"])["task"]["index"] == rank == int(os.environ["JAX_PROCESS_ID"])
        port = int(os.environ["PET_MASTER_PORT"])
        if rank == 0:
            with socket.create_server(("", port)) as server:
                peer, _ = server.accept()
                print("rank 0 heard from rank", peer.recv(10).decode(), flush=True)
        else:
            for _ in range(300):
                try:
                    with socket.create_connection((address, port), 5) as peer:
                        peer.sendall(str(rank).encode())
                    break
                except OSError:
                    time.sleep(1)
    """
    kube.apply(a_run("team", program, numNodes=2))
    wait_reason(kube, "team", "Completed", 400)
    first = next(p for p in pods_of(kube, "team") if p["metadata"]["name"].rpartition("-")[0].endswith("-0"))
    assert "rank 0 heard from rank 1" in log_of(kube, first["metadata"]["name"])
    assert len(kube.list("services", "blueno.dev/training-run=team")) == 1


def test_code_without_an_image(kube: Kube) -> None:
    kube.run("create", "configmap", "train-code", "--from-literal=train.py=print('from a config map')")
    what = {"command": ["python", "train.py"], "code": {"configMapRef": {"name": "train-code"}}}
    kube.apply(a_run("script", **what))
    wait_reason(kube, "script", "Completed")
    assert "from a config map" in log_of(kube, pods_of(kube, "script")[0]["metadata"]["name"])
    kube.apply(a_run("gone", code={"git": {"url": "http://127.0.0.1:9/x.git", "revision": "main"}}))
    said = wait_reason(kube, "gone", "SetupFailed")
    assert "cannot be fetched" in said["message"]


def test_a_job_deleted_by_hand_cancels_the_run(kube: Kube) -> None:
    # As process 1 it is deaf to SIGTERM: so its pod is still there when the operator hears of its Job's end.
    kube.apply(a_run("victim", "import time; time.sleep(600)", terminationGracePeriodSeconds=8))
    wait_reason(kube, "victim", "Running")
    kube.run("delete", "job", status_of(kube, "victim")["jobRef"]["name"])
    wait_reason(kube, "victim", "Cancelled")
    assert kube.list("jobs") == []


def test_killed_operators_lose_and_double_nothing(kube: Kube) -> None:
    kube.apply(a_run("steady", "import time; time.sleep(8)"))
    for _ in range(3):
        killed = kube.kill_operator()
        kube.wait_operator(killed)
    kube.run("wait", "--for=condition=Succeeded", "trainingrun/steady", "--timeout=240s")
    assert len(kube.list("jobs")) == 1
    assert len(pods_of(kube, "steady")) == 1
    # The same name again, at once.
    kube.run("delete", "trainingrun", "steady", "--wait=true")
    kube.apply(a_run("steady", "print('again')"))
    wait_reason(kube, "steady", "Completed")
    assert status_of(kube, "steady")["attempt"] == 1
