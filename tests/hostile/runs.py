"""What is done with hostile input in a fork of tests/hostile/child.py: the paths that users' data takes.

Every function takes and returns JSON.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from blueno.data import decode
from blueno.data.badsample import BadSample
from blueno.prep import archives, zips
from tests.fakes.preparation import Place, archive_work

FREE = 32 << 20  # bytes that may unpack to whatever ratio: less than in a pod, so that bombs need not be as large
DIRECTORY = 1 << 20  # bytes of a zip's directory: less than in a pod, too


def prepare_archives(folder: str, names: list[str], layout: Mapping[str, Any], look: bool) -> dict[str, Any]:
    """A whole preparation of the archives `names` in `folder`, and what readers see of what was sealed."""
    archives.RATIO_FREE, zips.MAX_DIRECTORY = FREE, DIRECTORY
    top = Path(folder)
    place = Place(top)
    for name in names:
        (top / name).rename(place.volume / name)
    urls = [f"file:///{name}" for name in names]
    outcome = place.prepare(archive_work(*urls, layout=layout), max_bad_samples=2_000_000)
    found: dict[str, Any] = {"sealed": outcome.sealed, "code": outcome.code, "message": outcome.message}
    found["permanent"] = outcome.permanent
    found["told"] = outcome.to_json()
    if not outcome.sealed:
        return found
    codes = place.manifest(outcome)["badSamples"]["byCode"]
    return found | {"samples": outcome.samples, "codes": codes, "views": _views(place.root) if look else {}}


def look_at(path: str) -> dict[str, Any]:
    """One file through the door that all samples take: what becomes of it, when examined and when decoded."""
    data = Path(path).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {"examined": _end_of(_examined, data), "decoded": _end_of(decode.decode, data)}


def _examined(data: bytes) -> tuple[str, Any]:
    found = decode.examine(data, 0, lambda _: nullcontext())
    return found.format, found


def _end_of(function: Callable[[bytes], tuple[str, Any]], data: bytes) -> dict[str, Any]:
    try:
        kind, found = function(data)
    except BadSample as bad:
        return {"code": bad.code.value, "detail": bad.detail}
    first = [] if function is _examined else [repr(value) for value in found.reshape(-1)[:4].tolist()]
    facts = getattr(found, "facts", None)
    dtype = found.dtype if isinstance(found.dtype, str) else found.dtype.str
    return {"format": kind, "shape": list(found.shape), "dtype": dtype, "first": first, "facts": facts}


def _views(root: Path) -> dict[str, Any]:
    """Key → what a reader gets, of the first samples."""
    import blueno

    found = {}
    dataset = blueno.open_dataset(root, verify=True)
    for number in range(min(len(dataset), 8)):
        sample = dataset[number]
        image = sample.image
        first = image.reshape(-1, image.shape[-1] if image.ndim > 2 else 1)[0]
        values = [repr(value) for value in first.tolist()]
        found[sample.key] = {"shape": list(image.shape), "dtype": image.dtype.str, "first": values}
    return found
