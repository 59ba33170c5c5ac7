"""What makes two versions the same: canonical JSON, a sample's content sum, the digest of all rows.

Called by blueno/prep (to seal) and blueno/data/dataset.py (to verify); imports numpy only. Pure.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DIGEST_DOMAIN = b"blueno-rows-1\n"
_length = struct.Struct("<Q").pack
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, no NaN: equal values are equal texts. Raises ValueError on NaN or infinity."""
    return _canonical(value)


def array_header(dtype: np.dtype[Any], shape: Sequence[int]) -> bytes:
    """What is hashed before an array's bytes, so that equal bytes of another shape or type are other content."""
    little = dtype.newbyteorder("<")
    return f"{little.str};{'x'.join(str(n) for n in shape)}\n".encode()


def array_content_sha256(array: npt.NDArray[Any]) -> bytes:
    """32 bytes: sha256 over the header and the C-order little-endian bytes of `array`."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    hasher = hashlib.sha256(array_header(array.dtype, array.shape))
    hasher.update(plain.reshape(-1).view(np.uint8).data)
    return hasher.digest()


class RowsDigest:
    """Digest of a version: sha256 over all rows sorted by (split, key), every field preceded by its length.

    Fields of a row, in order: key, split, content sha256 (32 raw bytes), label, group, metadata. Label and metadata
    are canonical JSON, a missing value is a field of length 0. Lengths are 8 bytes, little-endian.
    """

    @staticmethod
    def of(columns: Mapping[str, Sequence[Any]]) -> str:
        """64 hexadecimal digits. `columns`: key, split, sha256, label, group, metadata; equally long, in any order."""
        keys, splits, sums = columns["key"], columns["split"], columns["sha256"]
        labels, groups, metadata = columns["label"], columns["group"], columns["metadata"]
        order = sorted(range(len(keys)), key=lambda i: (splits[i], keys[i]))
        known: dict[str | None, bytes] = {}

        def field(text: str | None) -> bytes:
            made = known.get(text)
            if made is None:
                made = _field(text)
                if len(known) < 65536:  # labels and splits repeat; metadata may not
                    known[text] = made
            return made

        hasher = hashlib.sha256(DIGEST_DOMAIN)
        sum_length = _length(32)
        for start in range(0, len(order), 8192):
            parts: list[bytes] = []
            for i in order[start : start + 8192]:
                parts += (
                    _field(keys[i]), field(splits[i]), sum_length, sums[i],
                    field(labels[i]), field(groups[i]), field(metadata[i]),
                )  # fmt: skip
            hasher.update(b"".join(parts))
        return hasher.hexdigest()


def _field(text: str | None) -> bytes:
    if not text:
        return _length(0)
    raw = text.encode()
    return _length(len(raw)) + raw


def layout_digest(files: Sequence[tuple[str, int, str]]) -> str:
    """64 hexadecimal digits over (name, bytes, sha256) of every file: the same packing, not only content."""
    return hashlib.sha256(canonical_json([list(f) for f in files]).encode()).hexdigest()
