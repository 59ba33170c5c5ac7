"""Asks the checker (tests/checker) about a test's namespace on the real cluster. Called by tests after a fault.

The snapshot is made of what kubectl shows, of the volumes behind the namespace's claims as this machine sees them
(through the processes of the local cluster's node), and of the deployed PostgreSQL.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from blueno import names
from tests.checker import Canary, Objects, Rows, Snapshot, Text, judge
from tests.checker.finding import report
from tests.checker.gather.objects import gather_kubectl
from tests.checker.gather.rows import read_rows
from tests.checker.gather.volume import find_roots, gather_directory, gather_reservations
from tests.e2e.kube import Kube
from tests.e2e.web import database

PATIENCE = 60.0  # seconds after a fault has healed within which everything is sound again: docs/reliability.md
EVERY = 2.0  # seconds between two looks


def assert_sound_soon(
    kube: Kube,
    before: Snapshot | None = None,
    *,
    volumes: Iterable[Path] = (),
    canaries: Iterable[Canary] = (),
    seconds: float = PATIENCE,
    at_rest: bool = True,
    **known: Mapping[str, Any],
) -> Snapshot:
    """Looks until nothing is found; fails with what is still found after so many `seconds`.

    `before`: an earlier answer, so that what must not change is compared. `at_rest`: nothing is to be done any more, so
    that what is under way counts as stuck. `volumes`: directories of servers outside
    the cluster. `known`: `declared` and `reference` of a Snapshot.
    """
    deadline = time.monotonic() + seconds
    while True:
        snapshot = replace(picture(kube, volumes), before=before, canaries=tuple(canaries), at_rest=at_rest, **known)
        found = judge(snapshot)
        if not found:
            return snapshot
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s {len(found)} findings\n{report(found)}\n{kube.picture()}")
        time.sleep(EVERY)


def picture(kube: Kube, volumes: Iterable[Path] = ()) -> Snapshot:
    """Everything about the namespace, as it is now. Rows come first: what they lack by then is found again later."""
    rows, logs = _rows(kube)
    objects = gather_kubectl(kube.run, [kube.namespace])
    given = tuple(volumes)
    inside = _volumes(kube, objects) if given or not _lies_outside(kube, objects) else None
    uids = {body["metadata"]["uid"] for body in objects.ours()}
    places = [*(inside or ()), *given]
    directories = [gather_directory(root, place) for place in places for root in find_roots(place)]
    reservations = {uid for place in places for uid in gather_reservations(place)}
    # A server outside is shared with other tests' namespaces.
    ours = tuple(d for d in directories if d.uid in uids or kube.namespace in d.place.split("/"))
    return Snapshot(
        objects=objects,
        directories=ours if inside is not None else None,
        reservations=tuple(sorted(reservations & uids)),
        rows=rows,
        texts=(*logs, *_operator_log(kube)),
    )


def _rows(kube: Kube) -> tuple[Rows, tuple[Text, ...]]:
    with database(kube) as cursor:
        cursor.connection.autocommit = False
        cursor.connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return read_rows(cursor.connection, [kube.namespace])


def _operator_log(kube: Kube) -> tuple[Text, ...]:
    """Only searched for secrets: what the operator tells developers may hold stack traces."""
    system = kube.inside(names.SYSTEM_NAMESPACE)
    said = system.run("logs", f"deployment/{names.OPERATOR}", "--tail=20000", check=False)
    return (Text("log of the operator", said),)


def _lies_outside(kube: Kube, objects: Objects) -> bool:
    """Whether a data set lies on a server that is not in the cluster: where, only the caller knows."""
    if any("nfs" in (body["spec"].get("storage") or {}) for body in objects.all(names.DATASET_KIND)):
        print(f"{kube.namespace}: directories on a server outside are not checked, no `volumes` were given")
        return True
    return False


def _volumes(kube: Kube, objects: Objects) -> list[Path] | None:
    """The directories behind the namespace's claims, each once. None where the node's files cannot be seen."""
    by_name = {body["metadata"]["name"]: body for body in objects.all("PersistentVolume")}
    claims = [
        claim
        for claim in objects.all("PersistentVolumeClaim")
        if (claim["metadata"].get("labels") or {}).get(names.ROLE_LABEL) != names.ROLE_OUTPUTS
    ]
    managed = kube.inside(names.STORAGE_NAMESPACE).get("pvc", names.nfs_server_name(kube.namespace))
    sources = []
    for claim in (*claims, *([managed] if managed else [])):
        name = claim["spec"].get("volumeName", "")
        spec = (by_name.get(name) or (kube.get("pv", name) if name else {})).get("spec") or {}
        source = spec.get("hostPath") or spec.get("local")
        sources += [source["path"]] if source else []
    try:
        return _of_node(kube, list(dict.fromkeys(sources)))
    except (subprocess.CalledProcessError, KeyError) as error:  # another kind of cluster
        said = getattr(error, "stderr", "") or error
        print(f"{kube.namespace}: volumes are not checked, the node's files cannot be seen: {said}")
        return None


def _of_node(kube: Kube, paths: list[str]) -> list[Path]:
    """Where directories of the node lie, as this machine sees them; those that are gone are left out."""
    script = 'for path; do readlink -f "$path"; done'
    inside = kube.hack("exec", "--", "sh", "-c", script, "sh", *paths).split("\n") if paths else []
    node = Path("/proc", str(json.loads(kube.hack("status", "--json"))["init"]), "root")
    found = [node / path.lstrip("/") for path in inside if path]
    return [path for path in found if path.is_dir()]
