"""`blueno ui`: an address, a browser, and a way to a cluster without an Ingress."""

from __future__ import annotations

import signal
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from blueno.cli import shell, ui
from tests.fakes.data_api import DataApi
from tests.fakes.runs_api import running
from tests.unit.cli.conftest import Blueno
from tests.unit.cli.test_process import until

Start = Callable[..., subprocess.Popen[str]]

# Not kubectl: opens "its port" (the stand-in server's) and stays until it is ended, as kubectl does.
FORWARD = """\
#!{python}
import os, signal, sys
port = os.environ["FAKE_PORT"]
with open(os.environ["FAKE_SAID"], "a") as said:
    print(*sys.argv[1:], file=said)
if port == "hangs":
    signal.pause()
if not port.isdecimal():
    sys.exit(port)
print(f"Forwarding from 127.0.0.1:{{port}} -> 8080", flush=True)
if "FAKE_BREAKS" in os.environ:
    sys.exit("error: lost connection to pod")
signal.pause()
"""


@pytest.fixture
def api() -> Iterator[DataApi]:
    with running(DataApi) as api:
        yield api


@pytest.fixture
def kubectl(tmp_path: Path, environment: dict[str, str], api: DataApi, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that forwards, and nobody who is logged in; what it was called with."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "kubectl"
    program.write_text(FORWARD.format(python=sys.executable))
    program.chmod(0o755)
    del environment["BLUENO_SERVER"], environment["BLUENO_TOKEN"]
    environment |= {"PATH": f"{tmp_path / 'bin'}:{environment['PATH']}", "FAKE_PORT": api.url.rpartition(":")[2]}
    environment["FAKE_SAID"] = str(tmp_path / "said")
    return tmp_path / "said"


def test_a_known_server(blueno: Blueno, api: DataApi) -> None:
    assert blueno("ui").stdout == f"{api.url}/\n"
    away = blueno("ui", "-s", "http://127.0.0.1:1")
    assert (away.exit_code, "blueno ui --port-forward" in away.stderr) == (5, True)


@pytest.mark.parametrize(("display", "opened"), [(":0", True), ("", False)])
def test_a_browser_for_people_who_can_see_one(
    display: str, opened: bool, api: DataApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def terminal(_: IO[str]) -> bool:
        return True

    def browser(address: str) -> bool:
        seen.append(address)
        return True

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shell, "is_terminal", terminal)
    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    ui.show("http://127.0.0.1/x", only_print=False)
    assert seen == (["http://127.0.0.1/x"] if opened else [])
    ui.show("http://127.0.0.1/y", only_print=True)
    assert "http://127.0.0.1/y" not in seen


def test_a_way_where_no_server_is_known(start: Start, kubectl: Path, api: DataApi) -> None:
    one = start("ui", "--context", "lab", "--port", "7070")
    assert one.stdout is not None
    assert one.stdout.readline() == f"{api.url}/\n"
    assert one.stderr is not None
    assert one.stderr.readline() == "leads there until Ctrl-C\n"
    one.send_signal(signal.SIGINT)
    _, errors = one.communicate(timeout=120)
    assert (one.returncode, errors) == (130, "")
    assert kubectl.read_text() == (
        "--context=lab port-forward --address=127.0.0.1 --namespace=blueno-system service/blueno-web 7070:80\n"
    )


def test_a_way_that_breaks_off_is_begun_again_at_the_same_port(
    start: Start, kubectl: Path, api: DataApi, environment: dict[str, str]
) -> None:
    port = api.url.rpartition(":")[2]
    one = start("ui", FAKE_BREAKS="1")
    until(lambda: kubectl.exists() and f" {port}:80\n" in kubectl.read_text())
    one.send_signal(signal.SIGINT)
    assert one.wait(120) == 130


def test_what_kubectl_says_when_there_is_no_way(kubectl: Path, blueno: Blueno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PORT", 'Error from server (NotFound): services "blueno-web" not found')
    done = blueno("ui", "--port-forward", "--system-namespace", "elsewhere")
    assert (done.exit_code, 'services "blueno-web" not found' in done.stderr) == (1, True)
    assert "--namespace=elsewhere" in kubectl.read_text()
    monkeypatch.setenv("PATH", str(kubectl.parent / "empty"))
    assert "there is no kubectl in" in blueno("ui").stderr


def test_a_kubectl_that_hangs(kubectl: Path, blueno: Blueno, monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.client import kube

    monkeypatch.setattr(kube, "START", 0.2)
    monkeypatch.setenv("FAKE_PORT", "hangs")
    done = blueno("ui")
    assert (done.exit_code, "port-forward did not begin within 0 s" in done.stderr) == (1, True)
