"""May the person use what a new object names? Used by training_run_writes.py and dataset_writes.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from webui.call import Call
from webui.named import named_in
from webui.problems import FieldError, Problem, invalid

NAMED = 100  # objects that a spec may name: each is a question to the API server


async def require_named(call: Call, namespace: str, spec: Mapping[str, Any]) -> None:
    """Raises Problem 403 with every object that the spec names and the person may not use."""
    named = named_in(spec)
    if len(named) > NAMED:
        raise invalid([FieldError("body.spec", f"names {len(named)} other objects, at most {NAMED}")])
    access, person = call.services.access, call.person
    allowed = await asyncio.gather(
        *(access.may(person, one.verb, one.resource, namespace, one.name, one.sub) for one in named)
    )
    errors = [FieldError(f"body.{one.field}", one.sentence) for one, yes in zip(named, allowed, strict=True) if not yes]
    if errors:
        detail = f"{errors[0].message}, which this object would do for you: ask for that right, or leave it out"
        raise Problem(403, "forbidden", detail, errors)
