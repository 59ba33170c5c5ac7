"""A working set on a data server: what tests send to it, and how they look at what lies on the volume."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from blueno import names
from blueno.data.bundle import Entry, write_bundle
from blueno.data.working import WorkingSet, content, read_working_set
from blueno.dataserver.listen import Limits
from tests.fakes.data_server import Answer, Served, bearer, serving
from tests.fakes.preparation import Place

WRITER = {"actions": ("read", "write")}
_LARGE = 1 << 20


def new_place(top: Path, uid: str = "uid-1") -> Place:
    """A data set's directory that nothing was sealed in yet."""
    place = Place(top)
    place.root.mkdir(parents=True)
    (place.root / names.OWNER_FILE).write_text(json.dumps({"clusterUid": "", "datasetUid": uid}))
    return place


def entry(key: str, data: bytes, **more: Any) -> tuple[Entry, bytes]:
    """A sample for a bundle."""
    return Entry(key, len(data), **more), data


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Working:
    """Talks to a data server about its working set."""

    def __init__(self, served: Served, place: Place) -> None:
        self.served, self.place = served, place

    async def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """With a grant to write."""
        given = {**bearer(**WRITER), **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = f"{self.served.url}/v1/working{path}"
        data = (
            io.BytesIO(body) if isinstance(body, bytes) and len(body) > _LARGE else body
        )  # in pieces, as aiohttp wants
        async with self.served.session.request(method, url, data=data, headers=given) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def bundle(self, *samples: tuple[Entry, bytes], by: str = "eve@example.org") -> dict[str, Any]:
        """Sends samples; the answer, which must be one."""
        answer = await self.send("POST", "/bundles", write_bundle(samples), **bundle_headers(by))
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
        """The same for plain samples, none of which may be refused."""
        found = await self.bundle(*(entry(key, data, **more) for key, data in files.items()))
        assert found["refused"] == [], found
        return found

    async def remove(self, keys: Iterable[str], purge: bool = False) -> dict[str, Any]:
        """Takes samples out."""
        body = json.dumps({"keys": list(keys), "purge": purge}).encode()
        answer = await self.send("POST", "/removals", body, Content_Type="application/json", Blueno_Subject="adam")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found

    async def about(self) -> dict[str, int]:
        """How much there is."""
        answer = await self.send("GET", "")  # by a new grant: some ask after many minutes
        assert answer.status == 200, answer
        found: dict[str, int] = answer.json()
        return found

    async def changes(self, after: int = 0, limit: int = 20_000) -> tuple[int, list[dict[str, Any]]]:
        """(revision, lines)."""
        answer = await self.served.get(f"/v1/working/changes?after={after}&limit={limit}")
        assert answer.status == 200, answer
        return int(answer.headers[names.REVISION]), [json.loads(line) for line in answer.body.splitlines()]

    def read(self) -> WorkingSet:
        """What a reader of the volume sees."""
        return read_working_set(self.place.root)

    def contents(self) -> dict[str, bytes]:
        """Every sample's bytes, as a reader of the volume gets them."""
        return contents(self.place.root)


def contents(root: Path) -> dict[str, bytes]:
    """Key → bytes, compared with their sums."""
    return {key: content(root, sample) for key, sample in read_working_set(root).samples.items()}


def bundle_headers(by: str = "eve@example.org") -> dict[str, str]:
    return {"Content_Type": names.BUNDLE_TYPE, "Blueno_Subject": by}


@asynccontextmanager
async def working_server(place: Place, limits: Limits | None = None) -> AsyncIterator[Working]:
    """A data server of the real code in this process."""
    async with serving(place, limits) as served:
        yield Working(served, place)
