"""A long manifest against the real data server: the ingest pod's memory is that of a bundle, not of the manifest."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.data_server import PRIVATE
from tests.fakes.working import Working, new_place, working_server
from tests.unit.ingest.conftest import png
from tests.unit.ingest.manifest_child import FOLDERS

TOP = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Sizes:
    """`long` and `short` are lines of manifests, `metadata` characters in each: what is kept of a line is seen."""

    short: int
    long: int
    metadata: int
    bundle: int  # lines in a bundle: the short manifest fills more than one

    @property
    def kept(self) -> int:
        """Bytes that the long one would need more if its lines were kept."""
        return (self.long - self.short) * self.metadata


async def put(working: Working, folder: Path, count: int, sizes: Sizes) -> int:
    """Puts a manifest of so many lines; bytes that the process had at most."""
    name = f"{count}.ndjson"
    with (folder / "manifests" / "lists" / name).open("w") as file:
        for number in range(count):
            words = {"words": f"{number:06}" * (sizes.metadata // 6)}
            line = {"uri": "file:///a.png", "key": f"{count}/{number}", "label": number, "metadata": words}
            file.write(json.dumps(line) + "\n")
    child = Path(__file__).with_name("manifest_child.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(child), working.served.url, PRIVATE["operator"].hex()),
        *(str(folder), name, str(sizes.bundle)),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    told = json.loads(out)
    assert (told["reason"], told["samples"]) == ("Available", count)
    return int(told["peak"])


async def growth(folder: Path, sizes: Sizes) -> int:
    """How much more memory the long one needs than the short one."""
    for name in (*FOLDERS, "place"):
        (folder / name).mkdir()
    (folder / "manifests" / "lists").mkdir()
    (folder / "volume" / "a.png").write_bytes(png())
    async with working_server(new_place(folder / "place")) as working:
        short = await put(working, folder, sizes.short, sizes)
        long = await put(working, folder, sizes.long, sizes)
        assert (await working.about())["samples"] == sizes.short + sizes.long
    print(f"{sizes.short} lines: {short >> 20} MiB, {sizes.long} lines: {long >> 20} MiB")
    return long - short


async def test_five_times_the_lines_need_no_more_memory(tmp_path: Path) -> None:
    sizes = Sizes(short=300, long=1500, metadata=15_000, bundle=100)
    assert await growth(tmp_path, sizes) < sizes.kept // 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_two_hundred_thousand_lines(tmp_path: Path) -> None:
    sizes = Sizes(short=5000, long=200_000, metadata=1000, bundle=2000)
    assert await growth(tmp_path, sizes) < 32 << 20
