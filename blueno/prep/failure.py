"""How a preparation ends when it does not seal: one exception, with a code of blueno/resources/outcome.py."""

from __future__ import annotations

import errno
from pathlib import Path

from blueno.data.files import free_and_capacity, free_inodes, is_full
from blueno.errors import BluenoError, InvalidSpec
from blueno.prep.probe import denied, is_denied, is_servers, servers
from blueno.resources.outcome import FAILURE_CODES


class PrepFailure(BluenoError):
    """Ends the attempt. `code` is a key of FAILURE_CODES; whether it is permanent stands there."""

    def __init__(self, code: str, message: str, owner: str = "", *, permanent: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.owner = owner  # with AdoptionMismatch: uid of the Dataset of this cluster that owns the directory
        self.permanent = FAILURE_CODES[code] if permanent is None else permanent


class Stopped(BaseException):
    """SIGTERM arrived. Not an Exception: nothing that handles errors may swallow it."""


def mebibytes(count: int) -> str:
    """A size for a person."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{count / (1 << 20):.1f} MiB"


def from_error(error: Exception, root: Path) -> PrepFailure:
    """Any exception as the failure a person reads. What we did not foresee is PrepFailed: retryable."""
    if isinstance(error, PrepFailure):
        return error
    if isinstance(error, InvalidSpec):
        return PrepFailure("InvalidSpec", str(error))
    if isinstance(error, OSError) and is_full(error):
        return PrepFailure("NoSpace", _no_space(error, root))
    if isinstance(error, OSError) and is_denied(error):
        return PrepFailure("VolumePermissionDenied", denied(error, root))
    if isinstance(error, OSError) and is_servers(error):
        return PrepFailure("WaitingForVolume", servers(error, root))
    return PrepFailure("PrepFailed", f"{type(error).__name__}: {error}"[:1500])


def _no_space(error: OSError, root: Path) -> str:
    place = root
    while not place.exists():
        place = place.parent
    free, capacity = free_and_capacity(place)
    what = "quota exceeded" if error.errno == errno.EDQUOT else "no space left"
    if free_inodes(place) == 0:
        what = "no inodes left, so no file can be made,"
    return (
        f"{what} on the volume: {mebibytes(free)} of {mebibytes(capacity)} are free; "
        "finished shards are kept, the next attempt continues when there is room"
    )
