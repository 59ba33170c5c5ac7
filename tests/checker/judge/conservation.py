"""Every declared sample is ready, failed with a code, or left out, exactly once; files, rows and status agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Directory, Row, Snapshot, Version, called


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Volumes by themselves, then against the status, then against PostgreSQL."""
    for directory in snapshot.directories or ():
        for version in directory.versions:
            if version.manifest is not None:
                yield from _version(f"{directory}, version {version.folder}", version, version.manifest)
        yield from _declared(directory, snapshot.declared)
    if snapshot.objects is not None:
        for body in snapshot.objects.all("Dataset"):
            for directory in snapshot.directories_of(body["metadata"]["uid"]):
                yield from _status(body, directory)
    yield from _loaded(snapshot)


def _version(about: str, version: Version, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    for problem in version.problems:
        yield _lost(about, problem)
    yield from _numbers(about, version, manifest)
    yield from _files(about, version, manifest)
    yield from _positions(about, version.rows, manifest)
    for row in version.rows:
        if row.found and row.found != row.sha256:
            yield _lost(about, f"the bytes of {row.key!r} are not those of its row (sha256 {row.found[:12]}…)")
        if not row.found:
            yield _lost(about, f"the bytes of {row.key!r} are not there")
        elif row.length != row.bytes:
            yield _lost(about, f"{row.key!r} has {row.length} bytes, its row says {row.bytes}")
    for key, times in Counter(row.key for row in version.rows).items():
        if times > 1:
            yield _lost(about, f"sample {key!r} is there {times} times")


def _numbers(about: str, version: Version, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    counts = {
        "rows in its index": len(version.rows),
        "samples in its splits": sum(split["samples"] for split in manifest["splits"]),
        "samples in its shards": sum(shard["samples"] for shard in manifest["shards"]),
    }
    for what, count in counts.items():
        if count != manifest["samples"]:
            yield _lost(about, f"{count} {what}, its manifest says {manifest['samples']} samples")
    splits = dict(Counter(row.split for row in version.rows))
    if splits != {split["name"]: split["samples"] for split in manifest["splits"]}:
        yield _lost(about, f"its rows are of splits {splits}, its manifest says {manifest['splits']}")
    labels = Counter((row.split, row.label) for row in version.rows if row.label is not None)
    told = {
        (split, text): count
        for split, found in (manifest["statistics"].get("labels") or {}).items()
        for text, count in found.items()
    }
    if told and told != dict(labels):
        yield _lost(about, "its manifest counts other labels than its rows have")


def _files(about: str, version: Version, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    listed = [manifest["index"], *(s[kind] for s in manifest["shards"] for kind in ("raw", "dense") if s.get(kind))]
    for file in listed:
        found = version.files.get(file["name"])
        if found is None:
            yield _lost(about, f"{file['name']} is missing")
        elif (found.size, found.sha256) != (file["bytes"], file["sha256"]):
            yield _lost(
                about, f"{file['name']} is not the file that was sealed ({found.size} of {file['bytes']} bytes)"
            )
    for name in sorted(set(version.files) - {file["name"] for file in listed}):
        yield _lost(about, f"{name} lies there and belongs to no sample")
    if sum(file["bytes"] for file in listed) != manifest["bytes"]:
        yield _lost(about, "the manifest's bytes are not those of its files")


def _positions(about: str, rows: tuple[Row, ...], manifest: Mapping[str, Any]) -> Iterator[Finding]:
    expected = [
        (number, place, shard["split"])
        for number, shard in enumerate(manifest["shards"])
        for place in range(shard["samples"])
    ]
    if [(row.shard, row.row, row.split) for row in rows] != expected:
        yield _lost(about, "its rows do not name every place of every shard exactly once, in order")
    first = 0
    for number, shard in enumerate(manifest["shards"]):
        if shard["first"] != first:
            yield _lost(about, f"shard {number} begins with row {shard['first']}, not {first}")
        first += shard["samples"]


def _declared(directory: Directory, declared: Mapping[str, int]) -> Iterator[Finding]:
    """ready + failed + left out = declared, for the newest version."""
    wanted, current = declared.get(directory.uid), directory.current
    version = directory.version(current["digest"]) if current is not None else None
    if wanted is None or version is None or version.manifest is None:
        return
    bad = version.manifest["badSamples"].get("count", 0)
    ignored = version.manifest["ignoredFiles"]
    if len(version.rows) + bad + ignored != wanted:
        text = f"{len(version.rows)} ready, {bad} failed, {ignored} left out: not the {wanted} that were declared"
        yield _lost(str(directory), text)


def _status(body: Mapping[str, Any], directory: Directory) -> Iterator[Finding]:
    status = body.get("status") or {}
    said = status.get("version") or {}
    version = directory.version(said["digest"]) if said else None
    if version is None or version.manifest is None:
        return  # early_truth.py has a word for it
    manifest = version.manifest
    facts = {
        "version.samples": (said["samples"], len(version.rows)),
        "samples": (status.get("samples"), len(version.rows)),
        "version.bytes": (said["bytes"], manifest["bytes"]),
        "version.sealedAt": (said["sealedAt"], manifest["sealedAt"]),
        "splits": (status.get("splits"), manifest["splits"]),
        "classes": (status.get("classes"), len(manifest["classes"])),
        "badSamples.count": ((status.get("badSamples") or {}).get("count"), manifest["badSamples"].get("count", 0)),
    }
    for field, (shown, real) in facts.items():
        if shown != real:
            yield _lost(called(body), f"status.{field} is {shown!r}, the volume says {real!r}")


def _loaded(snapshot: Snapshot) -> Iterator[Finding]:
    """Rows of PostgreSQL: one for each sample, the same as on the volume."""
    if snapshot.rows is None:
        return
    samples: dict[int, list[Mapping[str, Any]]] = {}
    for sample in snapshot.rows.of("sample"):
        samples.setdefault(sample["version_id"], []).append(sample)
    for version in snapshot.rows.of("version"):
        about = f"rows of version {version['digest'][:16]} of {version['dataset_uid']}"
        found = samples.pop(version["id"], [])
        yield from _table(about, version, found, snapshot)
        for directory in snapshot.directories_of(version["dataset_uid"]):
            sealed = directory.version(version["digest"])
            if sealed is None or sealed.manifest is None or sealed.manifest["digest"] != version["digest"]:
                yield _lost(about, f"are of a version that {directory} does not have")
            else:
                yield from _same(about, version["id"], found, sealed, snapshot)
    for number, found in samples.items():
        yield _lost(f"partition sample_{number}", f"{len(found)} rows of no version")
    known = {f"sample_{version['id']}" for version in snapshot.rows.of("version")}
    for partition in snapshot.rows.of("partition"):
        if not partition["attached"] or partition["name"] not in known:
            yield _lost(f"table {partition['name']}", "belongs to no version")


def _table(
    about: str, version: Mapping[str, Any], found: list[Mapping[str, Any]], snapshot: Snapshot
) -> Iterator[Finding]:
    assert snapshot.rows is not None
    if len(found) != version["samples"]:
        yield _lost(about, f"{len(found)} rows for {version['samples']} samples")
    for column in ("idx", "row"):
        if sorted(row[column] for row in found) != list(range(len(found))):
            yield _lost(about, f"column {column} does not count every sample exactly once")
    kinds = {"split": ("split_id",), "label": ("label_id",), "facet": ("split_id", "label_id")}
    for table, columns in kinds.items():
        counted = Counter(tuple(row[column] for column in columns) for row in found)
        rows = [row for row in snapshot.rows.of(table) if row["version_id"] == version["id"] and row["samples"]]
        if {tuple(row[column] for column in columns): row["samples"] for row in rows} != dict(counted):
            yield _lost(about, f"the counts in table {table} are not those of its samples")


def _same(
    about: str, number: int, found: list[Mapping[str, Any]], sealed: Version, snapshot: Snapshot
) -> Iterator[Finding]:
    """Row by row, by the position in index.arrow."""
    assert snapshot.rows is not None
    splits = {row["split_id"]: row["name"] for row in snapshot.rows.of("split") if row["version_id"] == number}
    labels = {row["label_id"]: row["label"] for row in snapshot.rows.of("label") if row["version_id"] == number}
    shown = {
        row["row"]: (
            *(row["key"], splits.get(row["split_id"]), labels.get(row["label_id"]), row["sha256"], row["group"]),
            *(row["metadata"], row["bytes"], row["format"]),
        )
        for row in found
    }
    real = {
        place: (row.key, row.split, row.label, row.found, row.group, row.metadata, row.length, row.format)
        for place, row in enumerate(sealed.rows)
    }
    wrong = [place for place in sorted(shown.keys() | real.keys()) if shown.get(place) != real.get(place)]
    if wrong:
        text = f"{len(wrong)} differ from the volume, the first is row {wrong[0]}: {shown.get(wrong[0])}"
        yield _lost(about, f"{text}, there {real.get(wrong[0])}"[:600])


def _lost(about: str, sentence: str) -> Finding:
    return Finding(Invariant.CONSERVATION, about, sentence)
