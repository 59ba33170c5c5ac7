"""Tells the operator and the log how far the work is. Called throughout blueno/prep; never delays or fails it.

Posts Progress (blueno/resources/outcome.py) to `<report url>/v1/progress` from a thread of its own.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, field

from blueno.posting import Endpoint, post
from blueno.prep.config import PrepConfig
from blueno.resources.outcome import WAITING_FOR_SPACE, Progress

log = logging.getLogger("blueno.prep")

LOG_EVERY = 5.0  # seconds
WAITING_LOGGED = 60.0  # seconds
# Share of the percentage at which each stage begins; without a download, preparing begins at once.
_BEGINS = {"Downloading": 0.0, "Preparing": 40.0, "Publishing": 97.0}
_ENDS = {"Downloading": 40.0, "Preparing": 97.0, "Publishing": 99.0}


@dataclass
class Progressing:
    """Counters that the work sets and the reporter reads. Plain assignments: no locks on the hot path."""

    stage: str = "Downloading"
    samples_done: int = 0
    samples_total: int = 0
    shards_done: int = 0
    shards_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    waiting_code: str = ""
    waiting_message: str = ""
    needed_bytes: int = 0  # what has to be free before it goes on; 0: it does not wait for space
    free_bytes: int = 0  # of the volume, as last seen
    capacity_bytes: int = 0
    downloaded: bool = False  # whether this attempt had anything to download
    _highest: int = 0
    _started: float = field(default_factory=time.monotonic)
    _last_logged: float = 0.0

    def enter(self, stage: str) -> None:
        """Begins a stage: one line in the log."""
        self.stage = stage
        self.resume()
        log.info("stage %s", stage)

    def wait(self, code: str, message: str) -> None:
        """Something outside is not there; the sentence says what and when the next try is."""
        self.waiting_code, self.waiting_message = code, message[:1024]
        log.warning("waiting: %s", message)

    def wait_for_space(self, needed: int, message: str) -> None:
        """The volume has no room for `needed` bytes. The log is told once a minute."""
        now = time.monotonic()
        if not self.needed_bytes or now - self._last_logged > WAITING_LOGGED:
            log.warning("waiting for space: %s", message)
            self._last_logged = now
        self.waiting_code, self.waiting_message, self.needed_bytes = "", message[:1024], needed

    def resume(self) -> None:
        """What was waited for has come."""
        self.waiting_code = self.waiting_message = ""
        self.needed_bytes = 0

    def start_over(self) -> None:
        """The work is gone through again from its beginning; what is finished is only counted."""
        self.samples_done = self.shards_done = 0

    def percentage(self) -> int:
        """0 to 99 of the whole work; never less than it was."""
        begin = _BEGINS[self.stage] if self.downloaded or self.stage != "Preparing" else 0.0
        if self.stage == "Downloading":
            share = self.bytes_done / self.bytes_total if self.bytes_total else 0.0
        elif self.samples_total:
            share = self.samples_done / self.samples_total
        else:  # a generator that does not know its end: approaches it, never gets there
            share = 1 - math.exp(-self.samples_done / 100_000)
        value = begin + (_ENDS[self.stage] - begin) * min(1.0, share)
        self._highest = max(self._highest, int(value))
        return self._highest

    def tick(self) -> None:
        """Call it often: writes a line to the log every few seconds."""
        now = time.monotonic()
        if now - self._last_logged < LOG_EVERY:
            return
        if self._last_logged:
            log.info("%s", self.sentence())
        self._last_logged = now

    def sentence(self) -> str:
        """For the log."""
        if self.stage == "Downloading":
            return f"{self.percentage()}% downloaded {self.bytes_done} of {self.bytes_total or '?'} bytes"
        total = self.samples_total or "?"
        return f"{self.percentage()}% {self.samples_done} of {total} samples, {self.shards_done} shards"

    def report(self, work: str, attempt: int) -> Progress:
        """What is posted. The remaining time follows from the share done so far."""
        done = self.percentage()
        elapsed = time.monotonic() - self._started
        remaining = int(elapsed * (100 - done) / done) if done >= 2 and elapsed >= 2 else None
        waits = bool(self.waiting_code or self.needed_bytes)
        return Progress(
            work=work,
            attempt=attempt,
            stage=WAITING_FOR_SPACE if self.needed_bytes else self.stage,
            percentage=done,
            estimated_remaining_seconds=None if waits else remaining,
            samples_done=self.samples_done,
            samples_total=max(self.samples_total, self.samples_done) if self.samples_total else 0,
            shards_done=self.shards_done,
            shards_total=self.shards_total,
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            waiting_code=self.waiting_code,
            waiting_message=self.waiting_message,
            needed_bytes=self.needed_bytes,
            free_bytes=self.free_bytes,
            capacity_bytes=self.capacity_bytes,
        )


class Reporter:
    """Posts what `progress` says, at most every `report_interval` seconds, until it is closed."""

    def __init__(self, config: PrepConfig, work: str, progress: Progressing) -> None:
        self._config, self._work, self._progress = config, work, progress
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = False

    def start(self) -> None:
        if self._config.report_url:
            self._thread = threading.Thread(target=self._run, name="report", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Returns at once: a report that is under way is left to itself."""
        self._stop.set()

    def _run(self) -> None:
        while True:
            try:
                self._post()
                self._complained = False
            except Exception as error:  # best effort: whatever happens here is no reason to stop the work
                if not self._complained and not self._stop.is_set():  # nobody minds after the end
                    log.warning("progress cannot be reported (%s); the work goes on", type(error).__name__)
                self._complained = True
            if self._stop.wait(self._config.report_interval):
                return

    def _post(self) -> None:
        config = self._config
        endpoint = Endpoint(config.report_url.rstrip("/") + "/v1/progress", config.token_file, config.report_ca_file)
        answer = post(endpoint, self._progress.report(self._work, config.attempt).to_dict())
        if answer.status >= 400:
            raise ConnectionError(f"HTTP {answer.status}")
