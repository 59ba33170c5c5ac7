"""`blueno run outputs` and `blueno run download` as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.runs_api import RunsApi
from tests.unit.cli.conftest import Blueno
from tests.unit.client.test_outputs import IS_FILE, entry, refuses, says, sends

LISTED = {
    "path": "",
    "items": [
        entry("checkpoints", "directory"),
        entry("model.npz", size=5 << 20),
        entry("passwd", "link"),
        entry(r"two\x0alines"),
        entry("evil\x1b[2J"),
    ],
    "next": None,
}


def test_a_table(blueno: Blueno, api: RunsApi) -> None:
    api.misbehave.append(says(LISTED))
    done = blueno("run", "outputs", "digits", "-n", "team")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["NAME", "SIZE", "AGE"]
    assert lines[1][0] == "checkpoints/"
    assert lines[2][:3] == ["model.npz", "5.0", "MiB"]
    assert lines[3][0] == "passwd@"
    assert lines[4][0] == r"two\x0alines"
    assert "\x1b" not in done.stdout
    assert api.asked[0][1].startswith("/api/v1/trainingruns/team/digits/outputs?path=")


def test_other_shapes(blueno: Blueno, api: RunsApi) -> None:
    api.misbehave += [says(LISTED), says(LISTED), says({"path": "", "items": [], "next": None})]
    found = json.loads(blueno("run", "outputs", "digits", "ck", "-o", "json").stdout)
    assert (found[1]["path"], found[1]["bytes"], found[1]["kind"]) == ("ck/model.npz", 5 << 20, "file")
    assert blueno("run", "outputs", "digits", "ck", "-o", "name").stdout.splitlines()[0] == "ck/checkpoints"
    empty = blueno("run", "outputs", "digits")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "nothing was written" in empty.stderr


def test_a_download(blueno: Blueno, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [refuses(503, "data_server_starting", "it is starting", "0")] * 2
    api.misbehave += [IS_FILE, sends(b"weights")]
    done = blueno("run", "download", "digits", "ck/model.npz")
    assert (done.exit_code, done.stdout) == (0, "model.npz\n")
    assert (tmp_path / "model.npz").read_bytes() == b"weights"
    assert done.stderr.count("it is starting") == 1
    api.misbehave += [IS_FILE, sends(b"weights")]
    assert blueno("run", "download", "digits", "model.npz", "-o", "here.npz").stdout == "here.npz\n"
    assert (tmp_path / "here.npz").read_bytes() == b"weights"


def test_refusals(blueno: Blueno, api: RunsApi) -> None:
    api.misbehave.append(refuses(404, "no_outputs", "the run has not begun"))
    done = blueno("run", "outputs", "digits")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "has not begun" in done.stderr
    api.misbehave.append(refuses(409, "outputs_unavailable", "claim x is for one node at a time"))
    assert blueno("run", "outputs", "digits").exit_code == 6
    assert blueno("run", "download", "digits", "../x").exit_code == 2
    assert blueno("run", "download", "digits").exit_code == 2
