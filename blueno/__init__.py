"""Blueno: image data sets as Kubernetes objects, and training runs that read them.

`open_dataset` reads what was prepared; `report` and `checkpoint` are for programs that train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blueno import checkpoint
    from blueno.client import AsyncClient, Client, PlatformClient, PlatformError
    from blueno.data.dataset import open_dataset
    from blueno.reporting import report

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "PlatformClient", "PlatformError", "checkpoint", "open_dataset", "report"]


def __getattr__(name: str) -> Any:
    """Loads the reader (numpy, pyarrow), the clients (httpx, PyYAML) and the others only when they are asked for."""
    if name == "open_dataset":
        from blueno.data.dataset import open_dataset

        return open_dataset
    if name in ("AsyncClient", "Client", "PlatformClient", "PlatformError"):
        return _of_client(name)
    if name == "report":
        from blueno.reporting import report

        return report
    if name == "checkpoint":
        import importlib

        return importlib.import_module("blueno.checkpoint")
    raise AttributeError(f"module 'blueno' has no attribute {name!r}")


def _of_client(name: str) -> Any:
    try:
        from blueno import client
    except ModuleNotFoundError as error:
        raise ImportError(f"the client needs {error.name}: pip install 'blueno[client]'", name=error.name) from None
    return getattr(client, name)
