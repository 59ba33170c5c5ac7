"""A Sample as the Task that an ingest pod is handed. Pure; called by observe.py and by controllers/ingests.py."""

from __future__ import annotations

from blueno.errors import InvalidSpec
from blueno.resources.conditions import is_true
from blueno.resources.ingest import PUT, REMOVE, Task
from blueno.resources.sample import Sample, unreadable
from controllers.cache import Body


def task_of(body: Body) -> Task | None:
    """None when there is nothing to be done with a spec like this."""
    deleting = bool(body["metadata"].get("deletionTimestamp"))
    try:
        sample = Sample.parse(body)
    except InvalidSpec:
        if not deleting:
            return None
        sample = unreadable(body)  # what it once brought in has to go all the same
    manifest = sample.manifest
    return Task(
        op=REMOVE if deleting else PUT,
        uid=sample.uid,
        generation=sample.generation,
        name=sample.name,
        request=sample.requested_at or "",
        key="" if manifest is not None else sample.key or sample.name,
        known_key=sample.status.get("key") or "",
        strayed=_may_have_strayed(sample),
        settled=bool(sample.status.get("datasetUID")),
        purge=sample.purge,
        uri=sample.uri,
        sha256=sample.sha256,
        secret=sample.secret,
        config_map=manifest.config_map if manifest is not None else "",
        config_key=manifest.key if manifest is not None else "",
        manifest_uri=manifest.uri if manifest is not None else "",
        manifest_sha256=manifest.sha256 if manifest is not None else "",
        label=sample.label,
        split=sample.split,
        group=sample.group,
        metadata=sample.metadata,
        media_type=sample.media_type,
    )


def _may_have_strayed(sample: Sample) -> bool:
    """Whether a pod may have brought it in under a key of a spec that was changed before status told of it.

    What was Ready lies where status says, and what came of the next spec is taken out with the one before it.
    """
    specs = sample.generation - sample.deleting  # the deletion counts as a generation, too
    told = sample.observed_generation if is_true(sample.conditions, "Ready") else 0
    return specs - told > 1
