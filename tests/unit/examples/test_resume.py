"""examples/12-resume killed at any moment: the weights are those of a training that nobody disturbed."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.examples import RESUME, digits_version, environment, run, start

PARAMETERS = {"PARAM_STEPS": "60", "PARAM_EVERY": "7"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(digits_version(tmp_path_factory.mktemp("digits")))


@pytest.fixture(scope="module")
def undisturbed(digits: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("undisturbed")
    said = run(RESUME, environment(output, DATASET_DIGITS=digits, **PARAMETERS))
    assert said.startswith("starts at step 0\n")
    return weights(output)


def weights(output: Path) -> dict[str, bytes]:
    with np.load(output / "weights.npz", allow_pickle=False) as saved:
        return {name: saved[name].tobytes() for name in saved}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again(digits: str, undisturbed: dict[str, bytes], tmp_path: Path, seed: int) -> None:
    env = environment(tmp_path, DATASET_DIGITS=digits, PARAM_PAUSE="0.03", **PARAMETERS)
    chance, codes, begun = random.Random(seed), [], []
    while not codes or codes[-1] != 0:
        process = start(RESUME, env)
        assert process.stdout is not None
        if len(codes) < 6:  # then it may come to its end
            begun.append(process.stdout.readline())
            time.sleep(chance.uniform(0, 0.6))
            process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        process.communicate()
        codes.append(process.returncode)
        # -SIGTERM: it came while Python was ending, when handlers are gone; then everything is written already.
        assert codes[-1] in (0, 128 + signal.SIGTERM, -signal.SIGKILL, -signal.SIGTERM)
    assert weights(tmp_path) == undisturbed
    steps = [int(found[1]) for line in begun if (found := re.match(r"continues from step (\d+)\n", line))]
    assert steps == sorted(steps)
    assert len(codes) > 2 and steps, "it was never killed after a checkpoint: this tests nothing"


def test_sigterm_saves_the_step_it_was_at(digits: str, tmp_path: Path) -> None:
    env = environment(tmp_path, DATASET_DIGITS=digits, PARAM_PAUSE="0.05", PARAM_STEPS="1000", PARAM_EVERY="1000")
    process = start(RESUME, env)
    assert process.stdout is not None
    assert process.stdout.readline() == "starts at step 0\n"
    time.sleep(0.5)
    process.terminate()
    said = process.communicate()[0]
    assert process.returncode == 143
    (step,) = re.findall(r"asked to stop: step (\d+) is saved", said)
    assert int(step) > 0
    assert (tmp_path / "checkpoints" / f"step-{int(step):012}" / "state.npz").is_file()
    assert not (tmp_path / "weights.npz").exists()


def test_a_parameter_that_is_no_number(digits: str, tmp_path: Path) -> None:
    process = start(RESUME, environment(tmp_path, DATASET_DIGITS=digits, PARAM_STEPS="many"))
    said = process.communicate()[0]
    assert (process.returncode, "Traceback" in said) == (1, False)
    assert "the parameter steps is 'many'" in said
