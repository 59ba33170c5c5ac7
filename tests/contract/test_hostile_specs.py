"""Generated and nasty specs through the real API server: refused with a field, or accepted and then understood.

Everything is sent with dryRun=All, so that nothing stays. What the server accepts, `parse` accepts too or names in an
InvalidSpec; never is there a 5xx. tests/unit/hostile/test_specs.py sends the same specs past the server.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueno.errors import InvalidSpec
from blueno.memory import allow_deep_json
from blueno.resources.dataset import Dataset
from blueno.resources.sample import Sample
from blueno.resources.training_run import TrainingRun
from tests.contract.crd import ScratchKind
from tests.hostile.specs import MINIMAL, NASTY, specs, twisted

KINDS = {
    "dataset": ("datasets", Dataset.parse),
    "trainingrun": ("training_runs", TrainingRun.parse),
    "sample": ("samples", Sample.parse),
}
REFUSED = (400, 403, 413, 422)
# The kind is the same for every example: it is installed once in a session.
same_kind = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
# Dangerous, and refused by the schema itself whatever the operator thinks of it.
CLOSED = {
    "dataset": {
        "no source", "two sources", "no files", "a thousand files", "file that leaves the volume",
        "URL with a password", "URL of 64 kB", "claim path up", "negative size", "1e99Gi",
        "host path up", "subPath up", "privileged",
        "service account", "metadata of 10,000 keys", "negative count", "count of 2^70", "unknown field",
        "homepage that runs", "a million tolerations",
    },
    "trainingrun": {
        "nothing", "no image", "image of 10 kB", "image with a blank", "reserved variable", "privileged",
        "host network", "volume of one's own", "nodes below 0", "nodes of 2^31", "a hundred thousand arguments",
        "unknown field",
    },
    "sample": {
        "nothing", "no data set", "both", "neither", "data set of another namespace", "URL with a password",
        "URI of 64 kB", "URI of another scheme", "key of 10 kB", "metadata of 10,000 keys", "unknown field",
        "manifest of nothing",
    },
}  # fmt: skip


@pytest.fixture
def kind(singular: str, request: pytest.FixtureRequest) -> ScratchKind:
    found: ScratchKind = request.getfixturevalue(KINDS[singular][0])
    return found


def sent(kind: ScratchKind, singular: str, spec: Any) -> tuple[int, str]:
    """(status, what it says or what `parse` says). Fails on 5xx, and on what is refused without a word about where."""
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec,
            "metadata": {"name": "hostile", "namespace": kind.namespace}}  # fmt: skip
    code, answer = kind.create(body, dryRun="All")
    text = json.dumps(answer.get("message") or answer)[:600]
    if code != 201:
        assert code in REFUSED, f"{code}: {text}\n{json.dumps(spec)[:2000]}"
        causes = [cause.get("field") or "" for cause in (answer.get("details") or {}).get("causes") or ()]
        assert code != 422 or any(field.startswith("spec") for field in causes), f"no field: {text}"
        return code, text
    stored = {**answer, "metadata": {"uid": "0a1b2c3d-1111-4222-8333-444455556666", **answer["metadata"]}}
    try:
        KINDS[singular][1](stored)
    except InvalidSpec as error:
        assert error.field.startswith("spec")
        return code, str(error)
    return code, ""


@pytest.mark.parametrize("singular", KINDS)
def test_the_minimal_spec_is_accepted(kind: ScratchKind, singular: str) -> None:
    """Else the tests below would prove nothing."""
    assert sent(kind, singular, MINIMAL[singular]) == (201, "")


@pytest.mark.parametrize("singular", KINDS)
@same_kind
@given(data=st.data())
def test_generated_specs(kind: ScratchKind, singular: str, data: st.DataObject) -> None:
    sent(kind, singular, data.draw(specs(singular)))


@pytest.mark.parametrize("singular", KINDS)
@same_kind
@given(data=st.data())
def test_generated_specs_with_something_of_another_type(kind: ScratchKind, singular: str, data: st.DataObject) -> None:
    sent(kind, singular, data.draw(twisted(singular)))


@pytest.mark.parametrize(("singular", "name"), [(s, name) for s in KINDS for name in NASTY[s]])
def test_nasty_specs(kind: ScratchKind, singular: str, name: str) -> None:
    if name.startswith("deep"):
        allow_deep_json()  # as the operator does; the answer holds the spec
    code, said = sent(kind, singular, NASTY[singular][name])
    assert name not in CLOSED[singular] or code in REFUSED, f"{code} {said}"
    assert (
        name.startswith("deep") is False or code in REFUSED or said.startswith(("spec.metadata: ", "spec.label: "))
    ), said


@pytest.mark.parametrize("singular", KINDS)
def test_a_status_set_by_a_user_is_dropped(kind: ScratchKind, singular: str) -> None:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": MINIMAL[singular],
            "metadata": {"name": "hostile", "namespace": kind.namespace},
            "status": {"observedGeneration": 99}}  # fmt: skip
    code, answer = kind.create(body, dryRun="All")
    assert code == 201, answer
    assert (answer.get("status") or {}).get("observedGeneration", -1) == -1  # what the schema itself says


@pytest.mark.parametrize("singular", KINDS)
def test_an_annotation_of_300_kib_is_refused(kind: ScratchKind, singular: str) -> None:
    meta = {"name": "hostile", "namespace": kind.namespace, "annotations": {"a": "x" * 300 * 1024}}
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": MINIMAL[singular], "metadata": meta}
    code, answer = kind.create(body, dryRun="All")
    assert code == 422, answer
