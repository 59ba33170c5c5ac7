"""What a training pod was told by its environment. Read by blueno/reporting.py and blueno/checkpoint.py at each call:
launchers of several processes set ranks late. Outside a pod everything is absent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blueno import names
from blueno.posting import Endpoint

# In this order: launchers of processes first, then what numbers the pods.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "JAX_PROCESS_ID")
_PARTS = ("LOCAL_RANK", "PET_NODE_RANK", "JOB_COMPLETION_INDEX")  # rank 0 has 0 in each of them


@dataclass(frozen=True)
class Pod:
    """`endpoint` is None outside a pod."""

    endpoint: Endpoint | None
    first: bool  # rank 0, or the only process
    checkpoint_dir: Path
    resume_from: Path | None


def read_pod(env: Mapping[str, str] | None = None) -> Pod:
    """As the environment is now."""
    env = os.environ if env is None else env
    url, resume = env.get(names.ENV_TRAINER_URL), env.get(names.ENV_RESUME_FROM)
    return Pod(
        endpoint=Endpoint(url, _path(env, names.ENV_TRAINER_TOKEN), _path(env, names.ENV_TRAINER_CA)) if url else None,
        first=_is_first(env),
        checkpoint_dir=Path(env.get(names.ENV_CHECKPOINT_DIR) or names.CHECKPOINTS_DIR),
        resume_from=Path(resume) if resume else None,
    )


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]) if env.get(name) else None


def _is_first(env: Mapping[str, str]) -> bool:
    for name in _RANKS:
        if env.get(name, "").isdecimal():
            return int(env[name]) == 0
    return all(int(env[name]) == 0 for name in _PARTS if env.get(name, "").isdecimal())
