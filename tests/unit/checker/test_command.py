"""`python -m tests.checker` on a volume, on objects in a file, through a kubectl."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from tests.checker.__main__ import main
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar
from tests.make import a_body, stalled

KUBECTL = """#!{python}
import json, sys
kinds = sys.argv[sys.argv.index("get") + 1].split(",")
print(json.dumps({{"items": json.load(open({path!r}))["items"] if "datasets.blueno.dev" in kinds else []}}))
"""


@pytest.fixture
def sealed(place: Place) -> Place:
    """One version on a volume."""
    place.sealed(archive_work(place.put("a.tar", tar(class_folders(3), ""))))
    return place


def test_a_volume_that_is_sound(sealed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--volume", str(sealed.volume)]) == 0
    assert capsys.readouterr().out == "nothing found in 1 directories with 1 versions\n"
    assert main(["--volume", str(sealed.root)]) == 0


def test_a_volume_that_is_not(sealed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    index = next(sealed.root.rglob("index.arrow"))
    index.chmod(0o644)
    index.write_bytes(index.read_bytes()[:-100])
    assert main(["--volume", str(sealed.volume), "--limit", "1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("[conservation] directory ns/set, version ")
    assert "more" in said


def test_objects_of_a_file_and_of_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = a_body(status={"observedGeneration": 1, "conditions": [stalled("Oops", "what happened")]})
    objects = tmp_path / "objects.json"
    objects.write_text(json.dumps({"items": [body]}))
    assert main(["--objects", str(objects)]) == 1
    said = capsys.readouterr().out
    assert "[honest errors] Dataset lab/mnist: condition Stalled has the reason 'Oops'" in said
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, path=str(objects)))
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    assert main(["--kubectl", str(kubectl), "--namespace", "lab"]) == 1
    assert capsys.readouterr().out == said


def test_a_secret_in_a_log(sealed: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, canaries = tmp_path / "log", tmp_path / "canaries"
    log.write_text("GET /data?auth=czNjcjN0LWNhbmFyeQ==\n")
    canaries.write_text("s3cr3t-canary\n")
    assert main(["--volume", str(sealed.volume), "--log", str(log), "--canary-file", str(canaries)]) == 1
    assert capsys.readouterr().out == f"[secrecy] {log}: shows secret s3cr…\n"


@pytest.mark.parametrize("arguments", [[], ["--volume", "/no/such"], ["--objects", "/no/such"], ["--kubectl", "false"]])
def test_what_cannot_be_read_is_no_success(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.strip()
