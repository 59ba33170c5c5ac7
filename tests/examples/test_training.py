"""The examples that need jax, run as their YAML says and judged by their evaluate.py. Called by hack/runtests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.fakes.examples import EXAMPLES, VOLUMES, environment, evaluate, run, start
from tests.ports import free_port

pytestmark = pytest.mark.timeout(400)  # a fifth of it on a machine of its own

DIGITS = EXAMPLES / "10-digits-jax"
TWO_NODES = EXAMPLES / "11-two-nodes" / "train.py"


def parameters(path: Path) -> dict[str, str]:
    """spec.parameters of a YAML, as `environment` wants them."""
    spec = yaml.safe_load(path.read_text())["spec"]
    return {f"PARAM_{name.upper()}": value for name, value in spec["parameters"].items()}


def weights(output: Path) -> dict[str, Any]:
    with np.load(output / "weights.npz", allow_pickle=False) as saved:
        return dict(saved)


def test_digits(jax_python: str, digits: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, DATASET_DIGITS=str(digits), **parameters(DIGITS / "run.yaml"))
    said = run(DIGITS / "train.py", env, jax_python)
    assert "1433 to train on, 364 held out" in said
    code, verdict = evaluate(DIGITS / "evaluate.py", digits, tmp_path / "weights.npz")
    assert code == 0, verdict
    assert float(re.findall(r"accuracy ([\d.]+)", verdict)[0]) >= 0.95
    last = re.findall(r"epoch +40: loss [\d.]+, accuracy ([\d.]+)", said)
    assert last == re.findall(r"accuracy ([\d.]+)", verdict), "two programs, one accuracy"
    assert evaluate(DIGITS / "evaluate.py", digits, tmp_path / "weights.npz", "0.9999")[0] == 1


def test_two_sets_of_parameters(jax_python: str, digits: Path, tmp_path: Path) -> None:
    found = {}
    for name in ("narrow", "wide"):
        env = environment(tmp_path / name, DATASET_DIGITS=str(digits))
        env |= {f"BLUENO_{k}": v for k, v in parameters(EXAMPLES / "13-parameters" / f"{name}.yaml").items()}
        run(DIGITS / "train.py", env, jax_python)
        found[name] = weights(tmp_path / name)["w1"].shape
    assert found == {"narrow": (64, 8), "wide": (64, 128)}


@pytest.mark.parametrize(("name", "value"), [("EPOCHS", "x"), ("LR", "nan"), ("BATCH", "100000")])
def test_a_wrong_parameter_is_said_in_a_sentence(
    jax_python: str, digits: Path, tmp_path: Path, name: str, value: str
) -> None:
    env = environment(tmp_path, DATASET_DIGITS=str(digits), **{f"PARAM_{name}": value})
    process = start(DIGITS / "train.py", env, jax_python)
    said = process.communicate()[0]
    assert (process.returncode, "Traceback" in said) == (1, False), said
    assert f"the parameter {name.lower()} is" in said


def test_two_nodes_end_with_the_same_weights(jax_python: str, digits: Path, tmp_path: Path) -> None:
    address = {"PET_MASTER_ADDR": "localhost", "JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}"}
    processes = []
    for rank in ("1", "0"):
        env = environment(tmp_path, DATASET_DIGITS=str(digits)) | address
        env |= {"PET_NNODES": "2", "PET_NODE_RANK": rank, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": rank}
        processes.append(start(TWO_NODES, env, jax_python))
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "rank 0 of 2: 717 samples of its own" in said[1]
    assert "all 2 ranks have the same weights" in said[1]
    ranks = json.loads((tmp_path / "ranks.json").read_text())
    assert [one["rank"] for one in ranks] == [0, 1]
    assert ranks[0]["weights"] == ranks[1]["weights"]
    code, verdict = evaluate(DIGITS / "evaluate.py", digits, tmp_path / "weights.npz")
    assert code == 0, verdict


def test_a_rank_that_is_not_where_its_name_leads_ends(jax_python: str, digits: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, DATASET_DIGITS=str(digits)) | {"PET_MASTER_ADDR": "192.0.2.1"}
    env |= {"PET_NNODES": "2", "PET_NODE_RANK": "0", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"}
    process = start(TWO_NODES, env, jax_python)
    said = process.communicate()[0]
    assert process.returncode == 1
    assert "192.0.2.1 is 192.0.2.1, which is not where rank 0 runs" in said


def test_volumes(jax_python: str, volumes: Path, tmp_path: Path) -> None:
    run(VOLUMES / "train.py", environment(tmp_path, DATASET_VOLUMES=str(volumes)), jax_python)
    code, verdict = evaluate(VOLUMES / "evaluate.py", volumes, tmp_path / "weights.npz", tmp_path / "seen")
    assert code == 0, verdict
    found = [float(one) for one in re.findall(r": Dice ([\d.]+); a threshold would have ([\d.]+)", verdict)[0]]
    assert found[0] > 0.85 > found[1], "a threshold alone must not be enough, or this example shows nothing"
    assert len(list((tmp_path / "seen").glob("*.nii"))) == 4
