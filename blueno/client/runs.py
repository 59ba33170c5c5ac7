"""`client.runs`: everything about TrainingRuns. Called by people's scripts and blueno/cli.

Calls asking.py, logs.py and outputs.py. `AsyncRuns` is what AsyncClient has; `Runs` is the same for Client.

Every method raises the errors of blueno/errors.py: NotFound, Conflict, Rejected (not permitted, or not valid),
Unavailable (the server does not answer), InvalidSpec (your own file), else BluenoError.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from blueno.client import asking, export, logs, outputs, specfile
from blueno.client.driving import Facade, Transport, blocking, iterating
from blueno.client.exchange import Request
from blueno.client.values import Metrics, Run, RunSummary
from blueno.client.waiting import Patience, until
from blueno.errors import NotFound

RUNS = "/api/v1/trainingruns"
AT_ONCE = 50  # metrics in one answer; the server gives no more
SEEN = 15.0  # seconds until a run that was made is seen; the copy follows in 0.1 s when all is well
SOON = 0.2
LOOK = 2.0  # seconds between looks while waiting


class AsyncRuns:
    """The runs of one server. `namespace` is where a run lives; "default" unless said otherwise."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._made: dict[tuple[str, str], tuple[str, float]] = {}  # place → uid, and until when it may not be seen yet

    async def submit(
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
        run = Run.parse((await self._transport.send(Request("POST", RUNS, body=body))).body)
        if not dry_run:
            self._made[place, file.name] = (run.uid, time.monotonic() + SEEN)
        return run

    async def list(
        self,
        *,
        namespace: str | None = None,
        state: str | None = None,
        dataset: str | None = None,
        search: str | None = None,
        limit: int | None = None,
    ) -> list[RunSummary]:
        """Runs, newest first; of every namespace you may see unless one is named."""
        query = {"namespace": namespace, "state": state, "dataset": dataset, "q": search}
        items = asking.pages(self._transport, RUNS, query, limit)
        return [RunSummary.parse(item.raw, item.where) async for item in items]

    async def get(self, name: str, namespace: str = "default") -> Run:
        """One run, with all there is to know."""
        path = _path(namespace, name)
        made = self._made.get((namespace, name))
        while made is not None:
            # The server reads a copy that follows the cluster: for a moment it has no run, or an earlier one's.
            with suppress(NotFound):
                run = await self._get(path)
                if run.uid == made[0]:
                    del self._made[namespace, name]
                    return run
            if time.monotonic() > made[1]:
                del self._made[namespace, name]
                break
            await self._transport.pause(SOON)
        return await self._get(path)

    async def wait(
        self,
        name: str,
        namespace: str = "default",
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        seen: Callable[[Run], None] | None = None,
    ) -> Run:
        """The run once it has succeeded or failed: look at `.succeeded`.

        `seen` is called with every look at it. Raises NotInTime after `timeout` seconds (None: never).
        """

        def ended(run: Run) -> bool:
            if seen is not None:
                seen(run)
            if not run.ended and run.deleted_at is not None:
                raise NotFound(f"{namespace}/{name} was deleted before it had ended")
            return run.ended

        patience = Patience(timeout, LOOK, f"{namespace}/{name} had not ended")
        return await until(self._transport, lambda: self.get(name, namespace), ended, patience)

    async def logs(
        self,
        name: str,
        namespace: str = "default",
        *,
        attempt: int | None = None,
        pod: str | None = None,
        follow: bool = False,
        tail: bool = False,
    ) -> AsyncIterator[str]:
        """The log in pieces of text, as they are read: `"".join(…)` is the whole.

        Of the latest attempt unless one is named; of the pod that began last unless one is named. `tail`: only the
        newest 64 KiB. `follow`: goes on until the run has ended, over pods and attempts to come.
        """
        path = await self._seen(namespace, name)
        wanted = logs.Wanted(attempt, pod, None if tail else 0, follow)

        async def ask(query: Mapping[str, Any]) -> Any:
            return (await asking.get(self._transport, f"{path}/logs", query)).body

        async def ended() -> bool:
            return _is_over(await self.get(name, namespace))

        async for text in logs.read(self._transport, ask, ended, wanted):
            yield text

    async def metrics(
        self, name: str, namespace: str = "default", *, names: Sequence[str] | None = None, points: int = 500
    ) -> Metrics:
        """What the run reported, each metric thinned out to at most `points`. names None: all of them."""
        path = f"{await self._seen(namespace, name)}/metrics"
        asked = list(names) if names is not None else None
        found = await self._metrics(path, None if asked is None else asked[:AT_ONCE], points)
        for more in range(AT_ONCE, len(found.names if asked is None else asked), AT_ONCE):
            part = await self._metrics(path, (asked or found.names)[more : more + AT_ONCE], points)
            raw = {**found.raw, "series": [*found.raw["series"], *part.raw["series"]]}
            found = Metrics(found.names, (*found.series, *part.series), raw)
        return found

    async def outputs(
        self,
        name: str,
        path: str = "",
        *,
        namespace: str = "default",
        waiting: Callable[[str], None] | None = None,
    ) -> AsyncIterator[outputs.OutputEntry]:
        """What the run has written to a directory below its own, by name; links are shown and never followed.

        Names are printable: a backslash is written `\\\\`, a byte that is no printable sign `\\xNN`. The server of
        outputs may have to start first: then `waiting` is told so, and we wait. Raises Conflict, saying why, when they
        cannot be read now.
        """
        place = f"{await self._seen(namespace, name)}/outputs"
        async for entry in outputs.entries(self._transport, place, path, waiting):
            yield entry

    async def download(
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
        place = f"{await self._seen(namespace, name)}/outputs"
        asked = outputs.Asked(place, path, None if target is None else Path(target), name)
        told = None if progress is None else self._transport.told(progress)
        waits = None if waiting is None else self._transport.told(waiting)
        return await self._transport.work(lambda blocking: outputs.save(blocking, asked, told, waits))

    async def suspend(self, name: str, namespace: str = "default") -> Run:
        """Stops it with SIGTERM and its grace period; `resume` starts the next attempt."""
        return await self._patch(namespace, name, {"suspend": True})

    async def resume(self, name: str, namespace: str = "default") -> Run:
        """Lets a suspended run go on, from its last checkpoint if it has one."""
        return await self._patch(namespace, name, {"suspend": False})

    async def cancel(self, name: str, namespace: str = "default") -> Run:
        """Ends it for good; the run, its log and its outputs stay."""
        return await self._patch(namespace, name, {"cancel": True})

    async def delete(self, name: str, namespace: str = "default") -> None:
        """Removes the run; its outputs on the claim stay."""
        await self._transport.send(Request("DELETE", _path(namespace, name)))

    async def export(self, name: str, namespace: str = "default") -> str:
        """The run as YAML for Git: without defaults and status, always in the same order."""
        run = await self.get(name, namespace)
        return export.to_yaml(run.name, run.namespace, run.spec)

    async def _patch(self, namespace: str, name: str, change: Mapping[str, Any]) -> Run:
        request = Request("PATCH", _path(namespace, name), body=change)
        return Run.parse((await self._transport.send(request)).body)

    async def _get(self, path: str) -> Run:
        answer = await asking.get(self._transport, path)
        more = {} if answer.deleted_at is None else {"deletedAt": answer.deleted_at}
        return Run.parse({**answer.body, **more} if isinstance(answer.body, dict) else answer.body)

    async def _metrics(self, path: str, names: Sequence[str] | None, points: int) -> Metrics:
        query = {"name": None if names is None else ",".join(names), "points": points}
        return Metrics.parse((await asking.get(self._transport, path, query)).body)

    async def _seen(self, namespace: str, name: str) -> str:
        """The run's path, once the server shows a run that was just made."""
        if (namespace, name) in self._made:
            await self.get(name, namespace)
        return _path(namespace, name)


class Runs(Facade[AsyncRuns]):
    """The runs of one server. `namespace` is where a run lives; "default" unless said otherwise."""

    submit = blocking(AsyncRuns.submit)
    list = blocking(AsyncRuns.list)
    get = blocking(AsyncRuns.get)
    wait = blocking(AsyncRuns.wait)
    logs = iterating(AsyncRuns.logs)
    metrics = blocking(AsyncRuns.metrics)
    outputs = iterating(AsyncRuns.outputs)
    download = blocking(AsyncRuns.download)
    suspend = blocking(AsyncRuns.suspend)
    resume = blocking(AsyncRuns.resume)
    cancel = blocking(AsyncRuns.cancel)
    delete = blocking(AsyncRuns.delete)
    export = blocking(AsyncRuns.export)


def _is_over(run: Run) -> bool:
    return run.ended or run.deleted_at is not None


def _path(namespace: str, name: str) -> str:
    return asking.path_of(RUNS, "run", namespace, name)
