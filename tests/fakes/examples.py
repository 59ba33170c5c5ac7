"""Starts programs of examples/ as a pod would: their own directory, data sets prepared for real. Used by tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from blueno.resources.work import Work
from tests.fakes.preparation import TOP, Place, archive_work

EXAMPLES = TOP / "examples"
RESUME = EXAMPLES / "12-resume" / "train.py"
VOLUMES = EXAMPLES / "14-volume-segmentation"


def digits_version(folder: Path) -> Path:
    """The sealed version of examples/01-digits, prepared in `folder`."""
    archive = folder / "digits.zip"
    script = EXAMPLES / "01-digits" / "make_archive.py"
    subprocess.run([sys.executable, script, archive], check=True, capture_output=True)
    place = Place(folder)
    work = archive_work(place.put("digits.zip", archive.read_bytes()), layout={"type": "classFolders"})
    return place.version(place.sealed(work))


def volumes_version(folder: Path) -> Path:
    """The sealed version of examples/14-volume-segmentation, made as its claim.yaml does."""
    for command in (["make_volumes.py", folder / "nifti"], ["convert.py", folder / "nifti", folder / "source/volumes"]):
        subprocess.run([sys.executable, *command], cwd=VOLUMES, check=True, capture_output=True)
    place = Place(folder)
    work = Work(source={"claim": {"name": "my-volumes", "path": "volumes"}}, layout={"type": "flat"})
    return place.version(place.sealed(work))


def environment(output: Path, **more: str) -> dict[str, str]:
    """Of a training pod without a report endpoint, as in `blueno run --local`. `more`: names without BLUENO_."""
    ours = {"OUTPUT": str(output), "CHECKPOINT_DIR": str(output / "checkpoints"), **more}
    env = {f"BLUENO_{name}": value for name, value in ours.items()}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "JAX_PLATFORMS": "cpu", **env}


def start(script: Path, env: Mapping[str, str], python: str = sys.executable) -> subprocess.Popen[str]:
    """The program, started in its own directory as the pod's workingDir says."""
    return subprocess.Popen(
        [python, script.name],
        cwd=script.parent,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(script: Path, env: Mapping[str, str], python: str = sys.executable) -> str:
    """What it said; it has to succeed."""
    process = start(script, env, python)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    return said


def evaluate(script: Path, *arguments: object) -> tuple[int, str]:
    """(exit status, output) of an evaluation, run with the developer's Python: no jax, and nothing of Blueno's."""
    command = [sys.executable, "-P", str(script), *map(str, arguments)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(script.parent)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
