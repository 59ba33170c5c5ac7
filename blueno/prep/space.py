"""Room on the volume: looked at before anything large is written, waited for when it is missing.

Called by prepare.py, fetch.py, archives.py and pack.py. A preparation that finds no room does not fail: it waits where
it is, says so (stage WaitingForSpace), and goes on by itself; only what the volume could never hold ends it. Two that
do not fit together are admitted one after the other, by reservations.py.
"""

from __future__ import annotations

import errno
import glob
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from blueno.data.files import free_and_capacity, free_inodes, is_full
from blueno.data.volume import Volume
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure, mebibytes
from blueno.prep.progress import Progressing
from blueno.prep.reservations import Reservation, Reservations

log = logging.getLogger("blueno.prep")
T = TypeVar("T")

LEAST = 1 << 20  # bytes that are waited for when nobody knows how much a step needs
LONGEST_PAUSE = 60.0  # seconds between two tries where statvfs tells of room and yet nothing can be written: quotas
FEW_INODES = 64  # that are left, at which a step may well have failed for want of them
GIVES_WAY = 60.0  # seconds that one who waits behind another one who waits keeps what it has begun


class NoRoom(OSError):
    """A step needs `needed` bytes that are not there now."""

    def __init__(self, needed: int, what: str) -> None:
        super().__init__(errno.ENOSPC, f"no room for {what}")
        self.needed, self.what = needed, what


class GiveWay(Exception):
    """Somebody before us waits for what we hold, while we wait for them."""


@dataclass(frozen=True)
class Room:
    """The volume as it is seen now. `promised`: bytes of the free ones that are not ours, to those of `ahead`."""

    free: int
    capacity: int  # 0: the file system does not say
    promised: int = 0
    ahead: tuple[Reservation, ...] = ()
    inodes: int | None = None  # files that can still be made; None where the file system does not count

    def fits(self, wanted: int, left: int) -> bool:
        """Whether `wanted` bytes fit now; where others go first, beside them `left`, which is all that is to come."""
        if self.inodes == 0:
            return False
        if not self.capacity or not self.ahead:
            return not self.capacity or wanted <= self.free
        return max(wanted, left) <= self.free - self.promised


class Space:
    """What one attempt at one work knows of the volume's room. `left`: bytes that it still has to write.

    `kept`: bytes of the data set that lie on the volume for good, whatever is sealed: samples as they were added.
    """

    def __init__(self, config: PrepConfig, progress: Progressing) -> None:
        self.left = 0
        self.kept = 0
        self._config, self._progress = config, progress
        self._reservations = Reservations(config)
        self._known = self._admitted = self._waiting = False

    def need(self, needed: int, what: str, pause: float = 0.0) -> None:
        """Returns when there is room for `needed` bytes and a tenth more, waiting as long as it takes.

        `pause`: seconds to wait in any case. Raises PrepFailure NoSpace when the volume could never hold it, GiveWay,
        OSError.
        """
        wanted = _and_a_tenth(needed)
        self.left = max(self.left, needed)
        since = time.monotonic()
        while wanted:
            room = self._look_around()
            if room.capacity and wanted + self.kept > room.capacity:
                raise _never(self._beside(what), wanted, room)
            if room.fits(wanted, _and_a_tenth(self.left)) and not pause:
                break
            self._wait(sentence(what, wanted, room, self._namespace), wanted, pause or self._config.space_poll)
            pause = 0.0
            if any(one.waiting for one in room.ahead) and time.monotonic() - since > GIVES_WAY and self._held():
                raise GiveWay
        if not self._admitted and wanted:
            self._admitted = True
            self._tell()
        self._waiting = False
        self._progress.resume()

    def check(self, needed: int, what: str) -> None:
        """Raises NoRoom when `need` would wait: for those who hold a connection open. PrepFailure NoSpace, OSError."""
        wanted = _and_a_tenth(needed)
        self.left = max(self.left, needed)
        room = self._look_around()
        if room.capacity and wanted + self.kept > room.capacity:
            raise _never(self._beside(what), wanted, room)
        if not room.fits(wanted, _and_a_tenth(self.left)):
            raise NoRoom(needed, what)

    def patiently(self, step: Callable[[], T], what: str, needed: int = 0) -> T:
        """What `step` returns, however often the volume fills up meanwhile. `step` must be able to begin again.

        Each time what this attempt had begun is removed, what it has finished stays. `needed`: bytes that the step is
        known to need. Raises what `step` raises but ENOSPC and EDQUOT, and what `need` raises.
        """
        pause = self._config.space_poll
        while True:
            try:
                return step()
            except OSError as error:
                if not is_full(error):
                    raise
                known = error if isinstance(error, NoRoom) else NoRoom(needed, what)
                if known is not error:
                    log.warning("the volume is full: %s", error)
            self.clear()
            self._never_fits(known)
            began = time.monotonic()
            self.need(max(known.needed, needed, LEAST), known.what, pause)
            at_once = time.monotonic() - began < 2 * pause
            pause = min(2 * pause, LONGEST_PAUSE) if at_once else self._config.space_poll

    def look(self) -> Room:
        """Free and capacity, as progress reports carry them. Raises OSError."""
        free, capacity = free_and_capacity(self._config.volume)
        self._progress.free_bytes, self._progress.capacity_bytes = free, capacity
        return Room(free, capacity, inodes=free_inodes(self._config.volume))

    def clear(self) -> None:
        """Removes the temporary files of this attempt. What is finished, and parts that can be resumed, stay."""
        config, volume = self._config, Volume(self._config.root)
        tag = glob.escape(config.tag)
        folders = [volume.root, volume.works, volume.staging]
        staging = self._staging
        if staging is not None:
            folders += [staging, *(path for path in staging.glob("*") if path.is_dir())]
            shutil.rmtree(staging / f"version-{config.tag}", ignore_errors=True)
        for folder in folders:
            for pattern in (f".*.{tag}.tmp", f"*.once-{tag}.part"):
                for path in folder.glob(pattern):
                    with suppress(OSError):
                        path.unlink()

    def give_way(self) -> None:
        """Gives back everything that is not sealed, and stands in line again."""
        log.warning("giving back what was begun: a data set that began earlier waits for the room")
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
        self._admitted, self.left = False, 0

    def close(self) -> None:
        """At the end of the attempt. One that was killed before us may have left a reservation, too."""
        self._reservations.remove()

    @property
    def _namespace(self) -> str:
        return self._config.dataset.partition("/")[0]

    def _look_around(self) -> Room:
        room = self.look()
        self._tell()
        if not self._known:
            self._known = True
            self._reservations.keep(lambda: (_and_a_tenth(self.left), self._admitted, self._waiting), self.look)
        mine = self._reservations.place
        others = self._reservations.others(room.capacity)
        # One that has begun was promised its room; later growth counts against those behind it, or none would end.
        ahead = tuple(o for o in others if o.place < mine or (o.admitted and not self._admitted))
        return replace(room, promised=sum(one.needed for one in ahead), ahead=ahead)

    def _tell(self) -> None:
        self._reservations.write(_and_a_tenth(self.left), admitted=self._admitted, waiting=self._waiting)

    def _wait(self, text: str, wanted: int, seconds: float) -> None:
        self._waiting = True
        self._progress.wait_for_space(wanted, text)
        time.sleep(seconds)  # SIGTERM ends it at once: the handler raises Stopped

    def _never_fits(self, short: NoRoom) -> None:
        """Together with what this work holds already, and needs until it is sealed."""
        room, held = self.look(), self._held()
        if room.capacity and held + short.needed + self.kept > room.capacity:
            what = self._beside(f"{short.what}, beside the {mebibytes(held)} it has written,")
            raise _never(what, short.needed, room)

    def _beside(self, what: str) -> str:
        return f"{what} beside {mebibytes(self.kept)} of added samples" if self.kept else what

    def _held(self) -> int:
        """Bytes in this work's staging that are on no other list: links to an earlier version cost nothing."""
        held = 0
        for path in self._staging.rglob("*") if self._staging is not None else ():
            with suppress(OSError):
                about = path.lstat()
                held += about.st_size if about.st_nlink == 1 else 0
        return held

    @property
    def _staging(self) -> Path | None:
        work = self._config.work
        return Volume(self._config.root).staging / work.hash if work is not None else None


def sentence(what: str, wanted: int, room: Room, namespace: str) -> str:
    """What is needed, what is there, who goes first. Data sets of other namespaces are counted, never named."""
    if room.inodes is not None and room.inodes < FEW_INODES:
        text = f"{what} needs files, and the volume has inodes for {room.inodes} more, though {mebibytes(room.free)} "
        return f"{text}are free: remove files or enlarge it; it goes on by itself, finished work is kept"
    text = f"{what} needs {mebibytes(wanted)}, {mebibytes(room.free)} are free on the volume of "
    text += mebibytes(room.capacity)
    if room.promised and wanted <= room.free:
        text += f", of which {mebibytes(room.promised)} are promised to {_who(room.ahead, namespace)}"
        return f"{text}; it goes on by itself afterwards"
    return f"{text}: free space or enlarge it; it goes on by itself, finished work is kept"


def _who(ahead: Sequence[Reservation], namespace: str) -> str:
    named = [one.name for one in ahead if namespace and one.namespace == namespace and one.name][:3]
    rest = len(ahead) - len(named)
    parts = [f"data set {name}" for name in named]
    if rest:
        parts.append(f"{rest} {'more ' if named else ''}data set{'s' if rest > 1 else ''}")
    return " and ".join(parts)


def _and_a_tenth(count: int) -> int:
    return count + count // 10


def _never(what: str, wanted: int, room: Room) -> PrepFailure:
    text = f"{what} needs {mebibytes(wanted)}, the volume has {mebibytes(room.capacity)} in all: enlarge it"
    return PrepFailure("NoSpace", f"{text}, or name a larger one", permanent=True)
