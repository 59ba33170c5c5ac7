"""blueno/resources/dataset.py and work.py: a body as a frozen value; equal works are equal texts."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.errors import InvalidSpec
from blueno.resources.dataset import STORAGE_KINDS, Dataset, Prepare, Storage
from blueno.resources.work import PrepOptions, Work
from tests.make import SOURCE, a_body, a_dataset, a_status

values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=6,
)


def test_a_minimal_body() -> None:
    dataset = Dataset.parse({"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {"source": SOURCE}})
    assert (dataset.generation, dataset.observed_generation, dataset.reclaim) == (1, -1, "Retain")
    assert (dataset.storage, dataset.version, dataset.deleting_since) == (None, None, None)
    assert dataset.layout == {"type": "auto"}
    assert dataset.prepare == Prepare()
    assert not dataset.wants_erase


def test_parsing_changes_nothing_and_the_value_is_frozen() -> None:
    body = a_body(prepare={"gpus": {"count": 1}}, status=a_status("Sealed"))
    before = copy.deepcopy(body)
    dataset = Dataset.parse(body)
    assert body == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.suspend = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("storage", "parsed"),
    [
        (None, None),
        ({}, None),
        ({"claimTemplate": {"size": "1Gi"}}, Storage("claimTemplate", {"size": "1Gi"})),
        ({"existingClaim": {"name": "x"}, "subPath": "a/b"}, Storage("existingClaim", {"name": "x"}, "a/b")),
        ({"claimTemplate": None}, Storage("claimTemplate", {})),
        ({"managedNFS": {"size": "1Gi"}}, Storage("managedNFS", {"size": "1Gi"})),
        (
            {"nfs": {"server": "s", "path": "/x"}, "subPath": "lab/a"},
            Storage("nfs", {"server": "s", "path": "/x"}, "lab/a"),
        ),
    ],
)
def test_storage(storage: Any, parsed: Storage | None) -> None:
    assert a_dataset(storage=storage).storage == parsed


def test_which_claims_hold_data() -> None:
    static = [kind for kind in STORAGE_KINDS if Storage(kind, {}).is_static]
    assert static == ["nfs", "managedNFS", "hostPath"]


@pytest.mark.parametrize("path", ["/a", "a/../b", "..", ".", "a//b", "a/", ""])
def test_a_path_that_leaves_the_volume_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.storage\.subPath"):
        a_dataset(storage={"existingClaim": {"name": "x"}, "subPath": path})


@pytest.mark.parametrize("source", [None, {}, [], "tfds", {"nfs": {}}, {"tfds": {}, "claim": {}}])
def test_a_source_is_exactly_one(source: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        a_dataset(source=source)
    assert caught.value.field == "spec.source"


def test_a_request_is_as_long_as_status_can_echo() -> None:
    dataset = a_dataset(requested_at="x" * 500)
    assert dataset.requested_at == "x" * 128
    assert a_dataset(requested_at="").requested_at is None


@given(st.dictionaries(st.text(max_size=5), values, max_size=3), st.dictionaries(st.text(max_size=5), values))
def test_works_come_through_and_equal_works_are_equal_texts(source: Any, layout: Any) -> None:
    work = Work(source, layout)
    assert Work.from_json(work.to_json()) == work
    backwards = Work(dict(reversed(source.items())), dict(reversed(layout.items())))
    assert (backwards.to_json(), backwards.hash) == (work.to_json(), work.hash)


def test_a_works_identity() -> None:
    """A value that must never change: it names directories on volumes and Jobs in clusters."""
    work = Work({"tfds": {"name": "mnist"}}, {"type": "auto"})
    assert work.hash == "e34be5523a80716a"
    others = [
        dataclasses.replace(work, source={"tfds": {"name": "cifar10"}}),
        dataclasses.replace(work, layout={"type": "csv"}),
        dataclasses.replace(work, pack={"shardBytes": 1}),
        dataclasses.replace(work, requested_at="t1"),
        dataclasses.replace(work, format_version=2),
    ]
    assert len({work.hash, *(other.hash for other in others)}) == 6


def test_options_come_through() -> None:
    options = PrepOptions("Fail", 0, ("10.0.0.0/8",), 5)
    assert PrepOptions.from_json(options.to_json()) == options


def test_another_secret_of_an_upload_source_is_no_new_work() -> None:
    plain, named = (a_dataset(source={"upload": spec}) for spec in ({}, {"secretRef": {"name": "lab-storage"}}))
    assert plain.source == named.source == {"upload": {}}
