"""Preparations on a volume that fills up. Used by tests of space."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from blueno.data import files
from blueno.prep.config import PrepConfig
from blueno.prep.failure import from_error
from blueno.prep.prepare import Attempt as RealAttempt
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.preparation import Place
from tests.fakes.sources import class_folders, tar

MIB = 1 << 20
PACK = {"shardBytes": 65536}
FILES = class_folders(300)
ARCHIVE = tar(FILES, "")
PATIENCE = 60.0  # seconds until a test gives up


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


class Preparing:
    """A preparation in a thread, and how far it is."""

    def __init__(self, place: Place, work: Work, **changes: Any) -> None:
        config: PrepConfig = replace(place.config, work=work, **changes)
        self.attempt = RealAttempt(config)
        self.outcome: Outcome | None = None
        self.seen: list[Any] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self.attempt.run()
        except Exception as error:
            self.outcome = self.attempt.failed(from_error(error, self.attempt.config.root))
        finally:
            self.attempt.space.close()

    @property
    def report(self) -> Any:
        return self.attempt.progress.report("w", 1)

    def waits(self) -> bool:
        return bool(self.report.stage == "WaitingForSpace")

    def sealed(self) -> Outcome:
        self._thread.join(PATIENCE)
        assert self.outcome is not None, "it does not end"
        assert self.outcome.sealed, self.outcome.message
        return self.outcome


def hog(place: Place, keep: int = 0) -> Path:
    """Fills the volume but for `keep` bytes, as another writer would."""
    free, _ = files.free_and_capacity(place.volume)
    path = place.volume / "hog"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        file.write(b"\1" * max(0, free - keep))
        while not keep:
            file.write(b"\1" * 4096)
    return path


def let_go_of(volume: Path) -> None:
    """What the end of a process does: archives stay open while it lives, and a removed file keeps its room."""
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if os.readlink(number).startswith(os.fspath(volume)) and os.readlink(number).endswith("(deleted)"):  # noqa: PTH115
                os.close(int(number.name))


def noise(size: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.random.default_rng(1).integers(0, 255, (size // 1024, 1024), np.uint8))
    return out.getvalue()
