"""Fixtures of the contract tests: a real API server, and our kinds on it under groups of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

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
    token = secrets.token_hex(3)
    kind = ScratchKind(api, "dataset", f"contract-{token}.blueno.dev", f"blueno-contract-{token}")
    try:
        kind.install()
        yield kind
    finally:
        kind.remove()
