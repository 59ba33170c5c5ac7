"""Reasons and codes of the closed lists, sentences for people, counts that agree, no exit code 0 on partial work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from blueno import names
from blueno.data.badsample import BadSampleCode
from blueno.resources.outcome import FAILURE_CODES
from blueno.resources.reasons import DatasetReason
from blueno.resources.run_reasons import RunReason
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Snapshot, called, condition, label

Body = Mapping[str, Any]

_DATASET = {str(reason) for reason in DatasetReason}
_RUN = {str(reason) for reason in RunReason}
_CODES = {str(code) for code in BadSampleCode}
_TRACE = re.compile(r"Traceback \(most recent call last\)|File \"[^\"]+\", line \d+|<[\w.]+ object at 0x[0-9a-f]+>")


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Objects, volumes, rows, logs of ours."""
    if snapshot.objects is not None:
        for body in snapshot.objects.ours():
            yield from _reasons(body)
            yield from _sentences(body)
        for event in snapshot.objects.all("Event"):
            if (event.get("source") or {}).get("component") == names.OPERATOR:
                yield from _plain(called(event), str(event.get("message")))
        for pod in snapshot.objects.all("Pod"):
            yield from _last_words(pod)
    for directory in snapshot.directories or ():
        for version in directory.versions:
            if version.manifest is not None:
                yield from _bad(f"{directory}, version {version.folder}", version.manifest["badSamples"])
    if snapshot.rows is not None:
        yield from _rows(snapshot)


def _reasons(body: Body) -> Iterator[Finding]:
    known, summary = (_DATASET, "Ready") if body["kind"] == names.DATASET_KIND else (_RUN, "Succeeded")
    for kind in (summary, "Stalled", "Reconciling"):
        said = condition(body, kind)
        shown = kind == summary or said.get("status") == "True"
        if said and shown and said["reason"] not in known:
            yield _false(called(body), f"condition {kind} has the reason {said['reason']!r}, which is on no list")
    stalled = condition(body, "Stalled")
    if stalled.get("status") == "True" and not str(stalled.get("message")).strip():
        yield _false(called(body), f"is Stalled ({stalled['reason']}) and does not say why")
    bad = (body.get("status") or {}).get("badSamples") or {}
    for first in bad.get("first") or ():
        if first["code"] not in _CODES:
            yield _false(called(body), f"sample {first['key']!r} is bad for {first['code']!r}, which is on no list")
    if len(bad.get("first") or ()) > bad.get("count", 0):
        yield _false(called(body), f"names {len(bad['first'])} bad samples of {bad['count']}")
    failure = (body.get("status") or {}).get("failure") or {}
    if failure and failure.get("reason") not in known:
        yield _false(called(body), f"failed for {failure.get('reason')!r}, which is on no list")
    if failure and condition(body, summary).get("status") == "True":
        yield _false(called(body), "has succeeded and failed")


def _sentences(body: Body) -> Iterator[Finding]:
    for said in (body.get("status") or {}).get("conditions") or ():
        yield from _plain(f"{called(body)}, condition {said['type']}", str(said.get("message", "")))
    pending = (body.get("status") or {}).get("pending") or {}
    yield from _plain(f"{called(body)}, status.pending", str(pending.get("message", "")))


def _plain(about: str, text: str) -> Iterator[Finding]:
    if found := _TRACE.search(text):
        yield _false(about, f"tells people {found[0][:60]!r}")


def _last_words(pod: Body) -> Iterator[Finding]:
    """A preparation that ends with 0 has sealed, and one that has sealed ends with 0."""
    if label(pod, names.ROLE_LABEL) != names.ROLE_PREPARE:
        return
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if not ended:
            continue
        try:
            words = json.loads(ended.get("message") or "{}")
        except ValueError:
            words = {}
        sealed = words.get("outcome") == "Sealed"
        if (ended.get("exitCode") == 0) != sealed:
            said = words.get("outcome", "nothing")
            yield _false(called(pod), f"ended with exit code {ended.get('exitCode')} and says {said}")
        if words.get("outcome") == "Failed" and words.get("code") not in FAILURE_CODES:
            yield _false(called(pod), f"failed with code {words.get('code')!r}, which is on no list")


def _bad(about: str, bad: Body) -> Iterator[Finding]:
    if not bad:
        return
    for code in {*bad["byCode"], *(first["code"] for first in bad["first"])} - _CODES:
        yield _false(about, f"counts bad samples of code {code!r}, which is on no list")
    if sum(bad["byCode"].values()) != bad["count"]:
        yield _false(about, f"counts {bad['count']} bad samples, by code they are {sum(bad['byCode'].values())}")
    if len(bad["first"]) != min(bad["count"], 100):
        yield _false(about, f"names {len(bad['first'])} of {bad['count']} bad samples")


def _rows(snapshot: Snapshot) -> Iterator[Finding]:
    assert snapshot.rows is not None
    for table, known in (("dataset", _DATASET), ("run", _RUN)):
        for row in snapshot.rows.of(table):
            if row["reason"] and row["reason"] not in known:
                yield _false(f"row of {row['namespace']}/{row['name']}", f"reason {row['reason']!r} is on no list")
            yield from _plain(f"row of {row['namespace']}/{row['name']}", row["message"])
    for row in snapshot.rows.of("history"):
        known = _DATASET if row["kind"] == names.DATASET_KIND else _RUN
        if row["condition"] != "Deleted" and row["reason"] not in known:
            yield _false(f"history of {row['namespace']}/{row['name']}", f"reason {row['reason']!r} is on no list")


def _false(about: str, sentence: str) -> Finding:
    return Finding(Invariant.HONESTY, about, sentence)
