"""`blueno run --local` with real processes: environment, resume after a kill, SIGTERM, exit codes, refusals."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_run.conftest import Bench

ENVIRONMENT = """
    import json, os, sys
    print(json.dumps({"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}))
"""
# Counts to 5, a checkpoint for each step; waits at the step that the parameter names.
COUNTS = """
    import os, pathlib, signal, sys, time
    place = pathlib.Path(os.environ["BLUENO_CHECKPOINT_DIR"])
    start = os.environ.get("BLUENO_RESUME_FROM")
    step = int((pathlib.Path(start) / "step").read_text()) if start else 0
    print("begins at", step, "in attempt", os.environ["BLUENO_ATTEMPT"], flush=True)
    def save():
        made = place / f"step-{step:012d}"
        made.mkdir()
        (made / "step").write_text(str(step))
    def stop(number, frame):
        print("asked to stop", flush=True)
        save()
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    while step < 5:
        step += 1
        if not (place / f"step-{step:012d}").exists() and step != 4:
            save()
        print("step", step, flush=True)
        if str(step) == os.environ.get("WAIT_AT"):
            time.sleep(60)
"""


def read_until(stream: Any, text: str) -> None:
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"never said: {text}")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_program_finds_what_it_finds_in_a_pod(bench: Bench) -> None:
    (bench.folder / "copy of digits").mkdir()
    bench.write(
        ENVIRONMENT,
        args=["--lr", "$(params.lr)", "--data=/workspace/dataset/digits/", "$(BLUENO_RUN)", "$(NOPE)", "$$(HOME)"],
        parameters={"lr": "0.1", "batch_size": "8"},
        datasets=[{"name": "digits"}],
        env=[{"name": "OUT", "value": "/workspace/output/model"}, {"name": "TWICE", "value": "$(OUT)2"}],
    )
    done = bench.run("--dataset", "digits=copy of digits", "--set", "lr=0.5")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    data, own = str(bench.folder / "copy of digits"), str(bench.folder / "runs/digits")
    assert said["args"] == ["--lr", "0.5", f"--data={data}/", "digits", "$(NOPE)", "$(HOME)"]
    assert said["cwd"] == str(bench.folder)
    env = said["env"]
    assert {key: value for key, value in env.items() if key.startswith("BLUENO_")} == {
        "BLUENO_RUN": "digits",
        "BLUENO_ATTEMPT": "1",
        "BLUENO_OUTPUT": own,
        "BLUENO_CHECKPOINT_DIR": f"{own}/checkpoints",
        "BLUENO_DATASET_DIGITS": data,
        "BLUENO_PARAM_LR": "0.5",
        "BLUENO_PARAM_BATCH_SIZE": "8",
    }
    assert (env["OUT"], env["TWICE"]) == (f"{own}/model", f"{own}/model2")
    assert "blueno_secret" not in done.stdout + done.stderr
    assert "# spec.image: no container is started" in done.stderr


def test_a_data_set_by_the_environment_or_not_at_all(bench: Bench) -> None:
    bench.write(ENVIRONMENT, datasets=[{"name": "mnist-3d"}])
    assert json.loads(bench.run(BLUENO_DATASET_MNIST_3D=str(bench.folder)).stdout)["env"]["BLUENO_DATASET_MNIST_3D"]
    missing = bench.run()
    assert missing.returncode == 125
    assert "--dataset mnist-3d=/path" in missing.stderr
    assert "BLUENO_DATASET_MNIST_3D" in missing.stderr
    assert "no directory" in bench.run("--dataset", "mnist-3d=/nowhere").stderr
    assert "no such data set, it has mnist-3d" in bench.run("--dataset", "other=/").stderr


@pytest.mark.parametrize("kind", ["secretKeyRef", "configMapKeyRef"])
def test_secrets_are_refused_with_a_way_out(bench: Bench, kind: str) -> None:
    entry = {"name": "KEY", "valueFrom": {kind: {"name": "a", "key": "b"}}}
    bench.write(ENVIRONMENT, env=[entry])
    refused = bench.run(KEY="hidden")
    assert refused.returncode == 125
    assert "set KEY in your shell and add --env KEY" in refused.stderr
    assert not (bench.folder / "runs").exists()
    assert "KEY is not set in your shell" in bench.run("--env", "KEY").stderr
    done = bench.run("--env", "KEY", KEY="hidden")
    assert json.loads(done.stdout)["env"]["KEY"] == "hidden"
    assert "hidden" not in done.stderr
    kept = [path.read_text() for path in (bench.folder / "runs").rglob("*") if path.is_file()]
    assert not any("hidden" in text for text in kept)


def test_after_a_kill_it_goes_on_from_its_checkpoint(bench: Bench) -> None:
    bench.write(COUNTS)
    one = bench.start(WAIT_AT="3")
    read_until(one.stdout, "step 3")
    one.kill()  # of blueno itself: the program lives on and holds the run
    one.wait()
    again = bench.run()
    assert again.returncode == 125
    assert "is running already" in again.stderr
    (program,) = [int(p.name) for p in Path("/proc").glob("[0-9]*") if runs_here(p, bench.folder)]
    os.kill(program, signal.SIGKILL)
    until(lambda: not is_there(program))
    done = bench.run()
    assert done.stdout == "begins at 3 in attempt 2\nstep 4\nstep 5\n"
    assert "attempt 2, from step-000000000003" in done.stderr
    assert done.returncode == 0


def runs_here(process: Path, folder: Path) -> bool:
    try:
        return process.joinpath("cwd").readlink() == folder and b"train.py" in process.joinpath("cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop_it_writes_a_checkpoint_and_goes_on_later(bench: Bench, number: signal.Signals) -> None:
    bench.write(COUNTS)
    one = bench.start(WAIT_AT="4")
    read_until(one.stdout, "step 4")
    one.send_signal(number)
    out, errors = one.communicate(timeout=20)
    assert out == "asked to stop\n"
    assert one.returncode == 143
    assert "stopping it: it has 30 s" in errors
    assert bench.run().stdout == "begins at 4 in attempt 2\nstep 5\n"


DEAF = """
    import signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(60)"])
    print("child", child.pid, flush=True)
    while True:
        time.sleep(60)
"""


def test_a_program_that_does_not_stop_is_killed_with_all_it_started(bench: Bench) -> None:
    bench.write(DEAF, terminationGracePeriodSeconds=1)
    one = bench.start()
    assert one.stdout is not None
    child = int(one.stdout.readline().split()[1])
    began = time.monotonic()
    one.send_signal(signal.SIGINT)
    out, errors = one.communicate(timeout=20)
    assert 1 <= time.monotonic() - began < 5
    assert (one.returncode, out) == (137, "no\n")
    assert "ending it now" in errors
    until(lambda: not is_there(child))


def test_a_second_ctrl_c_does_not_wait(bench: Bench) -> None:
    bench.write(DEAF, terminationGracePeriodSeconds=60)
    one = bench.start()
    assert one.stdout is not None
    one.stdout.readline()
    one.send_signal(signal.SIGINT)
    assert one.stdout.readline() == "no\n"
    one.send_signal(signal.SIGINT)
    one.communicate(timeout=10)
    assert one.returncode == 137


def test_a_deadline(bench: Bench) -> None:
    bench.write(COUNTS, activeDeadlineSeconds=1)
    done = bench.run(WAIT_AT="4")
    assert done.returncode == 143
    assert "activeDeadlineSeconds (1 s) is over" in done.stderr


def test_children_end_with_the_program(bench: Bench) -> None:
    bench.write(
        """
        import subprocess, sys
        quiet = subprocess.DEVNULL
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=quiet, stderr=quiet)
        print(child.pid)
        """
    )
    done = bench.run()
    assert done.returncode == 0
    until(lambda: not is_there(int(done.stdout)))


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], 3, "ended with exit code 3"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137, "ended with exit code 137"),
        (["no-such-program"], 127, "activate the environment"),
        (["./train.py"], 126, "cannot be started: Permission denied"),
    ],
)
def test_exit_codes_are_passed_on(bench: Bench, command: list[str], code: int, why: str) -> None:
    bench.write("", command=command)
    done = bench.run()
    assert done.returncode == code
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_another_run_of_the_same_name_is_refused(bench: Bench) -> None:
    bench.write(COUNTS)
    bench.run()
    other = bench.run("--set", "lr=1")
    assert other.returncode == 125
    assert "--start-over" in other.stderr
    assert bench.run("--set", "lr=1", "--name", "second").stdout.startswith("begins at 0 in attempt 1\n")
    anew = bench.run("--set", "lr=1", "--start-over")
    assert anew.stdout.startswith("begins at 0 in attempt 1\n")
    assert (bench.folder / "runs/digits.old-1/checkpoints/step-000000000005").is_dir()


def test_begin_as_the_spec_says(bench: Bench) -> None:
    bench.write(COUNTS, checkpoint={"resume": "Never"})
    bench.run()
    assert bench.run().stdout.startswith("begins at 0 in attempt 2\n")
    bench.write(COUNTS, checkpoint={"resume": "From", "from": {"run": "digits"}})
    assert bench.run("--name", "next").stdout == "begins at 5 in attempt 1\n"
    bench.write(COUNTS, checkpoint={"resume": "From", "from": {"run": "nothing"}})
    refused = bench.run("--name", "third")
    assert refused.returncode == 125
    assert "nothing has no checkpoint" in refused.stderr


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"command": []}, "spec.command: is needed here"),
        ({"image": ""}, "spec.image"),
        ({"args": ["$(params.nope)"]}, "names no parameter"),
        ({"env": [{"name": "BLUENO_RUN", "value": "x"}]}, "set by Blueno"),
        ({"gpus": 1}, "spec: a field has another type"),
        ({"datasets": [{"name": "a", "mountPath": "/x/../y"}]}, "without .."),
    ],
)
def test_what_cannot_run_is_said_and_leaves_nothing(bench: Bench, spec: dict[str, Any], why: str) -> None:
    bench.write(ENVIRONMENT, **spec)
    done = bench.run()
    assert done.returncode == 125
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bench.folder / "runs").exists()


def test_what_needs_a_cluster_is_one_line_each(bench: Bench) -> None:
    bench.write(
        "",
        gpus={"count": 2},
        resources={"limits": {"memory": "1Gi"}},
        numNodes=2,
        queueName="q",
        suspend=True,
        envFrom=[{"secretRef": {"name": "a"}}],
        code={"configMapRef": {"name": "a"}},
        workingDir="/app",
    )
    lines = bench.run().stderr.splitlines()
    for field in ("image", "gpus", "resources", "numNodes", "queueName", "suspend", "envFrom", "code", "workingDir"):
        assert len([line for line in lines if line.startswith(f"# spec.{field}")]) == 1


def test_a_reader_that_leaves_is_the_programs_affair(bench: Bench) -> None:
    bench.write("import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\nwhile True: print('x' * 1000)")
    one = bench.start()
    assert one.stdout is not None
    one.stdout.readline()
    one.stdout.close()
    assert one.wait(20) == 141


def test_damaged_memory_of_attempts(bench: Bench) -> None:
    bench.write(COUNTS)
    bench.run()
    (bench.folder / "runs/digits/.blueno.json").write_text("{")
    done = bench.run()
    assert (done.returncode, "damaged" in done.stderr) == (125, True)


def test_a_directory_that_cannot_be_written(bench: Bench) -> None:
    bench.write(COUNTS)
    (bench.folder / "runs").write_text("a file")
    done = bench.run()
    assert done.returncode == 125
    assert "cannot be used" in done.stderr
