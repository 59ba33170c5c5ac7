"""Whose directory is it, and can it be written? The first steps of every attempt. Called by prepare.py and erase.py."""

from __future__ import annotations

import json

from blueno.data.files import create_file, is_full, make_directory, sync_names, write_file
from blueno.data.volume import Volume
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure
from blueno.prep.probe import PROBE, probe


def owner_of(volume: Volume) -> dict[str, str] | None:
    """What owner.json says, or None when there is none. A damaged file is somebody else's: {}."""
    try:
        body = json.loads(volume.owner_file.read_text())
        return {str(k): str(v) for k, v in body.items()}
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        return {}


def check_owner(config: PrepConfig, volume: Volume) -> bool:
    """True when owner.json names us. False when it must be (re)written. Writes nothing.

    Raises PrepFailure AdoptionMismatch when the directory is another Dataset's, or was not made by us.
    """
    _refuse_links(config)
    owner = owner_of(volume)
    if owner is None:
        if not volume.root.is_dir() or _is_ours_to_begin(volume):
            return False
        owner = owner_of(volume)  # another attempt may have written it between the two looks
    if owner is None:
        raise PrepFailure(
            "AdoptionMismatch",
            f"{volume.root} is not empty and was not made by Blueno (no owner.json): choose another subPath",
        )
    recorded = owner.get("datasetUid", "")
    same_cluster = owner.get("clusterUid", "") == config.cluster_uid
    if recorded == config.dataset_uid and same_cluster:
        return True
    if recorded and recorded == config.adopt_from:
        return False
    help_ = "it can be adopted once that Dataset is gone: delete it, or choose another subPath"
    if not same_cluster:
        help_ = "that is a Dataset of another cluster: see 'A copy in a new cluster' in docs/runbook.md"
    raise PrepFailure(
        "AdoptionMismatch",
        f"{volume.root} belongs to the Dataset with uid {recorded or '(unreadable owner.json)'}; {help_}",
        owner=recorded if same_cluster else "",
    )


def _refuse_links(config: PrepConfig) -> None:
    path = config.volume
    for part in config.root.relative_to(config.volume).parts:
        path = path / part
        if path.is_symlink():
            raise PrepFailure(
                "AdoptionMismatch", f"{path} is a symbolic link: a data set's directory must be a real one"
            )


def _is_ours_to_begin(volume: Volume) -> bool:
    """An empty directory, or one in which an attempt of ours died before it wrote owner.json."""
    return all(entry.name.startswith((PROBE, ".owner.json.", "lost+found")) for entry in volume.root.iterdir())


def take_ownership(config: PrepConfig, volume: Volume) -> None:
    """Makes the directory, proves that it can be written, records the owner.

    Raises OSError (EACCES, EPERM, EROFS, ENOSPC …) naming the path; failure.py turns it into words.
    """
    owned = check_owner(config, volume)
    make_directory(volume.root)
    probe(volume.root, config.tag)
    if not owned:
        body = {"clusterUid": config.cluster_uid, "datasetUid": config.dataset_uid}
        data = json.dumps(body, sort_keys=True).encode() + b"\n"
        if owner_of(volume) is not None:
            write_file(volume.owner_file, data, config.tag)
        elif not create_file(volume.owner_file, data, config.tag):
            check_owner(config, volume)  # another attempt, or another Dataset, was faster
    for directory in (volume.versions, volume.works, volume.staging):
        make_directory(directory)
    sync_names(volume.root, config.volume)  # also of what an attempt made that was killed before it came here


def can_be_written(config: PrepConfig, volume: Volume) -> bool:
    """Whether samples can be added to what was found sealed: a directory may be adopted that is mounted read-only."""
    try:
        for directory in (volume.versions, volume.works, volume.staging):
            make_directory(directory)
        probe(volume.root, config.tag)
    except OSError as error:
        return is_full(error)
    return True
