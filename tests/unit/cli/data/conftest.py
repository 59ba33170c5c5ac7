"""Data sets, samples and people: a stand-in server that knows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blueno.client import datasets
from tests.fakes.data_api import DataApi, dataset
from tests.fakes.runs_api import running


@pytest.fixture
def api() -> Iterator[DataApi]:
    with running(DataApi) as api:
        yield api


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that take no time."""
    monkeypatch.setattr(datasets, "LOOK", 0.02)
    monkeypatch.setattr(datasets, "SEEN", 0.0)


@pytest.fixture
def uploads(api: DataApi) -> DataApi:
    """A server with an empty data set that takes uploads, default/mine."""
    spec = {"source": {"upload": {}}, "reclaimPolicy": "Retain", "suspend": False}
    empty = {"version": None, "samples": None, "bytes": None, "classes": None, "reason": "AcceptingUploads"}
    api.put(dataset("mine", source="upload", spec=spec, message="it takes samples", **empty))
    return api
