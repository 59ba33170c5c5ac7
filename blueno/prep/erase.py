"""Erases a data set's directory, and nothing else. Called by blueno/prep/__main__.py.

Every step is relative to an open directory and follows no symbolic link, so nothing outside can be reached by
swapping a directory for a link meanwhile. May be repeated: what is gone already is done.
"""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress

from blueno.data.files import remove_tree, sync_directory, sync_handle
from blueno.data.volume import Volume
from blueno.names import OWNER_FILE
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure
from blueno.prep.guard import owner_of
from blueno.prep.reservations import folders_of, remove_of

log = logging.getLogger("blueno.prep")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def erase(config: PrepConfig) -> None:
    """Removes `config.root` and the parents below the mount that are empty then.

    Raises PrepFailure AdoptionMismatch when owner.json does not name `config.dataset_uid`, OSError.
    """
    parts = config.root.relative_to(config.volume).parts
    if not parts or ".." in parts:
        raise PrepFailure("InvalidSpec", f"{config.root} does not lie below {config.volume}")
    try:
        parent = _open_parent(config, parts[:-1])
    except FileNotFoundError:
        log.info("%s is gone already", config.root)
        return
    try:
        if _is_there(parts[-1], parent):
            _check_owner(config)
            _remove(parts[-1], parent)
        sync_handle(parent)
    finally:
        os.close(parent)
    remove_of(config.dataset_uid, folders_of(config))
    _remove_empty_parents(config)


def _open_parent(config: PrepConfig, parts: tuple[str, ...]) -> int:
    handle = os.open(config.volume, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        try:
            inner = os.open(part, _DIRECTORY, dir_fd=handle)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise PrepFailure(
                    "AdoptionMismatch", f"{part!r} in {config.root} is no directory: not erased"
                ) from error
            raise
        finally:
            os.close(handle)
        handle = inner
    return handle


def _is_there(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _check_owner(config: PrepConfig) -> None:
    if config.root.is_symlink():
        raise PrepFailure("AdoptionMismatch", f"{config.root} is a symbolic link: not erased")
    owner = owner_of(Volume(config.root))
    if owner is None:
        if not any(entry.name != "lost+found" for entry in config.root.iterdir()):
            return  # empty: nobody's
        raise PrepFailure(
            "AdoptionMismatch", f"{config.root} has no {OWNER_FILE}: it is not known to be ours, not erased"
        )
    if owner.get("datasetUid") != config.dataset_uid or owner.get("clusterUid", "") != config.cluster_uid:
        raise PrepFailure(
            "AdoptionMismatch",
            f"{config.root} belongs to the Dataset with uid {owner.get('datasetUid') or '(unreadable)'}: not erased",
            owner=owner.get("datasetUid", ""),
        )


def _remove(name: str, parent: int) -> None:
    """Everything but owner.json first: an erase that is interrupted can still prove that it may go on."""
    handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        for entry in os.listdir(handle):  # noqa: PTH208 - relative to an open directory
            if entry == OWNER_FILE:
                continue
            with suppress(FileNotFoundError):  # a repeated REMOVE says so of the first one
                if os.stat(entry, dir_fd=handle, follow_symlinks=False).st_mode & 0o170000 == 0o040000:
                    remove_tree(entry, dir_fd=handle)
                else:
                    os.unlink(entry, dir_fd=handle)
        with suppress(FileNotFoundError):
            os.unlink(OWNER_FILE, dir_fd=handle)
    finally:
        os.close(handle)
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOENT):  # EBUSY: a mount point, empty now
            raise


def _remove_empty_parents(config: PrepConfig) -> None:
    directory = config.root.parent
    while directory != config.volume:
        try:
            directory.rmdir()
        except FileNotFoundError:
            pass  # a repeated RMDIR says so of the first one; or another one was faster
        except OSError:
            return
        directory = directory.parent
        with suppress(OSError):
            sync_directory(directory)
