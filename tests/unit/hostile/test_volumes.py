"""Hostile NIfTI and DICOM: each through the door that all samples take, and all of them through one preparation."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.data.badsample import BadSample
from blueno.data.decode import decode, sniff
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import tar
from tests.fakes.volumes import PERSONAL, dicom, nifti, ramp
from tests.hostile.child import Hostiles
from tests.hostile.items import Item
from tests.hostile.volumes_dicom import DICOM
from tests.hostile.volumes_nifti import NIFTI
from tests.hostile.volumes_series import SERIES, SLICES, packed

ITEMS: dict[str, Item] = {
    f"{kind}: {name}": item
    for kind, corpus in (("nifti", NIFTI), ("dicom", DICOM), ("series", SERIES))
    for name, item in corpus.items()
}
CAP = 96 << 20  # bytes: what is claimed is never taken


@pytest.mark.parametrize("name", ITEMS)
def test_a_volume_fails_with_its_code_or_keeps_its_values(hostiles: Hostiles, tmp_path: Path, name: str) -> None:
    item = ITEMS[name]
    (tmp_path / "x").write_bytes(item.make())
    said = hostiles.run("tests.hostile.runs:look_at", cap=CAP, path=str(tmp_path / "x")).must()
    assert not any(text in json.dumps(said) for text in PERSONAL)
    for end in (said["examined"], said["decoded"]):
        if item.codes:
            assert {end.get("code"): 1} == item.codes, said
        else:
            assert (tuple(end["shape"]), end["dtype"]) == (item.shape, item.dtype), said
    if not item.codes:
        wanted = [value if isinstance(value, str) else repr(value) for value in item.first]
        assert said["decoded"]["first"][: len(wanted)] == wanted


def test_each_fails_alone_in_a_preparation_and_nothing_personal_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One data set of all of them. Each lies in a folder of its own: else slices would be put together."""
    small = {name: item for name, item in ITEMS.items() if "bomb" not in name and "million" not in name}
    files = {f"x/{number:03}/a.{'nii' if name.startswith('nifti') else 'dcm'}": item.make()
             for number, (name, item) in enumerate(small.items())}  # fmt: skip
    place = Place(tmp_path)
    caplog.set_level(logging.DEBUG)
    outcome = place.sealed(archive_work(place.put("in.tar", tar(files, ""))), max_bad_samples=len(files))
    wanted: dict[str, int] = {}
    for item in small.values():
        for code in item.codes:
            wanted[code] = wanted.get(code, 0) + 1
    found = place.manifest(outcome)["badSamples"]
    assert found["byCode"] == dict(sorted(wanted.items()))
    codes = {entry["key"]: entry["code"] for entry in found["first"]}
    for key, item in zip(files, small.values(), strict=True):
        assert key not in codes or {codes[key]: 1} == item.codes, key
    version = place.version(outcome)
    rows = pa.ipc.open_file(version / "index.arrow").read_all()
    told = [*map(str, rows["metadata"].to_pylist()), (version / "manifest.json").read_text(), outcome.to_json()]
    for text in (*told, caplog.text):
        assert not [word for word in (*PERSONAL, "<script>") if word in text]


GOOD = {
    "nifti": nifti(ramp((5, 4, 3))),
    "packed": nifti(ramp((5, 4, 3)), packed=True),
    "dicom": dicom(ramp((3, 4)), RescaleSlope=2, RescaleIntercept=-1),
    "implicit": dicom(ramp((3, 4)), syntax="implicit"),
    "series": packed(SLICES[:3]),
}


@given(kind=st.sampled_from(sorted(GOOD)), data=st.data())
def test_damage_anywhere_is_a_bad_sample_or_an_array(kind: str, data: st.DataObject) -> None:
    broken = bytearray(GOOD[kind])
    places = st.integers(0, min(len(broken), 4000) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        broken[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(0) | st.integers(0, len(broken)))
    raw = bytes(broken[: len(broken) - cut])
    ends: list[Any] = []
    for function in (decode, sniff):
        try:
            ends.append(function(raw))
        except BadSample as bad:
            assert len(bad.detail) <= 200
            assert not [word for word in PERSONAL if word in bad.detail]
            ends.append(bad)
    if isinstance(ends[1], BadSample):
        assert isinstance(ends[0], BadSample)
