"""The demo's last words: what was made, where it lies, what to type next. Called by cli.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clusterlib.backends import choose
from clusterlib.layout import TOP, cache_dir, cluster_name, local_cluster

from demolib.login import Login
from demolib.tools import BUILD, get, kubectl

_PYTHON = ".venv/bin/python -c \"import blueno; print(blueno.open_dataset('{place}'))\""
_NEXT = """
What to type next
  hack/cluster kubectl describe dataset own-photos       which three photos were left out, and why
  hack/cluster kubectl get datasets -o wide              sources, claims, messages
  hack/cluster kubectl explain dataset.spec.source       what else can be a source
  make demo-down                                         remove all of it"""


_GALLERY = """
The gallery
  {url}
  email     {email}
  password  {password}"""


def words(names: Sequence[str], login: Login, seconds: float) -> str:
    """All of it as text."""
    table = kubectl("get", "datasets", "-A").rstrip()
    places = {name: place(name) for name in names}
    lines = [f"  {name:<12}{where}" for name, where in places.items()]
    closing = [f"\nReady after {seconds:.0f} s.\n", table, "\nWhere the data lies", *lines, _NEXT]
    if not places["digits"].startswith("claim "):
        closing.append(f"\nAnd to read one\n  {_PYTHON.format(place=places['digits'])}")
    closing.append(_GALLERY.format(url=login.url, email=login.email, password=login.password))
    return "\n".join(closing)


def place(name: str) -> str:
    """The data set's directory: on this machine where the cluster is the local one, else its claim and the path on it.

    Volumes of the local cluster have long paths: a link below build/ stands for it.
    """
    volume = get("dataset", name, "-n", "default")["status"]["volume"]
    claim = get("pvc", volume["claimName"], "-n", "default")
    bound = str(claim.get("spec", {}).get("volumeName", ""))
    directory = local_cluster(cluster_name(), cache_dir()).state / "volumes" / bound / volume["path"]
    if choose().status()["backend"] != "local" or not directory.is_dir():
        return f"claim {volume['claimName']}, directory {volume['path']}"
    return str(_link(BUILD / name, directory).relative_to(TOP))


def _link(link: Path, target: Path) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link
