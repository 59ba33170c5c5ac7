"""Pictures of samples of the working set, and their bytes: by the code that draws those of versions. Made by app.py."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from blueno.data.badsample import BadSample
from blueno.dataserver import params, png, sheet, views
from blueno.dataserver.about import about
from blueno.dataserver.kept import kept_headers, unchanged
from blueno.dataserver.originals import original
from blueno.dataserver.problems import Problem, wrong
from blueno.dataserver.samples import Context
from blueno.dataserver.stream import Part, send
from blueno.dataserver.workers import Budget, Job, Workers
from blueno.dataserver.working_set import WorkingSet
from blueno.dataserver.working_view import WorkingView

_SUM = re.compile(r"[0-9a-f]{16,64}")
_SEQS = re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*", re.ASCII)

Run = Callable[[Callable[[Job], Any]], Awaitable[Any]]


class WorkingPictures:
    """Handlers. `run` does something in the workers that draw."""

    def __init__(self, working: WorkingSet, run: Run, workers: Workers, budget: Budget) -> None:
        self._set, self._run, self._workers, self._budget = working, run, workers, budget

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """To be added to the application."""
        return [
            web.get(f"{prefix}/sheet", self.sheet),
            web.get(f"{prefix}/image", self.image),
            web.get(f"{prefix}/montage", self.montage),
            web.get(f"{prefix}/about", self.about),
            web.get(f"{prefix}/raw", self.raw),
            web.get(f"{prefix}/uploads/{{id}}/bytes", self.waiting),
        ]

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """The bytes as they were sent."""
        rest, key, content = _whose(request)
        params.Parameters(rest, ())
        found = await self._run(lambda job: original(self._one(job, key, content), 0))
        return await send(request, found.part, {**kept_headers(request), **found.headers}, self._workers)

    async def waiting(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a complete upload that no sample has been made of yet."""
        params.Parameters(request.query.items(), ())
        number = request.match_info["id"]
        file, size = await self._run(lambda _: self._set.ready().uploads.whole(number))
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{number}"'}
        return await send(request, Part(file, 0, size), headers, self._workers)

    async def image(self, request: web.Request) -> web.StreamResponse:
        """One sample, or one slice of it."""
        rest, key, content = _whose(request)
        view = params.view(rest)
        return await self._kept(request, (key, content), lambda c: png.encode(views.draw(c, 0, view).picture))

    async def montage(self, request: web.Request) -> web.StreamResponse:
        """Slices of a volume side by side."""
        rest, key, content = _whose(request)
        count, view = params.montage(rest)
        return await self._kept(request, (key, content), lambda c: png.encode(views.montage(c, 0, count, view)))

    async def about(self, request: web.Request) -> web.StreamResponse:
        """Numbers about one sample."""
        rest, key, content = _whose(request)
        params.Parameters(rest, ())

        def make(context: Context) -> bytes:
            return json.dumps(about(context, 0), allow_nan=False, separators=(",", ":")).encode()

        return await self._kept(request, (key, content), make, "application/json")

    async def sheet(self, request: web.Request) -> web.StreamResponse:
        """A contact sheet. Never kept: a sample's cell is marked once it was changed or removed."""
        items = list(request.query.items())
        seqs = [value for name, value in items if name == "seqs"]
        if len(seqs) != 1 or not _SEQS.fullmatch(seqs[0]):
            wrong("seqs", "must be the numbers of samples with commas between them, for example seqs=17,18")
        wanted = [int(text) for text in seqs[0].split(",")]
        if len(wanted) > sheet.MOST_ROWS:
            wrong("seqs", f"names more than {sheet.MOST_ROWS} samples")
        rows = ("rows", f"0-{len(wanted) - 1}")
        query = params.sheet_query([rows, *((name, value) for name, value in items if name not in ("seqs", "rows"))])
        made = await self._run(lambda job: sheet.make(self._many(job, wanted), query))
        told = f"cell={made.edge}, columns={made.columns}, unreadable={made.bad}"
        headers = {"Cache-Control": "no-store", "Blueno-Sheet": told}
        return web.Response(body=made.png, content_type="image/png", headers=headers)

    async def _kept(
        self,
        request: web.Request,
        whose: tuple[str, str],
        make: Callable[[Context], bytes],
        content_type: str = "image/png",
    ) -> web.StreamResponse:
        if (known := unchanged(request)) is not None:
            return known
        body = await self._run(lambda job: _told(make, self._one(job, *whose)))
        return web.Response(body=body, content_type=content_type, headers=kept_headers(request))

    def _one(self, job: Job, key: str, content: str) -> Context:
        """The sample of that key, as long as it has that content. Raises Problem 404."""
        opened = self._set.ready()
        found = opened.state.get(key)
        if found is None or not found.sha256.startswith(content):
            text = "there is no sample of this key and content in the working set: it was changed or removed"
            raise Problem(404, "sample_not_found", text)
        return Context(WorkingView(opened.packs, [found]), self._budget, job)

    def _many(self, job: Job, seqs: list[int]) -> Context:
        opened = self._set.ready()
        return Context(WorkingView(opened.packs, [opened.state.by_seq(seq) for seq in seqs]), self._budget, job)


def _told(make: Callable[[Context], bytes], context: Context) -> bytes:
    """Nobody has looked at the content before: when it is no picture, that is said, not that it was damaged."""
    try:
        return make(context)
    except Problem as problem:
        if isinstance(problem.__cause__, BadSample):
            text = f"this cannot be shown ({problem.__cause__}); a version would leave it out"
            raise Problem(422, "not_shown", text) from problem
        raise


def _whose(request: web.Request) -> tuple[list[tuple[str, str]], str, str]:
    """(the other parameters, key, first digits of the content's sha256)."""
    items = list(request.query.items())
    given = params.Parameters([(n, v) for n, v in items if n in ("key", "sha256")], ("key", "sha256"))
    key, content = given.text("key"), given.text("sha256")
    if not key:
        wrong("key", "is missing: the key of a sample")
    if not _SUM.fullmatch(content):
        wrong("sha256", "must be at least the first 16 digits of the sha256 of the sample's content")
    return [(n, v) for n, v in items if n not in ("key", "sha256")], key, content
