"""How a preparation ends when it does not seal: one exception, with a code of blueno/resources/outcome.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from blueno.data.files import free_and_capacity
from blueno.errors import BluenoError, InvalidSpec
from blueno.resources.outcome import FAILURE_CODES

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class PrepFailure(BluenoError):
    """Ends the attempt. `code` is a key of FAILURE_CODES; whether it is permanent stands there."""

    def __init__(self, code: str, message: str, owner: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.owner = owner  # with AdoptionMismatch: uid of the Dataset of this cluster that owns the directory
        self.permanent = FAILURE_CODES[code]


class Stopped(BaseException):
    """SIGTERM arrived. Not an Exception: nothing that handles errors may swallow it."""


def mebibytes(count: int) -> str:
    """A size for a person."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{count / (1 << 20):.1f} MiB"


def check_space(directory: Path, needed: int, what: str) -> None:
    """Raises PrepFailure NoSpace when `needed` bytes and a tenth more do not fit. NFS enforces no sizes: we look."""
    free, _ = free_and_capacity(directory)
    wanted = needed + needed // 10
    if wanted > free:
        raise PrepFailure(
            "NoSpace",
            f"{what} needs {mebibytes(wanted)} on the volume, {mebibytes(free)} are free: enlarge or clear it",
        )


def from_error(error: Exception, root: Path) -> PrepFailure:
    """Any exception as the failure a person reads. What we did not foresee is PrepFailed: retryable."""
    if isinstance(error, PrepFailure):
        return error
    if isinstance(error, InvalidSpec):
        return PrepFailure("InvalidSpec", str(error))
    if isinstance(error, OSError) and error.errno in _FULL:
        return PrepFailure("NoSpace", _no_space(error, root))
    if isinstance(error, OSError) and error.errno in _DENIED:
        name = error.filename or root
        return PrepFailure(
            "VolumePermissionDenied",
            f"uid {os.geteuid()} may not write {name}: {error.strerror}; give it to that uid or make it writable",
        )
    return PrepFailure("PrepFailed", f"{type(error).__name__}: {error}"[:1500])


def _no_space(error: OSError, root: Path) -> str:
    place = root
    while not place.exists():
        place = place.parent
    free, capacity = free_and_capacity(place)
    what = "quota exceeded" if error.errno == errno.EDQUOT else "no space left"
    return (
        f"{what} on the volume: {mebibytes(free)} of {mebibytes(capacity)} are free; "
        "finished shards are kept, the next attempt continues when there is room"
    )
