"""`blueno run --local` with real processes: environment, data sets, secrets, exit codes, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.local_run.conftest import Bench
from tests.unit.local_run.programs import COUNTS, ENVIRONMENT


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
    assert sorted(path.name for path in (bench.folder / "runs/digits").glob("c*")) == [
        "checkpoints-a1",
        "checkpoints-a2",
    ]
    bench.write(COUNTS)
    bench.run()
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
        ({"activeDeadlineSeconds": "10"}, "spec.activeDeadlineSeconds: must be a whole"),
        ({"checkpoint": {"resume": "Perhaps"}}, "must be Auto, Never or From"),
        ({"gpus": 1}, "spec.gpus: must be an object, not a number"),
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
    assert one.wait(120) == 141


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


def test_report_and_checkpoint_of_the_library(bench: Bench) -> None:
    bench.write(
        """
        import blueno
        latest = blueno.checkpoint.latest()
        step = latest.step + 1 if latest else 1
        blueno.checkpoint.save(step, lambda folder: (folder / "weights").write_text(str(step)))
        blueno.report(step=step, progress=1.0, loss=0.25)
        """
    )
    assert bench.run().stdout == "step 1  100%  loss 0.25\n"
    assert bench.run().stdout == "step 2  100%  loss 0.25\n"
    assert (bench.folder / "runs/digits/checkpoints/step-000000000002/weights").read_text() == "2"


def test_a_version_is_the_one_that_was_named(bench: Bench) -> None:
    bench.write("", datasets=[{"name": "digits", "version": "a" * 16}])
    copy = bench.folder / "copy"
    copy.mkdir()
    given = ("--dataset", f"digits={copy}")
    assert "no sealed version of digits" in bench.run(*given).stderr
    (copy / "manifest.json").write_text(json.dumps({"digest": "b" * 64}))
    refused = bench.run(*given)
    assert (refused.returncode, "is version bbbbbbbbbbbbbbbb" in refused.stderr) == (125, True)
    (copy / "manifest.json").write_text(json.dumps({"digest": "a" * 64}))
    assert bench.run(*given).returncode == 0


def test_the_run_group_takes_local_wherever_it_stands(bench: Bench) -> None:
    bench.write("print('ran')")
    for words in (["run", "local", "run.yaml"], ["run", "--set", "a=1", "--name", "b", "--local", "run.yaml"]):
        assert (
            subprocess.run(
                [sys.executable, "-m", "blueno.cli", *words],
                env=bench.environment,
                cwd=bench.folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            == "ran\n"
        )
