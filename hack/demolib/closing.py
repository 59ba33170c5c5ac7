"""The demo's last words: what was made, where it lies, what to type next. Called by cli.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clusterlib.backends import choose
from clusterlib.layout import TOP, cache_dir, cluster_name, local_cluster

from demolib.login import Login
from demolib.tools import BUILD, get, kubectl

_PYTHON = ".venv/bin/python -c \"import blueno; print(blueno.open_dataset('{place}'))\""
_JUDGE = ".venv/bin/python examples/10-digits-jax/evaluate.py {place} {output}/weights.npz"
_NEXT = """
What to type next
  hack/cluster kubectl describe dataset own-photos       which three photos were left out, and why
  hack/cluster kubectl get datasets -o wide              sources, claims, messages
  hack/cluster kubectl explain dataset.spec.source       what else can be a source
  hack/cluster kubectl get trainingruns                  what was trained (examples/10-digits-jax)
  make demo-down                                         remove all of it"""


_GALLERY = """
The gallery
  {url}
  email     {email}
  password  {password}"""


def words(names: Sequence[str], run: str, login: Login, seconds: float) -> str:
    """All of it as text; `run` is the TrainingRun on `digits`."""
    table = kubectl("get", "datasets", "-A").rstrip()
    places = {name: place(name) for name in names}
    lines = [f"  {name:<12}{where}" for name, where in places.items()]
    closing = [f"\nReady after {seconds:.0f} s.\n", table, "\nWhere the data lies", *lines, _NEXT]
    if not places["digits"].startswith("claim "):
        closing.append(f"\nAnd to read one\n  {_PYTHON.format(place=places['digits'])}")
        judge = _JUDGE.format(place=places["digits"], output=output(run))
        closing.append(f"\nAnd to judge what {run} has learned\n  {judge}")
    closing.append(_GALLERY.format(url=login.url, email=login.email, password=login.password))
    return "\n".join(closing)


def place(name: str) -> str:
    """The data set's directory, see `_on_this_machine`."""
    volume = get("dataset", name, "-n", "default")["status"]["volume"]
    return _on_this_machine(name, volume["claimName"], volume["path"])


def output(run: str) -> str:
    """The directory of what a TrainingRun has written, see `_on_this_machine`."""
    outputs = get("trainingrun", run, "-n", "default")["status"]["outputs"]
    return _on_this_machine(run, outputs["claimName"], outputs["path"])


def _on_this_machine(name: str, claim_name: str, path: str) -> str:
    """The directory on this machine where the cluster is the local one, else its claim and the path on it.

    Volumes of the local cluster have long paths: a link below build/ stands for it.
    """
    claim = get("pvc", claim_name, "-n", "default")
    bound = str(claim.get("spec", {}).get("volumeName", ""))
    directory = local_cluster(cluster_name(), cache_dir()).state / "volumes" / bound / path
    if choose().status()["backend"] != "local" or not directory.is_dir():
        return f"claim {claim_name}, directory {path}"
    return str(_link(BUILD / name, directory).relative_to(TOP))


def _link(link: Path, target: Path) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link
