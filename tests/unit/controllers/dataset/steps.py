"""How the tables of this folder write down what a Step does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.step import Patch, Ref, Step


def flags(step: Step) -> str:
    """The three flags in a word: "ready", "reconciling", "stalled", or "" for settled without being ready."""
    said = [name for name in ("ready", "reconciling", "stalled") if getattr(step, name)]
    assert len(said) <= 1, f"{step.reason} is {' and '.join(said)}"
    return said[0] if said else ""


def deeds(step: Step) -> list[str]:
    """Everything the Step asks the engine to do, one line each."""
    done = []
    if step.finalizer is not None:
        done.append("finalizer on" if step.finalizer else "finalizer off")
    if step.in_use is not None:
        done.append("in use on" if step.in_use else "in use off")
    if step.warning is not None:
        done.append(f"warn {step.warning[0]}")
    if step.confirm is not None:
        done.append(f"confirm {_name(step.confirm)}")
    if step.ask is not None:
        done.append(f"ask {_name(step.ask)}")
    done += [f"delete {_name(ref)}" for ref in step.delete]
    done += [f"apply {m['kind']} {m['metadata']['name']}" for m in step.apply]
    done += [f"patch {_patch(patch)}" for patch in step.patch]
    done += [f"wish {_patch(patch)}" for patch in step.wish]
    done += [_serving(deed) for deed in step.serve]
    return done


def _serving(deed: Mapping[str, Any] | Patch) -> str:
    if not isinstance(deed, Patch):
        return f"serve: apply {deed['kind']}"
    spec = deed.body["spec"]
    return f"serve: {spec['replicas']} replica(s)" + (", template" if "template" in spec else "")


def _name(ref: Ref) -> str:
    return f"{ref.resource.kind} {ref.name}"


def _patch(patch: Patch) -> str:
    return f"{_name(patch.ref)} {dict(patch.body)}"
