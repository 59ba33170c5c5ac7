"""`blueno dataset …` as a person or a script uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.data_api import AT, DIGEST, DataApi, dataset
from tests.unit.cli.conftest import Blueno

EVIL = "\x1b[2J\x9b31m\u202eevil\r\n"


def test_create_from_words(blueno: Blueno, api: DataApi) -> None:
    done = blueno("dataset", "create", "mnist", "--from", "tfds:mnist:3.0.1", "--set", "storage.managedNFS.size=2Gi")
    assert (done.exit_code, done.stdout) == (0, "dataset.blueno.dev/mnist\n")
    method, path, body = api.asked[0]
    assert (method, path) == ("POST", "/api/v1/datasets/default")
    assert body["metadata"] == {"name": "mnist", "namespace": "default"}
    assert body["spec"] == {
        "source": {"tfds": {"name": "mnist", "version": "3.0.1"}},
        "storage": {"managedNFS": {"size": "2Gi"}},
    }
    again = blueno("dataset", "create", "mnist", "--from", "upload")
    assert (again.exit_code, "choose another name" in again.stderr) == (6, True)
    assert blueno("dataset", "create", "a", "--from", "upload", "-n", "forbidden").exit_code == 4


def test_create_from_a_file(blueno: Blueno, api: DataApi, tmp_path: Path) -> None:
    body = {
        "apiVersion": "blueno.dev/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": "photos", "namespace": "team", "labels": {"a": "b"}},
        "spec": {"source": {"upload": {}}},
    }
    (tmp_path / "photos.yaml").write_text(yaml.safe_dump(body))
    assert blueno("dataset", "create", "photos.yaml", "--set", "license=MIT").exit_code == 0
    assert api.asked[0][1] == "/api/v1/datasets/team"
    assert api.asked[0][2]["spec"] == {"source": {"upload": {}}, "license": "MIT"}
    assert api.asked[0][2]["metadata"]["labels"] == {"a": "b"}
    other = yaml.safe_dump(body | {"kind": "Secret"})
    refused = blueno("dataset", "create", "-", stdin=other)
    assert (refused.exit_code, refused.stderr) == (2, "blueno: kind: must be Dataset: this is another object\n")
    assert "cannot be read" in blueno("dataset", "create", "nothing.yaml").stderr


def test_what_to_keep_in_git(blueno: Blueno, api: DataApi, tmp_path: Path) -> None:
    words = (
        "dataset",
        "create",
        "mnist",
        "--from",
        "upload",
        "--set",
        "prepare.parallelism=1",
        "--dry-run",
        "-o",
        "yaml",
    )
    done = blueno(*words)
    assert done.exit_code == 0
    assert done.stdout == (
        "apiVersion: blueno.dev/v1alpha1\nkind: Dataset\nmetadata:\n  name: mnist\n  namespace: default\n"
        "spec:\n  source:\n    upload: {}\n"
    )
    assert api.datasets == {}
    assert api.asked[0][1].endswith("?dryRun=true")
    (tmp_path / "git.yaml").write_text(done.stdout)
    assert blueno("dataset", "create", "git.yaml", "--dry-run", "-o", "yaml").stdout == done.stdout


def test_without_a_server_it_is_still_written(blueno: Blueno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUENO_SERVER")
    done = blueno("dataset", "create", "mnist", "--from", "tfds:mnist", "--dry-run", "-o", "yaml")
    assert (done.exit_code, done.stderr) == (0, "not checked: no server is known here\n")
    assert yaml.safe_load(done.stdout)["spec"] == {"source": {"tfds": {"name": "mnist"}}}
    assert blueno("dataset", "create", "mnist", "--from", "tfds:mnist").exit_code == 1
    monkeypatch.setenv("BLUENO_SERVER", "nonsense")
    assert blueno("dataset", "create", "mnist", "--from", "tfds:mnist", "--dry-run").exit_code == 1


def test_export(blueno: Blueno, api: DataApi) -> None:
    spec = {"suspend": False, "reclaimPolicy": "Delete", "prepare": {"backoffLimit": 3}, "source": {"upload": {}}}
    api.put(dataset("mine", spec=spec))
    said = yaml.safe_load(blueno("dataset", "export", "mine").stdout)
    assert said["spec"] == {"source": {"upload": {}}, "reclaimPolicy": "Delete"}


def test_create_and_wait(blueno: Blueno, api: DataApi) -> None:
    percentage = 0

    def on(found: dict[str, Any]) -> None:
        nonlocal percentage
        percentage += 40
        ready = percentage > 100
        progress = None if ready else {"stage": "Decoding", "percentage": percentage, "estimatedRemainingSeconds": 90}
        more = (
            {"version": {"digest": DIGEST, "sequence": 1}, "reason": "Available"} if ready else {"reason": "Preparing"}
        )
        found.update(ready=ready, reconciling=not ready, progress=progress, **more)

    api.on_get = on
    done = blueno("dataset", "create", "mnist", "--from", "tfds:mnist", "--wait")
    assert (done.exit_code, done.stdout) == (0, "dataset.blueno.dev/mnist\n")
    assert "default/mnist  Preparing  40% 90s\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "default/mnist  Available  version 1 (26297ffa)"


def test_wait_says_what_a_person_has_to_do(blueno: Blueno, api: DataApi) -> None:
    stuck = {"ready": False, "stalled": True, "reason": "ChecksumMismatch", "message": "correct sha256 of files[0]"}
    api.put(dataset(version=None, **stuck))
    done = blueno("dataset", "wait", "digits")
    assert done.exit_code == 7
    assert "ChecksumMismatch: correct sha256 of files[0]" in done.stderr


def test_wait_gives_up_in_time(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset(ready=False, reconciling=True, reason="Preparing"))
    done = blueno("dataset", "wait", "digits", "--timeout", "0.1")
    assert (done.exit_code, "it goes on" in done.stderr) == (8, True)


@pytest.mark.parametrize("what", ["seal", "refresh", "retry"])
def test_asking_again(blueno: Blueno, api: DataApi, what: str) -> None:
    api.put(dataset())
    done = blueno("dataset", what, "digits")
    assert done.exit_code == 0
    assert api.datasets["default", "digits"]["requested"][0] == what
    looks = 0

    def on(found: dict[str, Any]) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:  # until then it is as it was before anybody asked
            found["lastHandledRequest"] = found["requested"][1]

    api.on_get = on
    assert blueno("dataset", what, "digits", "--wait").exit_code == 0
    assert looks == 3


def test_ls(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset())
    api.put(dataset("other", "team"))
    assert blueno("dataset", "ls").stdout.splitlines()[0].split()[:3] == ["NAME", "READY", "STATUS"]
    assert "other" not in blueno("dataset", "ls").stdout
    assert "team        other" in blueno("dataset", "ls", "-A").stdout
    assert blueno("dataset", "ls", "-o", "name").stdout == "dataset.blueno.dev/digits\n"
    assert json.loads(blueno("dataset", "ls", "-o", "json").stdout)[0]["reason"] == "Available"
    assert yaml.safe_load(blueno("dataset", "ls", "-A", "-o", "yaml").stdout)[1]["namespace"] == "team"
    assert blueno("dataset", "ls", "--search", "nothing").stderr == "no data sets in default\n"
    assert blueno("dataset", "ls", "-w", "-o", "json").exit_code == 2


def test_describe(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset(managedBy="Argo CD", badSamples={"count": 2, "first": [{"key": "a.png", "code": "NotAnImage"}]}))
    printed = blueno("dataset", "describe", "digits").stdout
    for said in (
        "Source:       tfds:mnist",
        "Splits:       train 60000, test 10000",
        "Argo CD",
        "2: a.png (NotAnImage)",
    ):
        assert said in printed
    assert re.search(r"^  Ready +True +Available +version 3 is sealed$", printed, re.M)
    assert json.loads(blueno("dataset", "describe", "digits", "-o", "json").stdout)["license"] == "CC0-1.0"
    missing = blueno("dataset", "describe", "nothing")
    assert (missing.exit_code, missing.stdout) == (3, "")


def test_versions(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset())
    assert blueno("dataset", "versions", "digits").stderr == "digits has no version yet\n"
    one = {"digest": DIGEST, "sequence": 3, "sealedAt": AT, "samples": 70000, "bytes": 54525952, "current": True}
    api.versions = [{**one, "dense": None, "classes": ["a", "b"], "depth": False}]
    lines = blueno("dataset", "versions", "digits").stdout.splitlines()
    assert lines[1].split()[:6] == ["3", "26297ffa6b02ac97", "70000", "52", "MiB", "2"]
    assert lines[1].endswith("yes")
    assert blueno("dataset", "versions", "digits", "-o", "name").stdout == f"{DIGEST}\n"


def test_browse(blueno: Blueno, api: DataApi) -> None:
    assert blueno("dataset", "browse", "digits", "-n", "team").stdout == f"{api.url}/datasets/team/digits\n"
    assert api.asked == []


def test_delete(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset())
    api.put(dataset("kept", spec={"reclaimPolicy": "Retain"}))
    api.put(dataset("erased", spec={"reclaimPolicy": "Delete"}, managedBy="Flux"))
    assert blueno("dataset", "delete", "kept", "digits").stdout == (
        "default/kept is being deleted\ndefault/digits is being deleted\n"
    )
    refused = blueno("dataset", "delete", "erased")
    assert (refused.exit_code, "all data of erased are erased" in refused.stderr) == (2, True)
    assert ("default", "erased") in api.datasets
    done = blueno("dataset", "delete", "erased", "--yes")
    assert (done.exit_code, "Flux keeps it" in done.stderr) == (0, True)
    assert api.datasets == {}
    assert blueno("dataset", "delete", "erased").exit_code == 3


def test_nothing_is_deleted_when_one_name_is_wrong(blueno: Blueno, api: DataApi) -> None:
    api.put(dataset())
    done = blueno("dataset", "delete", "digits", "digitz")
    assert done.exit_code == 3
    assert done.stderr == (
        "blueno: digitz: there is no such data set, or you may not see it: looked in the namespace default, -n says "
        "another\n"
    )
    assert ("default", "digits") in api.datasets


def test_what_others_wrote_cannot_command_the_terminal(blueno: Blueno, api: DataApi) -> None:
    condition = {"type": EVIL, "status": EVIL, "reason": EVIL, "message": EVIL}
    texts = dict.fromkeys(("reason", "message", "displayName", "description", "license", "source", "managedBy"), EVIL)
    api.put(dataset(conditions=[condition], splits=[{"name": EVIL, "samples": 1}], shapes=[EVIL], **texts))
    for command in (("ls",), ("describe", "digits"), ("delete", "digits")):
        printed = blueno("dataset", *command).output
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(printed)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("Bad_Name", "--from", "upload"), "must have at most 63"),
        (("a", "--from", "nonsense"), "is no source"),
        (("a", "--from", "upload", "--from", "tfds:x"), "more than once only for files"),
        (("a", "--from", "upload", "--set", "spec..x=1"), "is no field of the spec"),
        (("a", "--from", "upload", "--set", "source.upload.x.y=1", "--set", "source.upload.x=1"), ""),
        (("a", "--from", "upload", "--set", "noequals"), "is not written as"),
        (("a", "--from", "upload", "--set", "license={"), "is not YAML"),
        (("a", "--from", "upload", "--set", "suspend=true", "--set", "suspend.x=1"), "has no fields"),
    ],
)
def test_words_that_mean_nothing(blueno: Blueno, words: tuple[str, ...], why: str) -> None:
    done = blueno("dataset", "create", *words)
    assert why in done.stderr
    assert done.exit_code in ((0,) if not why else (1, 2))


def test_sources_of_words() -> None:
    from blueno.cli.dataset_source import of_words

    def source(*words: str) -> Any:
        return of_words("a", words)["spec"]["source"]

    assert source("tfds:a/b:1.0.0") == {"tfds": {"name": "a", "config": "b", "version": "1.0.0"}}
    assert source("claim:data") == {"claim": {"name": "data"}}
    assert source("claim:data/2024/birds/") == {"claim": {"name": "data", "path": "2024/birds"}}
    digest = "0" * 64
    files = [{"url": "https://x/a.tar", "sha256": digest}, {"url": "http://y/b.zip"}]
    assert source(f"https://x/a.tar#sha256={digest}", "http://y/b.zip") == {"archive": {"files": files}}


def test_the_defaults_that_are_left_out_are_those_of_the_crd() -> None:
    from blueno.client.export import DATASET_DEFAULTS, DATASET_ORDER
    from tests.unit.client.test_specfile import defaults

    crd = yaml.safe_load((Path(__file__).resolve().parents[4] / "crds/dataset.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert dict(DATASET_DEFAULTS) == defaults(schema)
    assert set(DATASET_ORDER) <= set(schema["properties"]) | {"currentVersion", "metadata"}
