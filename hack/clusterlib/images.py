"""Brings images into the node's containerd. Called by local.py; calls `ctr` in the node, and toolbox.py for buildah.

Built images lie in one OCI layout directory in the cache (ocilayout.py). The node gets a tar stream with only the blobs
it lacks: after a change of code that is the last layer alone, not the whole image (580 MB for `prep`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from clusterlib import ocilayout, toolbox
from clusterlib.errors import Refused
from clusterlib.progress import note

_IMPORT_NAME = "io.containerd.image.name"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Node:
    """A running node, by the host pid of its init."""

    init: int

    def ctr(self, *arguments: str) -> list[str]:
        """Command line of containerd's client in the node, in the namespace the kubelet uses."""
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "--", "/usr/bin/ctr", "-n", "k8s.io", *arguments]

    def blobs(self) -> set[str]:
        """Digests the node has; waits for a containerd that is still starting."""
        end = time.monotonic() + _START_SECONDS
        while True:
            done = subprocess.run(self.ctr("content", "ls", "-q"), capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return set(done.stdout.split())
            if time.monotonic() > end:
                raise Refused(f"containerd does not answer: {done.stderr.strip()}")
            time.sleep(0.05)

    def image(self, name: str) -> str | None:
        """Digest of the image of that name in the node."""
        listing = self.ctr("images", "ls", f"name=={name}")
        done = subprocess.run(listing, capture_output=True, text=True, check=False)
        rows = [line.split() for line in done.stdout.splitlines()[1:]]
        return next((row[2] for row in rows if row and row[0] == name), None)


def full_name(name: str) -> str:
    """NAME[:TAG] as the build storage and Kubernetes spell it."""
    last = name.rpartition("/")[2]
    if "@" in name:
        raise Refused(f"{name}: name the image by its tag")
    return name if ":" in last else f"{name}:latest"


def load(node: Node, cache: Path, name: str) -> None:
    """Make the image of the layout, else of the build storage, known to the node."""
    descriptor = ocilayout.find(cache, name)
    if descriptor is None:
        toolbox.push(cache, name)
        descriptor = ocilayout.find(cache, name)
    if descriptor is None:
        raise Refused(f"there is no image {name}: build it with hack/images build")
    if node.image(name) == descriptor["digest"]:
        note(f"{name}: the node has it")
        return
    started = time.monotonic()
    manifest = json.loads(ocilayout.blob(cache, descriptor["digest"]).read_bytes())
    wanted = [descriptor, manifest["config"], *manifest["layers"]]
    present = node.blobs()
    # Manifest and config always travel: the import reads them from the stream.
    missing = [item for item in wanted if item["digest"] not in present or item in wanted[:2]]

    def fill(tar: tarfile.TarFile) -> None:
        for item in {item["digest"]: item for item in missing}.values():
            tar.add(ocilayout.blob(cache, item["digest"]), f"blobs/sha256/{item['digest'].partition(':')[2]}")

    _import(node, descriptor, name, fill)
    size = sum(item["size"] for item in missing) / 1e6
    note(f"{name}: {len(missing)} of {len(wanted)} parts copied, {size:.1f} MB in {time.monotonic() - started:.1f} s")


def _import(node: Node, descriptor: dict[str, Any], name: str, fill: Any) -> None:
    entry = {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    entry["annotations"] = {_IMPORT_NAME: name}
    index = {"schemaVersion": 2, "manifests": [entry]}
    argv = node.ctr("images", "import", "-")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        # A broken pipe: ctr has ended, and says why.
        with contextlib.suppress(BrokenPipeError):
            _write_archive(stdin, index, fill)
        output = stdout.read().decode(errors="replace")
    if process.returncode != 0:
        raise Refused(f"containerd refused {name}: {output.strip()}")


def _write_archive(out: IO[bytes], index: dict[str, Any], fill: Any) -> None:
    with tarfile.open(fileobj=out, mode="w|") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        fill(tar)
        _add(tar, "index.json", json.dumps(index).encode())
    out.close()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def load_program(node: Node, program: Path, name: str) -> None:
    """Make an image of one static program, without any build tool: the sandbox image, needed before any pod."""
    node.blobs()
    if node.image(name) is not None:
        return
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "program", program.read_bytes(), 0o755)
    layer = buffer.getvalue()
    config = {
        "architecture": _ARCHITECTURES.get(_machine(), _machine()),
        "os": "linux",
        "config": {"Entrypoint": ["/program"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [ocilayout.digest_of(layer)]},
    }
    encoded = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": ocilayout.MANIFEST,
        "config": ocilayout.descriptor(ocilayout.CONFIG, encoded),
        "layers": [ocilayout.descriptor(ocilayout.LAYER, layer)],
    }
    top = json.dumps(manifest).encode()

    def fill(tar: tarfile.TarFile) -> None:
        for data in (layer, encoded, top):
            _add(tar, f"blobs/sha256/{ocilayout.digest_of(data).partition(':')[2]}", data)

    _import(node, ocilayout.descriptor(ocilayout.MANIFEST, top), name, fill)


def _machine() -> str:
    return os.uname().machine
