"""docs/samples.md, docs/uploads.md and what README.md and docs/runbook.md say of added samples is so.

Their Python runs against stand-ins of the web process (tests/fakes/whole_api.py), their YAML is parsed and compared
with the schema, their codes, paths and numbers are those of the code.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueno.data.badsample import MAX_SAMPLE_BYTES
from blueno.data.bundle import BUNDLE_BYTES, BUNDLE_SAMPLES
from blueno.dataserver import listen, working_commit, working_uploads
from blueno.db import working_notices
from blueno.ingest import manifest
from blueno.ingest.manifest import FIELDS, read_lines
from blueno.resources.sample import LABEL_LIMIT, METADATA_LIMIT, SCHEMES, Sample
from tests.fakes.datasets_api import dataset
from tests.fakes.preparation import TOP
from tests.fakes.runs_api import TOKEN
from tests.fakes.whole_api import running
from webui import quotas
from webui.api import dataset_writes, uploads, working, working_samples

README, RUNBOOK = (TOP / "README.md").read_text(), (TOP / "docs/runbook.md").read_text()
SAMPLES, UPLOADS = (TOP / "docs/samples.md").read_text(), (TOP / "docs/uploads.md").read_text()
CODE = "".join(path.read_text() for folder in ("blueno", "webui") for path in (TOP / folder).rglob("*.py"))


def python_of(text: str, about: str) -> str:
    """The Python block that says `about`."""
    (found,) = [block for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if about in block]
    return str(found)


def run_python(block: str, root: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """What it prints, and the samples that are there afterwards. The stand-in has the data set team/digits."""
    with running(root / "server") as server:
        server.datasets.add(dataset("digits", "team"))
        env = {"BLUENO_SERVER": server.url, "BLUENO_TOKEN": TOKEN, "PYTHONPATH": str(TOP), "HOME": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", block],
            env=env | {"PATH": os.environ["PATH"]},
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        asked = [path for method, path, *_ in server.datasets.asked if method == "POST"]
    assert done.returncode == 0, done.stderr
    assert asked == ["/api/v1/datasets/team/digits/requests"]
    return done.stdout, server.samples.samples


def test_a_bundle_by_hand_is_taken_once(tmp_path: Path) -> None:
    said, samples = run_python(python_of(UPLOADS, "vnd.blueno.bundle"), tmp_path)
    assert said == "3 created, 0 same, []\n0 created, 3 same, []\n"
    assert sorted(samples) == ["a/0.png", "a/1.png", "a/2.png"]


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "photos/owl").mkdir(parents=True)
    (tmp_path / "photos/owl/1.png").write_bytes(b"an owl")
    block = python_of(README, "put_many").replace('samples("birds")', 'samples("digits", "team")')
    _, samples = run_python(block.replace('seal("birds")', 'seal("digits", "team")'), tmp_path)
    assert {key: one["label"] for key, one in samples.items()} == {"extra/owl.png": "owl", "owl/1.png": "owl"}


def yaml_documents() -> list[dict[str, Any]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", SAMPLES, re.M | re.S)
    return [body for block in blocks for body in yaml.safe_load_all(block)]


def test_the_samples_of_the_document_can_be_applied() -> None:
    (version,) = yaml.safe_load((TOP / "crds/sample.yaml").read_text())["spec"]["versions"]
    known = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    shown = [body for body in yaml_documents() if body["kind"] == "Sample"]
    assert len(shown) == 2
    for body in shown:
        assert body["spec"].keys() <= known.keys()
        sample = Sample.parse({**body, "metadata": {**body["metadata"], "namespace": "default", "uid": "u"}})
        assert sample.dataset == "scans"


def test_the_list_of_the_document_has_no_bad_line(tmp_path: Path) -> None:
    (lists,) = [body for body in yaml_documents() if body["kind"] == "ConfigMap"]
    (text,) = lists["data"].values()
    (tmp_path / "new.csv").write_text(text)
    with (tmp_path / "new.csv").open("rb") as file:
        lines = list(read_lines(file, is_csv=True))
    assert [(line.code, line.fields["label"]) for line in lines] == [("", "owl"), ("", {"finding": "none"})]
    (named,) = [
        body["spec"]["manifest"]["configMapRef"] for body in yaml_documents() if "manifest" in body.get("spec", {})
    ]
    assert named == {"name": lists["metadata"]["name"], "key": next(iter(lists["data"]))}


def test_schemes_and_keys_of_secrets_are_those_that_are_read() -> None:
    section = SAMPLES.partition("## Where the bytes may be")[2].partition("\n## ")[0]
    rows = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)://", rows)) == set(SCHEMES)
    said = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", rows)) | {"token", "username", "password"}
    assert {word for word in ("token", "username", "password") if f"`{word}`" not in rows} == set()
    read = "".join((TOP / "blueno/ingest" / name).read_text() for name in ("signing.py", "remote.py"))
    asked = set(re.findall(r'secret\.get\("(\w+)"', read)) | set(
        re.findall(r'"(\w+_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY))"', read)
    )
    assert asked | {"username", "password"} == said


def test_fields_and_numbers_of_samples() -> None:
    section = SAMPLES.partition("## Manifests")[2].partition("\n## ")[0]
    assert [name for name in FIELDS if f"`{name}`" not in section] == []
    assert [code for code in (manifest.INVALID_LINE, manifest.LINE_TOO_LONG) if f"`{code}`" not in section] == []
    limits = (
        f"{manifest.MAX_LINES:,} samples",
        f"{manifest.MAX_LINE >> 10} KiB, a",
        f"{manifest.MAX_BYTES >> 30} GiB;",
    )
    assert [text for text in limits if text not in " ".join(section.split())] == []
    flat = " ".join(SAMPLES.split())
    numbers = (
        f"at most {MAX_SAMPLE_BYTES >> 20} MiB",
        f"at most {LABEL_LIMIT >> 10} KiB",
        f"most {METADATA_LIMIT >> 10} KiB",
    )
    assert [text for text in numbers if text not in flat] == []


def test_paths_of_uploads_are_routes() -> None:
    top = "/api/v1/datasets/{namespace}/{name}"
    routes = (*uploads.ROUTES, *dataset_writes.ROUTES, *working.ROUTES, *working_samples.ROUTES)
    known = {(route.method, route.path.removeprefix(top)) for route in routes}
    rows = re.findall(r"^\| `(\w+) (/[\w/<>]*)|^\| `(GET)` or `HEAD (/[\w/<>]*)", UPLOADS, re.M)
    asked = {(one or other, (path or way).replace("<id>", "{id}")) for one, path, other, way in rows}
    assert len(asked) == 8 + 1
    assert asked <= known


@pytest.mark.parametrize("text", [UPLOADS, RUNBOOK.partition("## Added samples")[2].partition("\n## ")[0]])
def test_codes_are_those_of_the_code(text: str) -> None:
    codes = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)) - {"blueno_recorder_working_pending"}
    codes = {code for code in codes if not code.startswith("blueno_")}
    assert codes
    assert [code for code in sorted(codes) if f'"{code}"' not in CODE] == []


def test_numbers_of_uploads_and_of_the_runbook() -> None:
    flat = " ".join(UPLOADS.split())
    assert f"{BUNDLE_BYTES >> 20} MiB and {BUNDLE_SAMPLES:,} samples at most" in flat
    assert f"at most {uploads.CHUNK_LIMIT >> 20} MiB" in flat
    assert f"a file: {MAX_SAMPLE_BYTES >> 20} MiB at most" in flat
    said = " ".join(RUNBOOK.partition("## Added samples")[2].split())
    assert quotas.AT_ONCE_PER_PERSON == 8
    assert f"at most {working_commit.MOST_SAMPLES:,} samples" in said
    assert f"*{working_uploads.MOST} uploads are open*" in said
    assert f"{listen.Limits.reserve >> 20} MiB stay free" in said
    assert f"at most {MAX_SAMPLE_BYTES >> 20} MiB" in said
    assert f"may take {working_notices.LONGEST_SECONDS / 60:.0f} minutes" in said
    assert working_uploads.UNUSED == 7 * 86_400


@pytest.mark.parametrize(
    "sentence",
    [
        "the working set is being read",
        "holds no more",
        "uploads are open",
        "the volume is too slow",
        "cannot be read now",
        "another data server writes this working set",
        "the samples that were added cannot be read",
    ],
)
def test_sentences_of_the_runbook_are_said(sentence: str) -> None:
    assert re.search(rf"\*[^*|]*{sentence}", RUNBOOK)
    assert sentence in CODE
