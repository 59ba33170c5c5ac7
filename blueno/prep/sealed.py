"""Is this work sealed already? The first thing every attempt asks. Called by prepare.py and seal.py.

Imports no numpy and no pyarrow: the answer must come in well under a second.
"""

from __future__ import annotations

import errno
import logging
from contextlib import suppress

from blueno.data.files import file_sha256, sync_directory, write_file
from blueno.data.manifest import Manifest
from blueno.data.volume import Added, Pointer, Volume
from blueno.prep.config import PrepConfig
from blueno.prep.guard import take_ownership
from blueno.resources.work import Work

log = logging.getLogger("blueno.prep")


def find_sealed(config: PrepConfig, volume: Volume, work: Work, owned: bool) -> tuple[Pointer, Manifest] | None:
    """The sealed version of `work`, made current; None when there is none or when a file of it is not whole.

    A directory that is taken over gets its new owner here; one that is mounted read-only is used as it is.
    """
    manifest = None
    for pointer in _pointers(volume, work, owned):
        manifest = verify_files(volume, pointer.digest)
        if manifest is not None:
            break
    if manifest is None:
        return None
    try:
        if not owned:
            take_ownership(config, volume)
        pointer = point(volume, work, manifest, config.tag, pointer.added)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    return pointer, manifest


def _pointers(volume: Volume, work: Work, owned: bool) -> list[Pointer]:
    """The work's own; in a directory that is taken over, first the newest of its source and layout.

    Whoever had the directory may have read the source again since: a new owner begins where the old one was.
    """
    newest = None if owned or work.requested_at is not None else volume.newest_of(work.hash)
    try:
        own = volume.pointer(work.hash)
    except ValueError as error:
        log.warning("works/%s.json is damaged: %s", work.hash, error)
        own = None
    return [pointer for pointer in (newest, own) if pointer is not None]


def point(volume: Volume, work: Work, manifest: Manifest, tag: str, added: Added) -> Pointer:
    """Makes `manifest`'s version the current one by writing `works/<work>.json`, unless that says so already.

    Durable when it returns: whoever wrote the pointer or the version before may have died, or failed, between the
    rename and the fsync of the directory. Raises OSError.
    """
    sync_directory(volume.versions)
    current = volume.current()
    sequence = 1 if current is None else current.sequence
    if current is not None and current.digest != manifest.digest:
        sequence += 1
    about = file_sha256(volume.manifest(manifest.digest))
    pointer = Pointer(work.hash, manifest.digest, sequence, manifest.sealed_at, work.base, about, added)
    existing = None
    with suppress(ValueError):
        existing = volume.pointer(work.hash)
    if pointer != existing:
        write_file(volume.pointer_file(work.hash), pointer.to_json().encode(), tag)
    else:
        sync_directory(volume.works)  # who wrote it may have been killed before
    return pointer


def verify_files(volume: Volume, digest: str) -> Manifest | None:
    """The manifest of a sealed version when it and all its files are there in full length, else None.

    Raises OSError when that cannot be known now: a version that may be whole is not to be replaced.
    """
    try:
        data = volume.manifest(digest).read_bytes()
        manifest = Manifest.from_json(data.decode())
        folder = volume.version(digest)
        wrong = [f.name for f in manifest.files if (folder / f.name).stat().st_size != f.bytes]
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        log.warning("version %s is damaged: %s", digest[:16], error)
        return None
    if not volume.is_sealed_manifest(digest, data):
        log.warning("version %s is damaged: its manifest has been changed since it was sealed", digest[:16])
        return None
    if wrong:
        log.warning("version %s is damaged: %s has not its length", digest[:16], wrong[0])
    return manifest if not wrong and manifest.digest == digest else None
