"""The way to the server through Kubernetes: from a pod, and through kubectl, here a stand-in run as a program."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.client import AsyncClient, Client, kube, settings
from blueno.errors import BluenoError
from tests.fakes.datasets_api import DatasetsApi, dataset, running
from tests.fakes.runs_api import TOKEN

TOP = Path(__file__).resolve().parents[3]
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
INSIDE = "http://blueno-web.blueno-system.svc"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetsApi]:
    """Behind a kubectl of ours."""
    monkeypatch.setattr(kube, "AGAIN", 0.01)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {TOP}/tests/fakes/kubectl_forward.py "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_END", str(tmp_path / "end"))
    with running() as server:
        monkeypatch.setenv("FAKE_WEB", server.url)
        server.add(dataset())
        yield server


def test_through_kubectl(server: DatasetsApi, tmp_path: Path) -> None:
    with Client.from_kube(token=TOKEN, context="lab", kubeconfig="/etc/kube") as client:
        assert client.datasets.get("digits").name == "digits"
        assert client.server.startswith("http://127.0.0.1:")
        running = client._forward._running if client._forward is not None else None
        assert running is not None
        before = running._process
        assert before is not None
        (tmp_path / "end").touch()  # the pod behind it is replaced
        assert before.wait(60) == 1
        assert client.datasets.wait("digits", timeout=60).ready
        after = running._process
    assert after is not None
    assert after is not before
    assert after.poll() is not None
    first, second = (tmp_path / "log").read_text().splitlines()
    wanted = "--address=127.0.0.1 --namespace=blueno-system service/blueno-web"
    assert first == f"--context=lab --kubeconfig=/etc/kube port-forward {wanted} :80"
    assert second == first.replace(" :80", f" {client.server.rpartition(':')[2]}:80")


async def test_through_kubectl_with_asyncio(server: DatasetsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUENO_TOKEN", TOKEN)
    async with await AsyncClient.from_kube("elsewhere") as client:
        assert (await client.datasets.get("digits")).name == "digits"


def test_kubectl_refuses(server: DatasetsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_REFUSAL", 'Error from server (NotFound): services "blueno-web" not found')
    with pytest.raises(BluenoError, match=r'kubectl: Error from server .* "blueno-web" not found'):
        Client.from_kube()


def test_there_is_no_kubectl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BluenoError, match="needs kubectl and a kubeconfig"):
        Client.from_kube()


def test_a_token_of_another_server_stays_at_home(server: DatasetsApi, home: Path) -> None:
    settings.save(settings.Settings("https://blueno.example.org", TOKEN))
    with Client.from_kube() as client:
        assert client._token is None


def test_in_a_pod(home: Path) -> None:
    environ = {"HOME": str(home), **POD}
    found = kube.resolve(None, None, {**environ, "BLUENO_TOKEN": TOKEN})
    assert (found.server, found.token) == (INSIDE, TOKEN)
    assert kube.resolve(None, TOKEN, environ).server == INSIDE
    named = {**environ, "BLUENO_SERVER": "https://blueno.example.org"}
    assert kube.resolve(None, TOKEN, named).server == "https://blueno.example.org"
    with pytest.raises(BluenoError, match="not encrypted"):
        kube.resolve(INSIDE.replace("system", "other"), TOKEN, environ)
    with pytest.raises(BluenoError, match="no server is known"):
        kube.resolve(None, TOKEN, {"HOME": str(home)})
    settings.save(settings.Settings("https://saved.example.org", TOKEN), environ)
    assert kube.resolve(None, None, environ).server == "https://saved.example.org"
