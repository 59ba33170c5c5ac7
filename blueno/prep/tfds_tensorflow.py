"""Stands in for `tf` inside TFDS's builders, which use little more of it than opening files. Called by sources/tfds.py.

Anything a builder asks for beyond that ends with a sentence that names it, not with an ImportError from the depths.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from blueno.errors import InvalidSpec


def needs_tensorflow(builder: str, what: str) -> InvalidSpec:
    """The failure of a builder that cannot run without TensorFlow."""
    return InvalidSpec(
        "spec.source.tfds.name",
        f"the builder {builder!r} needs TensorFlow ({what}), which this image does not have: "
        "use an archive or claim source for this data set",
    )


class TensorFlow:
    """What builders call `tf`."""

    def __init__(self, builder: str) -> None:
        self._builder = builder
        gfile = SimpleNamespace(
            GFile=_open,
            Open=_open,
            exists=os.path.exists,
            isdir=os.path.isdir,
            listdir=os.listdir,
            glob=_glob,
            makedirs=lambda path: os.makedirs(path, exist_ok=True),  # noqa: PTH103
            mkdir=os.mkdir,
            copy=shutil.copyfile,
            walk=_walk,
        )
        self.io = _Namespace(builder, "tf.io", gfile=_Namespace(builder, "tf.io.gfile", **vars(gfile)))
        self.compat = _Namespace(
            builder, "tf.compat", as_text=_as_text, as_str=_as_text, as_str_any=str, as_bytes=_as_bytes
        )
        self.__version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise needs_tensorflow(self._builder, f"tf.{name}")


class _Namespace:
    def __init__(self, builder: str, name: str, **members: Any) -> None:
        self.__dict__.update(members)
        self._builder, self._name = builder, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise needs_tensorflow(self._builder, f"{self._name}.{name}")


def install(builder: str) -> None:
    """Puts the stand-in where the loaded builder modules look for `tf`; TFDS's own core is left alone."""
    stand_in = TensorFlow(builder)
    for name, module in list(sys.modules.items()):
        if name.startswith("tensorflow_datasets.") and not name.startswith("tensorflow_datasets.core"):
            members = vars(module)
            if type(members.get("tf")).__name__ in ("LazyModule", "TensorFlow"):
                members["tf"] = stand_in


def _open(path: Any, mode: str = "r") -> Any:
    return Path(path).open(mode)


def _glob(pattern: Any) -> list[str]:
    return sorted(glob.glob(str(pattern)))  # noqa: PTH207 - builders expect texts


def _walk(top: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    return os.walk(top)


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
