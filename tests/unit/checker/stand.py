"""A small world of real parts for planted bugs: the operator, preparations, volumes, the mirror, the recorder's store.

Only kopf is left out (the operator hears of everything by its sweep, as when every watch is broken) and Kubernetes is
played: tests/fakes/api_server.py and node.py. Time passes when a test says so: what the operator wants to look at
again later is due in the next round.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kubernetes.aio import client as kube_client

from blueno import names
from blueno.config import OperatorConfig
from blueno.db.config import DatabaseConfig
from blueno.db.ingest import VersionMeta
from blueno.errors import BluenoError
from blueno.kube import Cluster
from blueno.recorder.config import RecorderConfig
from blueno.recorder.store import Store
from blueno.resources.indexing import IndexReport
from controllers.cache import Cache
from controllers.dataset.kind import DatasetKind
from controllers.engine import Engine
from controllers.heard import NOTHING, Heard
from controllers.holds import Holds
from controllers.mirror import Mirror
from controllers.outputs.kind import OutputsKind
from controllers.queue import WorkQueue
from controllers.source import Source, watched
from controllers.sweep import Sweep
from controllers.training_run.kind import TrainingRunKind
from controllers.world import World
from controllers.writer import Writer
from tests.checker import Canary, Snapshot, Text
from tests.checker.gather.objects import gather_bodies
from tests.checker.gather.rows import gather_rows
from tests.checker.gather.volume import gather_reservations, gather_volume
from tests.fakes.api_server import ApiServer
from tests.fakes.sources import class_folders, tar
from tests.unit.checker.node import Node

LATER = 100.0  # seconds that pass from round to round
ROUNDS = 60
PATIENCE = 60.0
FILES = {**class_folders(4), "cat/bad.png": b"", "README": b"x"}  # 8 samples, one that is bad, one that is none
DECLARED = len(FILES)
BAD = {f"cat/{number}{'x' * 200}.png": b"" for number in range(20)}
SEED = {"a.tar": tar(FILES, ""), "b.tar": tar(class_folders(5), ""), "bad.tar": tar({**FILES, **BAD}, "")}
CONFIG = OperatorConfig(prep_image="example.org/prep:1", allow_host_path=True)


class Operator:
    """The operator's parts, without kopf. `epoch` is its Lease's."""

    def __init__(self, cluster: Cluster, database: DatabaseConfig | None, epoch: int = 1) -> None:
        self.clock, self.epoch = 0.0, epoch
        self.heard: dict[str, Heard] = {}
        self.cache, self.queue, holds = Cache(), WorkQueue(lambda: self.clock, lambda: 0.5), Holds()
        world = World(CONFIG, "c0ffee00-0000-4000-8000-000000000000", "-----CERT-----\n", "{}")
        kinds = (
            DatasetKind(world, self.cache, holds),
            TrainingRunKind(world, self.cache),
            OutputsKind(world, self.cache),
        )
        writer = Writer(cluster, self.cache, contextlib.nullcontext)
        self.engine = Engine(self.cache, self.queue, writer, lambda uid: self.heard.get(uid, NOTHING), holds)
        for kind in kinds:
            self.engine.register(kind)
        self.source = Source(self.cache, self.queue, *(kind.interested for kind in kinds))
        self.sweep = Sweep(cluster, self.cache, self.queue, self.source, watched(CONFIG), writer)
        self.mirror = Mirror(database.url_file, lambda: self.epoch) if database is not None else None
        for shown in names.KINDS if self.mirror is not None else ():
            self.cache.observe(shown, self.mirror.observer(shown))

    async def look(self) -> None:
        """Hear of everything, and work on it until nothing is due."""
        self.clock += LATER
        await self.sweep.once()
        await self.sweep.once()  # what differs twice was missed by a watch
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.01):
                    key = await self.queue.take()
                try:
                    await self.engine.reconcile(key)
                    self.queue.succeeded(key)
                except BluenoError:
                    self.queue.failed(key)
                finally:
                    self.queue.done(key)

    def told(self) -> bool:
        """Whether the mirror has written everything."""
        if self.mirror is None:
            return True
        changes = self.mirror._changes
        return not changes._waiting and changes._taken_since is None


@dataclass
class Stand:
    """The world."""

    api: ApiServer
    node: Node
    cluster: Cluster
    database: DatabaseConfig | None
    operators: list[Operator] = field(default_factory=list)

    async def start(self, epoch: int = 1) -> Operator:
        """One more operator."""
        operator = Operator(self.cluster, self.database, epoch)
        self.operators.append(operator)
        await operator.sweep.fill()
        if operator.mirror is not None:
            operator.mirror.start()
        return operator

    def dataset(self, name: str = "mnist", namespace: str = "lab", file: str = "a.tar", **spec: Any) -> dict[str, Any]:
        """What a user applies, applied."""
        source = {"archive": {"files": [{"url": f"file:///{file}"}], "allowUnverified": True}}
        meta = {"name": name, "namespace": namespace}
        return self.api.put({"kind": names.DATASET_KIND, "metadata": meta, "spec": {"source": source, **spec}})

    def run(self, name: str = "train", namespace: str = "lab", **spec: Any) -> dict[str, Any]:
        meta = {"name": name, "namespace": namespace}
        spec = {"image": "registry.example.org/train:1", "datasets": [{"name": "mnist"}], "backoffLimit": 0, **spec}
        return self.api.put({"kind": names.TRAINING_RUN_KIND, "metadata": meta, "spec": spec})

    async def rest(self) -> None:
        """Until nobody has anything to do."""
        for _ in range(ROUNDS):
            writes = len(self.api.writes())
            for operator in self.operators:
                await operator.look()
            moved = await self.node.once()
            await self._record()
            if not moved and writes == len(self.api.writes()):
                return
        raise AssertionError(f"no rest after {ROUNDS} rounds")

    async def _record(self) -> None:
        """What the recorder does, with its own store, but reading volumes in place of data servers."""
        if self.database is None:
            return
        end = time.monotonic() + PATIENCE
        while not all(operator.told() for operator in self.operators):
            assert time.monotonic() < end, "the mirror does not write"
            await asyncio.sleep(0.005)
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        store = Store(RecorderConfig(self.database, "", Path("/nowhere")))
        try:
            pending, orphans = store.look()
            if orphans:
                store.drop(orphans)
            for one in pending:
                for directory in self.directories():
                    for pointer in directory.pointers.values() if directory.uid == one.uid else ():
                        self._load_version(store, one.uid, directory.version(pointer["digest"]), pointer)
                store.note_listing(one.uid, one.digest, [one.digest])
                self._tell(one.uid, one.digest)
        finally:
            store.close()

    def _load_version(self, store: Store, uid: str, version: Any, pointer: Any) -> None:
        manifest = version.manifest
        meta = VersionMeta(
            *(uid, pointer["digest"], pointer["sequence"], pointer["sealedAt"], manifest["samples"], manifest["bytes"]),
            {key: value for key, value in manifest.items() if key != "shards"},
        )
        path = next(p for v in self.node.volumes() for p in v.rglob(f"versions/{version.folder}/index.arrow"))
        store.load(meta, path)

    def _tell(self, uid: str, digest: str) -> None:
        version = next(v for d in self.directories() if d.uid == uid for v in d.versions if v.folder == digest[:16])
        for operator in self.operators:
            report = IndexReport(uid, digest, "Indexed", len(version.rows))
            operator.heard[uid] = replace(operator.heard.get(uid, NOTHING), index=report)
            operator.queue.add((names.DATASET_KIND, uid))

    def directories(self) -> tuple[Any, ...]:
        return tuple(found for volume in self.node.volumes() for found in gather_volume(volume))

    def snapshot(self, before: Snapshot | None = None, canaries: tuple[Canary, ...] = (), log: str = "") -> Snapshot:
        """Everything, as it is now."""
        rows, texts = None, (Text("log", log),)
        if self.database is not None:
            rows, logs = gather_rows(self.database.url_file.read_text().strip())
            texts += logs
        declared = {
            body["metadata"]["uid"]: DECLARED
            for body in self.api.all(names.DATASET_KIND)
            if body["spec"]["source"]["archive"]["files"][0]["url"].endswith("/a.tar")
        }
        return Snapshot(
            objects=gather_bodies(self.api.objects.values()),
            directories=self.directories(),
            reservations=tuple(uid for volume in self.node.volumes() for uid in gather_reservations(volume)),
            rows=rows,
            texts=texts,
            canaries=canaries,
            before=before,
            declared=declared,
        )


@asynccontextmanager
async def a_stand(folder: Path, database: DatabaseConfig | None = None) -> AsyncIterator[Stand]:
    """An empty cluster with one operator on it."""
    volumes = folder / "volumes"
    volumes.mkdir()
    async with ApiServer().serving() as api:
        cluster = Cluster(kube_client.Configuration(host=api.url))
        stand = Stand(api, Node(api, volumes, SEED), cluster, database)
        try:
            await stand.start()
            yield stand
        finally:
            for operator in stand.operators:
                if operator.mirror is not None:
                    await asyncio.to_thread(operator.mirror.stop)
            await cluster.close()
