"""Blueno: image data sets as Kubernetes objects. `open_dataset` reads what was prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blueno.client import Client
    from blueno.data.dataset import open_dataset

__version__ = "0.1.0"
__all__ = ["Client", "open_dataset"]


def __getattr__(name: str) -> Any:
    """Loads the reader (numpy, pyarrow) and the client (httpx, PyYAML) only when somebody asks for them."""
    if name == "open_dataset":
        from blueno.data.dataset import open_dataset

        return open_dataset
    if name == "Client":
        return _client()
    raise AttributeError(f"module 'blueno' has no attribute {name!r}")


def _client() -> Any:
    try:
        from blueno.client import Client
    except ModuleNotFoundError as error:
        raise ImportError(f"the client needs {error.name}: pip install 'blueno[client]'", name=error.name) from None
    return Client
