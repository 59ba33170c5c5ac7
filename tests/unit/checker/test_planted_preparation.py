"""Bugs in preparation and publishing, planted into the real code, run by real preparations: each is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueno.data import files, shards
from blueno.data.digest import RowsDigest
from blueno.prep.badcount import BadCount
from blueno.prep.guard import take_ownership
from blueno.prep.pack import Packer
from blueno.prep.prepare import Attempt
from blueno.prep.reuse import Previous
from blueno.prep.seal import Sealer, _numbered
from blueno.prep.sealed import point
from blueno.prep.sources import archive
from tests.checker import Canary, Invariant, Snapshot, assert_sound
from tests.checker.gather.volume import gather_reservations, gather_volume
from tests.checker.recorder import Recorder
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, png, tar, zipped
from tests.unit.checker.bugs import Bug, named

PACK = {"shardBytes": 65536}
TOKEN = "canary-5f1c0e8b7d"
FOLDERS = {f"{split}/{key}": data for split in ("train", "test") for key, data in class_folders(12).items()}
FILES = {**FOLDERS, "train/cat/bad.png": b"", "README": b"x"}
ARCHIVE, OTHER = tar(FILES, ""), tar(class_folders(5), "")


def prepared(place: Place, *archives: bytes, declared: int = 0) -> Snapshot:
    """One work after the other, every call recorded."""
    recorder = Recorder(place.volume)
    before: Snapshot | None = None
    with recorder.recording():
        for number, archive in enumerate(archives):
            work = archive_work(place.put(f"{number}.tar", archive), pack=PACK)
            place.sealed(work, max_bad_samples=3)
            recorder.told(place.root, work.hash)
            before = seen(place, recorder, before, declared)
    assert before is not None
    return before


def seen(place: Place, recorder: Recorder | None, before: Snapshot | None, declared: int) -> Snapshot:
    return Snapshot(
        directories=gather_volume(place.volume),
        reservations=gather_reservations(place.volume),
        trace=recorder.trace if recorder is not None else None,
        declared={"uid-1": declared} if declared else {},
        before=before,
    )


def one_work(place: Place) -> Snapshot:
    return prepared(place, ARCHIVE, declared=len(FILES))


def two_works(place: Place) -> Snapshot:
    return prepared(place, ARCHIVE, OTHER)


def a_duplicate(place: Place) -> Snapshot:
    """Two files of one name in two archives."""
    urls = [
        place.put(name, tar({"cat/1.png": png(1), "dog/1.png": png(seed)}, ""))
        for seed, name in ((2, "a.tar"), (3, "b.tar"))
    ]
    place.sealed(archive_work(*urls), max_bad_samples=3)
    return seen(place, None, None, declared=4)


def a_secret_in_a_query(place: Place) -> Snapshot:
    with source_server() as server:
        server.paths["/a.zip"] = Served(zipped(class_folders(3)))
        place.sealed(archive_work(server.url(f"/a.zip?token={TOKEN}")))
    snapshot = seen(place, None, None, declared=6)
    return Snapshot(directories=snapshot.directories, declared=snapshot.declared, canaries=(Canary(TOKEN),))


STORIES = (one_work, two_works, a_duplicate, a_secret_in_a_query)
EARLY, KEPT = Invariant.EARLY_TRUTH, Invariant.CONSERVATION
FSYNC = "os.fsync(file.fileno())"
BUGS = (
    Bug("raw shards without fsync", one_work, shards._HashingFile.finish, "os.fsync(self._file.fileno())", "pass",
        EARLY, ".arrow holds is durable"),
    Bug("dense shards without fsync", one_work, shards.write_dense, FSYNC, "pass", EARLY, ".npy holds is durable"),
    Bug("fsync before flush", one_work, files.write_file, f"file.flush()\n        {FSYNC}", f"{FSYNC}; file.flush()",
        EARLY, "holds is durable"),
    Bug("a rename without an fsync of its directory", one_work, files.publish, "sync_directory(final.parent)", "pass",
        EARLY, "is told to be sealed before the name"),
    Bug("a pointer before its version is durable", one_work, point, "sync_directory(volume.versions)",
        "pass", EARLY, "before that name is durable"),
    Bug("new directories without fsync", one_work, take_ownership, "sync_names(volume.root, config.volume)", "pass",
        EARLY, "is told to be sealed before the name"),
    Bug("published early", one_work, Sealer._rename, "rename(folder, target)",
        "write_file(self.volume.pointer_file(manifest.work), Pointer(manifest.work, manifest.digest, 1, "
        "manifest.sealed_at).to_json().encode(), self.context.tag); rename(folder, target)",
        EARLY, "which is not there"),
    Bug("written in place", one_work, files.write_file, 'temporary = final.with_name(f".{final.name}.{tag}.tmp")',
        "temporary = final", EARLY, "is written under its own name"),
    Bug("a record before its shard", one_work, Packer._finish, "record.write(self.folder, self.context.tag)",
        "(self.folder / record.raw.name).write_bytes(b'torn'); record.write(self.folder, self.context.tag)",
        EARLY, "speaks of a shard before"),
    Bug("the last batch forgotten", one_work, Packer._batches, "    if batch:\n        yield batch",
        "    if len(batch) > 10**6:\n        yield batch", KEPT, "that were declared"),
    Bug("a duplicate that nobody counts", a_duplicate, archive._add, "bad.append((key, BadSampleCode.DUPLICATE_KEY))",
        "pass", KEPT, "that were declared"),
    Bug("a sample taken twice", one_work, Packer._batches, "batch.append(sample)", "batch += [sample, sample]",
        KEPT, "is there 2 times"),
    Bug("all shards numbered alike", one_work, _numbered, "np.arange(len(records), dtype=np.int32)",
        "np.zeros(len(records), dtype=np.int32)", KEPT, "do not name every place"),
    Bug("pixels of another sample", one_work, Packer._write, "write_dense(base.with_suffix(\".npy\"), pixels, tag)",
        "write_dense(base.with_suffix('.npy'), pixels[::-1], tag)", KEPT, "are not those of its file"),
    Bug("a stray file in a version", one_work, Sealer._publish, "sync_directory(folder)",
        "(folder / 'core').write_bytes(b'x'); sync_directory(folder)", KEPT, "belongs to no sample"),
    Bug("a bad sample that is not counted", one_work, BadCount.add, "self.count += 1", "pass",
        Invariant.HONESTY, "by code they are 1"),
    Bug("a code of no list", one_work, BadCount.add, "self.codes[code.value] += 1", "self.codes['Oops'] += 1",
        Invariant.HONESTY, "'Oops', which is on no list"),
    Bug("a digest without labels", one_work, RowsDigest.of, "field(labels[i])", "field(None)",
        Invariant.REPLAY, "its manifest says"),
    Bug("a digest by the order of packing", one_work, RowsDigest.of,
        "sorted(range(len(keys)), key=lambda i: (splits[i], keys[i]))", "list(range(len(keys)))",
        Invariant.REPLAY, "its manifest says"),
    Bug("sealed files that can be written", one_work, Sealer._publish, "file.chmod(FILE_MODE)", "file.chmod(0o644)",
        Invariant.REPLAY, "can be written though"),
    Bug("a sealed version that is changed", two_works, Previous.of.__func__, "pointer = volume.current()",
        "pointer = volume.current(); path = pointer and volume.index(pointer.digest)\n        if path:\n"
        "            path.chmod(0o644); path.write_bytes(path.read_bytes() + b' '); path.chmod(0o444)",
        Invariant.REPLAY, "has changed since it was sealed"),
    Bug("two versions of one number", two_works, point, "sequence += 1", "pass",
        Invariant.FENCING, "are both version 1"),
    Bug("staging that stays", one_work, Attempt._clear_staging_of,
        "remove_tree(self.volume.staging / work)", "pass",
        Invariant.BOUNDS, "is left of a sealed work"),
    Bug("a query in the manifest", a_secret_in_a_query, Sealer._source,
        "without_secrets(self.context.work.source)", "self.context.work.source", Invariant.SECRECY, "shows secret"),
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_found_without_a_bug(place: Place, story: object) -> None:
    assert_sound(story(place))  # type: ignore[operator]


@named(BUGS)
def test_a_planted_bug_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch, bug: Bug) -> None:
    bug.plant(monkeypatch)
    bug.assert_caught(bug.story(place))
