"""Another server takes over between any two steps of one that is about to write; a purge fails half-way.

A new writer removes journals that no longer count: one that is not there says so, and not that the volume is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blueno.dataserver.files import Folder
from blueno.dataserver.working_journal import Journals, Overtaken
from blueno.dataserver.working_packs import Packs, new_pack
from tests.fakes.working import new_place
from tests.unit.prep.points import in_memory

ONE, TWO, THREE = (f'{{"key":"{n}","op":"put","seq":{n}}}\n'.encode() for n in (1, 2, 3))


class Lines:
    """What counts."""

    def clear(self) -> None:
        self.found: list[bytes] = []

    def batch(self, lines: list[bytes], part: str, offset: int) -> None:
        self.found += lines


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield handle
    os.close(handle)


def read(folder: int) -> tuple[Journals, Lines]:
    lines, journals = Lines(), Journals(folder)
    journals.load(lines)
    return journals, lines


def meanwhile(patch: pytest.MonkeyPatch, one: Journals, step: str, act: Callable[[], object]) -> None:
    """`act` happens right after a step of `one`, once."""
    plain = getattr(one, step)

    def both(*arguments: object) -> object:
        patch.undo()
        found = plain(*arguments)
        act()
        return found

    patch.setattr(one, step, both)


def put_together(folder: int) -> None:
    """By another server: only its own journal is left."""
    other, lines = read(folder)
    other.replace([b"".join(line + b"\n" for line in lines.found)])


@pytest.mark.parametrize("step", ["claim", "_sync_head"])
@pytest.mark.parametrize("act", ["appends", "puts together"])
def test_who_is_overtaken_is_told_so(folder: int, monkeypatch: pytest.MonkeyPatch, step: str, act: str) -> None:
    first, _ = read(folder)
    first.append(ONE)
    one, _ = read(folder)

    def other() -> None:
        if act == "appends":
            read(folder)[0].append(TWO)
        put_together(folder)

    meanwhile(monkeypatch, one, step, other)
    with pytest.raises(Overtaken):
        one.append(THREE)
    again, _ = read(folder)
    again.append(THREE)
    wanted = [ONE, TWO, THREE] if act == "appends" else [ONE, THREE]
    assert [line + b"\n" for line in read(folder)[1].found] == wanted


def test_a_journal_put_together_is_overtaken_before_it_is_written(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = read(folder)
    one.append(ONE)
    meanwhile(monkeypatch, one, "_alone", lambda: put_together(folder))
    with pytest.raises(Overtaken):
        one.replace([TWO])
    assert [line + b"\n" for line in read(folder)[1].found] == [ONE]


def test_a_pack_that_could_not_be_deleted_is_deleted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Purged bytes are due until they are nowhere: also when the first attempt has only renamed them."""
    with in_memory() as top:
        place = new_place(top)
        packs = Packs(Folder.below(place.volume, place.root))
        with new_pack(packs) as pack:
            pack.write(b"secret")
            name = pack.seal()
        packs.unpin(name)
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", failing)
            with pytest.raises(OSError, match="cannot now"):
                packs.remove(name, lambda: None)
        assert not packs.is_gone(name)
        assert packs.remove(name, lambda: None)
        assert packs.is_gone(name)
        assert [path for path in place.root.rglob("*") if path.is_file() and path.read_bytes() == b"secret"] == []


def failing(*arguments: object, **more: object) -> None:
    raise OSError(5, "cannot now")
