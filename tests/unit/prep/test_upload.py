"""Source `upload`: a volume that is opened, samples that people add, and what a seal makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import blueno
from blueno.data.volume import Volume
from blueno.names import WORKING_DIR
from blueno.prep import added, pack
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.people import People
from tests.fakes.preparation import Place
from tests.fakes.sources import class_folders, npy, png

FILES = class_folders(20)
NEW = Work({"upload": {}}, {"type": "auto"})


def seal(request: str) -> Work:
    """What somebody asks for with `blueno.dev/requested-at`."""
    return Work({"upload": {}}, {"type": "auto"}, requested_at=request)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def people(place: Place) -> People:
    """After the volume was opened."""
    assert place.prepare(NEW).opened
    return People(place.root)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples were decoded, call by call."""
    seen: list[int] = []
    real = pack.look_at_all

    def counting(contents: list[bytes]) -> object:
        seen.append(len(contents))
        return real(contents)

    monkeypatch.setattr(pack, "look_at_all", counting)
    return seen


def pointers(place: Place) -> dict[str, int]:
    return {pointer.work: pointer.sequence for pointer in Volume(place.root).pointers()}


# opening ------------------------------------------------------------------------------------------


def test_the_first_work_opens_the_volume_and_seals_nothing(place: Place) -> None:
    outcome = place.prepare(NEW)
    assert (outcome.sealed, outcome.opened, outcome.writable, outcome.code) == (False, True, True, "")
    assert outcome.capacity_bytes > 0
    assert place.files() == ["owner.json"]
    People(place.root).add(FILES)
    assert place.prepare(NEW, attempt=2).opened  # samples that are there already wait for a seal, too
    assert pointers(place) == {}


def test_the_process_that_opens_a_volume_ends_well(place: Place) -> None:
    """Its Job would count it as failed otherwise."""
    done = place.run(NEW)
    assert done.returncode == 0, done.stderr
    told = Outcome.from_json((place.volume.parent / "termination-pod").read_text())
    assert told is not None
    assert told.opened


def test_a_volume_that_may_not_be_written_is_not_opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(directory: Path, _tag: str) -> None:
        raise OSError(30, "Read-only file system", str(directory))

    monkeypatch.setattr("blueno.prep.guard.probe", refused)
    assert "mounted read-only" in place.failed(NEW, "VolumePermissionDenied").message


def test_a_seal_of_nothing_seals_nothing(place: Place, people: People) -> None:
    assert place.prepare(seal("t1")).opened
    people.add({"a.png": png(1)})
    people.remove(["a.png"])
    assert place.prepare(seal("t2")).opened
    assert pointers(place) == {}


# sealing ------------------------------------------------------------------------------------------


def test_a_seal_holds_what_was_added_with_everything_that_was_said_of_it(place: Place, people: People) -> None:
    people.add({"x/1.png": png(1), "x/2.png": png(2)}, label="cat", split="test", group="g1", metadata={"b": 1, "a": 2})
    people.add({"any text: ö ?&#": png(3)}, label={"box": [1, 2]})
    people.add({"v.npy": npy(np.arange(24, dtype="<i2").reshape(2, 3, 4))}, label="a volume", split="train")
    people.add({"gone.png": png(4)})
    people.remove(["gone.png"])
    outcome = place.sealed(seal("t1"))
    assert (outcome.samples, outcome.splits, outcome.revision, outcome.writable) == (
        4, (("train", 2), ("test", 2)), people.seq, True,
    )  # fmt: skip
    data = blueno.open_dataset(place.root, verify=True)
    assert data.keys == ["any text: ö ?&#", "v.npy", "x/1.png", "x/2.png"]
    assert data.classes == ("a volume", "cat")
    assert [sample.label for sample in data] == [{"box": [1, 2]}, "a volume", "cat", "cat"]
    assert (data[2].group, data[2].metadata, data.raw(2)) == ("g1", {"a": 2, "b": 1}, png(1))
    np.testing.assert_array_equal(data[1].image, np.arange(24).reshape(2, 3, 4))
    manifest = place.manifest(outcome)
    assert manifest["source"] == {"upload": {}, "working": {"revision": people.seq}}


def test_the_same_samples_have_the_same_digest_however_they_came(tmp_path: Path) -> None:
    digests = []
    for name, batches in (("one", [FILES]), ("many", [{key: FILES[key]} for key in reversed(FILES)])):
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name)
        place.prepare(NEW)
        for batch in batches:
            _people(place).add(batch, label="x")
        digests.append(place.sealed(seal(name)).digest)
    assert digests[0] == digests[1]


def _people(place: Place) -> People:
    """One that goes on where the others were."""
    people = People(place.root)
    people.seq = added.read_working_set(place.root).revision
    return people


def test_the_same_samples_again_are_only_looked_at(place: Place, people: People, looked: list[int]) -> None:
    people.add(FILES)
    first = place.sealed(seal("t1"))
    inode = (place.version(first) / "index.arrow").stat().st_ino
    packed = sum(looked)
    people.add({"extra.png": png(99)})
    people.remove(["extra.png"])  # another revision, the same samples
    second = place.sealed(seal("t2"))
    assert sum(looked) == packed == len(FILES)
    assert (second.digest, second.sequence, second.revision) == (first.digest, 1, people.seq)
    assert first.revision < second.revision
    assert (place.version(second) / "index.arrow").stat().st_ino == inode
    again = place.sealed(seal("t2"), attempt=2)  # an outcome that got lost is told again
    assert replace(again, free_bytes=second.free_bytes) == second
    assert list((place.root / "staging").iterdir()) == []


def test_a_version_that_is_damaged_is_packed_again(place: Place, people: People) -> None:
    people.add(FILES)
    first = place.sealed(seal("t1"))
    (place.version(first) / "data-00000.arrow").unlink()
    assert place.sealed(seal("t2")).digest == first.digest
    blueno.open_dataset(place.root, verify=True)


def test_bad_samples_are_left_out_and_looked_at_again_next_time(place: Place, people: People) -> None:
    people.add({**FILES, "bad.png": png(1)[:100]})
    place.failed(seal("t1"), "TooManyBadSamples")
    outcome = place.sealed(seal("t1"), max_bad_samples=1, attempt=2)
    assert (outcome.samples, outcome.bad_first) == (len(FILES), (("bad.png", "Truncated"),))
    assert place.sealed(seal("t2"), max_bad_samples=1).digest == outcome.digest
    place.failed(seal("t3"), "TooManyBadSamples")


def test_a_seal_that_failed_takes_what_was_put_right_when_it_is_tried_again(place: Place, people: People) -> None:
    people.add({**FILES, "bad.png": png(1)[:100]})
    place.failed(seal("t1"), "TooManyBadSamples")
    people.add({"bad.png": png(1)})
    assert place.sealed(seal("t1"), attempt=2).samples == len(FILES) + 1


def test_one_more_sample_rewrites_one_shard(place: Place, people: People) -> None:
    people.add(class_folders(300))
    small = {"shardBytes": 65536}
    place.sealed(Work({"upload": {}}, {"type": "auto"}, small, "t1"))
    first = {p.stat().st_ino for p in place.root.glob("versions/*/data-*.arrow")}
    people.add({"cat/0005.png": png(7)})
    outcome = place.sealed(Work({"upload": {}}, {"type": "auto"}, small, "t2"))
    files = list(place.version(outcome).glob("data-*.arrow"))
    assert len([p for p in files if p.stat().st_ino not in first]) == 1 < len(files)
    assert outcome.sequence == 2


def test_samples_that_come_while_it_is_sealed_are_for_the_next_seal(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pack.look_at_all

    def busy(contents: list[bytes]) -> object:
        people.add({f"late/{people.seq}.png": png(people.seq)})
        return real(contents)

    people.add(FILES)
    monkeypatch.setattr(pack, "look_at_all", busy)
    first = place.sealed(seal("t1"))
    assert (first.samples, first.revision) == (len(FILES), len(FILES))
    monkeypatch.undo()
    assert place.sealed(seal("t2")).samples == people.seq > len(FILES)


def test_what_another_attempt_has_sealed_meanwhile_counts(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod of a lost node wakes up after its successor, which has read more samples, has sealed the same work."""
    real, others = pack.Packer.run, []

    def slow(self: pack.Packer) -> object:
        records = real(self)
        if not others:
            others.append(True)
            people.add({"late.png": png(99)})
            others.append(place.sealed(seal("t1"), attempt=2, host="successor"))
        return records

    people.add(FILES)
    monkeypatch.setattr(pack.Packer, "run", slow)
    outcome = place.sealed(seal("t1"), host="sleeper")
    assert isinstance(others[1], Outcome)
    assert (outcome.digest, outcome.sequence) == (others[1].digest, 1)
    assert len(list((place.root / "versions").iterdir())) == 1


def test_samples_that_are_purged_while_they_are_sealed_are_read_again(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purge takes the pack away after it has removed the sample and moved its neighbours."""
    real, fired = pack.Packer.run, []
    people.add(FILES)
    purged = people.add({"secret.png": png(5), "neighbour.png": png(6)})

    def purging(self: pack.Packer) -> object:
        if not fired:
            fired.append(True)
            people.remove(["secret.png"])
            people.add({"neighbour.png": png(6)})
            purged.unlink()
        return real(self)

    monkeypatch.setattr(pack.Packer, "run", purging)
    outcome = place.sealed(seal("t1"))
    assert (outcome.samples, outcome.bad_samples) == (len(FILES) + 1, 0)
    assert "secret.png" not in blueno.open_dataset(place.root, verify=True).keys


def test_a_pack_that_is_lost_costs_its_samples_and_says_which(place: Place, people: People) -> None:
    people.add(FILES)
    people.add({"lost.png": png(5)}).unlink()
    outcome = place.sealed(seal("t1"), max_bad_samples=1)
    assert outcome.bad_first == (("lost.png", "MissingFile"),)


def test_bytes_that_are_not_those_that_were_sent_are_left_out(place: Place, people: People) -> None:
    people.add(FILES)
    path = people.add({"a.png": png(5), "b.png": png(6)})
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert place.sealed(seal("t1"), max_bad_samples=1).bad_first == (("a.png", "BadChecksum"),)


def test_a_damaged_journal_is_said_and_nothing_is_sealed(place: Place, people: People) -> None:
    people.add(FILES)
    people.add({"a.png": png(1)})
    (journal,) = (place.root / WORKING_DIR).iterdir()
    data = bytearray(journal.read_bytes())
    data[200] ^= 1
    journal.write_bytes(data)
    assert "restore" in place.failed(seal("t1"), "PrepFailed").message
    assert pointers(place) == {}


def test_hostile_labels_make_no_endless_manifest(place: Place, people: People) -> None:
    people.add({"a.png": png(1)}, label="x" * 60_000)
    people.add({"b.png": png(2)}, label="b", split="s" * 128)
    outcome = place.sealed(seal("t1"))
    assert (outcome.classes, outcome.samples) == (0, 2)
    assert Outcome.from_json(outcome.to_json()) == outcome
