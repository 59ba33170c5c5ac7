"""What a TrainingRun means on a laptop: command, environment, and what stays behind, in words. Pure.

Called by blueno/cli/local.py; calls blueno/resources/training_run.py, so that a spec is read as the operator reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueno import names
from blueno.errors import BluenoError, InvalidSpec
from blueno.resources.run_parts import DatasetUse
from blueno.resources.training_run import TrainingRun

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))")

# Field of the spec → what becomes of it here, in one line.
NEEDS_A_CLUSTER: Mapping[str, str] = {
    "image": "no container is started: the program runs with what is installed on this machine",
    "gpus": "GPUs are not allotted: the program finds all of this machine's",
    "acceleratorProfile": "it says where GPUs are in a cluster",
    "numNodes": "one process is started, and no PET_, JAX_ or TF_CONFIG variables are set",
    "numProcPerNode": "one process is started",
    "resources": "memory and processors are not limited",
    "shmSize": "shared memory is this machine's own",
    "podSecurity": "it runs as you",
    "serviceAccountName": "there is no Kubernetes API here",
    "envFrom": "Secrets and ConfigMaps are not read: give the variables with --env NAME",
    "backoffLimit": "it is started once; start it again to go on from the last checkpoint",
    "queueName": "it does not queue",
    "output": "it writes below ./runs",
}


@dataclass(frozen=True)
class Places:
    """Directories of this machine: absolute paths."""

    work: Path  # where the program starts: beside the YAML, where its code lies; stands for spec.code too
    output: Path
    datasets: Mapping[str, Path]
    checkpoints: Path
    resume_from: Path | None
    attempt: int


@dataclass(frozen=True)
class Plan:
    """What is started. `env` is the whole environment of the program; its secrets are not shown."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    work: Path
    grace_seconds: int
    deadline_seconds: int | None
    notes: tuple[str, ...]


def parse(body: Mapping[str, Any]) -> TrainingRun:
    """The run. Raises InvalidSpec in words also for what only a schema would catch."""
    spec = body["spec"]
    if not spec.get("command"):
        raise InvalidSpec("spec.command", "is needed here: the image's own program is not known without the image")
    try:
        run = TrainingRun.parse(body)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InvalidSpec(
            "spec", f"a field has another type than it should ({type(error).__name__}: {error})"
        ) from None
    for field, number in (
        ("terminationGracePeriodSeconds", run.limits.grace_seconds),
        ("activeDeadlineSeconds", run.limits.active_deadline_seconds),
    ):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
            raise InvalidSpec(f"spec.{field}", "must be a whole number of seconds")
    if run.keeping.resume not in ("Auto", "Never", "From"):
        raise InvalidSpec("spec.checkpoint.resume", "must be Auto, Never or From")
    return run


def find_datasets(run: TrainingRun, given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Path]:
    """Directory of each data set: from --dataset, else from BLUENO_DATASET_<NAME>. Raises BluenoError with the way."""
    wanted = [use.name for use in run.datasets]
    for name in given:
        if name not in wanted:
            raise BluenoError(f"--dataset {name}=…: the run has no such data set, it has {', '.join(wanted) or 'none'}")
    found = {}
    for name in wanted:
        variable = names.ENV_DATASET_PREFIX + names.env_suffix(name)
        text = given.get(name) or environ.get(variable)
        if not text:
            raise BluenoError(
                f"the data set {name} is not on this machine: say where a copy lies with --dataset {name}=/path "
                f"(or {variable}=/path), a directory with {names.MANIFEST_FILE} in it"
            )
        place = Path(text).expanduser()
        if not place.is_dir():
            raise BluenoError(f"the data set {name} is not at {place}: that is no directory")
        found[name] = place.resolve()
    for use in run.datasets:
        _check_version(use, found[use.name])
    return found


def _check_version(use: DatasetUse, place: Path) -> None:
    """A run that names a version is not given another one."""
    if not use.version:
        return
    try:
        digest = str(json.loads((place / names.MANIFEST_FILE).read_bytes())["digest"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise BluenoError(f"{place} is no sealed version of {use.name}: it has no good {names.MANIFEST_FILE}") from None
    if not digest.startswith(use.version):
        raise BluenoError(f"{place} is version {digest[:16]} of {use.name}, but the run names {use.version[:16]}")


def make(
    run: TrainingRun, spec: Mapping[str, Any], places: Places, environ: Mapping[str, str], given: Sequence[str] = ()
) -> Plan:
    """Everything that is needed to start it. Raises InvalidSpec and BluenoError.

    `environ` is the caller's; what it has under names that Blueno sets is left out, the caller's token above all.
    `given`: the variables of --env, which may stand for what the cluster would read from a Secret.
    """
    for name in given:
        if name not in environ:
            raise BluenoError(f"--env {name}: {name} is not set in your shell: export it first")
    secrets = {name: environ[name] for name in given}
    moved = _moves(run, places)
    env = {key: value for key, value in environ.items() if not key.startswith(names.RESERVED_ENV)}
    ours = _own_env(run, places)
    said: dict[str, str] = dict(ours)
    for entry in run.container.env:
        value = entry.get("value", "") if "valueFrom" not in entry else _secret(entry, secrets)
        said[entry["name"]] = _moved(_expanded(value, said), moved)
    command = [_moved(_expanded(text, said), moved) for text in (*run.container.command, *run.container.args)]
    work, notes = _work(run.container.working_dir, places)
    return Plan(
        command=tuple(command),
        env={**env, **said, **ours},
        work=work,
        grace_seconds=run.limits.grace_seconds,
        deadline_seconds=run.limits.active_deadline_seconds,
        notes=(*_notes(run, spec), *notes),
    )


def _own_env(run: TrainingRun, places: Places) -> dict[str, str]:
    env = {
        names.ENV_RUN: run.name,
        names.ENV_ATTEMPT: str(places.attempt),
        names.ENV_OUTPUT: str(places.output),
        names.ENV_CHECKPOINT_DIR: str(places.checkpoints),
    }
    if places.resume_from is not None:
        env[names.ENV_RESUME_FROM] = str(places.resume_from)
    for name, place in places.datasets.items():
        env[names.ENV_DATASET_PREFIX + names.env_suffix(name)] = str(place)
    for key, value in run.container.parameters.items():
        env[names.ENV_PARAMETER_PREFIX + names.env_suffix(key)] = value
    return env


def _secret(entry: Mapping[str, Any], given: Mapping[str, str]) -> str:
    name = entry["name"]
    kind = "ConfigMap" if "configMapKeyRef" in (entry["valueFrom"] or {}) else "Secret"
    if name not in given:
        raise BluenoError(
            f"{name} comes from a {kind} of the cluster, which is not read here: "
            f"set {name} in your shell and add --env {name}"
        )
    return given[name]


def _moves(run: TrainingRun, places: Places) -> list[tuple[str, str]]:
    """Paths of the pod → paths of this machine, longest first."""
    pairs = {names.OUTPUT_MOUNT: places.output, names.CODE_MOUNT: places.work}
    pairs |= {use.mount_path.rstrip("/"): places.datasets[use.name] for use in run.datasets}
    return sorted(((there, str(here)) for there, here in pairs.items()), key=lambda pair: -len(pair[0]))


def _moved(text: str, moves: Sequence[tuple[str, str]]) -> str:
    if not moves:
        return text
    here = dict(moves)
    # A path ends where no letter, digit, '-', '_' or '.' follows, and begins where none (and no '/') stands before.
    pattern = "|".join(re.escape(there) for there, _ in moves)
    return re.sub(rf"(?<![\w./-])({pattern})(?![\w.-])", lambda found: here[found[1]], text)


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """Kubernetes's own `$(NAME)`: the variable, or unchanged when there is none; `$$` is one `$`."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else env.get(found[2], found[0])

    return _REFERENCE.sub(value, text)


def _work(wanted: str | None, places: Places) -> tuple[Path, list[str]]:
    if wanted is None:
        return places.work, []
    return places.work, [f"spec.workingDir {wanted}: a directory of the image; it starts in {places.work}"]


def _notes(run: TrainingRun, spec: Mapping[str, Any]) -> Iterator[str]:
    for field, meaning in NEEDS_A_CLUSTER.items():
        value = spec.get(field)
        if value and not (field == "numNodes" and value == 1):
            yield f"spec.{field}: {meaning}"
    if spec.get("code"):
        yield f"spec.code: not fetched; {names.CODE_MOUNT} is the YAML file's directory here"
    if run.suspend:
        yield "spec.suspend: it starts all the same"
