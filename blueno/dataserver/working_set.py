"""The working set of one data set: what is there, and the one thread that changes it. Called by working_app.py.

It is read when it is first asked for. Whatever changes it waits in line for the writer, which takes several requests in
one turn: judge, append to the journal, fsync, look whether another server has taken over, change the memory, answer.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from blueno.data.files import is_full
from blueno.data.journal import JournalDamaged, time_text
from blueno.dataserver.files import Folder, problem_of
from blueno.dataserver.problems import Problem, Stale
from blueno.dataserver.working_commit import Bundle, Removal, Turn
from blueno.dataserver.working_journal import Changed, Overtaken
from blueno.dataserver.working_opened import Opened

log = logging.getLogger("blueno.dataserver")

WAITING = 256  # requests in line
TURN = 64  # requests in one turn
TURN_SAMPLES = 20_000
LOADING_SECONDS = 5.0  # that a request waits for the journals to be read
FRESH_SECONDS = 1.0  # for which a reader relies on what it has seen of another server's journals
LEAD_SECONDS = 5.0  # for which who writes relies on having seen that nobody else does; each change looks anyway
RETREAT_SECONDS = 10.0  # after another server has taken over, until this one does
_TRIES = 5
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}
_LOST = {errno.ESTALE, errno.ENOENT, errno.ENOTDIR}

Task = Bundle | Removal | Callable[[Opened], Any]
Waiting = tuple[Task, "Future[Any]"]


class WorkingSet:
    """`root` opens the data set's directory, and raises Problem unless it is this Dataset's. Thread-safe."""

    def __init__(self, root: Callable[[], Folder]) -> None:
        self._root = root
        self._queue: queue.Queue[Waiting | None] = queue.Queue(WAITING)
        self._opened: Opened | None = None
        self._before: Opened | None = None  # the last one that was read
        self._looked = self._retreat = 0.0
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def ready(self) -> Opened:
        """What is there. Raises Problem while it is read, or when it cannot be."""
        opened = self._opened
        if opened is not None and self._is_fresh(opened):
            return opened
        loading = self.submit(lambda opened: opened)
        try:
            found: Opened = loading.result(LOADING_SECONDS)
        except TimeoutError:
            raise Problem(503, "working_set_loading", "the working set is being read", retry_after=1) from None
        return found

    def submit(self, task: Task) -> Future[Any]:
        """Waits in line. The future has the answer, or a Problem. Raises Problem when the line is too long."""
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="working-set", daemon=True)
                self._thread.start()
        future: Future[Any] = Future()
        # A request that is cut off cancels what it awaits. What is in line is done all the same: contents that it will
        # name must not be let go of before, and the writer's thread could not give its answer to a cancelled future.
        future.set_running_or_notify_cancel()
        try:
            self._queue.put_nowait((task, future))
        except queue.Full:
            raise Problem(503, "busy", "too many wait to change the working set", retry_after=1) from None
        return future

    def discard(self, pack: str) -> None:
        """A pack that was written for nothing goes, unless somebody needs it after all."""
        self.submit(lambda opened: opened.discard(pack))

    def released(self, pack: str) -> None:
        """Nobody is about to name this pack any more: if it was to be purged meanwhile, it is now. Raises Problem."""
        opened = self._opened
        if opened is not None and pack in opened.state.due:
            self.submit(lambda _: None)  # any turn tidies up

    def close(self) -> None:
        """Ends the thread once its turn comes."""
        if self._thread is not None:
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                return

    def _is_fresh(self, opened: Opened) -> bool:
        """Whether it was looked lately that nobody else has written."""
        return time.monotonic() - self._looked < (LEAD_SECONDS if opened.is_ours else FRESH_SECONDS)

    # In the writer's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while self._turn(self._next()):
            pass
        if self._before is not None:
            self._before.close()

    def _next(self) -> list[Waiting | None]:
        """What is taken together: at least one."""
        turn = [self._queue.get()]
        size = _size(turn[0])
        while turn[-1] is not None and len(turn) < TURN and size < TURN_SAMPLES:
            try:
                turn.append(self._queue.get_nowait())
            except queue.Empty:
                break
            size += _size(turn[-1])
        return turn

    def _turn(self, turn: list[Waiting | None]) -> bool:
        """Whether to go on."""
        items = [item for item in turn if item is not None]
        try:
            answers = self._take([task for task, _ in items])
        except Exception as error:
            answers = [self._problem_of(error)] * len(items)
        for (_, future), answer in zip(items, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        return turn[-1] is not None

    def _take(self, tasks: list[Task]) -> list[Any]:
        """An answer for each of them, a Problem for those that failed alone."""
        for _ in range(_TRIES):
            opened = self._load()
            try:
                answers = self._change(opened, tasks)
            except Changed:
                self._opened = None  # once more, with what others have written
                continue
            opened.tidy()
            return [
                answer if isinstance(task, Bundle | Removal) else self._call(task, opened)
                for task, answer in zip(tasks, answers, strict=True)
            ]
        raise Problem(503, "busy", "the working set changes too fast", retry_after=1)

    def _change(self, opened: Opened, tasks: list[Task]) -> list[Any]:
        now = time.time_ns() // 1_000_000
        turn = Turn(opened.state, time_text(now // 1000, now % 1000))
        answers = [turn.take(task) if isinstance(task, Bundle | Removal) else None for task in tasks]
        if not any(answers):
            return answers
        if time.monotonic() < self._retreat:
            raise Problem(503, "overtaken", "another data server writes this working set", retry_after=5)
        if turn.lines:
            opened.append(turn.lines)
            turn.apply()
        else:
            opened.confirm()
        self._looked = time.monotonic()
        return answers

    def _call(self, task: Callable[[Opened], Any], opened: Opened) -> Any:
        try:
            return task(opened)
        except Exception as error:
            return self._problem_of(error)

    def _load(self) -> Opened:
        """Reads everything, unless that was done and nobody else has written since."""
        opened = self._opened
        if opened is not None and opened.is_ours and self._is_fresh(opened):
            return opened
        if opened is None or not opened.is_current():
            if self._before is not None:
                self._before.close()
            self._opened = None
            opened = self._opened = self._before = Opened.read(self._root(), self._before)
        self._looked = time.monotonic()
        return opened

    def _problem_of(self, error: Exception) -> Problem:
        """What it means to those who wait."""
        if isinstance(error, Problem):
            if isinstance(error, Stale):
                self._opened = None
            return error
        if isinstance(error, Overtaken):
            self._retreat = time.monotonic() + RETREAT_SECONDS
            self._opened = None
            return Problem(503, "overtaken", str(error), retry_after=5)
        if isinstance(error, JournalDamaged):
            self._opened = None
            return Problem(409, "working_set_damaged", str(error))
        if isinstance(error, OSError):
            if error.errno in _LOST:
                self._opened = None
            return problem_of_writing(error)
        log.error("the working set failed", exc_info=error)
        self._opened = None
        return Problem(500, "internal", "this should not have happened; the server's log says more")


def problem_of_writing(error: OSError) -> Problem:
    """What an error of the volume means to somebody who wants to change something."""
    if is_full(error):
        text = "the volume is full: remove something from it or enlarge it, then send this again"
        return Problem(507, "no_space", text, needed=None, free=0)
    if error.errno in _DENIED:
        text = f"the data set's volume cannot be written here ({error.strerror}): samples cannot be changed"
        return Problem(409, "volume_read_only", text)
    found = problem_of(error, "the data set's volume")
    return found if found.status == 503 else Problem(503, "volume_unavailable", str(found), retry_after=5)


def _size(item: Waiting | None) -> int:
    task = item[0] if item is not None else None
    if isinstance(task, Bundle):
        return len(task.candidates)
    return len(task.keys) if isinstance(task, Removal) else 0
