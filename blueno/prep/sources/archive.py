"""`source.archive`: tar and zip files from http(s), or from the data set's own claim (file://).

Several archives make one tree of files; a name that occurs twice is a bad sample. A single folder that wraps an
archive is left out of its names, so that packing the same files again makes the same data set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from blueno.data.badsample import BadSampleCode
from blueno.data.files import file_sha256
from blueno.data.layout import wrapping_folder
from blueno.errors import InvalidSpec
from blueno.prep.archives import BadArchive, members_of
from blueno.prep.entries import Entry
from blueno.prep.failure import PrepFailure
from blueno.prep.fetch import Fetched, Fetcher, Wanted
from blueno.prep.local import local_file
from blueno.prep.net import display
from blueno.prep.samples import Context, Reading
from blueno.prep.series import unnamed_dicom
from blueno.prep.tree import reading_of

_SHA256 = re.compile("[0-9a-fA-F]{64}")


def read(spec: Mapping[str, Any], context: Context) -> Reading:
    """Fetches and lists all archives. Raises InvalidSpec, PrepFailure, OSError."""
    files = spec.get("files") or []
    if not files:
        raise InvalidSpec("spec.source.archive.files", "names no file")
    wanted = [_wanted(i, file, bool(spec.get("allowUnverified"))) for i, file in enumerate(files)]
    fetcher = Fetcher(context)
    entries: dict[str, Entry] = {}
    bad: list[tuple[str, BadSampleCode]] = []
    revision = []
    for one in wanted:
        fetched = _local(one, context) if one.url.startswith("file:") else fetcher.fetch(one)
        revision.append({"url": display(one.url), "bytes": fetched.bytes, "sha256": fetched.sha256})
        _add(fetched, context, entries, bad)
    return reading_of(entries, bad, context.work.layout, {"archive": {"files": revision}})


def _wanted(number: int, file: Mapping[str, Any], unverified: bool) -> Wanted:
    field = f"spec.source.archive.files[{number}]"
    url, sha256 = str(file.get("url", "")), str(file.get("sha256") or "")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise InvalidSpec(f"{field}.sha256", "must be 64 hexadecimal digits")
    if not sha256 and not unverified:
        raise InvalidSpec(f"{field}.sha256", "is needed, unless spec.source.archive.allowUnverified is true")
    return Wanted(url, f"archive-{number:03d}", sha256)


def _local(wanted: Wanted, context: Context) -> Fetched:
    path = local_file(wanted.url, context.config.volume)
    sha256 = file_sha256(path)
    if wanted.sha256 and sha256 != wanted.sha256.lower():
        raise PrepFailure(
            "ChecksumMismatch",
            f"{wanted.url} has sha256 {sha256}, the spec says {wanted.sha256.lower()}: correct one of them",
        )
    return Fetched(path, wanted.url, path.stat().st_size, sha256)


def _add(fetched: Fetched, context: Context, entries: dict[str, Entry], bad: list[tuple[str, BadSampleCode]]) -> None:
    scratch: Path = context.staging / f"unpacked-{fetched.sha256[:16]}.tar"
    try:
        members = members_of(fetched.path, scratch, context.tag)
    except BadArchive as error:
        raise PrepFailure("SourceNotFound", f"{display(fetched.url)} is no usable archive: {error}") from error
    wrapper = wrapping_folder(members.entries, context.work.layout, unnamed_dicom(members.entries))
    bad += [(name.removeprefix(wrapper), code) for name, code in members.bad]
    plain = f"{fetched.sha256}:"  # one text for all members of a tar, not one each
    for name, entry in members.entries.items():
        key = name.removeprefix(wrapper)
        if key in entries:
            bad.append((key, BadSampleCode.DUPLICATE_KEY))
        else:
            entries[key] = replace(entry, stamp=plain + entry.stamp if entry.stamp else plain)
