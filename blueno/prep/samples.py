"""What a source hands to the packer. Made by blueno/prep/sources/*, consumed by blueno/prep/pack.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from blueno.data.badsample import BadSampleCode
from blueno.data.volume import NOTHING_ADDED, Added
from blueno.prep.config import PrepConfig
from blueno.prep.progress import Progressing
from blueno.prep.space import Space
from blueno.resources.work import PrepOptions, Work


class Sample(NamedTuple):
    """One sample before it is looked at. A named tuple because there may be millions."""

    key: str
    split: str
    label: str | None  # canonical JSON
    group: str | None
    metadata: str | None  # canonical JSON
    size: int  # bytes of the content, known before it is read
    stamp: str  # changes whenever the content may have changed: lets a finished shard be recognised
    content: npt.NDArray[Any] | Callable[[], bytes]  # an array, or how to get the encoded bytes


@dataclass
class Reading:
    """A source, opened. `samples` come in index order: splits by rank, each in source order."""

    samples: Iterable[Sample]
    revision: dict[str, Any]  # what is really read: goes to the manifest
    total: int = 0  # samples, 0 while unknown
    total_bytes: int = 0
    classes: tuple[str, ...] = ()
    ignored: int = 0
    bad: list[tuple[str, BadSampleCode]] = field(default_factory=list)  # found before any content was read
    linked_bytes: int = 0  # of total_bytes: what the version before holds as it is, so that hard links do
    added: Added = NOTHING_ADDED  # up to where it holds what people have added
    stored: int = 0  # bytes that lie on the volume for good beside the version: what was added, as it was sent


@dataclass(frozen=True)
class Context:
    """What a source may use."""

    config: PrepConfig
    work: Work
    staging: Path  # this work's own directory; shared by all its attempts
    progress: Progressing
    space: Space

    @property
    def options(self) -> PrepOptions:
        return self.config.options

    @property
    def tag(self) -> str:
        return self.config.tag


Source = Callable[[Mapping[str, Any], Context], Reading]
