"""NIfTI, DICOM and DICOM series through the preparation: from archives, claims and people; and the recipe for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

import blueno
from blueno.data.imaging.series import pack
from blueno.prep import series as prep_series
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.people import People
from tests.fakes.preparation import TOP, Place, archive_work
from tests.fakes.sources import tar, zipped
from tests.fakes.volumes import PERSONAL, dicom, enhanced, nifti, ramp, series

HOUNSFIELD: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
SCAN = ramp((4, 6, 8), "<u2", 0)
SLICES = series(SCAN, spacing=(2.5, 0.7, 0.9), **HOUNSFIELD)
AFFINE = np.diag([0.7, 0.7, 2.0, 1.0])
FILES = {
    **{f"lesion/p1/IM{number:04}": data for number, data in enumerate(SLICES)},
    "lesion/DICOMDIR": b"\0" * 128 + b"DICM" + b"\0" * 400,
    "normal/p2.nii.gz": nifti(ramp((5, 6, 7)), AFFINE, packed=True, change=lambda h: h.set_slope_inter(2, -100)),
    "normal/p3.dcm": enhanced(ramp((4, 6, 8))),
}
KEYS = ["lesion/p1", "normal/p2.nii.gz", "normal/p3.dcm"]
FLAT = {"type": "flat"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def rows(place: Place, outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Rows of the index by key."""
    table = pa.ipc.open_file(place.version(outcome) / "index.arrow").read_all()
    return {row["key"]: row for row in table.to_pylist()}


def claimed(top: Path, files: Mapping[str, bytes]) -> None:
    """Lays files on the claim that a work reads."""
    for name, data in files.items():
        path = top / "source" / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def check(place: Place, outcome: Outcome) -> None:
    """A version of FILES with their labels, geometry and true intensities."""
    found = rows(place, outcome)
    assert list(found) == KEYS
    scan, packed = found["lesion/p1"], found["normal/p2.nii.gz"]
    assert [row["format"] for row in found.values()] == ["dicom-series", "nifti", "dicom"]
    assert (scan["label"], packed["label"]) == ('"lesion"', '"normal"')
    assert (scan["depth"], scan["height"], scan["width"], scan["channels"]) == (4, 6, 8, 1)
    told = json.loads(scan["metadata"])["imaging"]
    assert (told["spacing"], told["orientation"], told["modality"]) == ([2.5, 0.7, 0.9], "LPS", "CT")
    assert (told["slope"], told["intercept"], told["unit"]) == (1, -1024, "HU")
    told = json.loads(packed["metadata"])["imaging"]
    assert (told["spacing"], told["slope"], told["intercept"]) == ([2.0, 0.7, 0.7], 2, -100)
    data = blueno.open_dataset(place.root, verify=True)
    assert np.array_equal(data[0].image, SCAN.astype(int) - 1024)
    assert np.array_equal(data[1].image, ramp((5, 6, 7)).transpose(2, 1, 0)[:, ::-1, ::-1].astype(int) * 2 - 100)
    assert data.raw(0) == pack((f"IM{number:04}", one) for number, one in enumerate(SLICES))
    assert data.raw(1) == FILES["normal/p2.nii.gz"]
    text = (place.version(outcome) / "manifest.json").read_text() + str(found) + outcome.to_json()
    assert not [word for word in PERSONAL if word in text]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_scanners_folders_in_an_archive(place: Place, kind: str) -> None:
    data = tar(FILES, "") if kind == "tar" else zipped(FILES)
    outcome = place.sealed(archive_work(place.put(f"ct.{kind}", data)))
    check(place, outcome)
    assert place.manifest(outcome)["ignoredFiles"] == 1, "DICOMDIR"


def test_a_scanners_folders_on_a_claim(place: Place, tmp_path: Path) -> None:
    claimed(tmp_path, FILES)
    check(place, place.sealed(Work(source={"claim": {"name": "scans", "path": "scans"}}, layout={"type": "auto"})))


def test_people_add_the_same_volumes(place: Place) -> None:
    """The digest is that of the archive: neither the way in nor the packs count."""
    assert place.prepare(Work({"upload": {}}, {"type": "auto"})).opened
    people = People(place.root)
    scan = pack((f"IM{number:04}", data) for number, data in enumerate(SLICES))
    people.add({"lesion/p1": scan}, label="lesion")
    people.add({key: FILES[key] for key in KEYS[1:]}, label="normal")
    check(place, place.sealed(Work({"upload": {}}, {"type": "auto"}, requested_at="2026-01-01T00:00:00Z")))


def test_what_a_person_calls_imaging_stays(place: Place) -> None:
    assert place.prepare(Work({"upload": {}}, {"type": "auto"})).opened
    people = People(place.root)
    people.add({"a.nii": nifti(ramp((5, 6, 7)))}, metadata={"imaging": "mine"})
    people.add({"b.nii": nifti(ramp((5, 6, 7)))}, metadata={"scanner": 3})
    outcome = place.sealed(Work({"upload": {}}, {"type": "auto"}, requested_at="2026-01-01T00:00:00Z"))
    found = {key: json.loads(row["metadata"]) for key, row in rows(place, outcome).items()}
    assert found["a.nii"] == {"imaging": "mine"}
    assert (found["b.nii"]["scanner"], found["b.nii"]["imaging"]["spacing"]) == (3, [1, 1, 1])


def test_two_series_in_one_folder_and_pictures_beside_them(place: Place) -> None:
    other = series(ramp((3, 6, 8)), uid="1.2.3")
    files = {
        **{f"p/a{number}.dcm": data for number, data in enumerate(SLICES)},
        **{f"p/b{number}.dcm": data for number, data in enumerate(other)},
        "p/x-ray-1.dcm": dicom(ramp((6, 8)), Modality="CR"),
        "p/x-ray-2.dcm": dicom(ramp((6, 8)), Modality="CR"),
    }
    found = rows(place, place.sealed(archive_work(place.put("a.tar", tar(files, "")), layout=FLAT)))
    shapes = {key: (row["format"], row["depth"]) for key, row in found.items()}
    volumes = sorted(value for key, value in shapes.items() if "/series-" in f"/{key}")
    assert volumes == [("dicom-series", 3), ("dicom-series", 4)]
    assert [value for key, value in shapes.items() if "x-ray" in key] == [("dicom", 1)] * 2
    assert len(shapes) == 4


def test_slices_that_a_labels_file_names_stay_samples_each(place: Place) -> None:
    files = {f"p/{number}.dcm": data for number, data in enumerate(SLICES)}
    labels = "path,label\n" + "".join(f"{name},slice\n" for name in files)
    outcome = place.sealed(archive_work(place.put("a.tar", tar({**files, "labels.csv": labels.encode()}, ""))))
    assert list(rows(place, outcome)) == list(files)


def test_a_series_with_a_slice_that_is_cut_fails_alone(place: Place) -> None:
    files = {f"p/{number}.dcm": data for number, data in enumerate([*SLICES[:3], SLICES[3][:-10]])}
    files["q/a.nii"] = nifti(ramp((5, 6, 7)))
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files, "")), layout=FLAT), max_bad_samples=1)
    assert list(rows(place, outcome)) == ["q/a.nii"]
    assert outcome.bad_first == (("p", "Truncated"),)


def test_a_series_larger_than_a_sample_may_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**{f"p/{n}.dcm": data for n, data in enumerate(SLICES)}, "q/a.nii": nifti(ramp((5, 6, 7)))}
    monkeypatch.setattr(prep_series, "MAX_SAMPLE_BYTES", 1000)
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files, "")), layout=FLAT), max_bad_samples=1)
    assert outcome.bad_first == (("p", "TooLarge"),)


def test_the_recipe(place: Place, tmp_path: Path) -> None:
    """Commands, YAML and Python of "docs/recipes.md" as they stand there, but for the address."""
    text = (TOP / "docs/recipes.md").read_text().partition("## A CT archive")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"^```sh run-by: \S+\n(.*?)^```", text, re.M | re.S)
    claimed(tmp_path, {name: data for name, data in FILES.items() if name != "lesion/DICOMDIR"})
    environment = {"PATH": os.environ["PATH"], "SCANS": str(tmp_path / "source" / "scans")}
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    spec = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)[0])["spec"]
    (file,) = spec["source"]["archive"]["files"]
    file |= {"url": place.put("ct.tar", (tmp_path / "ct.tar").read_bytes()), "sha256": done.stdout.split()[0]}
    check(place, place.sealed(Work(source=spec["source"], layout=spec["layout"])))
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    printed: list[tuple[Any, ...]] = []
    exec(code.replace("/data/ct", str(place.root)), {"print": lambda *values: printed.append(values)})
    assert [line[0] for line in printed] == KEYS
    assert printed[0][2] == [2.5, 0.7, 0.9]
