"""A TFDS example (a dict of features) → a Sample. Called by sources/tfds.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blueno.data.digest import canonical_json
from blueno.errors import InvalidSpec
from blueno.prep.samples import Sample


@dataclass(frozen=True)
class Features:
    """Which feature of a builder is the image, which the label, which go to metadata."""

    image: str
    label: str | None
    classes: tuple[str, ...]
    metadata: tuple[tuple[str, tuple[str, ...]], ...]  # (feature, names of its classes or ())

    @classmethod
    def of(cls, builder: str, info: Any) -> Features:
        """Reads the builder's description. Raises InvalidSpec when it has no image."""
        import tensorflow_datasets as tfds

        features = info.features
        supervised: tuple[str, ...] = tuple(info.supervised_keys or ())
        images = [n for n, f in features.items() if isinstance(f, tfds.features.Image)]
        if not images:
            raise InvalidSpec(
                "spec.source.tfds.name",
                f"the builder {builder!r} is no image data set: its features are {', '.join(features)}",
            )
        image = supervised[0] if supervised and supervised[0] in images else images[0]
        labels = [n for n, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
        label = supervised[1] if len(supervised) > 1 and supervised[1] in labels else next(iter(labels), None)
        plain = (tfds.features.Scalar, tfds.features.Text, tfds.features.ClassLabel)
        others = tuple(
            (name, tuple(getattr(feature, "names", None) or ()))
            for name, feature in features.items()
            if name not in (image, label) and isinstance(feature, plain)
        )
        names = tuple(features[label].names or ()) if label else ()
        return cls(image, label, names, others)


def samples_of(split: str, examples: Iterable[tuple[Any, Any]], features: Features) -> Iterator[Sample]:
    """One Sample per (key, example). Numbers as keys get eight digits, so that keys sort in their order."""
    labels: dict[Any, str | None] = {}
    for key, example in examples:
        name = f"{split}/{key:08d}" if isinstance(key, (int, np.integer)) else f"{split}/{key}"
        label = None
        if features.label is not None:
            value = example[features.label]
            number = value if isinstance(value, str) else int(value)
            if number not in labels:
                labels[number] = _label(number, features.classes)
            label = labels[number]
        image = example[features.image]
        metadata = _metadata(example, features) if features.metadata else None
        if isinstance(image, np.ndarray):
            yield Sample(name, split, label, None, metadata, image.nbytes, "", image)
        else:
            size, stamp, read = _encoded(image)
            yield Sample(name, split, label, None, metadata, size, stamp, read)


def _label(value: Any, classes: tuple[str, ...]) -> str | None:
    """Canonical JSON of a class's name. TFDS writes -1 where a test set's labels are secret: none."""
    if isinstance(value, str):
        return canonical_json(value)
    if value < 0:
        return None
    return canonical_json(classes[value] if value < len(classes) else str(value))


def _metadata(example: Any, features: Features) -> str | None:
    found = {}
    for name, classes in features.metadata:
        value = example.get(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, (np.generic, np.ndarray)):
            if value.size != 1:
                continue
            value = value.item()
        if classes and isinstance(value, int) and 0 <= value < len(classes):
            value = classes[value]
        if isinstance(value, float) and not np.isfinite(value):
            value = None
        if isinstance(value, (str, int, float, bool)):
            found[name] = value
    return canonical_json(found) if found else None


def _encoded(image: Any) -> tuple[int, str, Callable[[], bytes]]:
    """(size, stamp, reader) of an image that is a path, an open file or bytes."""
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        return path.stat().st_size, "", path.read_bytes
    data: bytes = image if isinstance(image, bytes) else image.read()
    return len(data), "", lambda: data
