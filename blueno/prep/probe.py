"""Can the data set's directory be written? Tried before anything else is; what is in the way is said in one sentence.

Called by guard.py, prepare.py and failure.py. The errors that need a person (read-only, root squash, a wrong uid) are
VolumePermissionDenied; those of a server that does not answer as it should are WaitingForVolume: they heal.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from blueno.names import UID

PROBE = ".blueno-probe"
_CONTENT = b"blueno\n" * 512
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SERVER = {
    errno.ESTALE: "the server does not know this directory any more (stale file handle): it was exported anew, or lost",
    errno.EIO: "the server or the disk answers with an I/O error",
    errno.ETIMEDOUT: "the server does not answer (timed out)",
    errno.EHOSTDOWN: "the server cannot be reached",
    errno.EHOSTUNREACH: "the server cannot be reached",
    errno.ENOTCONN: "the mount is dead (not connected)",
    errno.EREMOTEIO: "the server answers with an I/O error",
}


class ProbeFailed(OSError):
    """The probe's own error, so that it is told from one in the middle of the work."""


def probe(directory: Path, tag: str) -> None:
    """Creates, fsyncs, reads back and removes a file in `directory`. Raises ProbeFailed, naming the directory."""
    path = directory / f"{PROBE}-{tag}"
    try:
        with path.open("wb") as file:
            file.write(_CONTENT)
            file.flush()
            os.fsync(file.fileno())
        if path.read_bytes() != _CONTENT:
            raise OSError(errno.EIO, "what was written is not what is read back")
    except OSError as error:
        raise ProbeFailed(error.errno or errno.EIO, error.strerror, str(directory)) from error
    finally:
        with suppress(OSError):
            path.unlink()


def is_denied(error: OSError) -> bool:
    """Whether a person has to change rights or the export."""
    return error.errno in _DENIED


def is_servers(error: OSError) -> bool:
    """Whether it is the server that does not answer as it should; for EIO only the probe can tell."""
    return error.errno in _SERVER and (error.errno != errno.EIO or isinstance(error, ProbeFailed))


def denied(error: OSError, root: Path) -> str:
    """What a person has to do, with path, uid, owner and mode."""
    path = Path(os.fsdecode(error.filename)) if error.filename else root
    if error.errno == errno.EROFS:
        return (
            f"uid {os.geteuid()} may not write {path}: it is mounted read-only; export it with rw, take ro out of the "
            "mount options, or use a claim that may be written"
        )
    place = _nearest(path)
    try:
        about = place.stat()
        owner = f"{place} belongs to uid {about.st_uid}, mode {stat.S_IMODE(about.st_mode):04o}"
    except OSError as unknown:
        owner = f"{place} cannot be looked at ({unknown.strerror})"
    return (
        f"uid {os.geteuid()} may not write {path}: {error.strerror}; {owner}. On the server: `chown {UID} DIRECTORY`, "
        f"or mode 1777, or export it with all_squash,anonuid={UID},anongid={UID}"
    )


def servers(error: OSError, root: Path) -> str:
    """What is the matter with the server or the mount."""
    path = error.filename or root
    why = _SERVER[error.errno or errno.EIO]
    return f"{path}: {why}; it is tried again and again. If it lasts, look at the server and its export"


def _nearest(path: Path) -> Path:
    """`path`, or the nearest directory above it that is there."""
    while path != path.parent:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            path = path.parent
        except OSError:
            return path
        else:
            return path if path.is_dir() else path.parent
    return path
