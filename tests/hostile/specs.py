"""Specs generated from the schemas in crds/, and hand-written nasty ones. Used by unit and contract tests.

`specs(kind)` draws what the schema allows by types; `twisted(kind)` puts something of another kind somewhere into it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fakes.preparation import TOP

Schema = Mapping[str, Any]
MINIMAL: Mapping[str, dict[str, Any]] = {
    "dataset": {"source": {"tfds": {"name": "mnist"}}},
    "trainingrun": {"image": "example.org/train:1"},
    "sample": {"datasetRef": {"name": "mnist"}, "uri": "file:///a.png"},
}
TEXTS = st.sampled_from(
    ["", "a", "a-b", "../..", "/", "/a", "/a/../b", "a/b", "-", "A", "é", "\u202e", "😀" * 40, "x" * 300, "1",
     "1Gi", "-1Gi",
     "1e99Gi", "0", "http://127.0.0.1/", "https://u:p@h/", "file:///../x", "auto", "Retain", "$(params.x)", "\n",
     "true",
     "${{x}}", "blueno.dev/x", "BLUENO_X", "<script>", "%00"]
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, -1, 2, 100, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@functools.cache
def schema(kind: str) -> Schema:
    """The schema of `spec`."""
    crd = yaml.safe_load((TOP / "crds" / f"{kind}.yaml").read_text())
    found: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@st.composite
def _drawn(draw: st.DrawFn, node: Schema) -> Any:
    """A value of the schema's type, mostly within its bounds."""
    if node.get("x-kubernetes-int-or-string"):
        return draw(NUMBERS | TEXTS)
    if "enum" in node and draw(st.integers(0, 4)):
        return draw(st.sampled_from(node["enum"]))
    kind = node.get("type")
    if kind == "object" and "properties" in node:
        required = node.get("required", ())
        names = draw(st.lists(st.sampled_from(sorted(node["properties"])), max_size=3, unique=True))
        return {name: draw(_drawn(node["properties"][name])) for name in sorted({*names, *required})}
    if kind == "object":
        inner = node.get("additionalProperties")
        return draw(st.dictionaries(TEXTS, _drawn(inner) if isinstance(inner, Mapping) else JSON, max_size=2))
    if kind == "array":
        return draw(st.lists(_drawn(node["items"]), min_size=min(1, node.get("minItems", 0)), max_size=2))
    plain = {"string": TEXTS, "integer": NUMBERS, "boolean": st.booleans(), "number": st.floats(-1e9, 1e9)}
    return draw(plain.get(str(kind), JSON))


def specs(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """By the schema's types; sizes, patterns and rules may still refuse it."""
    return _drawn(schema(kind))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from places(item)


@st.composite
def twisted(draw: st.DrawFn, kind: str) -> Any:
    """A spec in which one thing is of another type than the schema says, or which is no spec at all."""
    spec = copy.deepcopy(draw(specs(kind)))
    found = list(places(spec))
    if not found or not draw(st.integers(0, 9)):
        return draw(JSON)
    container, key = draw(st.sampled_from(found))
    container[key] = draw(JSON)
    return spec


def _with(kind: str, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(MINIMAL[kind]), **changes}


def nested(depth: int) -> Any:
    """JSON of so many levels."""
    found: Any = 1
    for _ in range(depth):
        found = {"a": found}
    return found


_FILE = {"url": "https://example.org/a.tar", "sha256": "0" * 64}

NASTY: Mapping[str, Mapping[str, Any]] = {
    "dataset": {
        "no source": {},
        "source null": {"source": None},
        "two sources": {"source": {"tfds": {"name": "a"}, "claim": {"name": "b"}}},
        "source of nothing": {"source": {"tfds": None}},
        "no files": {"source": {"archive": {"files": []}}},
        "a thousand files": {"source": {"archive": {"files": [_FILE] * 1000}}},
        "metadata address": {"source": {"archive": {"files": [{**_FILE, "url": "http://169.254.169.254/latest"}]}}},
        "file that leaves the volume": {"source": {"archive": {"files": [{**_FILE, "url": "file:///../../etc/passwd"}]}}},
        "URL with a password": {"source": {"archive": {"files": [{**_FILE, "url": "https://u:p@example.org/a.tar"}]}}},
        "URL of 64 kB": {"source": {"archive": {"files": [{**_FILE, "url": "https://h/" + "x" * 65536}]}}},
        "claim path up": {"source": {"claim": {"name": "a", "path": "../../x"}}},
        "claim of another namespace": {"source": {"claim": {"name": "other/photos"}}},
        "negative size": _with("dataset", storage={"claimTemplate": {"size": "-1Gi"}}),
        "1e99Gi": _with("dataset", storage={"claimTemplate": {"size": "1e99Gi"}}),
        "size of 10^40": _with("dataset", storage={"claimTemplate": {"size": "9" * 40}}),
        "host path up": _with("dataset", storage={"hostPath": {"path": "/data/../etc"}}),
        "host path of the root": _with("dataset", storage={"hostPath": {"path": "/"}}),
        "subPath up": _with("dataset", storage={"existingClaim": {"name": "a"}, "subPath": "../x"}),
        "privileged": _with("dataset", prepare={"securityContext": {"privileged": True}}),
        "service account": _with("dataset", prepare={"serviceAccountName": "admin"}),
        "deep metadata": _with("dataset", metadata=nested(2000)),
        "deepest metadata": _with("dataset", metadata=nested(9000)),
        "metadata of 300 kB": _with("dataset", metadata={"a": "x" * 300_000}),
        "metadata of 10,000 keys": _with("dataset", metadata={str(n): n for n in range(10_000)}),
        "negative count": _with("dataset", prepare={"maxBadSamples": -1}),
        "count of 2^70": _with("dataset", prepare={"maxBadSamples": 2**70}),
        "unknown field": _with("dataset", surprise=True),
        "homepage that runs": _with("dataset", homepage="javascript:alert(1)"),
        "a million tolerations": _with("dataset", prepare={"tolerations": [{"key": "a"}] * 20_000}),
    },
    "trainingrun": {
        "nothing": {},
        "no image": {"image": ""},
        "image of 10 kB": {"image": "x" * 10_000},
        "image with a blank": {"image": "example.org/train:1 --privileged"},
        "image without tag or digest": {"image": "train"},  # allowed: status.imageDigest says which one ran
        "mount over the root": _with("trainingrun", datasets=[{"name": "a", "mountPath": "/"}]),
        "mount up": _with("trainingrun", datasets=[{"name": "a", "mountPath": "/a/../../etc"}]),
        "mount over outputs": _with("trainingrun", datasets=[{"name": "a", "mountPath": "/output"}]),
        "the same mount twice": _with("trainingrun", datasets=[{"name": n, "mountPath": "/x"} for n in "ab"]),
        "data set of another namespace": _with("trainingrun", datasets=[{"name": "other/mnist"}]),
        "reserved variable": _with("trainingrun", env=[{"name": "BLUENO_TOKEN", "value": "x"}]),
        "root": _with("trainingrun", podSecurity={"runAsUser": 0}),
        "privileged": _with("trainingrun", podSecurity={"privileged": True}),
        "host network": _with("trainingrun", hostNetwork=True),
        "volume of one's own": _with("trainingrun", volumes=[{"hostPath": {"path": "/"}}]),
        "nodes below 0": _with("trainingrun", numNodes=-1),
        "nodes of 2^31": _with("trainingrun", numNodes=2**31),
        "parameter that is not there": _with("trainingrun", args=["$(params.nothing)"]),
        "parameter in a parameter": _with("trainingrun", args=["$(params.a)"], parameters={"a": "$(params.a)"}),
        "a hundred thousand arguments": _with("trainingrun", args=["x"] * 100_000),
        "argument of 1 MB": _with("trainingrun", args=["x" * 1_000_000]),
        "git over ssh": _with("trainingrun", code={"git": {"url": "ssh://h/x", "revision": "main"}}),
        "git with a password": _with("trainingrun", code={"git": {"url": "https://u:p@h/x", "revision": "main"}}),
        "git option": _with("trainingrun", code={"git": {"url": "https://h/x", "revision": "--upload-pack=touch x"}}),
        "shared memory below 0": _with("trainingrun", shmSize="-1Gi"),
        "resources below 0": _with("trainingrun", resources={"limits": {"memory": "-1Gi"}}),
        "unknown field": _with("trainingrun", surprise=True),
    },
    "sample": {
        "nothing": {},
        "no data set": {"uri": "file:///a.png"},
        "both": _with("sample", manifest={"uri": "file:///l.csv"}),
        "neither": {"datasetRef": {"name": "mnist"}},
        "data set of another namespace": _with("sample", datasetRef={"name": "other/mnist"}),
        "URL with a password": _with("sample", uri="https://u:p@example.org/a.png"),
        "URI of 64 kB": _with("sample", uri="https://h/" + "x" * 65536),
        "URI of another scheme": _with("sample", uri="gopher://h/x"),
        "metadata address": _with("sample", uri="http://169.254.169.254/latest"),
        "file that leaves the volume": _with("sample", uri="file:///../../etc/passwd"),
        "key of 10 kB": _with("sample", key="x" * 10_000),
        "key with a line feed": _with("sample", key="a\nb"),
        "label of 300 kB": _with("sample", label="x" * 300_000),
        "deep label": _with("sample", label=nested(2000)),
        "deep metadata": _with("sample", metadata=nested(2000)),
        "metadata of 10,000 keys": _with("sample", metadata={str(n): n for n in range(10_000)}),
        "manifest of nothing": {"datasetRef": {"name": "mnist"}, "manifest": {}},
        "unknown field": _with("sample", surprise=True),
    },
}  # fmt: skip
