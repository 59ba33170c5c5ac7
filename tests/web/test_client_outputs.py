"""blueno.Client and the command line on outputs, through the real web process and the real server of outputs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blueno.client import Client
from blueno.db import people
from blueno.errors import Conflict, NotFound
from tests.fakes.outputs_server import CLAIM, RUN, serving_outputs
from tests.web.mirrored import Mirrored
from tests.web.site import Site
from webui.auth import new_token
from webui.keys import token_sum

TOP = Path(__file__).resolve().parents[2]
DATA = os.urandom(5 << 20)


@pytest.fixture
def run(mirrored: Mirrored, tmp_path: Path) -> Path:
    """lab/train has written this."""
    mirrored.put_run(status={"outputs": {"claimName": CLAIM, "path": RUN}})
    folder = tmp_path / "claim" / RUN
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "model.npz").write_bytes(DATA)
    (folder / "checkpoints" / "step\n1").write_bytes(b"one")
    (folder / "passwd").symlink_to("/etc/passwd")
    for number in range(1500):
        (folder / "checkpoints" / f"{number:04}").touch()
    return folder


@pytest.fixture
async def served(site: Site, run: Path) -> AsyncIterator[Site]:
    async with serving_outputs(run.parent) as server:
        site.data_server_url = server.url
        yield site


def token_of(site: Site) -> str:
    site.add_person("ada@example.org")
    person, token = site.sql(people.select_person, "ada@example.org"), new_token()
    site.sql(people.insert_token, token_sum(token), person.id, "test", None)
    return token


async def test_browse_and_download(served: Site, tmp_path: Path) -> None:
    def work() -> None:
        with Client(served.url, token_of(served)) as client:
            found = {entry.name: entry for entry in client.runs.outputs("train", namespace="lab")}
            assert (found["model.npz"].bytes, found["model.npz"].kind) == (len(DATA), "file")
            assert found["passwd"].kind == "link"
            below = list(client.runs.outputs("train", "checkpoints", namespace="lab"))
            assert len(below) == 1501
            assert below[-1].path == r"checkpoints/step\x0a1"
            saved = client.runs.download("train", "model.npz", tmp_path, namespace="lab")
            assert saved.read_bytes() == DATA
            odd = client.runs.download("train", below[-1].path, tmp_path, namespace="lab")
            assert (odd.name, odd.read_bytes()) == ("step_x0a1", b"one")
            packed = client.runs.download("train", "", tmp_path, namespace="lab")
            assert packed.name == "train.tar"
            with tarfile.open(packed) as tar:
                assert f"{RUN}/checkpoints/0000" in tar.getnames()
            with pytest.raises(Conflict, match="links are not followed"):
                client.runs.download("train", "passwd", tmp_path, namespace="lab")
            with pytest.raises(NotFound, match="not there"):
                client.runs.download("train", "nothing", tmp_path, namespace="lab")
            with pytest.raises(NotFound):
                list(client.runs.outputs("other", namespace="lab"))

    await asyncio.to_thread(work)


async def test_the_command_line(served: Site, tmp_path: Path) -> None:
    token = token_of(served)
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    more = {"HOME": str(tmp_path), "BLUENO_SERVER": served.url, "BLUENO_TOKEN": token, "PYTHONPATH": str(TOP)}

    def blueno(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "blueno.cli", "run", *arguments, "-n", "lab"]
        return subprocess.run(
            command, cwd=tmp_path, env=kept | more, capture_output=True, text=True, timeout=60, check=False
        )

    listed = await asyncio.to_thread(blueno, "outputs", "train")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NAME", "checkpoints/", "model.npz", "passwd@"]
    saved = await asyncio.to_thread(blueno, "download", "train", "model.npz", "-o", "here")
    assert (saved.returncode, saved.stdout) == (0, "here\n"), saved.stderr
    assert (tmp_path / "here").read_bytes() == DATA
    refused = await asyncio.to_thread(blueno, "download", "train", "passwd")
    assert refused.returncode == 6
    assert "Traceback" not in refused.stderr
