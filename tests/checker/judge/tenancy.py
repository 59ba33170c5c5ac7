"""Nothing of one namespace shows in another: children, claims, rows, directories, sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Objects, Rows, Snapshot, called, label, owner_of

Body = Mapping[str, Any]

_CHILDREN = ("Job", "Pod", "Deployment", "Service", "PersistentVolumeClaim")
_SHORT = 6  # names of fewer characters are ordinary words


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Objects, then rows and directories by the objects."""
    objects = snapshot.objects
    if objects is not None:
        home = {body["metadata"]["uid"]: body for body in objects.ours()}
        yield from _children(objects, home)
        for body in objects.ours():
            yield from _sentences(body, objects)
        for directory in snapshot.directories or ():
            body = home.get(directory.uid)
            if body is not None and not (body["spec"].get("storage") or {}).get("subPath"):
                space = body["metadata"]["namespace"]
                if directory.place != "." and space not in directory.place.split("/")[:-1]:
                    yield _shown(str(directory), f"is that of {called(body)}, and does not lie below {space}/")
    if snapshot.rows is not None:
        yield from _rows(snapshot.rows, objects)


def _children(objects: Objects, home: Mapping[str, Body]) -> Iterator[Finding]:
    for kind in _CHILDREN:
        for child in objects.all(kind):
            owner = home.get(owner_of(child))
            if owner is None or label(child, names.ROLE_LABEL) == names.ROLE_NFS:
                continue
            if owner["metadata"]["namespace"] != child["metadata"]["namespace"]:
                yield _shown(called(child), f"was made for {called(owner)}, in another namespace")
    for claim in objects.all("PersistentVolume"):
        owner, reserved = home.get(owner_of(claim)), claim["spec"].get("claimRef") or {}
        if owner is not None and reserved.get("namespace") != owner["metadata"]["namespace"]:
            yield _shown(called(claim), f"was made for {called(owner)} and is given to {reserved.get('namespace')}")


def _sentences(body: Body, objects: Objects) -> Iterator[Finding]:
    """A status that names an object which only another namespace has."""
    space = body["metadata"]["namespace"]
    own = {other["metadata"]["name"] for other in objects.ours() if other["metadata"]["namespace"] == space}
    own_words = json.dumps([body["spec"], body["metadata"]])
    text = json.dumps(body.get("status") or {})
    for other in objects.ours():
        meta = other["metadata"]
        if meta["namespace"] == space:
            continue
        whole = f"{meta['namespace']}/{meta['name']}"
        foreign = [whole] if meta["name"] in own or len(meta["name"]) < _SHORT else [whole, meta["name"]]
        for word in foreign:
            if word not in own_words and re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text):
                yield _shown(called(body), f"its status names {word}, an object of namespace {meta['namespace']}")


def _rows(rows: Rows, objects: Objects | None) -> Iterator[Finding]:
    runs = {row["uid"]: row for row in rows.of("run")}
    spaces = {row["uid"]: row["namespace"] for table in ("dataset", "run") for row in rows.of(table)}
    for row in rows.of("run_dataset"):
        run = runs.get(row["run_uid"])
        if run is None or run["namespace"] != row["namespace"]:
            yield _shown(f"row of run_dataset {row['run_uid']}", f"is of namespace {row['namespace']}, its run is not")
        elif not any(use["name"] == row["dataset"] for use in run["datasets"]):
            yield _shown(f"row of run_dataset {row['run_uid']}", f"says that it reads {row['dataset']}")
    for table in ("change_log", "history"):
        for row in rows.of(table):
            if spaces.get(row["uid"], row["namespace"]) != row["namespace"]:
                yield _shown(f"{table} of {row['uid']}", f"is shown to namespace {row['namespace']}")
    for row in rows.of("log"):
        if spaces.get(row["run_uid"], row["namespace"]) != row["namespace"]:
            yield _shown(f"log of pod {row['pod']}", f"is shown to namespace {row['namespace']}")
    for body in objects.ours() if objects is not None else ():
        shown = spaces.get(body["metadata"]["uid"], body["metadata"]["namespace"])
        if shown != body["metadata"]["namespace"]:
            yield _shown(f"row of {called(body)}", f"is shown to namespace {shown}")


def _shown(about: str, sentence: str) -> Finding:
    return Finding(Invariant.TENANCY, about, sentence)
