"""Whatever a spec holds, `parse` says InvalidSpec or gives a value that the kinds can plan with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.errors import InvalidSpec
from blueno.resources.conditions import rfc3339
from blueno.resources.dataset import Dataset
from blueno.resources.row import identity
from blueno.resources.run_parts import MAX_NODES
from blueno.resources.sample import Sample
from blueno.resources.spec_types import DATASET, SAMPLE, TRAINING_RUN, is_deep
from blueno.resources.training_run import TrainingRun
from controllers.cache import Cache
from controllers.dataset.kind import DatasetKind
from controllers.heard import NOTHING
from controllers.holds import Holds
from controllers.sample.kind import SampleKind
from controllers.sample.roster import Roster
from controllers.training_run.kind import TrainingRunKind
from tests.fakes.preparation import TOP, environment
from tests.hostile.specs import NASTY, nested, schema, specs, twisted
from tests.make import NOW, a_world

PARSE: Mapping[str, Any] = {"dataset": Dataset.parse, "trainingrun": TrainingRun.parse, "sample": Sample.parse}
TREES: Mapping[str, Any] = {"dataset": DATASET, "trainingrun": TRAINING_RUN, "sample": SAMPLE}
META = {"name": "a", "namespace": "b", "uid": "0a1b2c3d-1111-4222-8333-444455556666", "generation": 1,
        "resourceVersion": "1", "creationTimestamp": rfc3339(NOW)}  # fmt: skip


def planned(kind: str, spec: Any) -> str:
    """What becomes of an object with this spec: "value", or the field that is wrong."""
    body = {"metadata": META, "spec": spec}
    try:
        PARSE[kind](body)
    except InvalidSpec as error:
        assert str(error).startswith(error.field)
        field = error.field
    else:
        field = "value"
    cache = Cache()
    # Never raises: else the engine would try for ever.
    engines = {
        "dataset": lambda: DatasetKind(a_world(), cache, Holds()),
        "trainingrun": lambda: TrainingRunKind(a_world(), cache),
        "sample": lambda: SampleKind(a_world(), cache, Roster(cache)),
    }
    engine: Any = engines[kind]()
    step, status = engine.plan(body, NOTHING, NOW)
    assert (step.reason == "InvalidSpec") >= (field != "value")
    json.dumps(status)
    return field


@pytest.mark.parametrize("kind", TREES)
@given(data=st.data())
def test_any_spec_of_the_schemas_types(kind: str, data: st.DataObject) -> None:
    planned(kind, data.draw(specs(kind)))


@pytest.mark.parametrize("kind", TREES)
@given(data=st.data())
def test_any_spec_with_something_of_another_type(kind: str, data: st.DataObject) -> None:
    planned(kind, data.draw(twisted(kind)))


# One that is deeper than this process may look: the operator's own process may, see the last test.
SHALLOW = [(kind, name) for kind in NASTY for name in NASTY[kind] if name != "deepest metadata"]


@pytest.mark.parametrize(("kind", "name"), SHALLOW)
def test_nasty_specs(kind: str, name: str) -> None:
    field = planned(kind, NASTY[kind][name])
    assert field == "value" or field.startswith("spec")


def test_the_trees_are_those_of_the_schemas() -> None:
    for kind, tree in TREES.items():
        compare(schema(kind), tree, "spec")
    assert schema("trainingrun")["properties"]["numNodes"]["maximum"] == MAX_NODES


def compare(node: Mapping[str, Any], tree: Any, path: str) -> None:
    if node.get("x-kubernetes-int-or-string"):
        assert tree == "amount", path
    elif node.get("type") == "array":
        assert isinstance(tree, list), path
        compare(node["items"], tree[0], f"{path}[]")
    elif "properties" in node:
        assert {key.removeprefix("!") for key in tree} == set(node["properties"]), path
        assert {key[1:] for key in tree if key.startswith("!")} <= set(node.get("required", ())), path
        for key, inner in tree.items():
            name = key.removeprefix("!")
            compare(node["properties"][name], inner, f"{path}.{name}")
    elif isinstance(node.get("additionalProperties"), Mapping):
        assert set(tree) == {"*"}, path
        compare(node["additionalProperties"], tree["*"], f"{path}.*")
    else:
        words = {"string": "text", "integer": "int", "boolean": "bool", "object": "object"}
        assert tree == words.get(node.get("type", ""), "any"), path


def test_depth_is_measured_without_going_deep() -> None:
    assert not is_deep(nested(32))
    assert is_deep(nested(33))
    assert is_deep([[nested(900)]])
    body = {"metadata": META, "spec": {"source": {"claim": {"name": "a"}}, "metadata": nested(900)}}
    assert json.loads(identity(body)["document"])["spec"]["metadata"] is None


def test_the_operator_reads_what_the_api_server_takes() -> None:
    """10,000 levels; Python alone stops at 1,000, and the watch of all Datasets with it. In a process of its own."""
    text = '{"spec": {"source": {"claim": {"name": "a"}}, "metadata": ' + '{"a":' * 9990 + "1" + "}" * 9992
    code = (
        "import json, sys, kopf\nfrom controllers import lifecycle\nlifecycle.register(kopf.OperatorRegistry())\n"
        "from tests.unit.hostile import test_specs\n"
        "print(test_specs.planned('dataset', json.loads(sys.stdin.read())['spec']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=TOP, env=environment(), input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "spec.metadata"), done.stderr[-2000:]
    with pytest.raises(RecursionError):
        json.loads(text)
