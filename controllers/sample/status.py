"""What `kubectl get samples` and `describe` show: the whole status of a Sample. Pure; called by kind.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from blueno.resources.conditions import Condition, advance
from blueno.resources.sample import Sample
from controllers.diff import flag
from controllers.step import Step


def project_status(sample: Sample, step: Step, now: datetime) -> dict[str, Any]:
    """The whole status as it should be."""
    status = {key: value for key, value in {**sample.status, **step.status}.items() if value is not None}
    status["observedGeneration"] = sample.generation
    status["summary"] = summary(sample, status)
    ready = "True" if step.ready else "False"
    made = [
        Condition("Ready", ready, step.reason, step.message, generation=sample.generation),
        flag("Reconciling", step.reconciling, step, sample.generation),
        flag("Stalled", step.stalled, step, sample.generation),
    ]
    status["conditions"] = [c.to_dict() for c in advance(sample.conditions, made, now)]
    return status


def summary(sample: Sample, status: Mapping[str, Any]) -> dict[str, str]:
    """What JSONPath columns cannot make: joined shape and type, the source in a word."""
    texts = {"source": source_text(sample)}
    if status.get("shape"):
        texts["shape"] = f"{status['shape']} {status.get('dtype', '')}".strip()[:128]
    return {key: text for key, text in texts.items() if text}


def source_text(sample: Sample) -> str:
    """The source in a word: "file:scans/17.nii.gz", "https:example.org/17.png", "configMap:new/list.csv"."""
    manifest = sample.manifest
    if manifest is not None and manifest.config_map:
        return f"configMap:{manifest.config_map}/{manifest.key}"[:128]
    uri = manifest.uri if manifest is not None else sample.uri
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    place = f"{parts.netloc.rpartition('@')[2]}{parts.path}".lstrip("/")
    return f"{parts.scheme}:{place}"[:128] if parts.scheme else ""
