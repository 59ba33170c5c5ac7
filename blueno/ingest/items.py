"""One sample on its way in: fetched, checked, decoded in full. Called by put.py, in several threads at a time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSampleCode
from blueno.data.shapes import shape_text
from blueno.errors import InvalidSpec
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Failed
from blueno.ingest.remote import Content, fetch
from blueno.prep.verify import Room, look
from blueno.resources.sample import check_key
from blueno.resources.sample_reasons import SampleReason as Reason

_ROOM = Room()
_ONE_LARGE = threading.Lock()  # what does not lie in memory is read and decoded by one thread at a time


@dataclass(frozen=True)
class Item:
    """A sample that shall be in the working set. label and metadata are JSON values; None: not given."""

    uri: str
    key: str
    author: str  # who has put it there, for the journal
    sha256: str = ""
    secret: str = ""
    label: Any = None
    split: str | None = None
    group: str | None = None
    metadata: Mapping[str, Any] | None = None
    media_type: str = "auto"
    place: str = ""  # where it stands in its manifest


@dataclass(frozen=True)
class Ready:
    """A sample that only has to be written."""

    item: Item
    content: Content
    shape: str
    dtype: str

    def line(self) -> dict[str, Any]:
        """Its line in the head of a bundle."""
        item = self.item
        given = {"label": item.label, "split": item.split, "group": item.group, "metadata": item.metadata}
        record = {key: value for key, value in given.items() if value is not None}
        known = {"key": item.key, "bytes": self.content.size, "sha256": self.content.sha256, "by": item.author}
        return {**known, **record}


def prepare(config: IngestConfig, item: Item, pause: Callable[[float], None]) -> Ready | Failed:
    """Never raises what concerns this sample alone."""
    content: Content | None = None
    try:
        for text, name in ((item.key, "key"), (item.split or "", "split"), (item.group or "", "group")):
            check_key(text, name)
        content = fetch(config, item.uri, item.secret, pause, MAX_SAMPLE_BYTES)
        if item.sha256 and content.sha256 != item.sha256:
            text = f"the bytes have sha256 {content.sha256}, {item.sha256} was given: correct one of them"
            raise Failed(Reason.CHECKSUM_MISMATCH, text)
        if content.data is not None:
            shape, dtype = _look(content.data, item.media_type)
        else:
            with _ONE_LARGE:
                shape, dtype = _look(content.read(), item.media_type)
        return Ready(item, content, shape, dtype)
    except Failed as error:
        failed = error
    except InvalidSpec as error:
        failed = Failed(Reason.BAD_SAMPLE, str(error), "Invalid")
    except OSError as error:
        failed = Failed(Reason.INGEST_FAILED, f"the pod has no room for it: {error.strerror}")
    if content is not None:
        content.close()
    return failed


def _look(data: bytes, media_type: str) -> tuple[str, str]:
    """Shape and type in words. Raises Failed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's opinions; what cannot be used raises
        looked = look(data, _ROOM)
    if looked.bad is not None:
        raise Failed(Reason.BAD_SAMPLE, str(looked.bad), looked.bad.code.value)
    flat = (
        looked.format in ("png", "jpeg") or len(looked.shape) == 2 or (len(looked.shape) == 3 and looked.shape[-1] <= 4)
    )
    if media_type != "auto" and flat != (media_type == "image2D"):
        kind = "an image" if flat else "a volume"
        text = f"it is {kind} of shape {looked.shape}, and mediaType says {media_type}"
        raise Failed(Reason.BAD_SAMPLE, text, BadSampleCode.UNSUPPORTED_SHAPE.value)
    shape, _, dtype = shape_text({"shape": looked.shape, "dtype": looked.dtype}).rpartition(" ")
    return shape[:64], dtype[:32]
