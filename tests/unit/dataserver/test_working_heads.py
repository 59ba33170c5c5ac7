"""Heads of bundles that decode to far more than was sent."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blueno.data.bundle import read_head
from blueno.dataserver import working_receive
from tests.fakes.working import Working, bundle_headers, new_place, working_server


@pytest_asyncio.fixture
async def working(tmp_path: Path) -> AsyncIterator[Working]:
    async with working_server(new_place(tmp_path)) as found:
        yield found


async def test_a_head_of_more_than_is_decoded_at_once(working: Working) -> None:
    """Empty lists take thirty times the room that they had as JSON."""
    line = b'{"key":"a","bytes":1,"label":[' + b"[]," * (4 << 20) + b"[]]}"
    head = line + b"\n"
    body = struct.pack("<Q", len(head)) + head + b"x"
    (await working.send("POST", "/bundles", body, **bundle_headers())).problem(413, "too_large")
    assert (await working.about())["revision"] == 0


async def test_heads_are_decoded_one_at_a_time(working: Working, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding: list[bytes] = []

    def slowly(head: bytes) -> list[Mapping[str, Any]]:
        decoding.append(head)
        time.sleep(0.05)
        assert decoding == [head]
        decoding.clear()
        return read_head(head)

    monkeypatch.setattr(working_receive, "read_head", slowly)
    found = await asyncio.gather(*(working.put({f"{number}": b"x"}) for number in range(4)))
    assert [one["created"] for one in found] == [1] * 4
