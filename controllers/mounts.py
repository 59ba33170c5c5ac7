"""What the kubelet's Events about mounts mean, in words. Pure; called by writer.py and the kinds' words.

The kubelet puts a command line and several paths before the one line that matters, and repeats itself every two minutes
with a summary that does not hold it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

FAILED: Final = "cannot mount "  # how every sentence made here begins
_SUMMARY = re.compile(r"^(Unable to attach or mount volumes|MountDevice failed .*context deadline exceeded)")
_EXPORT = re.compile(r"\s(\S+:/\S*)\s+/\S*?kubelet")
_VOLUME = re.compile(r'volume "([^"]{1,253})"')

# The first that is found in what mount said. Text in lower case → what it means.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("connection refused", "connection refused: nothing listens there; is the NFS server running?"),
    ("failed to resolve", "unknown host: the nodes cannot resolve the server's name"),
    ("name or service not known", "unknown host: the nodes cannot resolve the server's name"),
    ("name resolution", "unknown host: the nodes cannot resolve the server's name"),
    ("unknown host", "unknown host: the nodes cannot resolve the server's name"),
    ("no such host", "unknown host: the nodes cannot resolve the server's name"),
    ("no route to host", "no route to the server: is the address right, and the way to it open?"),
    ("network is unreachable", "no route to the server: is the address right, and the way to it open?"),
    ("access denied by server", "access denied by the server: its exports must name the path and admit the nodes"),
    ("permission denied", "access denied by the server: its exports must name the path and admit the nodes"),
    ("operation not permitted", "access denied by the server: its exports must name the path and admit the nodes"),
    ("no such file or directory", "no such directory on the server: it must exist and be exported"),
    ("stale file handle", "the server has forgotten the directory: it was removed or exported anew"),
    ("protocol not supported", "the server does not speak this NFS version: set nfsvers in the mount options"),
    ("program not registered", "the server does not speak this NFS version: set nfsvers in the mount options"),
    ("incorrect mount option", "a mount option is not understood"),
    ("invalid argument", "a mount option is not understood"),
    ("bad option", "the node has no NFS client: install nfs-common (or nfs-utils) on it"),
    ("helper program", "the node has no NFS client: install nfs-common (or nfs-utils) on it"),
    ("unknown filesystem type", "the node has no NFS client: install nfs-common (or nfs-utils) on it"),
    ("not found in the list of registered csi drivers", "the node has no such CSI driver: install it, or change it"),
    ("timed out", "no answer within its time: is the server up, and the way to it open?"),
    ("deadline exceeded", "no answer within its time: is the server up, and the way to it open?"),
)


def pick(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The newest of `events` (oldest first, not empty); of a failed mount, the newest that says why it failed."""
    last = events[-1]
    if not _SUMMARY.match(str(last.get("message", ""))):
        return last
    telling = (e for e in reversed(events) if e.get("reason") == last.get("reason") and not _is_summary(e))
    return next(telling, last)


def in_words(message: str) -> str:
    """An Event's message; one about a mount that failed becomes a sentence that begins with FAILED."""
    if not _is_about_mount(message):
        return message
    export, volume = _EXPORT.search(message), _VOLUME.search(message)
    what = export[1] if export is not None else f"volume {volume[1]}" if volume is not None else "a volume"
    said = _said(message)
    meaning = next((words for text, words in _MEANINGS if text in said.lower()), "")
    return f"{FAILED}{what}: {meaning} ({said})" if meaning else f"{FAILED}{what}: {said}"


def _said(message: str) -> str:
    """What mount itself wrote, or the whole message when it wrote nothing; on one line."""
    said = message.rpartition("Output: ")[2] if "Output: " in message else message
    return " ".join(said.split()) or "no reason given"


def _is_about_mount(message: str) -> bool:
    return message.startswith(("MountVolume.", "AttachVolume.")) or _SUMMARY.match(message) is not None


def _is_summary(event: Mapping[str, Any]) -> bool:
    return _SUMMARY.match(str(event.get("message", ""))) is not None
