"""The OCI layout directory in the cache, where built images lie. Called by images.py and toolbox.py; calls nothing.

Layers are kept uncompressed, under their diff id. buildah compresses whatever it has to write, but asks for the diff id
first: a layer that lies here so is neither packed nor compressed again (15 s for `prep`), whatever the tag.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

_NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
_CHUNK = 1 << 20


def directory(cache: Path) -> Path:
    """The layout."""
    return cache / "oci"


def blob(cache: Path, digest: str) -> Path:
    """File of a blob."""
    return directory(cache) / "blobs" / "sha256" / digest.partition(":")[2]


def _index(cache: Path) -> dict[str, Any]:
    path = directory(cache) / "index.json"
    return dict(json.loads(path.read_text())) if path.exists() else {"schemaVersion": 2, "manifests": []}


def find(cache: Path, name: str) -> dict[str, Any] | None:
    """Descriptor of the image of that name."""
    for entry in _index(cache)["manifests"]:
        if entry.get("annotations", {}).get(_NAME) == name:
            return dict(entry)
    return None


def digest_of(data: bytes) -> str:
    """sha256:…"""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(kind: str, data: bytes) -> dict[str, Any]:
    """What a manifest or index says of a blob."""
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def settle(cache: Path, name: str) -> None:
    """After a push: uncompress the new layers, point the image at them, and drop blobs that nothing names any more."""
    entry = find(cache, name)
    if entry is None:
        return
    manifest = json.loads(blob(cache, entry["digest"]).read_bytes())
    diff_ids = json.loads(blob(cache, manifest["config"]["digest"]).read_bytes())["rootfs"]["diff_ids"]
    manifest["layers"] = [
        _uncompressed(cache, layer, diff_id) for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True)
    ]
    data = json.dumps(manifest).encode()
    new = descriptor(MANIFEST, data) | {"annotations": {_NAME: name}}
    blob(cache, new["digest"]).write_bytes(data)
    index = _index(cache)
    others = [other for other in index["manifests"] if other.get("annotations", {}).get(_NAME) != name]
    index["manifests"] = [*others, new]
    partial = directory(cache) / "index.json.partial"
    partial.write_text(json.dumps(index))
    partial.rename(directory(cache) / "index.json")
    _collect(cache, index)


def _uncompressed(cache: Path, layer: dict[str, Any], diff_id: str) -> dict[str, Any]:
    target = blob(cache, diff_id)
    if not target.exists():
        unzip = zlib.decompressobj(wbits=31)
        partial, total = target.with_suffix(".partial"), hashlib.sha256()
        with blob(cache, layer["digest"]).open("rb") as source, partial.open("wb") as out:
            while data := source.read(_CHUNK):
                plain = unzip.decompress(data)
                total.update(plain)
                out.write(plain)
            rest = unzip.flush()
            total.update(rest)
            out.write(rest)
        if f"sha256:{total.hexdigest()}" != diff_id:
            raise ValueError(f"layer {layer['digest']} does not hold {diff_id}")
        partial.rename(target)
    return {"mediaType": LAYER, "digest": diff_id, "size": target.stat().st_size}


def _collect(cache: Path, index: dict[str, Any]) -> None:
    used: set[str] = set()
    for entry in index["manifests"]:
        manifest = json.loads(blob(cache, entry["digest"]).read_bytes())
        used |= {entry["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
    for path in (directory(cache) / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in used:
            path.unlink()
