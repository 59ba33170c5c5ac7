"""`client.samples(dataset)`: the samples of one data set, sealed and not yet sealed.

Called by people's scripts and blueno/cli; calls asking.py, upload.py and transfer.py. `AsyncSamples` is what
AsyncClient has, `Samples` what Client has. Every method raises the errors of blueno/errors.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, Unpack

from blueno.client import asking, contents, transfer
from blueno.client.contents import Describe, Source
from blueno.client.datasets import DATASETS
from blueno.client.driving import Blocking, Facade, Transport, blocking, iterating
from blueno.client.exchange import Request
from blueno.client.reading import Fields
from blueno.client.sample_values import (
    Facets,
    NewSample,
    Refused,
    Removed,
    Sample,
    SampleConflict,
    Uploaded,
    UploadProgress,
    WorkingSample,
)
from blueno.client.transfer import Progress, Saving, Waiting, Wanted
from blueno.client.upload import PARALLEL, Options, Upload
from blueno.data.removal import in_requests
from blueno.errors import BluenoError, InvalidSpec, Rejected, Unavailable

ANY = object()  # of `label`: whichever, where None means samples without one


class Record(TypedDict, total=False):
    """What is said of a sample."""

    split: str | None
    label: Any
    group: str | None
    metadata: Mapping[str, Any] | None


class AsyncSamples:
    """The samples of one data set."""

    def __init__(self, transport: Transport, dataset: str, namespace: str) -> None:
        self._transport = transport
        self._path = asking.path_of(DATASETS, "data set", namespace, dataset)

    async def list(
        self,
        *,
        version: str | None = None,
        split: str | None = None,
        label: Any = ANY,
        prefix: str = "",
        limit: int | None = None,
    ) -> list[Sample]:
        """Samples of a sealed version (the newest unless one is named by its digest), as `iterate` gives them."""
        found = self.iterate(version=version, split=split, label=label, prefix=prefix, limit=limit)
        return [one async for one in found]

    async def iterate(
        self,
        *,
        version: str | None = None,
        split: str | None = None,
        label: Any = ANY,
        prefix: str = "",
        limit: int | None = None,
    ) -> AsyncIterator[Sample]:
        """The same one after the other, page by page, by split and key; all of one version, even if another is sealed.

        `label` is a JSON value, None for samples without one; `prefix` is how keys begin.
        """
        query = {"version": version, **_filter(split, label, prefix)}

        def pin(answer: Fields) -> None:
            query["version"] = answer.maybe("version", lambda fields: fields.text("digest"))

        async for item in asking.pages(self._transport, f"{self._path}/samples", query, limit, each=pin):
            yield Sample.parse(item, query["version"] or "")

    async def working(
        self, *, split: str | None = None, label: Any = ANY, prefix: str = "", limit: int | None = None
    ) -> AsyncIterator[WorkingSample]:
        """Samples of the working set by key: those that were added, whether or not a version holds them already.

        They come from the database, which follows within a second; `get` asks the data server itself.
        """
        query = _filter(split, label, prefix)
        async for item in asking.pages(self._transport, f"{self._path}/working", query, limit, items="samples"):
            yield WorkingSample.parse(item, label_is_text=True)

    async def get(self, key: str) -> WorkingSample:
        """One sample of the working set, as it is now. NotFound: it is not in it, though a version may hold it."""
        answer = await asking.patiently(self._transport, Request("GET", f"{self._path}/working/sample", {"key": key}))
        return WorkingSample.parse(Fields(answer.body, "sample"), label_is_text=False)

    async def facets(self, *, version: str | None = None, working: bool = False) -> Facets:
        """Splits and labels, counted: of a version, or of the working set."""
        place = f"{self._path}/working/facets" if working else f"{self._path}/facets"
        return Facets.parse((await asking.get(self._transport, place, {"version": version})).body)

    async def put(
        self,
        key: str,
        content: bytes | str | Path | BinaryIO,
        *,
        replace: bool = False,
        if_match: str | None = None,
        **record: Unpack[Record],
    ) -> str:
        """Adds one sample: "created", "same" (it was there, nothing changed) or "replaced".

        `content`: its bytes, a path, or an open file; `record`: split, label (any JSON value), group, metadata. Raises
        SampleConflict when there is another sample of that key and `replace` was not asked for, or `if_match` is not
        its etag.
        """
        sample = NewSample(key, content, **record, replace=replace or if_match is not None, if_match=if_match)
        done = await self._upload(iter((sample,)), Options(parallel=1, resumes=False))
        if done.first_refused:
            raise _refusal(done.first_refused[0])
        return "created" if done.created else "replaced" if done.replaced else "same"

    async def put_many(
        self,
        source: Source,
        *,
        describe: Describe | None = None,
        replace: bool = False,
        parallel: int = PARALLEL,
        progress: Callable[[UploadProgress], object] | None = None,
        refused: Callable[[Refused], object] | None = None,
    ) -> Uploaded:
        """Adds all files below a directory (keys are their paths in it), or an iterable of NewSamples or paths.

        `describe(key)` says split, label, group and metadata of a file, None leaves it out; `by_folders` makes one.
        Samples are refused one by one (told to `refused`, counted in the result); what ends the whole is raised.
        Whatever ended it, run it again: only what is missing is sent.
        """
        totals = contents.size_of(source, describe) if progress is not None else None
        told = None if progress is None else self._transport.told(progress)
        tell = None if refused is None else self._transport.told(refused)
        options = Options(parallel=parallel, totals=totals, progress=told, refused=tell)
        return await self._upload(contents.samples_of(source, describe, replace), options)

    async def remove(self, keys: str | Iterable[str], *, purge: bool = False) -> Removed:
        """Takes samples out of the working set; versions that hold them keep them. `purge`: their bytes go, too."""
        removed = missing = revision = 0
        for batch in in_requests((keys,) if isinstance(keys, str) else keys):
            body = {"keys": batch, "purge": purge}
            answer = await asking.patiently(self._transport, Request("POST", f"{self._path}/removals", body=body))
            fields = Fields(answer.body, "answer")
            removed, missing = removed + fields.whole("removed"), missing + fields.whole("missing")
            revision = fields.whole("revision", 0)
        return Removed(removed, missing, revision)

    async def download(
        self,
        sample: Sample | WorkingSample | str,
        target: str | Path | None = None,
        *,
        progress: Progress | None = None,
        waiting: Waiting | None = None,
    ) -> Path:
        """Saves a sample's original bytes and returns where they lie; a text is the key of one in the working set.

        `target`: a file, which is replaced, or a directory; None is the working directory. What breaks off is gone on
        with, also by a later call. The data server may have to start first: `waiting` is told so.
        """
        one = await self.get(sample) if isinstance(sample, str) else sample
        wanted = self._wanted(one)
        goal = transfer.goal_of(None if target is None else Path(target), transfer.local_name(one.key))
        told = None if progress is None else self._transport.told(progress)
        waits = None if waiting is None else self._transport.told(waiting)
        return await self._transport.work(lambda blocking: Saving(blocking, wanted, told, waits).to(goal))

    def _wanted(self, sample: Sample | WorkingSample) -> Wanted:
        if isinstance(sample, Sample):
            return Wanted(f"{self._path}/samples/{sample.row}/raw", {"version": sample.version})
        query = {"key": sample.key, "sha256": sample.sha256}
        return Wanted(f"{self._path}/working/raw", query, sha256=sample.sha256)

    async def _upload(self, samples: Iterator[NewSample], options: Options) -> Uploaded:
        def work(blocking: Blocking) -> Uploaded:
            return Upload(blocking, self._path, options).run(samples)

        return await self._transport.work(work)


class Samples(Facade[AsyncSamples]):
    """The samples of one data set."""

    list = blocking(AsyncSamples.list)
    iterate = iterating(AsyncSamples.iterate)
    working = iterating(AsyncSamples.working)
    get = blocking(AsyncSamples.get)
    facets = blocking(AsyncSamples.facets)
    put = blocking(AsyncSamples.put)
    put_many = blocking(AsyncSamples.put_many)
    remove = blocking(AsyncSamples.remove)
    download = blocking(AsyncSamples.download)


def _filter(split: str | None, label: Any, prefix: str) -> dict[str, str | None]:
    text = None if label is ANY else json.dumps(label, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"split": split, "label": text, "prefix": prefix or None}


def _refusal(refused: Refused) -> BluenoError:
    text = f"{refused.detail or refused.code}"
    if refused.code in ("conflict", "precondition_failed"):
        error: BluenoError = SampleConflict(text, refused.etag)
    elif refused.code in ("unreadable", "changed"):
        error = InvalidSpec("content", text)
    elif refused.code == "digest_mismatch":
        error = Unavailable(f"the bytes did not arrive as they were sent: {text}")
    else:
        error = Rejected(text, 413 if refused.code == "too_large" else 422)
    error.code = refused.code
    return error
