"""docs/api.md is what hack/api_docs.py makes, and `--check` notices when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hack import api_docs


def test_the_page_is_fresh() -> None:
    assert api_docs.main(["--check"]) == 0, "run: python hack/api_docs.py"


def test_check_notices_a_stale_page_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(api_docs.ROOT / "crds", tmp_path / "crds")
    assert api_docs.main(["--check"], tmp_path) == 1
    assert not (tmp_path / "docs").exists()
    assert api_docs.main([], tmp_path) == 0
    assert api_docs.main(["--check"], tmp_path) == 0
    crd = tmp_path / "crds" / "dataset.yaml"
    crd.write_text(crd.read_text().replace("What the data set shows", "What the data set depicts"))
    assert api_docs.main(["--check"], tmp_path) == 1
    assert "docs/api.md is stale" in capsys.readouterr().out


def test_fields_tell_type_default_and_need() -> None:
    page = api_docs.render()
    assert "| `spec.source.tfds.name` (required) | text ≤ 128 |" in page
    assert "| `spec.prepare.maxBadSamples` | number 0 – 1000000000 | `100` |" in page
    assert "| `spec.suspend` | boolean | `false` |" in page
    assert r"| `spec.reclaimPolicy` | `Retain` \| `Delete` | `Retain` |" in page
    assert "| `spec.source` | source names exactly one of: tfds, archive, claim, upload |" in page
    assert "| `SourceNotFound` | stalled |" in page
