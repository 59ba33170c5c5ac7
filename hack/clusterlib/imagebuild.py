"""hack/images: builds the targets of the Dockerfiles with docker, podman or, without an engine, buildah from the cache.

Called by hack/images. Calls the engine, or toolbox.py (buildah in the node's file system); nothing is done for a
target whose inputs have not changed since its image was built.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterlib import digest, frontend, ocilayout, rootfs, toolbox
from clusterlib.backends import choose, engine
from clusterlib.errors import Refused
from clusterlib.layout import TOP, cache_dir
from clusterlib.local import Local, check_machine
from clusterlib.locks import locked
from clusterlib.progress import note, step
from clusterlib.runner import RealRunner, Runner, logged

BASE = "python:3.11.14-slim-bookworm"  # as in the Dockerfile
_STAND_IN = f"localhost/{BASE}"
_STAND_IN_PACKAGES = ("python3", "python3-venv", "ca-certificates")
# A registry that answers does so at once; without one the build must not hang.
_PROBE_SECONDS = 5
_TRUST = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Target:
    """One target: what it is built from, besides its Dockerfile."""

    name: str
    inputs: tuple[str, ...]
    expected: str
    dockerfile: str = "Dockerfile"

    @property
    def image(self) -> str:
        """The tag that manifests use on development clusters."""
        return f"localhost/blueno/{self.name}:dev"

    def key(self, base: str) -> str:
        """Changes when the image must be built again."""
        return digest.of_paths([TOP / path for path in (self.dockerfile, *self.inputs)], base)


TARGETS = {
    target.name: target
    for target in (
        Target(
            "operator",
            ("requirements/operator.lock", "blueno", "controllers", "operator", "crds"),
            "40 s the first time, 5 s after a change of code",
        ),
        Target("prep", ("requirements/prep.lock", "blueno"), "60 s the first time, 5 s after a change of code"),
        Target(
            "web",
            ("requirements/web.lock", "blueno", "webui"),
            "40 s the first time, 5 s after a change of code",
        ),
        Target("postgres", ("requirements/postgres.lock", "deploy/images/postgres"), "30 s, once"),
        Target("nfs", ("deploy/images/nfs",), "40 s, once"),
        # What examples 10 to 14 train in; no part of an installation.
        Target(
            "example-jax",
            ("blueno", "examples"),
            "60 s the first time, 5 s after a change of code",
            "examples/images/jax/Dockerfile",
        ),
    )
}


def build(names: Sequence[str], cache: Path, runner: Runner) -> None:
    """Build the targets that need it."""
    # The local cluster loads from the layout that buildah fills, whatever else is installed.
    found = None if isinstance(choose(runner), Local) else engine(runner)
    if found is None:
        check_machine()
    builder = _Engine(found, runner) if found else _Buildah(cache)
    if "web" in names:
        frontend.build()
    for target in (TARGETS[name] for name in names):
        missing = [path for path in target.inputs if not (TOP / path).exists()]
        if missing:
            raise Refused(f"{target.image} needs {', '.join(missing)}")
        with locked(cache / "images" / f"{target.name}.lock"):
            _build(target, builder, cache)


def _build(target: Target, builder: _Engine | _Buildah, cache: Path) -> None:
    noted = cache / "images" / f"{target.name}.json"
    base = builder.base()
    key = f"{builder.name} {target.key(base)}"
    if noted.exists() and json.loads(noted.read_text())["key"] == key and builder.has(target.image):
        note(f"{target.image}: nothing has changed")
        return
    log = cache / "log" / f"image-{target.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    with step(f"building {target.image}", target.expected):
        builder.build(target, base, log)
    noted.write_text(json.dumps({"key": key, "time": time.time()}))


class _Engine:
    """docker or podman (not run here: neither engine is on the machine this was written on)."""

    def __init__(self, name: str, runner: Runner) -> None:
        self.name, self._runner = name, runner

    def base(self) -> str:
        """The engine pulls it."""
        return BASE

    def has(self, image: str) -> bool:
        """Whether the engine has it."""
        return self._runner.run([self.name, "image", "inspect", image]).code == 0

    def build(self, target: Target, base: str, log: Path) -> None:
        """One build command."""
        logged([self.name, "build", *_arguments(target, base, TOP)], log)


class _Buildah:
    """buildah of the node's file system; the image ends in the OCI layout that `load-image` reads."""

    name = "buildah"

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._base: str | None = None

    def _run(self, *arguments: str, log: Path | None = None, binds: Sequence[tuple[Path, str]] = ()) -> int:
        return toolbox.run(self._cache, [*toolbox.BUILDAH, *arguments], log=log, binds=binds)

    def base(self) -> str:
        """The registry's base image when one answers, else the stand-in; once decided, it stays."""
        noted = self._cache / "images" / f"base-{BASE.replace(':', '-')}"
        if self._base is None and noted.exists():
            self._base = noted.read_text()
        if self._base is None:
            probe = ["timeout", str(_PROBE_SECONDS), "buildah", "manifest", "inspect", BASE]
            with step("looking for an image registry", f"at most {_PROBE_SECONDS} s"):
                answers = toolbox.run(self._cache, probe) == 0
            self._base = BASE if answers else self._stand_in()
            noted.parent.mkdir(parents=True, exist_ok=True)
            noted.write_text(self._base)
        return self._base

    def _stand_in(self) -> str:
        """A base from Debian's packages, under the same name: its Python is also 3.11 where the host is Debian 12."""
        root = rootfs.make_tree(self._cache, "python", _STAND_IN_PACKAGES)
        log = self._cache / "log" / "image-base.log"
        recipe = self._cache / "images" / "base.Dockerfile"
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text('FROM scratch\nCOPY . /\nCMD ["python3"]\n')
        with step("packing the stand-in base image", "10 s"):
            code = self._run(
                "bud", "--layers=false", "-t", _STAND_IN, "-f", "/recipe", "/tree",
                log=log, binds=[(root, "/tree"), (recipe, "/recipe")],
            )  # fmt: skip
        if code != 0:
            raise Refused(f"the stand-in base image could not be packed: {log}")
        return _STAND_IN

    def has(self, image: str) -> bool:
        """Whether the layout has it."""
        return ocilayout.find(self._cache, image) is not None

    def build(self, target: Target, base: str, log: Path) -> None:
        """Build with cached layers, then copy the new layers to the layout."""
        options = ["--layers", "--isolation", "chroot", "--network", "host"]
        arguments = _arguments(target, base, Path("/src"))
        if self._run("bud", *options, *arguments, log=log, binds=[(TOP, "/src")]) != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise Refused(f"{target.image} could not be built; all of the output is in {log}:\n{tail}")
        toolbox.push(self._cache, target.image)


def _arguments(target: Target, base: str, context: Path) -> list[str]:
    arguments = ["--target", target.name, "-t", target.image, "--build-arg", f"BASE={base}"]
    if _TRUST.exists():
        arguments += ["--secret", f"id=ca,src={_TRUST}"]
    return [*arguments, "-f", str(context / target.dockerfile), str(context)]


def main(argv: Sequence[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="hack/images", description="Builds Blueno's images.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="build what has changed")
    one.add_argument("target", nargs="?", default="all", choices=[*TARGETS, "all"])
    commands.add_parser("list", help="print the images' names")
    options = parser.parse_args(argv)
    try:
        if options.command == "list":
            print("\n".join(target.image for target in TARGETS.values()))
        else:
            build(list(TARGETS) if options.target == "all" else [options.target], cache_dir(), RealRunner())
    except Refused as refusal:
        print(f"hack/images: {refusal}", file=sys.stderr)
        return 1
    return 0
