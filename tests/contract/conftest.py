"""Fixtures of the contract tests: a real API server, and our kinds on it under groups of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.apiserver import ApiServer, NoCluster, find_kubeconfig, find_kubectl
from tests.contract.crd import ScratchKind


@pytest.fixture(scope="session")
def api() -> ApiServer:
    """The API server under test; skips, naming what is missing, where there is none."""
    try:
        return ApiServer(find_kubeconfig(), find_kubectl())
    except NoCluster as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def datasets(api: ApiServer) -> Iterator[ScratchKind]:
    """Datasets with the schema of this checkout, in a group and a namespace that go away afterwards."""
    with _scratch(api, "dataset") as kind:
        yield kind


@pytest.fixture(scope="session")
def training_runs(api: ApiServer) -> Iterator[ScratchKind]:
    """The same for TrainingRuns."""
    with _scratch(api, "trainingrun") as kind:
        yield kind


@pytest.fixture(scope="session")
def samples(api: ApiServer) -> Iterator[ScratchKind]:
    """The same for Samples."""
    with _scratch(api, "sample") as kind:
        yield kind


@contextmanager
def _scratch(api: ApiServer, singular: str) -> Iterator[ScratchKind]:
    token = secrets.token_hex(3)
    kind = ScratchKind(api, singular, f"contract-{token}.blueno.dev", f"blueno-contract-{token}")
    try:
        kind.install()
        yield kind
    finally:
        kind.remove()
