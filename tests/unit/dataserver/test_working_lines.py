"""Lines of a bundle's head on the server: what many say alike is looked at once, and never taken for something else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from blueno.data.bundle import Entry
from blueno.dataserver.working_judge import Reader
from tests.fakes.working import Working, entry, new_place, sha256, working_server


@pytest_asyncio.fixture
async def working(tmp_path: Path) -> AsyncIterator[Working]:
    async with working_server(new_place(tmp_path)) as found:
        yield found


async def test_a_wrong_line_that_names_an_upload_is_refused_alone(working: Working) -> None:
    wrong = Entry("a", 3, split="\n", upload="0" * 32), b""
    found = await working.bundle(wrong, entry("b", b"two"))
    assert [(one["key"], one["code"]) for one in found["refused"]] == [("a", "invalid")]
    assert "split" in found["refused"][0]["detail"]
    assert working.contents() == {"b": b"two"}


async def test_one_with_a_wrong_sum_among_others_is_refused_alone(working: Working) -> None:
    sums = [sha256(b"one"), "0" * 64, sha256(b"three")]
    samples = [entry(str(n), data, sha256=sums[n]) for n, data in enumerate((b"one", b"two", b"three"))]
    found = await working.bundle(*samples)
    assert [(one["key"], one["code"]) for one in found["refused"]] == [("1", "digest_mismatch")]
    assert working.contents() == {"0": b"one", "2": b"three"}


def test_labels_that_python_holds_equal_stay_what_they_are() -> None:
    reader = Reader()
    labels = [1, True, "1", 1.0, 0, False, None, [1], {"a": 1}, 1, True]
    texts = [reader.read({"key": "a", "bytes": 1, "label": label}).record.label for label in labels]
    assert texts == ["1", "true", '"1"', "1.0", "0", "false", None, "[1]", '{"a":1}', "1", "true"]


def test_what_else_a_line_says_is_read_and_judged() -> None:
    reader = Reader()
    assert reader.read({"key": "a", "bytes": 1, "sha256": "a" * 64}).sha256 == "a" * 64
    assert reader.read({"key": "a", "bytes": 1, "sha256": None}).refusal is None
    for more in ({"sha256": "A" * 64}, {"sha256": 1}, {"by": "me"}, {"upload": 1}, {"replace": 1}, {"odd": None}):
        refusal = reader.read({"key": "a", "bytes": 1, **more}).refusal
        assert refusal is not None, more
        assert refusal.code == "invalid"
