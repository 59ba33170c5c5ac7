"""What `blueno dataset create` sends: from a YAML file, or from a name and words of the command line. Used by
dataset_make.py.

A source is one word, as `kubectl get datasets -o wide` shows it: upload, tfds:mnist, claim:photos/2024, https://….tar.
What is valid is the server's to say; here only what cannot be meant at all is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from blueno import names
from blueno.client.words import plain
from blueno.errors import InvalidSpec

FORMS = "upload, tfds:NAME[/CONFIG][:VERSION], claim:NAME[/PATH], or https://….tar[#sha256=…]"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TFDS = re.compile(r"tfds:([^/:]+)(?:/([^:]+))?(?::(.+))?")
_CLAIM = re.compile(r"claim:([^/]+)(?:/(.+))?")
_ARCHIVE = re.compile(r"((?:https?|file)://[^#]+)(?:#sha256=([0-9a-f]{64}))?")


def of_words(name: str, sources: Sequence[str]) -> dict[str, Any]:
    """The object of a name and its source. Raises InvalidSpec."""
    _check_name(name, "DATASET")
    return _object({"name": name}, {"source": _source(sources)})


def of_document(document: Any) -> dict[str, Any]:
    """The object of a YAML file: kind, name, namespace, labels, annotations and spec of it. Raises InvalidSpec."""
    if not isinstance(document, Mapping) or document.get("kind") != names.DATASET_KIND:
        raise InvalidSpec("kind", f"must be {names.DATASET_KIND}: this is another object")
    if document.get("apiVersion") != names.API_VERSION:
        raise InvalidSpec("apiVersion", f"must be {names.API_VERSION}")
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, Mapping) or not isinstance(spec, Mapping):
        raise InvalidSpec("metadata, spec", "must be there: metadata: {name: …}, spec: {source: …}")
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    _check_name(kept.get("name"), "metadata.name")
    if "namespace" in kept:
        _check_name(kept["namespace"], "metadata.namespace")
    for key in ("labels", "annotations"):
        texts = kept.get(key) or {}
        if not isinstance(texts, Mapping) or not all(isinstance(value, str) for value in texts.values()):
            raise InvalidSpec(f"metadata.{key}", "must be a map of texts")
    return _object(kept, dict(spec))


def changed(body: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """With fields of the spec set: `storage.claimTemplate.size` → `20Gi`. Raises InvalidSpec."""
    from blueno.client import specfile

    spec = _copied(body["spec"])
    for path, text in settings.items():
        steps = path.removeprefix("spec.").split(".")
        if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", step) for step in steps):
            raise InvalidSpec(
                f"--set {plain(path, 100)}", "is no field of the spec: write it like storage.managedNFS.size"
            )
        place = spec
        for step in steps[:-1]:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise InvalidSpec(f"--set {plain(path, 100)}", f"{step} has no fields")
        place[steps[-1]] = specfile.load(text.encode(), f"--set {plain(path, 100)}") if text.strip() else ""
    return {**body, "spec": spec}


def _source(sources: Sequence[str]) -> dict[str, Any]:
    archives = [_ARCHIVE.fullmatch(text) for text in sources]
    if archives and all(archives):
        files = [{"url": one[1], **({"sha256": one[2]} if one[2] else {})} for one in archives if one is not None]
        return {"archive": {"files": files}}
    if len(sources) != 1:
        raise InvalidSpec("--from", "can be given more than once only for files of an archive (https://…)")
    text = sources[0]
    if text == "upload":
        return {"upload": {}}
    if found := _TFDS.fullmatch(text):
        pairs = zip(("name", "config", "version"), found.groups(), strict=True)
        return {"tfds": {key: value for key, value in pairs if value}}
    if found := _CLAIM.fullmatch(text):
        return {"claim": {"name": found[1], **({"path": found[2].strip("/")} if found[2] else {})}}
    raise InvalidSpec("--from", f"{plain(text, 100)!r} is no source: write {FORMS}; or give a YAML file")


def _object(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    kind = {"apiVersion": names.API_VERSION, "kind": names.DATASET_KIND}
    return {**kind, "metadata": dict(metadata), "spec": dict(spec)}


def _check_name(value: Any, where: str) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        rule = "at most 63 characters: lower-case letters, digits and '-', with a letter or digit at both ends"
        raise InvalidSpec(where, f"must have {rule}")


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
