"""The choice of a cluster, and the exact commands that kind would get: kind itself was not run here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from clusterlib import backends, gobuild, kind
from clusterlib.errors import Refused
from clusterlib.local import Local
from clusterlib.runner import Result


class Recorder:
    """A Runner that notes commands and answers from a table of their beginnings."""

    def __init__(self, answers: dict[str, Result]) -> None:
        self.answers = answers
        self.seen: list[str] = []
        self.stdin: list[str] = []

    def run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float | None = None) -> Result:
        """See clusterlib.runner.Runner."""
        line = " ".join(argv)
        self.seen.append(line)
        if stdin is not None:
            self.stdin.append(stdin)
        return next((result for start, result in self.answers.items() if line.startswith(start)), Result(0, ""))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No test looks at the developer's cluster."""
    monkeypatch.setenv("BLUENO_CACHE", str(tmp_path))
    monkeypatch.delenv("BLUENO_KUBECONFIG", raising=False)
    monkeypatch.delenv("BLUENO_CLUSTER", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    return tmp_path


NO_ENGINE = {"docker info": Result(1, "no engine"), "podman info": Result(127, "")}


def test_explicit_kubeconfig_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine is asked, and nothing is made or removed."""
    path = tmp_path / "mine"
    path.write_text("")
    monkeypatch.setenv("BLUENO_KUBECONFIG", str(path))
    recorder = Recorder({})
    backend = backends.choose(recorder)
    assert backend.kubectl() == ["/bin/kubectl", "--kubeconfig", str(path)]
    with pytest.raises(Refused, match="not made by"):
        backend.down()
    with pytest.raises(Refused, match="registry"):
        backend.load_image(["a:b"])
    assert recorder.seen == []


def test_missing_explicit_kubeconfig_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake must not lead to another cluster."""
    monkeypatch.setenv("BLUENO_KUBECONFIG", "/nowhere")
    with pytest.raises(Refused, match="no such file"):
        backends.choose(Recorder({}))


@pytest.mark.parametrize("found", ["docker", "podman"])
def test_kind_when_an_engine_answers(found: str) -> None:
    """A client without an engine does not count."""
    backend = backends.choose(Recorder(NO_ENGINE | {f"{found} info": Result(0, "")}))
    assert isinstance(backend, kind.Kind)
    assert backend.status()["engine"] == found


def test_local_without_engine() -> None:
    """The last choice."""
    assert isinstance(backends.choose(Recorder(NO_ENGINE)), Local)


def test_existing_local_cluster_stays_the_choice(own_cache: Path) -> None:
    """Docker may be started later."""
    (own_cache / "clusters" / "blueno").mkdir(parents=True)
    (own_cache / "clusters" / "blueno" / "index").write_text("0")
    assert isinstance(backends.choose(Recorder({})), Local)


def test_kind_up(own_cache: Path) -> None:
    """Create with a kubeconfig of its own, then a class that can do ReadWriteMany."""
    recorder = Recorder({})
    kind.Kind(recorder, "blueno", own_cache, "docker").up()
    start = "env KIND_EXPERIMENTAL_PROVIDER=docker /bin/kind"
    config = own_cache / "kind" / "blueno.kubeconfig"
    kubectl = f"/bin/kubectl --kubeconfig {config}"
    assert recorder.seen[:2] == [
        f"{start} get clusters",
        f"{start} create cluster --name blueno --kubeconfig {config} --wait 180s",
    ]
    patch = recorder.seen[2]
    before = f"{kubectl} -n local-path-storage patch configmap local-path-config --type=merge -p "
    assert patch.startswith(before)
    data = json.loads(patch.removeprefix(before))["data"]
    assert json.loads(data["config.json"]) == {"sharedFileSystemPath": "/var/local-path-provisioner"}
    assert "chown 65532:65532" in data["setup"] and "chmod 1777" in data["setup"]
    assert recorder.seen[3:] == [
        f"{kubectl} -n local-path-storage rollout restart deployment/local-path-provisioner",
        f"{kubectl} annotate --overwrite storageclass standard storageclass.kubernetes.io/is-default-class=false",
        f"{kubectl} apply -f -",
    ]
    made = json.loads(recorder.stdin[0])
    assert made["metadata"]["name"] == "blueno-local"
    assert made["provisioner"] == "rancher.io/local-path"
    assert made["reclaimPolicy"] == "Delete"


def test_kind_up_again(own_cache: Path) -> None:
    """A cluster that exists is not created again."""
    start = "env KIND_EXPERIMENTAL_PROVIDER=podman /bin/kind"
    recorder = Recorder({f"{start} get clusters": Result(0, "other\nblueno\n")})
    kind.Kind(recorder, "blueno", own_cache, "podman").up()
    assert recorder.seen[1].startswith(f"{start} export kubeconfig --name blueno")
    assert not any("create cluster" in line for line in recorder.seen)


def test_kind_is_installed_when_missing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its Go module, into the cache."""
    monkeypatch.setattr("shutil.which", lambda name: None if name == "kind" else f"/bin/{name}")
    monkeypatch.setattr(gobuild, "any_go", lambda cache: "go")
    recorder = Recorder({})
    kind.Kind(recorder, "blueno", own_cache, "docker").up()
    assert recorder.seen[0] == f"env GOBIN={own_cache}/bin go install sigs.k8s.io/kind@v0.30.0"
    assert recorder.seen[1].startswith(f"env KIND_EXPERIMENTAL_PROVIDER=docker {own_cache}/bin/kind get")


def test_kind_load_image(own_cache: Path) -> None:
    """kind reads docker's images itself, podman's from an archive."""
    recorder = Recorder({})
    kind.Kind(recorder, "blueno", own_cache, "docker").load_image(["a:1", "b:2"])
    assert recorder.seen == ["env KIND_EXPERIMENTAL_PROVIDER=docker /bin/kind load docker-image --name blueno a:1 b:2"]
    recorder = Recorder({})
    kind.Kind(recorder, "blueno", own_cache, "podman").load_image(["a:1"])
    assert recorder.seen[0].startswith("podman save -o ") and recorder.seen[0].endswith(" a:1")
    assert recorder.seen[1].startswith(
        "env KIND_EXPERIMENTAL_PROVIDER=podman /bin/kind load image-archive --name blueno "
    )


def test_kind_down(own_cache: Path) -> None:
    """Nothing but the cluster of that name."""
    recorder = Recorder({})
    kind.Kind(recorder, "blueno", own_cache, "docker").down()
    config = own_cache / "kind" / "blueno.kubeconfig"
    command = f"/bin/kind delete cluster --name blueno --kubeconfig {config}"
    assert recorder.seen == [f"env KIND_EXPERIMENTAL_PROVIDER=docker {command}"]


def test_failing_command_is_shown(own_cache: Path) -> None:
    """The user sees what was run and what it said."""
    start = "env KIND_EXPERIMENTAL_PROVIDER=docker /bin/kind"
    recorder = Recorder({f"{start} create": Result(1, "port is in use")})
    with pytest.raises(Refused, match="port is in use"):
        kind.Kind(recorder, "blueno", own_cache, "docker").up()
