"""Writers of the two kinds of shard file. Called by blueno/prep/pack.py; readers need only numpy or pyarrow.

`.arrow`: an Arrow IPC file with one record batch, columns `key` (string) and `bytes` (large_binary), uncompressed.
`.npy`: a plain array (samples, …) in C order, little-endian.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blueno.data import npy
from blueno.data.files import new_file, publish
from blueno.data.manifest import DataFile

RAW_SCHEMA = pa.schema([("key", pa.string()), ("bytes", pa.large_binary())])


class _HashingFile(io.RawIOBase):
    """What pyarrow writes to: counts and hashes while it writes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = new_file(path, buffering=0)
        self._hasher = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._hasher.update(data)
        self.size += memoryview(data).nbytes
        view = memoryview(data)
        done = self._file.write(view)
        while done < view.nbytes:  # a full volume takes a part, and refuses the rest
            done += self._file.write(view[done:])
        return done

    def finish(self) -> str:
        """Makes the file durable and returns its sum."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._hasher.hexdigest()

    def close(self) -> None:
        """In any case: a file that stays open would keep its room on a full volume, though it is removed."""
        super().close()
        self._file.close()


def write_raw(final: Path, keys: Sequence[str], contents: Sequence[bytes], tag: str) -> DataFile:
    """Writes original encoded bytes durably as the Arrow file `final`."""
    temporary = final.with_name(f".{final.name}.{tag}.tmp")
    batch = pa.record_batch([pa.array(keys, pa.string()), pa.array(contents, pa.large_binary())], schema=RAW_SCHEMA)
    with closing(_HashingFile(temporary)) as out:
        with pa.ipc.new_file(pa.PythonFile(out, mode="w"), RAW_SCHEMA) as writer:
            writer.write_batch(batch)
        sha256 = out.finish()
    publish(temporary, final)
    return DataFile(final.name, out.size, sha256)


def write_dense(final: Path, rows: npt.NDArray[Any], tag: str) -> DataFile:
    """Writes `rows`, shape (samples, …), durably as the `.npy` file `final`."""
    temporary = final.with_name(f".{final.name}.{tag}.tmp")
    plain = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    header = npy.header(plain.dtype, plain.shape)
    body = plain.reshape(-1).view(np.uint8).data
    hasher = hashlib.sha256(header)
    hasher.update(body)
    with new_file(temporary) as file:
        file.write(header)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, final)
    return DataFile(final.name, len(header) + len(body), hasher.hexdigest())
