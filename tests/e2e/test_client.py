"""The Python client and the command line before the deployed system: a script of 2019, the plugin of kubectl, and an
upload that goes on while the web process is killed.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest

import blueno
from blueno import names
from blueno.client import NewSample
from tests.e2e.kube import Kube
from tests.e2e.sources import png
from tests.e2e.test_upload import READY, upload
from tests.e2e.web import Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def token(web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A token of the demo's administrator; this process may use the server without TLS."""
    monkeypatch.setenv(names.ENV_ALLOW_HTTP, "1")
    made = web.ask("/api/v1/tokens", {"name": "test_client", "expiresInDays": 1})
    assert made.status == 201, made
    yield made.body["token"]
    web.ask(f"/api/v1/tokens/{made.body['id']}", method="DELETE")


def volume(number: int) -> bytes:
    """A volume of 8 x 16 x 16 voxels."""
    content = io.BytesIO()
    np.save(content, np.random.default_rng(number).integers(-1000, 1000, (8, 16, 16)).astype(np.int16))
    return content.getvalue()


def test_a_script_of_2019(kube: Kube, web: Web, token: str) -> None:
    """As its users wrote it, step by step; the home of an administrator is the namespace `default`."""
    assert token
    name = f"scans of 2019 {uuid.uuid4().hex[:6]}"
    client = blueno.PlatformClient(web.url, web.email, web.password)
    assert client.create_dataset(name, "fifty pictures and three volumes", {"owner": "ada"}) is True
    try:
        assert client.create_dataset(name) is False
        (made,) = (one for one in client.list_datasets() if one["name"] == name)
        assert made["info"] == {"description": "fifty pictures and three volumes", "owner": "ada"}
        sent = fill(client, name)
        assert client.create_sample("picture 7", name, f"file://data/{name}/7.png", io.BytesIO(png(7))) is False
        samples = client.list_samples(name)
        assert [one["name"] for one in samples] == list(sent)
        for one in samples:
            assert client.download_sample(one["info"]["data"]["url"]).read() == sent[one["name"]]
        info = samples[7]["info"]
        assert (info["label"], info["split"], info["scanner"]) == ({"digit": 7}, "training", {"room": 1})
        filtered(web, name)
        for gone in ("picture 7", "volume 2"):
            assert client.delete_sample(gone, name, True) is True
            assert client.delete_sample(gone, name, True) is False
        with pytest.raises(blueno.PlatformError):
            client.download_sample(f"file://data/{name}/7.png")
        assert len(client.list_samples(name)) == 51
    finally:
        assert client.delete_dataset(name) is True
    assert client.delete_dataset(name) is False
    default = kube.inside("default")
    kube.wait("it is gone", lambda: name not in default.run("get", "datasets", "-o", "jsonpath={..displayName}"), 240)


def fill(client: blueno.PlatformClient, dataset: str) -> dict[str, bytes]:
    """Fifty pictures and three volumes; what was sent by name, in order."""
    sent = {f"picture {n}": png(n) for n in range(50)} | {f"volume {n}": volume(n) for n in range(3)}
    for one, content in sent.items():
        kind, n = one.split(" ")
        url = f"file://data/{dataset}/{n}.{'png' if kind == 'picture' else 'npy'}"
        image, split = ("2D", "training") if kind == "picture" else ("3D", "test")
        label, more = {"digit": int(n) % 10}, {"scanner": {"room": 1}}
        assert client.create_sample(one, dataset, url, io.BytesIO(content), image, label, split, more) is True
    return sent


def filtered(web: Web, dataset: str) -> None:
    """The filters of 2019, by its paths."""

    def found(**query: Any) -> list[str]:
        listed = web.get(f"/datasets/{quote(dataset)}/samples/?{urlencode(query)}")
        return [one["name"] for one in listed["samples"]]

    assert found(split="test") == [f"volume {n}" for n in range(3)]
    assert found(label='{"digit": 1}', split="training") == [f"picture {n}" for n in (1, 11, 21, 31, 41)]
    assert found(prefix="volume") == found(split="test")
    assert found(limit=2, offset=3) == ["picture 3", "picture 4"]
    assert web.get(f"/datasets/{quote(dataset)}/samples/count?split=training") == {"count": 50}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kubectl_finds_the_plugin_on_the_path(kube: Kube, web: Web, token: str, tmp_path: Path) -> None:
    """`pip install` puts kubectl-blueno beside blueno, and kubectl takes it for its own."""
    kube.apply(upload("birds"))
    kube.run("wait", READY, "dataset/birds", "--timeout=300s")
    source, place = tmp_path / "source", tmp_path / "place"
    shutil.copytree(TOP / "blueno", source / "blueno")
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(TOP / file, source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), str(source)]
    subprocess.run(pip, check=True)
    given = {names.ENV_SERVER: web.url, names.ENV_TOKEN: token, names.ENV_ALLOW_HTTP: "1"}
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, **given, "PATH": path, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(place)}
    command = ["kubectl", "blueno", "dataset", "ls", "-n", kube.namespace, "-o", "name"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["dataset.blueno.dev/birds"]), done.stderr


@pytest.mark.parametrize("count", [100_000])
def test_the_web_process_is_killed_while_many_files_are_sent(kube: Kube, web: Web, token: str, count: int) -> None:
    kube.apply(upload("many"))
    kube.run("wait", READY, "dataset/many", "--timeout=300s")
    dice, killed = random.Random(20190401), 0
    done: list[Any] = []
    with blueno.Client(web.url, token) as client:
        samples = client.samples("many", kube.namespace)

        def send() -> None:
            try:
                done.append(samples.put_many(files(count)))
            except BaseException as error:
                done.append(error)

        sending = threading.Thread(target=send)
        sending.start()
        while sending.is_alive():
            sending.join(dice.uniform(3, 10))
            if sending.is_alive() and killed < 3:
                kube.wait_back("web", kube.kill("web"))
                killed += 1
        assert killed, "it was over before the first kill"
        (result,) = done
        assert isinstance(result, blueno.client.Uploaded), result
        assert (result.samples, result.refused) == (count, 0)
        # What lists them follows what was acknowledged.
        path = f"{web.dataset(kube, 'many')}/versions"
        kube.wait("all in the database", lambda: (web.get(path)["working"]["revision"] or 0) >= count)
        there = {one.key: one.sha256 for one in samples.working()}
        assert there == {f"{n:06}.txt": hashlib.sha256(content(n)).hexdigest() for n in range(count)}
        assert web.get(path)["working"]["revision"] == count, "none came twice"


def files(count: int) -> Iterator[NewSample]:
    for number in range(count):
        yield NewSample(f"{number:06}.txt", content(number), split="train", label=number % 10)


def content(number: int) -> bytes:
    """About a thousand bytes."""
    return b"%06d" % number * 170
