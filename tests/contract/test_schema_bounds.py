"""Every bound in the schemas is one: the real API server refuses what goes just past it, and says where.

Unlike what hypothesis draws (test_hostile_specs.py) this leaves no field out.
"""

from __future__ import annotations

import json

import pytest

from tests.contract.crd import ScratchKind
from tests.hostile.bounds import Past, past_its_bounds

KINDS = {"dataset": "datasets", "trainingrun": "training_runs", "sample": "samples"}
LEAST = {"dataset": 250, "trainingrun": 250, "sample": 60}  # bounds that there are at least


@pytest.mark.parametrize("singular", KINDS)
def test_nothing_goes_past_a_bound(singular: str, request: pytest.FixtureRequest) -> None:
    kind: ScratchKind = request.getfixturevalue(KINDS[singular])
    asked = [*past_its_bounds(singular)]
    assert len(asked) > LEAST[singular]
    wrong = [said for past in asked if (said := refusal(kind, past))]
    assert not wrong, f"{len(wrong)} of {len(asked)}:\n" + "\n".join(wrong)


def refusal(kind: ScratchKind, past: Past) -> str:
    """What is wrong with how it was refused; "" when it was, at its field."""
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": past.spec,
            "metadata": {"name": "past", "namespace": kind.namespace}}  # fmt: skip
    code, answer = kind.create(body, dryRun="All")
    about = f"{past.field}, {past.what}: {code}"
    if past.what == "null" and code in (201, 400, 422):
        return ""  # the API server takes null for absent: what is then wrong may be something else
    if code not in (400, 422):
        return f"{about} {json.dumps(answer)[:200]}"
    causes = [cause.get("field") or "" for cause in (answer.get("details") or {}).get("causes") or ()]
    said = f"{causes} {answer.get('message')}"
    return "" if past.field.rpartition(".")[2].split("[")[0] in said else f"{about} {said[:300]}"
