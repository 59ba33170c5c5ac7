"""`blueno dataset verify`: what is whole is called whole, and nothing else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blueno.cli import dataset, text
from blueno.cli.shell import Exit
from blueno.data import survey
from tests.fakes.preparation import Place
from tests.unit.cli.conftest import Blueno
from tests.unit.cli.copies.conftest import body_of, change, problems


def test_an_intact_data_set(blueno: Blueno, place: Place, current: Path) -> None:
    done = blueno("dataset", "verify", str(place.root))
    assert done.exit_code == 0
    assert [line.split("   ")[-1] for line in done.stdout.splitlines()[:3]] == ["RESULT", "intact", "intact"]
    assert f"{current.name} (current)   301 " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("intact: every sum is as it was sealed, ")
    assert done.stderr == ""


def test_an_intact_version_and_its_manifest(blueno: Blueno, current: Path) -> None:
    for path in (current, current / "manifest.json"):
        body = body_of(blueno, path)
        (version,) = body["versions"]
        assert (version["path"], version["samples"], version["current"]) == (".", 301, True)
        assert version["bytes"] == sum(f.stat().st_size for f in current.iterdir() if f.name != "manifest.json")


def test_a_version_may_lie_under_any_name(blueno: Blueno, current: Path) -> None:
    renamed = current.rename(current.parents[2] / "mounted")
    assert body_of(blueno, renamed)["intact"]


def test_yaml_for_programs_and_no_names(blueno: Blueno, current: Path) -> None:
    assert "\nintact: true\n" in blueno("dataset", "verify", str(current), "-o", "yaml").stdout
    assert blueno("dataset", "verify", str(current), "-o", "name").exit_code == Exit.USAGE


def test_every_bit_of_every_file_counts(blueno: Blueno, place: Place, current: Path) -> None:
    for file in sorted(current.iterdir()):
        before = file.read_bytes()
        change(file)
        body = body_of(blueno, current)
        assert not body["intact"], file.name
        if file.name != "manifest.json":
            assert problems(body) == [(file.name, "Changed")]
        change(file, before)
    assert body_of(blueno, current)["intact"]


def test_what_can_happen_to_a_file(blueno: Blueno, place: Place, current: Path) -> None:
    names = sorted(f.name for f in current.iterdir() if f.suffix == ".npy")[:5]
    short, gone, link, pipe, folder = (current / name for name in names)
    change(short, short.read_bytes()[:-1])
    target = place.volume / "elsewhere.npy"
    gone.unlink()
    link.rename(target)
    link.symlink_to(target)  # the same bytes, but a pod that mounts the version does not see them
    pipe.unlink()
    os.mkfifo(pipe)
    folder.unlink()
    folder.mkdir()
    done = blueno("dataset", "verify", str(place.root))
    assert done.exit_code == Exit.DAMAGED
    assert done.stdout.splitlines()[-1].startswith("damaged: ")
    assert f"versions/{current.name}/{short.name}: has {short.stat().st_size} bytes, not" in done.stdout
    words = ["WrongSize", "Missing", "NotAFile", "NotAFile", "NotAFile"]
    body = body_of(blueno, place.root)
    assert problems(body) == [(f"versions/{current.name}/{n}", w) for n, w in zip(names, words, strict=True)]
    assert [v["intact"] for v in body["versions"]].count(True) == 1


def test_files_beside_the_versions_are_named_but_harmless(blueno: Blueno, place: Place, current: Path) -> None:
    (current / ".DS_Store").write_bytes(b"x")
    (current / "notes\x1b[2J.txt").write_bytes(b"x")
    (place.root / "versions" / ".snapshot").mkdir()
    body = body_of(blueno, place.root)
    assert body["intact"]
    assert [v["extraFiles"] for v in body["versions"] if v["current"]] == [[".DS_Store", "notes[2J.txt"]]
    said = blueno("dataset", "verify", str(place.root)).stdout
    assert ".DS_Store" in said
    assert "\x1b" not in said


def test_a_copy_without_one_of_its_versions(blueno: Blueno, place: Place, current: Path) -> None:
    current.rename(place.volume / "away")
    (found,) = problems(body_of(blueno, place.root))
    assert found[0].startswith("works/")
    assert found[1] == "Missing"


def test_a_copy_that_no_dataset_could_take_over(blueno: Blueno, place: Place) -> None:
    (place.root / "owner.json").unlink()
    assert problems(body_of(blueno, place.root)) == [("owner.json", "NoOwner")]
    (place.root / "owner.json").write_text("[" * 100_000)
    (place.root / "works").rename(place.volume / "works")
    assert problems(body_of(blueno, place.root)) == [("works", "Missing"), ("owner.json", "NoOwner")]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"[" * 100_000, b'{"digest": 1, "sequence": 1e999, "sealedAt": ""}']
)
def test_a_pointer_that_is_none(blueno: Blueno, place: Place, data: bytes) -> None:
    pointer = sorted((place.root / "works").iterdir())[0]
    pointer.write_bytes(data)
    assert problems(body_of(blueno, place.root)) == [(f"works/{pointer.name}", "BadPointer")]


def test_a_disk_that_fails_in_the_middle(blueno: Blueno, current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.data import verify

    class Failing:
        def read(self, _size: int) -> bytes:
            raise OSError(5, "Input/output error")

    summed = verify._Reader._sum
    monkeypatch.setattr(verify._Reader, "_sum", lambda self, _stream: summed(self, Failing()))  # type: ignore[arg-type]
    found = problems(body_of(blueno, current))
    assert len(found) == len(list(current.iterdir())) - 1
    assert {code for _, code in found} == {"Unreadable"}


def test_a_version_under_anothers_name(blueno: Blueno, current: Path) -> None:
    root = current.parents[1]
    current.rename(current.parent / ("0" * 16))
    assert ("versions/" + "0" * 16 + "/manifest.json", "WrongDigest") in problems(body_of(blueno, root))


def test_a_digest_that_was_asked_for(blueno: Blueno, place: Place, current: Path) -> None:
    digest = json.loads((current / "manifest.json").read_text())["digest"]
    assert body_of(blueno, place.root, "--digest", digest)["intact"]
    assert body_of(blueno, place.root, "--digest", digest[:16])["intact"]
    assert problems(body_of(blueno, place.root, "--digest", "0" * 64)) == [(".", "WrongDigest")]
    assert blueno("dataset", "verify", str(place.root), "--digest", "latest").exit_code == Exit.USAGE


def test_nothing_there(blueno: Blueno, tmp_path: Path) -> None:
    (tmp_path / "empty" / "versions").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"")
    for name in ("absent", "file", "empty", "."):
        done = blueno("dataset", "verify", str(tmp_path / name))
        assert (done.exit_code, done.stdout) == (Exit.NOT_FOUND, ""), name
        assert done.stderr.startswith("blueno: ")


def test_shared_shards_are_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.data import verify

    opened: list[int] = []
    summed = verify._Reader._sum
    monkeypatch.setattr(
        verify._Reader, "_sum", lambda self, stream: opened.append(stream.fileno()) or summed(self, stream)
    )
    found = survey.survey(place.root)
    counted: list[int] = []
    assert all(v.intact for v in verify.verify(found, counted.append))
    assert sum(counted) == found.bytes
    files = {f.stat().st_ino for f in place.root.glob("versions/*/*") if f.name != "manifest.json"}
    assert len(opened) == len(files) < sum(len(f.manifest.files) for f in found.versions if f.manifest)


def test_progress_without_a_person(place: Place, blueno: Blueno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "EVERY", 0.0)
    lines = blueno("dataset", "verify", str(place.root)).stderr.splitlines()
    assert lines[-1].endswith("read (100%)")


def test_progress_for_a_person(place: Place, environment: dict[str, str]) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "blueno.cli", "dataset", "verify", str(place.root)]
        os.execvpe(sys.executable, command, environment | {"TERM": "xterm", "COLUMNS": "100"})
    shown, end = "", time.monotonic() + 120
    while "intact: " not in shown and time.monotonic() < end:
        shown += os.read(terminal, 4096).decode(errors="replace")
    os.waitpid(pid, 0)
    os.close(terminal)
    assert "━" in shown
    assert "intact: every sum" in shown


def test_verifying_needs_no_server_and_no_web_client(place: Place, environment: dict[str, str]) -> None:
    code = (
        "import sys; from blueno.cli.app import app\n"
        "try: app(['dataset', 'verify', sys.argv[1]])\nexcept SystemExit as done: print(done.code)\n"
        "print([m for m in ('httpx', 'ssl', 'PIL', 'rich.console') if m in sys.modules])"
    )
    bare = {key: value for key, value in environment.items() if not key.startswith("BLUENO_")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.root)], env=bare, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]


def test_sizes() -> None:
    sizes = [0, 1023, 1024, 10 * 1024, 1024**2 - 1, 5 * 1024**4, 2000 * 1024**4]
    assert [text.size(n) for n in sizes] == ["0 B", "1023 B", "1.0 KiB", "10 KiB", "1024 KiB", "5.0 TiB", "2000 TiB"]
