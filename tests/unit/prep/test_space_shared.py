"""Two data sets on a volume that has room for one at a time."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blueno.data import files
from blueno.prep import space as space_module
from blueno.prep.pack import Packer
from blueno.prep.progress import Progressing
from blueno.prep.space import Space
from tests.fakes.full_volume import ARCHIVE, MIB, PACK, PATIENCE, Preparing, hog, let_go_of, noise, until
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import tar


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_two_that_do_not_fit_together_go_one_after_the_other(
    place: Place, small: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each needs twice its size till it is sealed, and keeps it once: 4 + 4 MiB fit into 7 only one by one."""
    small("7m")
    gate, pack = threading.Event(), Packer._pack_files

    def held(self: Packer, name: str, batch: list[Any]) -> Any:
        if self.context.config.dataset_uid == "uid-1":
            gate.wait(5 * PATIENCE)
        return pack(self, name, batch)

    monkeypatch.setattr(Packer, "_pack_files", held)
    with source_server() as server:
        server.paths["/a.tar"] = Served(tar({f"cat/{n}.npy": noise(256 << 10) for n in range(8)}, ""))
        work = archive_work(server.url("/a.tar"), pack=PACK)
        first = Preparing(place, work, dataset="team/digits")
        until(lambda: first.attempt.progress.stage == "Preparing")
        second = Preparing(place, work, dataset_uid="uid-2", root=place.volume / "ns" / "two", dataset="team/letters")
        until(second.waits)
        third = Preparing(place, work, dataset_uid="uid-3", root=place.volume / "ns" / "three", dataset="other/secret")
        until(third.waits)
        assert "are promised to data set digits; it goes on" in second.report.waiting_message
        assert "are promised to 2 data sets; it goes on" in third.report.waiting_message
        time.sleep(0.3)
        assert second.waits()
        assert not list((place.volume / "ns" / "two").rglob("*.part"))
        gate.set()
        digest = first.sealed().digest
        let_go_of(place.volume)
        assert second.sealed().digest == digest
        let_go_of(place.volume)
        until(lambda: "the data set needs" in third.report.waiting_message and third.waits())
        assert third.report.free_bytes < 4 * MIB  # two versions of 2 MiB leave room for its download, not for both
        time.sleep(0.3)
        assert third.waits()
        subprocess.run(["mount", "-o", "remount,size=20m", place.volume], check=True)
        assert third.sealed().digest == digest
    assert sorted(p.name for p in place.volume.iterdir()) == ["ns"]


def test_who_waits_behind_one_that_waits_gives_back_what_it_had_begun(
    place: Place, small: Callable[[str], None], digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two that have both begun could wait for each other for ever."""
    small("8m")
    monkeypatch.setattr(space_module, "GIVES_WAY", 0.2)
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    staging = place.root / "staging" / work.hash
    staging.mkdir(parents=True)
    (place.root / "owner.json").write_text(json.dumps({"clusterUid": "", "datasetUid": "uid-1"}))
    (staging / "begun").write_bytes(b"\1" * MIB)
    other = Space(replace(place.config, dataset_uid="uid-0"), Progressing())
    other._waiting = True
    other.left = 5 * MIB
    other._look_around()
    hog(place, keep=3 * MIB)
    attempt = Preparing(place, work)
    until(attempt.waits)
    until(lambda: not (staging / "begun").exists())
    until(lambda: files.free_and_capacity(place.volume)[0] >= 3.7 * MIB)
    other.close()
    (place.volume / "hog").unlink()
    assert attempt.sealed().digest == digest
