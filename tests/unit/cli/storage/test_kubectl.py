"""blueno/cli/kubectl.py: a kubectl that is not there, hangs or fails is told in words; options reach it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueno.cli import kubectl as module
from blueno.cli.shell import Exit
from tests.unit.cli.conftest import Blueno


@pytest.mark.parametrize(
    ("program", "code", "says"),
    [
        (None, Exit.FAILED, "this needs kubectl and a kubeconfig"),
        ("echo no JSON", Exit.FAILED, "did not answer with JSON"),
        ("echo '[]'", Exit.FAILED, "did not answer with JSON"),
        ("exit 3", Exit.FAILED, "ended with 3 and said nothing"),
        (
            "echo 'error: You must be logged in to the server (Unauthorized)' >&2; exit 1",
            Exit.NOT_PERMITTED,
            "logged in",
        ),
        ("printf 'The connection to x was refused \\033]0;t\\007' >&2; exit 1", Exit.UNAVAILABLE, "was refused ]0;t"),
        ("sleep 30", Exit.UNAVAILABLE, "did not end within"),
    ],
)
def test_a_kubectl_that_fails(
    blueno: Blueno, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, code: int, says: str
) -> None:
    if says == "did not end within":
        monkeypatch.setattr(module, "SECONDS", 1)
    if program is not None:
        (tmp_path / "kubectl").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) if program is None else f"{tmp_path}:/usr/bin:/bin")
    done = blueno("storage", "ls")
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_options_reach_kubectl(blueno: Blueno, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubectl").write_text('#!/bin/sh\necho "$@" >> said\necho "{}"\n')
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert blueno("storage", "ls", "--context", "prod", "--kubeconfig", "file").exit_code == 0
    assert blueno("storage", "ls", "--storage-namespace", "../../x?y").exit_code == 0
    first, *_, last = (tmp_path / "said").read_text().splitlines()
    role = "labelSelector=blueno.dev%2Frole%3Dnfs"
    path = f"get --raw /apis/apps/v1/namespaces/blueno-storage/statefulsets?{role}"
    assert first == f"--context=prod --kubeconfig=file --request-timeout=30s {path}"
    assert "namespaces/..%2F..%2Fx%3Fy/" in (tmp_path / "said").read_text()
    assert last.endswith("get --raw /apis/blueno.dev/v1alpha1/datasets")
