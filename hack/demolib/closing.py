"""The demo's last words: what was made, where it lies, what to type next. Called by cli.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clusterlib.backends import choose
from clusterlib.layout import cache_dir, cluster_name, local_cluster

from demolib.tools import get, kubectl

_NEXT = """
What to type next
  hack/cluster kubectl get datasets -w                       watch
  hack/cluster kubectl describe dataset own-photos           which three photos were left out, and why
  hack/cluster kubectl explain dataset.spec.source           what else can be a source
  {look}
  make demo-down                                             remove all of it"""


def words(names: Sequence[str], seconds: float) -> str:
    """All of it as text."""
    table = kubectl("get", "datasets", "-A").rstrip()
    places = {name: place(name) for name in names}
    lines = [f"  {name:<12}{where}" for name, where in places.items()]
    on_this_machine = places[names[0]].startswith("/")
    python = f".venv/bin/python -c \"import blueno; print(blueno.open_dataset('{places[names[0]]}'))\""
    look = python if on_this_machine else "hack/cluster kubectl get pvc" + " " * 31 + "the claims that hold the data"
    return "\n".join(
        [f"\nReady after {seconds:.0f} s.\n", table, "\nWhere the data lies", *lines, _NEXT.format(look=look)]
    )


def place(name: str) -> str:
    """The data set's directory: a path of this machine where the cluster is the local one, else claim and path."""
    volume = get("dataset", name, "-n", "default")["status"]["volume"]
    claim = get("pvc", volume["claimName"], "-n", "default")
    directory = _on_this_machine(str(claim.get("spec", {}).get("volumeName", "")), volume["path"])
    return str(directory) if directory else f"claim {volume['claimName']}, directory {volume['path']}"


def _on_this_machine(volume: str, path: str) -> Path | None:
    if choose().status()["backend"] != "local":
        return None
    cluster = local_cluster(cluster_name(), cache_dir())
    directory = cluster.state / "volumes" / volume / path
    return directory if directory.is_dir() else None
