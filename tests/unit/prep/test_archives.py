"""Hostile archives: a bad member fails alone, a bad archive fails as a whole, nothing is written outside."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from blueno.prep import archives, zips
from blueno.prep.archives import BadArchive, members_of, safe_name
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, png, tar, zipped


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def tar_of(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for one in members:
            member, data = one if isinstance(one, tuple) else (one, b"")
            archive.addfile(member, io.BytesIO(data) if data else None)
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


GOOD = png()


def good(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, size=len(GOOD)), GOOD


def test_members_that_are_no_plain_files_or_have_unsafe_names_fail_alone(place: Place) -> None:
    names = [
        "../../evil.png",
        "/etc/evil.png",
        "cat/../../evil.png",
        "cat//x.png",
        "cat\\x.png",
        "c:/x.png",
        "cat/\x07.png",
    ]
    data = tar_of(
        good("cat/1.png"),
        good("cat/1.png"),
        *[good(n) for n in names],
        member("cat/link.png", tarfile.SYMTYPE, link="/etc/passwd"),
        member("cat/hard.png", tarfile.LNKTYPE, link="cat/1.png"),
        member("cat/device.png", tarfile.CHRTYPE),
        member("cat/pipe.png", tarfile.FIFOTYPE),
        good("dog/2.png"),
    )
    before = set(place.volume.parent.rglob("*"))
    outcome = place.sealed(archive_work(place.put("a.tar", data)), max_bad_samples=99)
    codes = place.manifest(outcome)["badSamples"]["byCode"]
    assert outcome.samples == 2
    assert codes == {"DuplicateKey": 1, "NotAFile": 4, "UnsafeName": 7}
    new = set(place.volume.parent.rglob("*")) - before
    assert all(p.is_relative_to(place.root) or p in (place.root.parent, place.volume / "a.tar") for p in new)


@pytest.mark.parametrize("name", ["a", "a/b.png", "ü/ß.png", "a b", "..a/b..png"])
def test_ordinary_names_are_safe(name: str) -> None:
    assert safe_name(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "../a", "a/./b", "a\x00", "a\x85", "\udcff", "x/" * 40 + "y", "y" * 2000]
)
def test_other_names_are_not(name: str) -> None:
    assert not safe_name(name)


def listed(tmp_path: Path, data: bytes) -> archives.Members:
    path = tmp_path / "x"
    path.write_bytes(data)
    return members_of(path, tmp_path / "scratch", "t")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 5000,
        b"PK\x03\x04" + b"\0" * 100,
        zipped(class_folders())[:-30],
        gzip.compress(b"x" * 5000),
        tar(class_folders())[:-400],
        tar(class_folders(), "xz")[:-40],
        tar(class_folders(), "bz2")[:200] + b"\0" * 200,
    ],
    ids=["empty", "noise", "zip start", "zip cut", "gzip of noise", "gzip cut", "xz cut", "bz2 damaged"],
)
def test_a_damaged_archive_fails_as_a_whole(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadArchive):
        listed(tmp_path, data)


def test_a_plain_tar_that_ends_early_loses_only_its_last_members(tmp_path: Path) -> None:
    data = tar(class_folders(6), "")
    try:
        found = listed(tmp_path, data[:8000])
    except BadArchive:
        return
    assert len(found.entries) < 12


def test_decompression_bombs_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FREE", 1 << 20)
    bomb = gzip.compress(tar({"cat/1.png": b"\0" * (8 << 20)}, ""))
    with pytest.raises(BadArchive, match="100 times"):
        listed(tmp_path, bomb)
    assert sum(p.stat().st_size for p in tmp_path.iterdir() if p.name != "x") <= (1 << 20) + len(bomb) * 100
    found = listed(tmp_path, zipped({"cat/1.png": b"\0" * (8 << 20), "cat/2.png": GOOD}))
    assert "SuspiciousRatio" in {code.value for _, code in found.bad}


def test_extended_headers_cannot_take_the_memory(tmp_path: Path) -> None:
    size = 3 << 20
    header = member("x", tarfile.XHDTYPE, size=size).tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(BadArchive):
        listed(tmp_path, header + b"\0" * size + tar_of(good("a/1.png")))


def test_more_members_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    with pytest.raises(BadArchive, match="more than 5"):
        listed(tmp_path, tar(class_folders(6), ""))


def test_a_zip_with_a_longer_directory_than_allowed_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its last record says of the number: zipfile is never given the bytes."""
    data = bytearray(zipped(class_folders(6)))
    end = data.rindex(b"PK\x05\x06")
    (length,) = struct.unpack_from("<I", data, end + 12)
    monkeypatch.setattr(zips, "MAX_DIRECTORY", length)
    members = len(listed(tmp_path, bytes(data)).entries)
    assert members == len(class_folders(6))
    monkeypatch.setattr(zips, "MAX_DIRECTORY", length - 1)
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    for number in (members, 1):
        struct.pack_into("<HH", data, end + 8, number, number)
        with pytest.raises(BadArchive, match=f"it takes {length} bytes, at most {length - 1} are read"):
            listed(tmp_path, bytes(data))


def test_a_zip_of_64_bits_with_a_longer_directory_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # beyond it a zip ends with records of 64 bits
    data = zipped(class_folders(6))
    assert b"PK\x06\x06" in data
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 100)
    with pytest.raises(BadArchive, match="at most 100 are read"):
        listed(tmp_path, data)


def test_a_zip_member_that_is_damaged_encrypted_or_lies_fails_alone(place: Place) -> None:
    files = {**class_folders(2), "cat/crc.png": png(7), "cat/locked.png": png(8), "cat/lies.png": png(9)}
    data = bytearray(zipped(files, zipfile.ZIP_STORED))
    at = data.find(files["cat/crc.png"])
    data[at + 200] ^= 0xFF
    central = data.find(b"PK\x01\x02")
    while central >= 0:
        length = struct.unpack_from("<H", data, central + 28)[0]
        name = bytes(data[central + 46 : central + 46 + length])
        if name == b"cat/locked.png":
            data[central + 8] |= 1
        if name == b"cat/lies.png":
            struct.pack_into("<I", data, central + 24, 10**6)
        central = data.find(b"PK\x01\x02", central + 4)
    outcome = place.sealed(archive_work(place.put("a.zip", bytes(data))), max_bad_samples=3)
    bad = {b["key"]: b["code"] for b in place.manifest(outcome)["badSamples"]["first"]}
    assert outcome.samples == 4
    assert bad["cat/crc.png"] == "BadChecksum"
    assert bad["cat/locked.png"] == "Encrypted"
    assert bad["cat/lies.png"] in ("Truncated", "Corrupt", "BadChecksum")


def test_links_in_a_zip_are_no_samples(place: Place) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in class_folders(1).items():
            archive.writestr(name, data)
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    outcome = place.sealed(archive_work(place.put("a.zip", out.getvalue())), max_bad_samples=1)
    assert outcome.bad_first == (("cat/link.png", "NotAFile"),)


def test_the_same_name_in_two_archives_is_counted_once(place: Place) -> None:
    a, b = place.put("a.tar", tar(class_folders(2))), place.put("b.zip", zipped(class_folders(3)))
    outcome = place.sealed(archive_work(a, b), max_bad_samples=4)
    assert (outcome.samples, outcome.bad_samples) == (6, 4)
