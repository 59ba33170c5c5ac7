"""docs/client.md and the README say what is so: their Python runs; tables name every method, errors, real numbers."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

import blueno.client
from blueno import errors
from blueno.client import (
    Datasets,
    Runs,
    Samples,
    Tokens,
    Users,
    asking,
    bundles,
    exchange,
    http,
    large,
    platform,
    upload,
)
from blueno.data import bundle
from tests.fakes.datasets_api import dataset
from tests.fakes.platform_api import EMAIL, PASSWORD
from tests.fakes.runs_api import TOKEN
from tests.fakes.whole_api import running
from tests.unit.client.test_specfile import RUN

TOP = Path(__file__).resolve().parents[3]
TEXT = (TOP / "docs/client.md").read_text()
PYTHON = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
BLOCKS = PYTHON.findall(TEXT)
SAID = (
    "4 created, 0 refused\n",
    "3000 samples, 19890 bytes\n",
    "it trains\nsucceeded {'loss': '0.31'} 600 s, 1.50 GPU hours\n",
    "5 ['digits']\na/0.png 7\na/1.png 7\n",
    "scan 1 7 b'...'\n",
)


@pytest.mark.parametrize(("block", "said"), [*zip(BLOCKS, SAID, strict=True)], ids=range(len(BLOCKS)))
def test_the_python_runs(block: str, said: str, tmp_path: Path) -> None:
    assert run(block, dataset("digits", "team"), tmp_path) == said


def test_the_readme_adds_samples(tmp_path: Path) -> None:
    adding, _ = PYTHON.findall((TOP / "README.md").read_text())
    (tmp_path / "photos" / "owl").mkdir(parents=True)
    (tmp_path / "photos" / "owl" / "1.png").write_bytes(b"an owl")
    show = "\nfor one in birds.working():\n    print(one.key, one.label, one.split)\n"
    adding = adding.replace("    client.datasets.seal", f"{indent(show, '    ')}    client.datasets.seal")
    assert run(adding, dataset("birds", "default"), tmp_path) == "extra/owl.png owl test\nowl/1.png owl None\n"


def run(block: str, there: dict[str, Any], tmp_path: Path) -> str:
    """What it prints, before stand-ins of the web process that have this data set unless the block makes it."""
    (tmp_path / "run.yaml").write_text(RUN)
    for folder in "ab":
        for number in range(2):
            (tmp_path / "scans" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "scans" / folder / f"{number}.png").write_bytes(b"content")
    (tmp_path / "scans" / "of no class.png").write_bytes(b"")
    with running(tmp_path / "server") as server:

        def on(run: dict[str, Any]) -> None:
            run["state"] = "succeeded"

        server.runs.on_get, server.runs.text = on, {(1, "p"): b"it trains\n"}
        if "datasets.create(" not in block:
            server.datasets.add(there)
            server.samples.place = f"{there['namespace']}/{there['name']}"
        env = {"BLUENO_SERVER": server.url, "BLUENO_TOKEN": TOKEN, "EMAIL": EMAIL, "PASSWORD": PASSWORD}
        env |= {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(TOP)}
        done = subprocess.run(
            [sys.executable, "-c", block], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("name", "face"),
    [("runs", Runs), ("datasets", Datasets), ("samples", Samples), ("users", Users), ("tokens", Tokens)],
)
def test_the_methods_are_those_of_the_client(name: str, face: type) -> None:
    rows = re.findall(rf"^\| (`{name}\..*?) \| ", TEXT, re.M)
    said = {one: text for row in rows for one, text in re.findall(rf"`{name}\.(\w+)(?:\((.*?)\))?`", row)}
    real = {one: value for one, value in vars(face).items() if not one.startswith("_")}
    assert set(said) == set(real)
    for one, text in said.items():
        if text:
            wanted = [part.strip().rstrip("=") for part in text.split(",")]
            assert wanted == list(inspect.signature(real[one]).parameters)[1:]


def test_the_errors_and_numbers() -> None:
    for name in re.findall(r"^\| `([A-Z]\w+)` \| ", TEXT, re.M):
        assert issubclass(getattr(errors, name), errors.BluenoError)
    for name in set(re.findall(r"`([A-Z][A-Za-z]+)`", TEXT)) - {"None", "Path", "TimeoutError"}:
        assert hasattr(blueno.client, name) or hasattr(errors, name), name
    numbers = (f"{http.CONNECT:.0f} s for a connection", f"{http.WAIT:.0f} s for the next", f"{http.WHOLE:.0f} s for a")
    sizes = (f"{http.LARGEST >> 20} MiB", f"{exchange.SLOWEST >> 10} KiB a second", f"{asking.AWAY / 60:.0f} minutes")
    packed = f"bundles of up to {bundles.FULL_BYTES >> 20} MiB or {bundles.FULL_SAMPLES:,} samples"
    chunks = (f"larger than {bundle.LARGE >> 20} MiB travels alone, in chunks of {large.CHUNK >> 20} MiB",)
    flat = " ".join(TEXT.split())
    assert [one for one in (*numbers, *sizes, packed, *chunks) if one not in flat] == []
    assert (http.TRIES, upload.PARALLEL, upload.RESENDS) == (4, 4, 3)
    assert platform.PAUSES == (2, 4, 8, 16, 32)
