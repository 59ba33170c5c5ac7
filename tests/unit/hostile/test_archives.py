"""Hostile archives: each through a whole preparation. A bad member fails alone, a bad archive as a whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.data.badsample import BadSample
from blueno.prep.archives import BadArchive, members_of
from tests.hostile.archives import TARS
from tests.hostile.child import Hostiles
from tests.hostile.items import Item
from tests.hostile.zips import ZIPS
from tests.unit.hostile.conftest import Around, judge

PREPARE = "tests.hostile.runs:prepare_archives"
ARCHIVES = {**{f"tar: {name}": item for name, item in TARS.items()}, **{f"zip: {n}": item for n, item in ZIPS.items()}}


def prepared(hostiles: Hostiles, around: Around, item: Item) -> None:
    around.put("a.bin", item.make())
    done = hostiles.run(PREPARE, folder=str(around.folder), names=["a.bin"], layout=item.layout, look=not item.fails)
    judge(item, done.must())
    around.check()
    left = [p for p in around.folder.rglob("*") if p.name.endswith(".tmp")]
    assert not left, "a bomb stays on the volume though nobody will go on with it"


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_used_as_far_as_it_is_good(hostiles: Hostiles, around: Around, name: str) -> None:
    prepared(hostiles, around, ARCHIVES[name])


NAMES = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), min_size=1, max_size=150)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


@given(files=st.dictionaries(NAMES, st.binary(max_size=1100), max_size=6), kind=st.sampled_from(FORMATS))
def test_what_tarfile_writes_is_read_as_tarfile_reads_it(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], kind: int
) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 0.5 if kind == tarfile.PAX_FORMAT else 0
            try:
                archive.addfile(member, io.BytesIO(data))
            except ValueError:  # longer than this format can say
                continue
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        expected = {found.name: archive.extractfile(found).read() for found in archive if found.isreg()}  # type: ignore[union-attr]
    found = listed(tmp_path_factory, out.getvalue())
    refused = {called for name, _ in found["bad"] for called in (name, name.rstrip("/"))}  # "a/" is "a" to tarfile
    for name, data in expected.items():
        plain = name.removeprefix("./")
        assert found["entries"].get(plain) == data or {name, plain} & refused, name
    assert len(found["entries"]) + len(found["bad"]) >= len(expected)


def listed(factory: pytest.TempPathFactory, data: bytes) -> dict[str, Any]:
    folder = factory.mktemp("x")
    path = Path(folder, "x")
    path.write_bytes(data)
    members = members_of(path, folder / "scratch", "t")
    return {"entries": {name: entry.read() for name, entry in members.entries.items()}, "bad": members.bad}


SMALL = [item.make() for name, item in TARS.items() if name in ("hard link", "PAX slip", "old sparse file")] + [
    ZIPS[name].make() for name in ("packed by bzip2", "packed by LZMA", "case twins in a zip", "overlapping members")
]


@given(good=st.sampled_from(SMALL), data=st.data())
def test_damage_anywhere_raises_bad_archive_or_bad_sample(
    tmp_path_factory: pytest.TempPathFactory, good: bytes, data: st.DataObject
) -> None:
    broken = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=6)):
        broken[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 40) | st.just(0))
    folder = tmp_path_factory.mktemp("x")
    path = Path(folder, "x")
    path.write_bytes(bytes(broken[: len(broken) - cut]))
    try:
        members = members_of(path, folder / "scratch", "t")
    except BadArchive as error:
        assert str(error)
        return
    for entry in members.entries.values():
        try:
            assert len(entry.read()) == entry.size
        except BadSample as bad:
            assert bad.code
