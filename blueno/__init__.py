"""Blueno: image data sets as Kubernetes objects. `open_dataset` reads what was prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blueno.data.dataset import open_dataset

__version__ = "0.1.0"
__all__ = ["open_dataset"]


def __getattr__(name: str) -> Any:
    """Loads the reader, and with it numpy and pyarrow, only when somebody asks for it."""
    if name == "open_dataset":
        from blueno.data.dataset import open_dataset

        return open_dataset
    raise AttributeError(f"module 'blueno' has no attribute {name!r}")
