"""`blueno sample …`: files go in and come out byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.cli.sample_change import path_of
from tests.fakes.data_api import DIGEST, DataApi, dataset
from tests.unit.cli.conftest import Blueno

MINE = ("default", "mine")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """photos/cat/1.png, photos/cat/2.png, photos/dog/1.png, and what is no sample."""
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", ".hidden", ".git/config"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"bytes of {name}".encode())
    return tmp_path / "photos"


def records(api: DataApi) -> dict[str, dict[str, Any]]:
    return {key: record for key, (record, _) in api.working[MINE].items()}


@pytest.mark.usefixtures("photos")
def test_a_directory(blueno: Blueno, uploads: DataApi) -> None:
    done = blueno("sample", "add", "mine", "photos", "--split", "train", "--prefix", "2024/")
    assert (done.exit_code, done.stdout) == (0, "default/mine: 3 added (54 B)\n")
    assert done.stderr == "make them part of a version: blueno dataset seal mine -n default\n"
    assert {key: content for key, (_, content) in uploads.working[MINE].items()} == {
        "2024/cat/1.png": b"bytes of cat/1.png",
        "2024/cat/2.png": b"bytes of cat/2.png",
        "2024/dog/1.png": b"bytes of dog/1.png",
    }
    assert all(record["split"] == "train" for record in records(uploads).values())
    again = blueno("sample", "add", "mine", "photos", "--split", "train", "--prefix", "2024/", "-o", "json")
    assert json.loads(again.stdout) == {
        "created": 0,
        "same": 3,
        "replaced": 0,
        "refused": 0,
        "bytes": 54,
        "revision": json.loads(again.stdout)["revision"],
        "firstRefused": [],
    }


@pytest.mark.usefixtures("photos")
def test_labels_are_the_names_of_directories(blueno: Blueno, uploads: DataApi) -> None:
    assert blueno("sample", "add", "mine", "photos", "--layout", "classFolders").exit_code == 0
    assert {key: record["label"] for key, record in records(uploads).items()} == {
        "cat/1.png": "cat",
        "cat/2.png": "cat",
        "dog/1.png": "dog",
    }


@pytest.mark.parametrize(
    ("typed", "label"), [("7", 7), ('"7"', "7"), ("cat", "cat"), ("[0,1]", [0, 1]), ("NaN", "NaN"), ("null", None)]
)
def test_what_a_label_means(blueno: Blueno, uploads: DataApi, photos: Path, typed: str, label: Any) -> None:
    assert blueno("sample", "add", "mine", "photos/cat/1.png", "--label", typed).exit_code == 0
    assert records(uploads)["1.png"].get("label") == label


def test_standard_input(blueno: Blueno, uploads: DataApi) -> None:
    more = ("--group", "patient 7", "--metadata", '{"device": "A"}')
    assert blueno("sample", "add", "mine", "-", "--key", "a b/ü.png", *more, stdin="typed").exit_code == 0
    record, content = uploads.working[MINE]["a b/ü.png"]
    assert (content, record["group"], record["metadata"]) == (b"typed", "patient 7", {"device": "A"})


@pytest.mark.usefixtures("photos")
def test_other_bytes_are_refused_until_they_are_asked_for(blueno: Blueno, uploads: DataApi, tmp_path: Path) -> None:
    blueno("sample", "add", "mine", "photos/cat/1.png", "--key", "x")
    refused = blueno("sample", "add", "mine", "photos/cat/2.png", "--key", "x")
    assert (refused.exit_code, refused.stdout) == (10, "default/mine: 1 refused (18 B)\n")
    assert refused.stderr == "refused: x: other bytes (conflict)\n"
    done = blueno("sample", "add", "mine", "photos/cat/2.png", "--key", "x", "--replace")
    assert done.stdout == "default/mine: 1 replaced (18 B)\n"
    assert uploads.working[MINE]["x"][1] == b"bytes of cat/2.png"


def test_a_list_of_csv(blueno: Blueno, uploads: DataApi, photos: Path) -> None:
    lines = 'path,label,split,metadata\ncat/1.png,7,test,\ndog/1.png,dog,,"{""a"": 1}"\n'
    (photos / "list.csv").write_text(lines)
    assert blueno("sample", "add", "mine", "--list", "photos/list.csv", "--split", "train").exit_code == 0
    one, other = records(uploads)["cat/1.png"], records(uploads)["dog/1.png"]
    assert (one["label"], one["split"], "metadata" in one) == (7, "test", False)
    assert (other["label"], other["split"], other["metadata"]) == ("dog", "train", {"a": 1})


def test_a_list_of_json(blueno: Blueno, uploads: DataApi, photos: Path) -> None:
    (photos / "list.ndjson").write_text(
        '{"path": "cat/1.png", "key": "k", "label": ["a"]}\n\n{"path": "nothing.png"}\n'
    )
    done = blueno("sample", "add", "mine", "--list", "photos/list.ndjson")
    assert done.exit_code == 10
    assert records(uploads)["k"]["label"] == ["a"]
    assert done.stderr.startswith("refused: nothing.png: it cannot be read: No such file")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "file,label\nx,1\n", "'file' is none of them; path is one"),
        ("a.csv", "path,label\nx\n", "line 2: 1 cells and 2 names"),
        ("a.csv", 'path,metadata\nx,"{"\n', "line 2 is not JSON"),
        ("a.csv", 'path\n"x', "line 2: unexpected end of data"),
        ("a.csv", "", "begins with a line of names"),
        ("a.ndjson", "[1]\n", "line 1 is no object"),
        ("a.ndjson", '{"path": 1}\n', "line 1: path must be a text"),
        ("a.ndjson", '{"path": "x", "labels": 1}\n', "'labels' is none of path"),
        ("a.ndjson", '{"key": "x"}\n', "path is missing"),
        ("a.ndjson", '{"path": "x", "label": NaN}\n', "is not JSON"),
        ("a.ndjson", "[" * 100_000 + "\n", "is not JSON"),
        ("a.ndjson", '{"path": "x", "metadata": 1}\n', "metadata must be an object"),
        ("a.csv", "path\n\udcff\n", "is not UTF-8"),
    ],
)
def test_lists_that_are_none(blueno: Blueno, uploads: DataApi, tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    done = blueno("sample", "add", "mine", "--list", name)
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    assert not uploads.working.get(MINE)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "is missing: name files or directories"),
        (("nothing.png",), "nothing.png is not there"),
        (("photos", "--key", "x"), "goes with one file"),
        (("-",), "must say what standard input is called"),
        (("photos", "--list", "x.csv"), "names the files itself"),
        (("photos", "--metadata", "[1]"), "must be an object of JSON"),
        (("photos", "--metadata", "{"), "is not JSON"),
        (("photos", "--layout", "flat"), "'flat' is not one of"),
        (("photos", "-o", "name"), "goes with table"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_words_that_contradict_each_other(blueno: Blueno, uploads: DataApi, words: tuple[str, ...], why: str) -> None:
    done = blueno("sample", "add", "mine", *words)
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    assert uploads.asked == []


@pytest.mark.usefixtures("photos")
def test_a_dry_run_sends_nothing(blueno: Blueno, uploads: DataApi) -> None:
    done = blueno("sample", "add", "mine", "photos", "--layout", "classFolders", "--dry-run")
    assert [json.loads(line) for line in done.stdout.splitlines()][2] == {
        "key": "dog/1.png",
        "path": "photos/dog/1.png",
        "label": "dog",
    }
    assert uploads.asked == []


@pytest.mark.usefixtures("photos")
def test_ls_and_get(blueno: Blueno, uploads: DataApi) -> None:
    assert "no such samples" in blueno("sample", "ls", "mine").stderr
    blueno("sample", "add", "mine", "photos", "--layout", "classFolders", "--split", "train")
    lines = blueno("sample", "ls", "mine").stdout.splitlines()
    assert lines[0].split() == ["KEY", "SPLIT", "LABEL", "SIZE", "BY", "AGE", "SHA256"]
    assert lines[1].split()[:6] == ["cat/1.png", "train", "cat", "18", "B", "ada"]
    assert blueno("sample", "ls", "mine", "--prefix", "dog/", "-o", "name").stdout == "dog/1.png\n"
    assert len(json.loads(blueno("sample", "ls", "mine", "-o", "json", "--limit", "2").stdout)) == 2
    assert json.loads(blueno("sample", "ls", "mine", "-o", "json", "--split", "test").stdout) == []
    printed = blueno("sample", "get", "mine", "cat/1.png").stdout
    assert "Label:        cat\n" in printed
    assert "Added by:     ada\n" in printed
    assert len(json.loads(blueno("sample", "get", "mine", "cat/1.png", "-o", "json").stdout)["etag"]) == 32


@pytest.mark.usefixtures("photos")
def test_samples_of_a_version(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset())
    api.sealed = [sealed(number) for number in range(250)]
    lines = blueno("sample", "ls", "digits").stdout.splitlines()
    assert lines[0].split() == ["KEY", "SPLIT", "LABEL", "SIZE", "SHAPE", "SHA256"]
    assert lines[1].split() == ["train/0", "train", "seven", "784", "B", "28×28", "000000000000"]
    assert len(lines) == 251
    assert [asked[1] for asked in api.asked if "/samples" in asked[1]][1].count(f"version={DIGEST}") == 1
    assert blueno("sample", "get", "digits", "train/3").stdout.startswith("Key:          train/3\n")
    missing = blueno("sample", "get", "digits", "train/999")
    assert (missing.exit_code, "has no sample 'train/999', added or sealed" in missing.stderr) == (3, True)
    api.versions = [{"digest": DIGEST, "sequence": 3, "sealedAt": None, "samples": 250, "bytes": 1, "current": True}]
    api.versions[0] |= {"classes": [], "dense": None, "depth": False}
    for shown in ("3", DIGEST[:8]):  # as tables show it
        api.asked.clear()
        assert blueno("sample", "ls", "digits", "--version", shown, "--limit", "1").exit_code == 0
        assert f"version={DIGEST}" in next(asked[1] for asked in api.asked if "/samples" in asked[1])
    for wrong in ("4", "0", DIGEST[:3]):
        none = blueno("sample", "ls", "digits", "--version", wrong)
        assert (none.exit_code, "blueno dataset versions digits" in none.stderr) == (3, True), wrong
    done = blueno("sample", "download", "digits", "train/3")
    assert Path(done.stdout.rstrip()).read_bytes() == b"row 3"


@pytest.mark.usefixtures("photos")
def test_download(blueno: Blueno, uploads: DataApi, tmp_path: Path, photos: Path) -> None:
    blueno("sample", "add", "mine", "photos")
    done = blueno("sample", "download", "mine", "cat/1.png", "-t", "one.png")
    assert (done.exit_code, (tmp_path / "one.png").read_bytes()) == (0, b"bytes of cat/1.png")
    assert blueno("sample", "download", "mine", "--all", "-t", "out").stdout == "3 samples in out\n"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        assert (tmp_path / "out" / name).read_bytes() == (photos / name).read_bytes()
    uploads.asked.clear()
    blueno("sample", "download", "mine", "--all", "-t", "out")
    assert not [asked for asked in uploads.asked if "/raw" in asked[1]]  # what is there is left alone
    stale = tmp_path / "out" / "cat/1.png"
    stale.write_bytes(b"other" + stale.read_bytes()[5:])  # of the same length
    blueno("sample", "download", "mine", "--all", "-t", "out")
    assert stale.read_bytes() == (photos / "cat/1.png").read_bytes()
    assert len([asked for asked in uploads.asked if "/raw" in asked[1]]) == 1
    partly = blueno("sample", "download", "mine", "cat/1.png", "nothing")
    assert (partly.exit_code, "nothing" in partly.stderr) == (10, True)
    assert blueno("sample", "download", "mine").exit_code == 2
    assert blueno("sample", "download", "mine", "x", "--all").exit_code == 2


def test_keys_cannot_lead_out_of_the_directory(blueno: Blueno, uploads: DataApi, tmp_path: Path) -> None:
    keys = ("../../up", "/etc/passwd", "a/../../b", "C:\\x", "a//b", "a/b", "~/x", "%2E%2E", "/", "x" * 999)
    for key in keys:
        assert blueno("sample", "add", "mine", "-", "--key", key, stdin=key).exit_code == 0
    done = blueno("sample", "download", "mine", "--all", "-t", "in/here")
    assert done.exit_code == 0, done.stderr
    found = [path for path in tmp_path.rglob("*") if path.is_file() and ".config" not in path.parts]
    assert len(found) == len(keys)
    assert all((tmp_path / "in/here") in path.parents for path in found)
    assert sorted(path.read_text() for path in found) == sorted(keys)


def test_no_two_keys_have_one_place(blueno: Blueno, uploads: DataApi) -> None:
    assert path_of("cat/1.png") == Path("cat/1.png")
    assert path_of("a/.b/ü") == Path("a/%2Eb/ü")
    for key in ("a", "a/b"):
        blueno("sample", "add", "mine", "-", "--key", key, stdin=key)
    done = blueno("sample", "download", "mine", "--all", "-t", "out")
    assert (done.exit_code, done.stdout) == (10, "1 samples in out, 1 not saved\n")
    assert done.stderr == "not saved: a/b: another sample's file is in its way\n"


@given(
    st.lists(st.text(st.sampled_from("/.%\\:~a\0\n😀"), min_size=1, max_size=6), min_size=2, max_size=2, unique=True)
)
def test_places_stay_below_and_apart(keys: list[str]) -> None:
    one, other = (path_of(key) for key in keys)
    assert one != other
    assert not one.is_absolute()
    assert not {"..", "."} & set(one.parts)


@pytest.mark.usefixtures("photos")
def test_rm(blueno: Blueno, uploads: DataApi) -> None:
    blueno("sample", "add", "mine", "photos")
    done = blueno("sample", "rm", "mine", "cat/1.png", "nothing", "--purge")
    assert (done.exit_code, done.stdout) == (10, "default/mine: 1 removed, 1 not there\n")
    assert uploads.asked[-1][2] == {"keys": ["cat/1.png", "nothing"], "purge": True}
    assert blueno("sample", "rm", "mine").exit_code == 2
    asked = blueno("sample", "rm", "mine", "--all", "--prefix", "dog/")
    assert (asked.exit_code, "1 samples of default/mine are removed" in asked.stderr) == (2, True)
    assert blueno("sample", "rm", "mine", "--all", "--prefix", "dog/", "--yes").stdout == "default/mine: 1 removed\n"
    assert set(uploads.working[MINE]) == {"cat/2.png"}
    assert blueno("sample", "rm", "nowhere", "x").exit_code == 3


def sealed(number: int) -> dict[str, Any]:
    """A Sample of a version, as the server sends it."""
    return {
        "idx": number,
        "row": number,
        "key": f"train/{number}",
        "split": "train",
        "label": '"seven"',
        "labelText": "seven",
        "group": None,
        "bytes": 784,
        "width": 28,
        "height": 28,
        "depth": 1,
        "channels": 1,
        "dtype": "uint8",
        "format": "png",
        "sha256": "0" * 64,
        "metadata": None,
    }
