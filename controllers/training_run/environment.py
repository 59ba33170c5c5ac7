"""What a training process finds in its environment. Pure; called by pod.py. Names are those of blueno/names.py."""

from __future__ import annotations

import json
from typing import Any

from blueno import names
from blueno.resources.training_run import TrainingRun
from controllers.objects.pod import environment

_CACHES = {"XDG_CACHE_HOME": ".cache", "HF_HOME": ".cache/huggingface", "TORCH_HOME": ".cache/torch"}
_RANK = {"fieldRef": {"fieldPath": f"metadata.annotations['{names.COMPLETION_INDEX}']"}}


def build_environment(run: TrainingRun, attempt: int, report_url: str, resume_from: str) -> list[dict[str, Any]]:
    """Ours first, then the run's own. `resume_from` is a path, or "" when there is nothing to go on from."""
    home = names.TRAINING_HOME
    env = {
        "HOME": home,
        "USER": "blueno",
        "PYTHONUNBUFFERED": "1",  # a log that is followed shows what the program has said, in its order
        names.ENV_RUN: run.name,
        names.ENV_ATTEMPT: str(attempt),
        names.ENV_OUTPUT: names.OUTPUT_MOUNT,
        names.ENV_CHECKPOINT_DIR: f"{names.OUTPUT_MOUNT}/{checkpoints_dir(run, attempt)}",
        names.ENV_TRAINER_URL: report_url + names.TRAINING_REPORT_PATH,
        names.ENV_TRAINER_CA: names.REPORT_CA_FILE,
        names.ENV_TRAINER_TOKEN: names.TOKEN_FILE,
    }
    if resume_from:
        env[names.ENV_RESUME_FROM] = resume_from
    env |= {key: f"{home}/{folder}" for key, folder in _CACHES.items()}
    env |= {names.ENV_DATASET_PREFIX + names.env_suffix(use.name): use.mount_path for use in run.datasets}
    env |= {names.ENV_PARAMETER_PREFIX + names.env_suffix(k): v for k, v in run.container.parameters.items()}
    team = _team(run, attempt) if run.team.nodes > 1 else []
    return [*environment(env), *team, *map(dict, run.container.env)]


def checkpoints_dir(run: TrainingRun, attempt: int) -> str:
    """Below the output directory: the same in every attempt, unless each begins anew or an old one may still write."""
    if run.keeping.resume == "Never":
        return own_checkpoints(attempt)
    return str((run.status.get("outputs") or {}).get("checkpoints") or names.CHECKPOINTS_DIR)


def own_checkpoints(attempt: int) -> str:
    """A directory into which no earlier attempt writes."""
    return f"{names.CHECKPOINTS_DIR}-a{attempt}"


def _team(run: TrainingRun, attempt: int) -> list[dict[str, Any]]:
    """The variables by which torchrun, JAX and TensorFlow find their peers: rank = index of the pod in its Job."""
    job = names.train_job_name(run.name, run.uid, attempt)
    service = names.team_service_name(run.name, run.uid)
    hosts = [f"{job}-{index}.{service}" for index in range(run.team.nodes)]
    processes = run.team.processes or max(1, run.placement.gpus.count)
    rank = "PET_NODE_RANK"
    workers = [f"{host}:{names.TEAM_PORT}" for host in hosts]
    # $(…) is filled in by the kubelet from the variable that stands before; it is the index as a JSON number.
    tf_config = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0}})
    tf_config = tf_config.replace('"index": 0', f'"index": $({rank})')
    return [
        {"name": rank, "valueFrom": _RANK},
        {"name": "JAX_PROCESS_ID", "valueFrom": _RANK},
        *environment(
            {
                "PET_NNODES": str(run.team.nodes),
                "PET_NPROC_PER_NODE": str(processes),
                "PET_MASTER_ADDR": hosts[0],
                "PET_MASTER_PORT": str(names.TEAM_PORT),
                "JAX_NUM_PROCESSES": str(run.team.nodes),
                "JAX_COORDINATOR_ADDRESS": workers[0],
                "TF_CONFIG": tf_config,
            }
        ),
    ]
