"""Reading a person's YAML, and writing it back for Git."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blueno.client import export, specfile
from blueno.errors import BluenoError, InvalidSpec

TOP = Path(__file__).resolve().parents[3]
RUN = """\
apiVersion: blueno.dev/v1alpha1
kind: TrainingRun
metadata: {name: digits, namespace: team}
spec:
  image: train:1
  command: [python, train.py]
  args: [--lr, $(params.lr)]
  parameters: {lr: "0.01"}
"""


def read(text: str) -> specfile.RunFile:
    return specfile.parse(specfile.load(text.encode(), "run.yaml"))


def test_a_file_is_read_and_parameters_set(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    found = specfile.read(tmp_path / "run.yaml")
    assert (found.name, found.namespace) == ("digits", "team")
    changed = found.changed("other", {"lr": "0.1", "seed": "1"})
    assert changed.spec["parameters"] == {"lr": "0.1", "seed": "1"}
    assert found.spec["parameters"] == {"lr": "0.01"}
    assert changed.name == "other"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(RUN.encode())))
    assert specfile.read("-").name == "digits"


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "line 1, column 5 is not YAML|is not YAML"),
        ("", "holds 0 objects"),
        (f"{RUN}---\n{RUN}", "holds 2 objects"),
        (bomb(), "unfolds into more than"),
        ("a: &a {b: *a}", "is not YAML"),
        ("a: &a [*a]", "unfolds into more|is not YAML"),
        ("[" * 5000, "nested too deeply|is not YAML"),
        ("a: 1\na: 2", "there twice"),
        ("1: a", "is not a text"),
        ("[a]: b", "is not a text"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
        ("a: \x01", "is not YAML"),
        ("\ufffe", "holds|YAML"),
    ],
)
def test_files_that_are_no_yaml_or_a_trap(text: str, why: str) -> None:
    with pytest.raises(BluenoError, match=why):
        specfile.load(text.encode(), "run.yaml")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("kind: TrainingRun", "kind: Dataset", "kind: must be TrainingRun"),
        ("v1alpha1", "v9", "apiVersion"),
        ("name: digits", "name: Digits", "metadata.name"),
        ("name: digits", "name: ../../etc", "metadata.name"),
        ("name: digits", f"name: {'a' * 64}", "at most 63"),
        ("name: digits", "generateName: a", "metadata.name"),
        ("namespace: team", "labels: {a: b}", "kubectl apply"),
        ('"0.01"', "0.01", 'parameters.lr: must be a text: write "0.01" in quotation marks'),
        ('"0.01"', "yes", 'write "true" in quotation marks'),
        ("--lr", "1", r"spec.args\[0\]"),
        ("[python, train.py]", "python", "spec.command: must be a list"),
        ('{lr: "0.01"}', "[lr]", "spec.parameters: must be a map"),
        ("image: train:1", "env: [{name: A, value: 1}]", "spec.env.A: must be a text"),
        ("image: train:1", "env: [A]", "spec.env: must be a list of objects"),
        ("image: train:1", "datasets: [{mountPath: /a}]", r"spec.datasets\[0\].name"),
        ("train.py", '"a\\0b"', "zero byte"),
    ],
)
def test_what_the_cluster_would_refuse_later(old: str, new: str, why: str) -> None:
    assert old in RUN
    with pytest.raises(InvalidSpec, match=why):
        read(RUN.replace(old, new))


def test_times_and_octals_stay_as_they_were_written() -> None:
    with pytest.raises(InvalidSpec, match=r"write \"12\""):
        read(RUN.replace('"0.01"', "012".replace("012", "12")))
    assert read(RUN.replace('"0.01"', "2026-01-02")).spec["parameters"] == {"lr": "2026-01-02"}


@pytest.mark.parametrize("key", ["1a", "a-b", "", "a" * 64, "ä"])
def test_names_of_parameters(key: str) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.parameters"):
        read(RUN).changed(None, {key: "1"})


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BluenoError, match="No such file"):
        specfile.read(tmp_path / "nothing.yaml")
    with pytest.raises(BluenoError, match="directory"):
        specfile.read(tmp_path)
    with pytest.raises(BluenoError, match="not a path"):
        specfile.read("a\0b")
    monkeypatch.setattr(specfile, "MOST", 100)
    (tmp_path / "large.yaml").write_text("a" * 101)
    with pytest.raises(BluenoError, match="larger"):
        specfile.read(tmp_path / "large.yaml")


def defaults(schema: Any, path: str = "") -> dict[str, Any]:
    found = {path: schema["default"]} if "default" in schema and not isinstance(schema["default"], dict) else {}
    for key, child in schema.get("properties", {}).items():
        found |= defaults(child, f"{path}.{key}".lstrip("."))
    return found


def test_defaults_are_those_of_the_schema() -> None:
    crd = yaml.safe_load((TOP / "crds/trainingrun.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert dict(export.DEFAULTS) == defaults(schema)
    assert set(export.ORDER) >= {"image", "command", "parameters"}


def test_export_is_clean_and_in_order() -> None:
    spec = {
        "terminationGracePeriodSeconds": 30,
        "podSecurity": {"runAsUser": 65532, "runAsGroup": 65532},
        "gpus": {"resourceName": "nvidia.com/gpu", "count": 1},
        "suspend": False,
        "backoffLimit": 2,
        "env": [{"value": "1e3", "name": "A"}, {"value": "a\nb\n", "name": "B"}],
        "priorityClassName": None,
        "image": "train:1",
        "resources": {},
    }
    assert export.to_yaml("digits", "team", spec) == (
        "apiVersion: blueno.dev/v1alpha1\nkind: TrainingRun\nmetadata:\n  name: digits\n  namespace: team\nspec:\n"
        '  image: train:1\n  env:\n  - name: A\n    value: "1e3"\n  - name: B\n    value: |\n      a\n      b\n'
        "  gpus:\n    count: 1\n  resources: {}\n  backoffLimit: 2\n"
    )


def test_a_number_is_not_its_boolean() -> None:
    assert export.clean_spec({"backoffLimit": False, "suspend": 0}) == {"backoffLimit": False, "suspend": 0}


@pytest.mark.parametrize("text", ["1e3", "0x1f", "012", "0o7", "y", "No", "on", "~", "", " a", "a: b", "1_000", ".5"])
def test_texts_that_look_like_something_else_are_quoted(text: str) -> None:
    dumped = export.dump({"a": text})
    assert dumped.strip().removeprefix("a: ")[0] in "'\""
    assert yaml.safe_load(dumped) == {"a": text}


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40) | st.integers() | st.booleans(), max_size=5))
def test_what_is_dumped_is_what_is_read(value: Any) -> None:
    dumped = export.dump({"a": value})
    assert yaml.safe_load(dumped) == {"a": value}
