"""`client.runs`: everything about TrainingRuns. Called by people's scripts and blueno/cli.

Calls http.py, logs.py and outputs.py.

Every method raises the errors of blueno/errors.py: NotFound, Conflict, Rejected (not permitted, or not valid),
Unavailable (the server does not answer), InvalidSpec (your own file), else BluenoError.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from blueno.client import export, logs, outputs, specfile
from blueno.client.reading import Fields
from blueno.client.values import Metrics, Run, RunSummary
from blueno.errors import BluenoError, NotFound, Unavailable

if TYPE_CHECKING:
    from blueno.client.http import Http

RUNS = "/api/v1/trainingruns"
PAGE = 200  # runs in one answer; the server gives no more
AT_ONCE = 50  # metrics in one answer; the server gives no more
SEEN = 15.0  # seconds until a run that was made is seen; the copy follows in 0.1 s when all is well
SOON = 0.2
LOOK = 2.0  # seconds between looks while waiting
AWAY = 120.0  # seconds that the server may be away while we wait, as when it is updated


class NotInTime(BluenoError, TimeoutError):
    """The run had not ended when the time was over; it goes on."""


class Runs:
    """The runs of one server. `namespace` is where a run lives; "default" unless said otherwise."""

    def __init__(self, connection: Callable[[], Http]) -> None:
        self._connection = connection
        self._made: dict[tuple[str, str], tuple[str, float]] = {}  # place → uid, and until when it may not be seen yet

    def submit(
        self,
        source: Mapping[str, Any] | str | Path,
        *,
        namespace: str | None = None,
        name: str | None = None,
        parameters: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Run:
        """Makes a run from a YAML file ("-": standard input) or from the object itself, and returns it.

        `namespace`, `name` and single `parameters` replace what stands there. With `dry_run` the server checks
        everything and makes nothing. Never tried twice by itself: Conflict says that the name is taken.
        """
        file = specfile.parse(source) if isinstance(source, Mapping) else specfile.read(source)
        file = file.changed(name, parameters or {})
        place = namespace or file.namespace or "default"
        body = {"namespace": place, "name": file.name, "spec": file.spec, "dryRun": dry_run}
        run = Run.parse(self._connection().send("POST", RUNS, body=body).body)
        if not dry_run:
            self._made[place, file.name] = (run.uid, time.monotonic() + SEEN)
        return run

    def list(
        self,
        *,
        namespace: str | None = None,
        state: str | None = None,
        dataset: str | None = None,
        search: str | None = None,
        limit: int | None = None,
    ) -> list[RunSummary]:
        """Runs, newest first; of every namespace you may see unless one is named."""
        found: list[RunSummary] = []
        query = {"namespace": namespace, "state": state, "dataset": dataset, "q": search}
        cursor: str | None = None
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            answer = Fields(self._connection().get(RUNS, {**query, "limit": size, "cursor": cursor}).body, "answer")
            items = [RunSummary.parse(item.raw, f"items[{n}]") for n, item in enumerate(answer.each("items"))]
            found += items
            cursor = answer.text_or_none("next")
            if cursor is None or not items:
                break
        return found[:limit]

    def get(self, name: str, namespace: str = "default") -> Run:
        """One run, with all there is to know."""
        path = _path(namespace, name)
        made = self._made.get((namespace, name))
        while made is not None:
            # The server reads a copy that follows the cluster: for a moment it has no run, or an earlier one's.
            with suppress(NotFound):
                run = self._get(path)
                if run.uid == made[0]:
                    del self._made[namespace, name]
                    return run
            if time.monotonic() > made[1]:
                del self._made[namespace, name]
                break
            time.sleep(SOON)
        return self._get(path)

    def wait(
        self,
        name: str,
        namespace: str = "default",
        *,
        timeout: float | None = None,
        seen: Callable[[Run], None] | None = None,
    ) -> Run:
        """The run once it has succeeded or failed: look at `.succeeded`.

        `seen` is called with every look at it. Raises NotInTime after `timeout` seconds (None: never).
        """
        end = None if timeout is None else time.monotonic() + timeout
        heard = time.monotonic()
        while True:
            try:
                run = self.get(name, namespace)
            except Unavailable:
                if time.monotonic() - heard > AWAY:
                    raise
            else:
                heard = time.monotonic()
                if seen is not None:
                    seen(run)
                if run.ended:
                    return run
                if run.deleted_at is not None:
                    raise NotFound(f"{namespace}/{name} was deleted before it had ended")
            left = LOOK if end is None else end - time.monotonic()
            if left <= 0:
                raise NotInTime(f"{namespace}/{name} had not ended after {timeout:g} s; it goes on")
            time.sleep(min(LOOK, left))

    def logs(
        self,
        name: str,
        namespace: str = "default",
        *,
        attempt: int | None = None,
        pod: str | None = None,
        follow: bool = False,
        tail: bool = False,
    ) -> Iterator[str]:
        """The log in pieces of text, as they are read: `"".join(…)` is the whole.

        Of the latest attempt unless one is named; of the pod that began last unless one is named. `tail`: only the
        newest 64 KiB. `follow`: goes on until the run has ended, over pods and attempts to come.
        """
        path = self._seen(namespace, name)
        wanted = logs.Wanted(attempt, pod, None if tail else 0, follow)
        return logs.read(
            lambda query: self._connection().get(f"{path}/logs", query).body,
            lambda: _is_over(self.get(name, namespace)),
            wanted,
        )

    def metrics(
        self, name: str, namespace: str = "default", *, names: Sequence[str] | None = None, points: int = 500
    ) -> Metrics:
        """What the run reported, each metric thinned out to at most `points`. names None: all of them."""
        path = f"{self._seen(namespace, name)}/metrics"
        asked = list(names) if names is not None else None
        found = self._metrics(path, None if asked is None else asked[:AT_ONCE], points)
        for more in range(AT_ONCE, len(found.names if asked is None else asked), AT_ONCE):
            part = self._metrics(path, (asked or found.names)[more : more + AT_ONCE], points)
            raw = {**found.raw, "series": [*found.raw["series"], *part.raw["series"]]}
            found = Metrics(found.names, (*found.series, *part.series), raw)
        return found

    def outputs(
        self,
        name: str,
        path: str = "",
        *,
        namespace: str = "default",
        waiting: Callable[[str], None] | None = None,
    ) -> Iterator[outputs.OutputEntry]:
        """What the run has written to a directory below its own, by name; links are shown and never followed.

        Names are printable: a backslash is written `\\\\`, a byte that is no printable sign `\\xNN`. The server of
        outputs may have to start first: then `waiting` is told so, and we wait. Raises Conflict, saying why, when they
        cannot be read now.
        """
        place = f"{self._seen(namespace, name)}/outputs"
        return outputs.entries(self._connection(), place, path, waiting)

    def download(
        self,
        name: str,
        path: str,
        target: str | Path | None = None,
        *,
        namespace: str = "default",
        progress: Callable[[int, int | None], None] | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> Path:
        """Saves a file that the run has written, or a directory as a tar ("" for all), and returns where it lies.

        `target`: a file, which is replaced, or a directory; None is the working directory. `progress` is told the bytes
        so far and of all, None while that is not known. What breaks off is gone on with, also by a later call; only
        what is whole gets the name of the target.
        """
        place = f"{self._seen(namespace, name)}/outputs"
        saving = outputs.Saving(self._connection(), place, path, progress, waiting)
        return saving.run(None if target is None else Path(target), name)

    def suspend(self, name: str, namespace: str = "default") -> Run:
        """Stops it with SIGTERM and its grace period; `resume` starts the next attempt."""
        return self._patch(namespace, name, {"suspend": True})

    def resume(self, name: str, namespace: str = "default") -> Run:
        """Lets a suspended run go on, from its last checkpoint if it has one."""
        return self._patch(namespace, name, {"suspend": False})

    def cancel(self, name: str, namespace: str = "default") -> Run:
        """Ends it for good; the run, its log and its outputs stay."""
        return self._patch(namespace, name, {"cancel": True})

    def delete(self, name: str, namespace: str = "default") -> None:
        """Removes the run; its outputs on the claim stay."""
        self._connection().send("DELETE", _path(namespace, name))

    def export(self, name: str, namespace: str = "default") -> str:
        """The run as YAML for Git: without defaults and status, always in the same order."""
        run = self.get(name, namespace)
        return export.to_yaml(run.name, run.namespace, run.spec)

    def _patch(self, namespace: str, name: str, change: Mapping[str, Any]) -> Run:
        return Run.parse(self._connection().send("PATCH", _path(namespace, name), body=change).body)

    def _get(self, path: str) -> Run:
        answer = self._connection().get(path)
        more = {} if answer.deleted_at is None else {"deletedAt": answer.deleted_at}
        return Run.parse({**answer.body, **more} if isinstance(answer.body, dict) else answer.body)

    def _metrics(self, path: str, names: Sequence[str] | None, points: int) -> Metrics:
        query = {"name": None if names is None else ",".join(names), "points": points}
        return Metrics.parse(self._connection().get(path, query).body)

    def _seen(self, namespace: str, name: str) -> str:
        """The run's path, once the server shows a run that was just made."""
        if (namespace, name) in self._made:
            self.get(name, namespace)
        return _path(namespace, name)


def _is_over(run: Run) -> bool:
    return run.ended or run.deleted_at is not None


def _path(namespace: str, name: str) -> str:
    # "." and ".." would walk up the path; no object is called so.
    if not namespace.strip(".") or not name.strip("."):
        raise BluenoError("a run is named by its namespace and its name, and neither is empty")
    return f"{RUNS}/{quote(namespace, safe='')}/{quote(name, safe='')}"
