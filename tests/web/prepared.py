"""A data set that was really prepared, loaded into the database as the recorder would, served by the real data server.

Used by the tests of samples and pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blueno.data import index
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.ingest import VersionMeta, load_version
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import npy, png, tar
from tests.web.mirrored import Mirrored, uid_of

EVIL = "<img src=x onerror=alert(1)>"


def files(samples: int = 40) -> dict[str, bytes]:
    """Pictures in two splits and three classes, one volume, one evil label; keys sort in this order."""
    found = {}
    for number in range(samples):
        split = "train" if number % 4 else "test"
        found[f"{split}/c{number % 3}/{number:04}.png"] = png(number)
    found[f"train/{EVIL}/100 %_of_it.png"] = png(1000)
    found["train/c0/volume.npy"] = npy(np.arange(12 * 16 * 20, dtype="<i2").reshape(12, 16, 20))
    return found


@dataclass(frozen=True)
class Prepared:
    """One sealed version of lab/digits."""

    place: Place
    uid: str
    digest: str
    manifest: dict[str, Any]
    rows: Any  # pyarrow.Table: index.arrow


def prepare(top: Path, samples: int = 40) -> Prepared:
    """Prepares it on a volume below `top`."""
    uid = uid_of("lab", "digits")
    place = Place(top)
    work = archive_work(place.put("in.tar", tar(files(samples), "")))
    outcome = place.sealed(work, dataset_uid=uid)
    rows = index.read(place.version(outcome) / "index.arrow")
    return Prepared(place, uid, outcome.digest, place.manifest(outcome), rows)


def load(prepared: Prepared, config: DatabaseConfig, mirrored: Mirrored, **fields: Any) -> None:
    """Into the database: the data set's row and its version's samples."""
    manifest = {key: value for key, value in prepared.manifest.items() if key != "shards"}
    meta = VersionMeta(
        dataset_uid=prepared.uid,
        digest=prepared.digest,
        sequence=1,
        sealed_at=str(manifest["sealedAt"]),
        samples=prepared.rows.num_rows,
        bytes=int(manifest["bytes"]),
        manifest=manifest,
    )
    connection = connect(config, application="recorder", statement_timeout_ms=60_000)
    try:
        load_version(connection, meta, prepared.rows)
    finally:
        connection.close()
    known = {"version_digest": prepared.digest, "version_sequence": 1, "indexed_digest": prepared.digest}
    mirrored.put(**{"ready": True, "reason": "Available", **known, **fields})
