"""The Python client: `blueno.Client`, `AsyncClient` and, for scripts of 2019, `PlatformClient`.

Used by people's scripts and by blueno/cli; speaks the web process's HTTP API. Needs the extra `client` (httpx, PyYAML).
Nothing heavy is imported before a client is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blueno.client.bar import progress_bar
from blueno.client.client import Client
from blueno.client.contents import by_folders
from blueno.client.dataset_values import Dataset, DatasetSummary, HistoryEntry, Version
from blueno.client.datasets import AsyncDatasets, Datasets
from blueno.client.multipart import PlatformError
from blueno.client.outputs import OutputEntry
from blueno.client.platform import PlatformClient
from blueno.client.runs import AsyncRuns, Runs
from blueno.client.sample_values import (
    Facets,
    NewSample,
    Refused,
    Removed,
    Sample,
    SampleConflict,
    Uploaded,
    UploadProgress,
    WorkingSample,
)
from blueno.client.samples import ANY, AsyncSamples, Samples
from blueno.client.tokens import AsyncTokens, NewToken, Token, Tokens
from blueno.client.users import AsyncUsers, User, Users
from blueno.client.values import Metrics, Part, Run, RunSummary, Series
from blueno.client.waiting import NotInTime

if TYPE_CHECKING:
    from blueno.client.aio import AsyncClient

__all__ = [
    "ANY",
    "AsyncClient",
    "AsyncDatasets",
    "AsyncRuns",
    "AsyncSamples",
    "AsyncTokens",
    "AsyncUsers",
    "Client",
    "Dataset",
    "DatasetSummary",
    "Datasets",
    "Facets",
    "HistoryEntry",
    "Metrics",
    "NewSample",
    "NewToken",
    "NotInTime",
    "OutputEntry",
    "Part",
    "PlatformClient",
    "PlatformError",
    "Refused",
    "Removed",
    "Run",
    "RunSummary",
    "Runs",
    "Sample",
    "SampleConflict",
    "Samples",
    "Series",
    "Token",
    "Tokens",
    "UploadProgress",
    "Uploaded",
    "User",
    "Users",
    "Version",
    "WorkingSample",
    "by_folders",
    "progress_bar",
]


def __getattr__(name: str) -> Any:
    """asyncio takes as long to import as all the rest: only for who wants it."""
    if name == "AsyncClient":
        from blueno.client.aio import AsyncClient

        return AsyncClient
    raise AttributeError(f"module 'blueno.client' has no attribute {name!r}")
