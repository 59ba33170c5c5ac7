"""Files that lie on a claim: found without ever leaving it. Called by sources/archive.py, claim.py and tfds.py, and by
blueno/ingest/remote.py.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blueno.prep.failure import PrepFailure

_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not be waited for


def local_file(url: str, mount: Path) -> Path:
    """The regular file that a `file://` URL names below `mount`. Raises PrepFailure SourceNotAllowed, SourceNotFound.

    `file:///volume/x.tar` (the claim as the pod sees it) and `file:///x.tar` (from the claim's top) are the same file.
    """
    try:
        parts = urlsplit(url)
        path = Path(re.sub("^/+", "/", unquote(parts.path)))  # to pathlib, what begins with two is of another root
        fits = parts.netloc in ("", "localhost") and not parts.query + parts.fragment and path.is_absolute()
    except ValueError:
        fits = False
    if not fits:
        raise PrepFailure("SourceNotAllowed", f"{url[:200]!r} must be file:///<path on the data set's claim>")
    inner = path.relative_to(mount) if path.is_relative_to(mount) else path.relative_to("/")
    found = below(mount, inner.as_posix())
    if not found.is_file():
        raise PrepFailure("SourceNotFound", f"there is no file {inner} on the data set's claim")
    return found


def open_local(url: str, mount: Path) -> BufferedReader:
    """The file that `local_file` finds, open: whatever gets its name later, what is read lies below `mount`.

    Raises PrepFailure SourceNotAllowed, SourceNotFound; OSError.
    """
    path = local_file(url, mount)
    real = os.path.realpath(mount)
    *folders, name = path.relative_to(real).parts
    handle = os.open(real, _STEP | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, _STEP | os.O_DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = inner
        file = os.open(name, _STEP, dir_fd=handle)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise
        raise PrepFailure("SourceNotAllowed", f"{url[:200]!r} has become a link while it was opened") from error
    finally:
        os.close(handle)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise PrepFailure("SourceNotFound", f"there is no file {url[:200]!r} on the data set's claim any more")
    return os.fdopen(file, "rb")


def below(mount: Path, inner: str) -> Path:
    """`mount`/`inner` with symbolic links resolved; still below `mount`. Raises PrepFailure SourceNotAllowed."""
    if "\0" in inner:
        raise PrepFailure("SourceNotAllowed", f"{inner[:200]!r} holds a NUL, as no path does")
    real = os.path.realpath(mount)
    path = os.path.realpath(f"{real}/{inner.lstrip('/')}")
    if ".." in inner.split("/") or (path != real and not path.startswith(real + os.sep)):
        raise PrepFailure("SourceNotAllowed", f"{inner[:200]!r} leads out of the claim")
    return Path(path)
