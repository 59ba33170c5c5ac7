"""The samples of a version: pages, facets, versions. Pixels are in pixels.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.datasets import DatasetRow, select_dataset
from blueno.db.samples import (
    Facets,
    Filter,
    Page,
    PageQuery,
    SampleRow,
    VersionRow,
    select_facets,
    select_page,
    select_sample,
    select_version,
    select_versions,
)
from blueno.db.working import count_not_sealed, select_working_set
from blueno.resources.api import DATASETS
from webui.api.parameters import CURSOR, LIMIT, OBJECT, ROW, VERSION
from webui.call import Call
from webui.kinds import Text, Whole
from webui.problems import FieldError, Problem, gone, invalid, not_found
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.views import label_text, time_text
from webui.working_views import working_summary

CLASSES = 1000


async def versions(call: Call) -> Answer:
    """The versions whose samples are indexed, newest first, and what of the working set is in none of them."""

    def read(cursor: Cursor) -> dict[str, Any]:
        found = select_dataset(cursor, call.values["namespace"], call.values["name"])
        if found is None:
            raise gone(DATASETS)
        row, document = found
        working = select_working_set(cursor, row.uid)
        return {
            "items": [_version(version, row) for version in select_versions(cursor, row.uid)],
            "working": working_summary(working, count_not_sealed(cursor, working), document),
        }

    return Answer(await call.read(read))


async def samples(call: Call) -> Answer:
    """A page, by cursor or by position."""
    values, cursors = call.values, call.services.cursors
    if values["cursor"] and values["position"] is not None:
        raise invalid([FieldError("query.position", "does not go together with a cursor")])

    def scope(version: VersionRow) -> tuple[Any, ...]:
        return ("samples", call.person.person_id, version.digest, *(values[name] for name in _FILTERS))

    def read(cursor: Cursor) -> tuple[DatasetRow, VersionRow, Page]:
        row, version = locate(cursor, values)
        query = PageQuery(position=values["position"] or 0, limit=values["limit"])
        if values["cursor"]:
            side, idx = cursors.read(scope(version), values["cursor"])
            query = PageQuery(limit=values["limit"], **{side: idx})
        return row, version, select_page(cursor, version, _filter(values), query)

    row, version, page = await call.read(read)
    call.services.looked.note(row.uid)  # pictures will be wanted in a moment
    more = page.rows and page.position + len(page.rows) < page.total
    return Answer(
        {
            "items": [_sample(sample) for sample in page.rows],
            "total": page.total,
            "position": page.position,
            "next": cursors.write(scope(version), ["after", page.rows[-1].idx]) if more else None,
            "previous": cursors.write(scope(version), ["before", page.rows[0].idx])
            if page.rows and page.position > 0
            else None,
            "version": {"digest": version.digest, "sequence": version.sequence},
        }
    )


async def facets(call: Call) -> Answer:
    """Splits and labels with their counts under the other filters."""

    def read(cursor: Cursor) -> Facets:
        _, version = locate(cursor, call.values)
        return select_facets(cursor, version, _filter(call.values), call.values["labelText"])

    found = await call.read(read)
    return Answer(
        {
            "total": found.total,
            "splits": [{"name": name, "samples": count} for name, count in found.splits],
            "labels": [{"label": label, "text": label_text(label), "samples": count} for label, count in found.labels],
            "moreLabels": found.more_labels,
        }
    )


async def sample(call: Call) -> Answer:
    """One sample, by its row in the index."""

    def read(cursor: Cursor) -> SampleRow | None:
        _, version = locate(cursor, call.values)
        return select_sample(cursor, version, call.values["row"])

    found = await call.read(read)
    if found is None:
        raise not_found("this version has no such row")
    return Answer(_sample(found))


def locate(cursor: Cursor, values: Mapping[str, Any]) -> tuple[DatasetRow, VersionRow]:
    """The data set and the version a request names (the newest when none). Raises Problem 404, or 409 when it is not
    indexed yet."""
    found = select_dataset(cursor, values["namespace"], values["name"])
    if found is None:
        raise gone(DATASETS)
    row, digest = found[0], values["version"]
    version = select_version(cursor, row.uid, digest)
    if version is not None:
        return row, version
    current = row.version_digest
    if current is not None and (digest is None or current.startswith(digest)):
        raise Problem(409, "version_not_indexed", "this version is sealed and is being indexed: a moment")
    if digest is None:
        raise Problem(404, "version_not_found", "this data set has no version yet: it is still being prepared")
    raise Problem(404, "version_not_found", f"this data set has no version {digest}")


def _filter(values: Mapping[str, Any]) -> Filter:
    return Filter(split=values["split"], label=values["label"], prefix=values["prefix"])


def _version(version: VersionRow, row: DatasetRow) -> dict[str, Any]:
    manifest = version.manifest
    dense = manifest.get("dense")
    shapes = [shape for shape in manifest.get("shapes") or () if isinstance(shape, dict)]
    return {
        "digest": version.digest,
        "sequence": version.sequence,
        "sealedAt": time_text(version.sealed_at),
        "samples": version.samples,
        "bytes": version.bytes,
        "current": version.digest == row.version_digest,
        "dense": dense if isinstance(dense, dict) else None,
        "classes": [str(name) for name in (manifest.get("classes") or ())[:CLASSES]],
        "depth": any(_is_volume(shape.get("shape")) for shape in shapes),
    }


def _is_volume(shape: Any) -> bool:
    """(depth, height, width[, channels]) with more than one slice; an image is (height, width, channels)."""
    return isinstance(shape, list) and len(shape) == 4 and shape[0] != 1


def _sample(row: SampleRow) -> dict[str, Any]:
    return {
        "idx": row.idx,
        "row": row.row,
        "key": row.key,
        "split": row.split,
        "label": row.label,
        "labelText": label_text(row.label),
        "group": row.group,
        "bytes": row.bytes,
        "width": row.width,
        "height": row.height,
        "depth": row.depth,
        "channels": row.channels,
        "dtype": row.dtype,
        "format": row.format,
        "sha256": row.sha256,
        "metadata": json.loads(row.metadata) if row.metadata else None,
    }


_FILTERS = ("split", "label", "prefix")
_FILTER = (
    VERSION,
    Param("split", Text(max=128, min=1), None, "only this split"),
    Param("label", Text(max=4096, min=1), None, "only this label, as JSON; null for samples without one"),
    Param("prefix", Text(max=1024), "", "only keys that begin with this"),
)
_ONE = "/api/v1/datasets/{namespace}/{name}"
ROUTES = (
    Route(
        *("GET", f"{_ONE}/versions", Permission.READ, versions, "Indexed versions", (Reply(200, "Versions"),)),
        kinds=OBJECT,
    ),
    Route(
        *("GET", f"{_ONE}/samples", Permission.READ, samples, "A page of samples", (Reply(200, "Samples"),)),
        kinds=OBJECT,
        query=(*_FILTER, LIMIT, CURSOR, Param("position", Whole(0, 2**31 - 1), None, "of the page's first sample")),
    ),
    Route(
        *("GET", f"{_ONE}/facets", Permission.READ, facets, "Splits and labels, counted", (Reply(200, "Facets"),)),
        kinds=OBJECT,
        query=(*_FILTER, Param("labelText", Text(max=256), "", "only labels that hold this text")),
    ),
    Route(
        *("GET", f"{_ONE}/samples/{{row}}", Permission.READ, sample, "A sample", (Reply(200, "Sample"),)),
        kinds={**OBJECT, "row": ROW},
        query=(VERSION,),
    ),
)
