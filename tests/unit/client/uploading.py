"""What tests of uploads share. Used by test_upload.py and test_upload_faults.py."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.samples_api import SamplesApi


def check(server: SamplesApi, files: Path) -> None:
    """Every file is there once, with its bytes."""
    wanted = {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert {key: server.content(key) for key in server.samples} == wanted


def bundle_requests(server: SamplesApi) -> int:
    return sum(path.endswith("/bundles") for _, path, _ in server.asked)
