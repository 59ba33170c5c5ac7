"""A finished shard in staging: its data files and its record, from which any later attempt goes on.

Called by blueno/prep/pack.py (writes) and seal.py (reads). The record is written after its data files are durable, so
a record that can be read is a shard that is finished. Names come from the shard's samples: every attempt of a work
gives the same shard the same name, and two attempts that write it at once write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from blueno.data import index
from blueno.data.badsample import BadSampleCode
from blueno.data.files import write_file
from blueno.data.manifest import DataFile
from blueno.prep.samples import Sample

RECORD_VERSION = 2  # of what a record means; another one is not reused
SHARDS_DIR = "shards"
_META = b"blueno"


@dataclass(frozen=True)
class Record:
    """One finished shard. `rows` has the index's columns; shard and row are those within this shard alone."""

    id: str
    rows: pa.Table
    identity: str = ""
    raw: DataFile | None = None
    dense: DataFile | None = None
    bad: tuple[tuple[str, BadSampleCode], ...] = ()
    pixels: dict[str, Any] | None = None  # {"shape", "dtype"} of a row of the dense file
    moments: dict[str, Any] = field(default_factory=dict)  # of the dense pixels: count, sum, squares per channel

    def write(self, folder: Path, tag: str) -> None:
        """Durable when it returns."""
        body = {
            "identity": self.identity,
            "raw": self.raw and self.raw.to_dict(),
            "dense": self.dense and self.dense.to_dict(),
            "bad": [[key, code.value] for key, code in self.bad],
            "pixels": self.pixels,
            "moments": self.moments,
        }
        table = self.rows.replace_schema_metadata({_META: json.dumps(body).encode()})
        write_file(folder / f"{self.id}.record", index.to_bytes(table), tag)

    @classmethod
    def read(cls, folder: Path, shard_id: str) -> Record | None:
        """None when there is none, when it is damaged, or when a data file is not as long as it was."""
        try:
            table = index.from_bytes((folder / f"{shard_id}.record").read_bytes())
            body = json.loads(table.schema.metadata[_META])
            files = [DataFile.from_dict(body[kind]) if body[kind] else None for kind in ("raw", "dense")]
            if any(f is not None and (folder / f.name).stat().st_size != f.bytes for f in files):
                return None
            bad = tuple((str(key), BadSampleCode(code)) for key, code in body["bad"])
            rows = table.replace_schema_metadata(None)
            return cls(shard_id, rows, body["identity"], files[0], files[1], bad, body["pixels"], body["moments"])
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None


def shard_id(prefix: str, samples: Sequence[Sample]) -> str:
    """32 hexadecimal digits: of everything that decides what the shard's record says."""
    hasher = hashlib.sha256(f"{RECORD_VERSION}\n{prefix}\n".encode())
    for s in samples:
        text = f"{s.key}\n{s.split}\n{s.label}\n{s.group}\n{s.metadata}\n{s.size}\n{s.stamp}\0"
        hasher.update(text.encode())
    return hasher.hexdigest()[:32]
