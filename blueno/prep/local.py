"""Files that lie on a claim: found without ever leaving it. Called by sources/archive.py, claim.py and tfds.py."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blueno.prep.failure import PrepFailure


def local_file(url: str, mount: Path) -> Path:
    """The regular file that a `file://` URL names below `mount`. Raises PrepFailure SourceNotAllowed, SourceNotFound.

    `file:///volume/x.tar` (the claim as the pod sees it) and `file:///x.tar` (from the claim's top) are the same file.
    """
    try:
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
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


def below(mount: Path, inner: str) -> Path:
    """`mount`/`inner` with symbolic links resolved; still below `mount`. Raises PrepFailure SourceNotAllowed."""
    if "\0" in inner:
        raise PrepFailure("SourceNotAllowed", f"{inner[:200]!r} holds a NUL, as no path does")
    real = os.path.realpath(mount)
    path = os.path.realpath(f"{real}/{inner.lstrip('/')}")
    if ".." in inner.split("/") or (path != real and not path.startswith(real + os.sep)):
        raise PrepFailure("SourceNotAllowed", f"{inner[:200]!r} leads out of the claim")
    return Path(path)
