"""Manifests, indexes and pointers of strangers: `blueno dataset verify` does no harm and is not fooled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blueno.cli.shell import Exit
from blueno.data import survey
from tests.unit.cli.conftest import Blueno
from tests.unit.cli.copies.conftest import body_of, change, problems


def rewrite(manifest: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads(manifest.read_text())
    edit(body)
    manifest.chmod(0o644)
    manifest.write_text(json.dumps(body))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../../../../a.tar"),
        ("name", "/etc/passwd"),
        ("name", "manifest.json"),
        ("name", "data-00001.npy"),
        ("name", "a\0b"),
        ("sha256", "\ud800"),
        ("bytes", -1),
        ("bytes", 1e999),
    ],
)
def test_a_manifest_of_a_stranger(blueno: Blueno, current: Path, key: str, value: Any) -> None:
    rewrite(current / "manifest.json", lambda body: body["index"].update({key: value}))
    done = blueno("dataset", "verify", str(current))
    assert done.exit_code == Exit.DAMAGED, done.stdout
    assert "cannot be understood" in done.stdout


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"formatVersion": 9}', b"null"])
def test_a_manifest_that_is_none(blueno: Blueno, current: Path, data: bytes) -> None:
    change(current / "manifest.json", data)
    assert problems(body_of(blueno, current)) == [("manifest.json", "BadManifest")]
    root = body_of(blueno, current.parents[1])
    assert len(problems(root)) == 1, "the pointer to it is not a second mistake"


def test_a_manifest_that_is_too_large(blueno: Blueno, current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LARGEST_JSON", 100)
    assert problems(body_of(blueno, current)) == [("manifest.json", "BadManifest")]


@pytest.mark.parametrize("what", ["digest", "layoutDigest"])
def test_sums_are_made_anew(blueno: Blueno, current: Path, what: str) -> None:
    rewrite(current / "manifest.json", lambda body: body.update({what: "0" * 64}))
    assert [code for _, code in problems(body_of(blueno, current))] == [
        "WrongDigest" if what == "digest" else "BadManifest"
    ]


def test_an_index_with_the_right_sum_and_the_wrong_rows(blueno: Blueno, current: Path) -> None:
    import hashlib

    from blueno.data.digest import layout_digest
    from blueno.data.manifest import Manifest

    def replace_index(data: bytes) -> list[tuple[str, str]]:
        change(current / "index.arrow", data)
        about = {"name": "index.arrow", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        rewrite(current / "manifest.json", lambda body: body.update({"index": about}))
        files = Manifest.from_json((current / "manifest.json").read_text()).files
        rewrite(
            current / "manifest.json",
            lambda body: body.update({"layoutDigest": layout_digest([(f.name, f.bytes, f.sha256) for f in files])}),
        )
        return problems(body_of(blueno, current))

    other = next(f for f in current.parent.iterdir() if f != current) / "index.arrow"
    whole = (current / "index.arrow").read_bytes()
    assert replace_index(other.read_bytes()) == [("index.arrow", "BadIndex")]  # another number of rows
    assert replace_index(whole[: len(whole) // 2]) == [("index.arrow", "BadIndex")]
    assert replace_index(b"") == [("index.arrow", "BadIndex")]
    assert replace_index(whole.replace(b"cat/000.png", b"cat/00O.png")) == [("index.arrow", "WrongDigest")]
    assert replace_index(whole) == []
