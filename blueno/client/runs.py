"""`client.runs`: everything about TrainingRuns. Called by people's scripts and blueno/cli; calls http.py and logs.py.

Every method raises the errors of blueno/errors.py: NotFound, Conflict, Rejected (not permitted, or not valid),
Unavailable (the server does not answer), InvalidSpec (your own file), else BluenoError.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from blueno.client import export, logs, specfile
from blueno.client.reading import Fields
from blueno.client.values import Metrics, Run, RunSummary
from blueno.errors import BluenoError, Unavailable

if TYPE_CHECKING:
    from blueno.client.http import Http

RUNS = "/api/v1/trainingruns"
PAGE = 200
LOOK = 2.0  # seconds between looks while waiting
AWAY = 120.0  # seconds that the server may be away while we wait, as when it is updated


class NotInTime(BluenoError, TimeoutError):
    """The run had not ended when the time was over; it goes on."""


class Runs:
    """The runs of one server. `namespace` is where a run lives; "default" unless said otherwise."""

    def __init__(self, connection: Callable[[], Http]) -> None:
        self._connection = connection

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
        return Run.parse(self._connection().send("POST", RUNS, body=body))

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
            answer = Fields(self._connection().get(RUNS, {**query, "limit": size, "cursor": cursor}), "answer")
            items = [RunSummary.parse(item.raw, f"items[{n}]") for n, item in enumerate(answer.each("items"))]
            found += items
            cursor = answer.text_or_none("next")
            if cursor is None or not items:
                break
        return found[:limit]

    def get(self, name: str, namespace: str = "default") -> Run:
        """One run, with all there is to know."""
        return Run.parse(self._connection().get(_path(namespace, name)))

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

        Of the latest attempt unless one is named; of its first pod unless one is named. `tail`: only the newest
        64 KiB. `follow`: goes on until the run has ended, over attempts to come.
        """
        path = _path(namespace, name)
        wanted = logs.Wanted(attempt, pod, None if tail else 0, follow)
        return logs.read(
            lambda query: self._connection().get(f"{path}/logs", query),
            lambda: self.get(name, namespace).ended,
            wanted,
        )

    def metrics(
        self, name: str, namespace: str = "default", *, names: Sequence[str] | None = None, points: int = 500
    ) -> Metrics:
        """What the run reported, each metric thinned out to at most `points`. names None: all of them."""
        path = f"{_path(namespace, name)}/metrics"
        if names is None:
            names = Metrics.parse(self._connection().get(path, {"points": 1})).names
        wanted = ",".join(names) or None
        return Metrics.parse(self._connection().get(path, {"name": wanted, "points": points}))

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
        return Run.parse(self._connection().send("PATCH", _path(namespace, name), body=change))


def _path(namespace: str, name: str) -> str:
    # "." and ".." would walk up the path; no object is called so.
    if not namespace.strip(".") or not name.strip("."):
        raise BluenoError("a run is named by its namespace and its name, and neither is empty")
    return f"{RUNS}/{quote(namespace, safe='')}/{quote(name, safe='')}"
