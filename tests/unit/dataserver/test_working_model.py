"""The working set against a dict: any order of changes by two servers on one volume, restarts and compactions between.

Two servers at a time must not be, and cannot be excluded. What either has acknowledged is there afterwards, once.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from blueno.data.bundle import Entry, write_bundle
from blueno.data.digest import canonical_json
from blueno.data.working import read_working_set
from blueno.dataserver import working_set, working_upkeep
from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Problem
from blueno.dataserver.working_bundle import Incoming
from blueno.dataserver.working_commit import Removal
from blueno.dataserver.working_journal import Changed, Overtaken
from blueno.dataserver.working_opened import Opened
from blueno.dataserver.working_set import WorkingSet
from tests.fakes.preparation import Place
from tests.fakes.working import contents, new_place
from tests.fuzz import scaled
from tests.unit.prep.points import in_memory

KEYS = [f"{n}" for n in range(6)] + ["ä/\U0001f600", '"\\', "x" * 1024]
LABELS = st.none() | st.text('ab\\"é', max_size=3) | st.integers(0, 3) | st.just({"op": "put", "seq": 10**6})
SAMPLE = st.tuples(st.sampled_from(KEYS), st.binary(min_size=1, max_size=4), LABELS)
PUT = st.tuples(st.just("put"), st.lists(SAMPLE, min_size=1, max_size=5, unique_by=lambda s: s[0]))
REMOVE = st.tuples(st.sampled_from(["remove", "purge"]), st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
OTHERS = st.tuples(st.sampled_from(["restart", "compact", "look"]), st.just([]))
OPERATIONS = st.lists(st.tuples(st.sampled_from([0, 1]), PUT | PUT | REMOVE | OTHERS), max_size=25)

Model = dict[str, tuple[bytes, str | None]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody retreats, everybody looks anew: the test is about safety."""
    monkeypatch.setattr(working_set, "RETREAT_SECONDS", 0.0)
    monkeypatch.setattr(working_set, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(working_set, "LEAD_SECONDS", 0.0)


class Pair:
    """Two servers' working sets on one volume."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.sets = [self._new(), self._new()]

    def _new(self) -> WorkingSet:
        return WorkingSet(lambda: Folder.below(self.place.volume, self.place.root))

    def restart(self, which: int) -> None:
        self.sets[which].close()
        self.sets[which] = self._new()

    def close(self) -> None:
        for one in self.sets:
            one.close()


def put(to: WorkingSet, samples: list[tuple[str, bytes, Any]]) -> dict[str, Any]:
    """A bundle as an application takes it in, again as long as another server has taken over."""
    body = write_bundle((Entry(k, len(d), label=label, replace=True), d) for k, d, label in samples)
    while True:
        incoming = Incoming(to, len(body))
        try:
            incoming.feed(body)
            incoming.finish()
            found: dict[str, Any] = incoming.submit("t").result(30)
            incoming.settle()
            return found
        except Problem as problem:
            assert problem.code in ("overtaken", "busy"), problem
        finally:
            incoming.close()


def remove(to: WorkingSet, keys: list[str], purge: bool) -> None:
    while True:
        try:
            to.submit(Removal(keys, purge, "t")).result(30)
            return
        except Problem as problem:
            assert problem.code in ("overtaken", "busy"), problem


def change(pair: Pair, which: int, what: str, given: list[Any], model: Model) -> None:
    one = pair.sets[which]
    if what == "put":
        assert put(one, given)["refused"] == []
        for key, data, label in given:
            model[key] = (data, None if label is None else canonical_json(label))
    elif what in ("remove", "purge"):
        remove(one, given, what == "purge")
        for key in given:
            model.pop(key, None)
    elif what == "restart":
        pair.restart(which)
    elif what == "compact":
        one.submit(compact).result(30)
    else:
        state = one.ready().state
        assert (len(state), state.bytes) == (len(model), sum(len(data) for data, _ in model.values()))


def compact(opened: Opened) -> None:
    """Unless another server has written meanwhile."""
    if opened.is_ours and opened.journals is not None:
        with suppress(Changed, Overtaken):
            opened._compact(opened.journals)


def fed(one: WorkingSet) -> Model:
    """What a follower of the feed knows: key and label."""
    found: dict[str, Any] = {}
    for piece in one.ready().changes(0, 20_000)[1]:
        for line in piece.splitlines():
            body = json.loads(line)
            found.pop(body["key"], None)
            if body["op"] == "put":
                found[body["key"]] = body.get("label")
    return found


@settings(max_examples=scaled(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_whatever_two_servers_do_is_what_a_dict_says(operations: list[Any]) -> None:
    with in_memory() as top:
        pair, model = Pair(new_place(top)), Model()
        try:
            for which, (what, given) in operations:
                note(f"{which} {what} {given}")
                change(pair, which, what, given, model)
            for one in pair.sets:
                state = one.ready().state
                assert len(state) == len(model)
                for key, (_, label) in model.items():
                    found = state.get(key)
                    assert found is not None
                    assert (found.label, state.by_seq(found.seq)) == (label, found)
                labels = {key: None if label is None else json.loads(label) for key, (_, label) in model.items()}
                assert fed(one) == labels
            samples = read_working_set(pair.place.root).samples
            assert {key: (data, samples[key].label) for key, data in contents(pair.place.root).items()} == model
            seqs = [sample.seq for sample in samples.values()]
            assert sorted(set(seqs)) == seqs
        finally:
            pair.close()


def test_two_servers_that_write_at_the_same_time_lose_nothing() -> None:
    """Each acknowledges only what the other will find, whoever takes over from whom, and however often."""
    with in_memory() as top:
        pair = Pair(new_place(top))
        errors: list[BaseException] = []

        def write(which: int) -> None:
            try:
                for number in range(40):
                    key = f"{which}-{number}"
                    put(pair.sets[which], [(key, key.encode(), None)])
                    if number % 5 == 4:
                        remove(pair.sets[which], [f"{which}-{number - 2}"], purge=True)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pair.close()
        assert errors == []
        wanted = {f"{which}-{n}" for which in (0, 1) for n in range(40) if n % 5 != 2}
        assert contents(pair.place.root) == {key: key.encode() for key in wanted}


def test_journals_are_put_together_when_most_of_them_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_upkeep, "SLACK", 20)
    with in_memory() as top:
        pair = Pair(new_place(top))
        one = pair.sets[0]
        for number in range(60):
            put(one, [("a", b"%d" % number, "x"), (f"b{number % 3}", b"b", None)])
        remove(one, ["b1"], purge=False)
        opened = one.ready()
        lines = sum(path.read_bytes().count(b'"seq":') for path in (pair.place.root / "working").iterdir())
        assert opened.lines < 40
        assert lines == opened.lines
        assert fed(one) == {"a": "x", "b0": None, "b2": None}
        pair.restart(0)
        assert pair.sets[0].ready().lines == lines
        assert fed(pair.sets[0]) == {"a": "x", "b0": None, "b2": None}
        pair.close()


@contextmanager
def written(samples: list[tuple[str, bytes, Any]]) -> Iterator[Pair]:
    with in_memory() as top:
        pair = Pair(new_place(top))
        for sample in samples:
            put(pair.sets[0], [sample])
        pair.close()
        yield pair


def journal(pair: Pair) -> Path:
    (found,) = (pair.place.root / "working").iterdir()
    return found


def test_a_journal_may_end_anywhere_and_whole_batches_count() -> None:
    with written([("a", b"1", None), ("b", b"2", None), ("c", b"3", None)]) as pair:
        data = journal(pair).read_bytes()
        ends = [at + 1 for at, line in _lines(data) if b'"op":"commit"' in line]
        for size in range(len(data) + 1):
            journal(pair).write_bytes(data[:size])
            assert len(read_working_set(pair.place.root).samples) == sum(end <= size for end in ends), size
            journal(pair).write_bytes(data[:size] + b"\0" * 30)
            assert len(read_working_set(pair.place.root).samples) == sum(end <= size for end in ends), size


def test_who_takes_over_a_torn_journal_goes_on_after_its_last_whole_batch() -> None:
    with written([("a", b"1", None), ("b", b"2", None)]) as pair:
        path = journal(pair)
        path.write_bytes(path.read_bytes()[:-5])
        pair.restart(1)
        assert put(pair.sets[1], [("c", b"3", None), ("b", b"2", None)])["created"] == 2
        pair.close()
        with path.open("ab") as file:  # what the dead one still had to say comes too late
            file.write(b'{"by":"x","key":"a","op":"remove","seq":2,"time":""}\n{"op":"commit","sum":"00000000"}\n')
        assert sorted(contents(pair.place.root)) == ["a", "b", "c"]


@pytest.mark.parametrize("at", [0.2, 0.5])
def test_damage_before_what_was_acknowledged_is_never_passed_over(at: float) -> None:
    with written([(key, key.encode(), None) for key in "abcd"]) as pair:
        data = bytearray(journal(pair).read_bytes())
        data[int(len(data) * at)] ^= 1
        journal(pair).write_bytes(data)
        before = journal(pair).read_bytes()
        pair.restart(0)
        with pytest.raises(Problem) as found:
            pair.sets[0].ready()
        assert found.value.code == "working_set_damaged"
        assert journal(pair).read_bytes() == before
        pair.close()


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(where it ends, line)."""
    at = -1
    for line in data.splitlines(keepends=True):
        at += len(line)
        yield at, line


def test_cleaning_up_leaves_nothing_behind() -> None:
    """What was refused, or sent in vain, is on the volume no more."""
    with in_memory() as top:
        pair = Pair(new_place(top))
        put(pair.sets[0], [("a", b"1", None)])
        one = pair.sets[0]
        body = write_bundle([(Entry("a", 5), b"other")])
        incoming = Incoming(one, len(body))
        incoming.feed(body)
        incoming.finish()
        assert len(incoming.submit("t").result(30)["refused"]) == 1
        incoming.close()
        incoming = Incoming(one, None)
        incoming.feed(write_bundle([(Entry("b", 50), b"x" * 50)])[:-10])
        incoming.close()
        one.submit(lambda _: None).result(30)
        files = [path for path in (pair.place.root / "objects").rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in files] == [b"1"]
        pair.close()
        shutil.rmtree(pair.place.root)
