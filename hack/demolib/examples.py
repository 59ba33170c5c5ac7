"""Applies examples/. Called by cli.py; which MNIST it is depends on whether pods reach the internet."""

from __future__ import annotations

from clusterlib.errors import Refused
from clusterlib.progress import note, step

from demolib.mirror import NAMESPACE, apply_config_maps, config_map
from demolib.tools import BUILD, get, kubectl

RUN = "digits-jax"  # examples/10-digits-jax: starts by itself when its data set is Ready
_SECONDS = 3
# The smallest file that TFDS fetches for mnist. Asked for in a pod: what this machine reaches says little about pods.
_PROBE = f"""
import signal, urllib.request
signal.alarm({_SECONDS})
urllib.request.urlopen("https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz").read()
"""


def internet_answers() -> bool:
    """Whether pods can fetch the real MNIST."""
    try:
        kubectl("-n", NAMESPACE, "exec", "deployment/mirror", "--", "python", "-c", _PROBE, seconds=_SECONDS + 5)
    except Refused:
        return False
    return True


def mnist_folder() -> str:
    """The real one or the stand-in; a Dataset that is there already stays what it is."""
    there = get("dataset", "mnist", "-n", "default")
    if there:
        source = there["spec"]["source"].get("tfds") or {}
        return "examples/02-mnist/stand-in" if source.get("mirror") else "examples/02-mnist"
    with step("asking whether pods reach MNIST's server", f"at most {_SECONDS} s"):
        answers = internet_answers()
    if answers:
        return "examples/02-mnist"
    note("pods do not reach it: `mnist` becomes a stand-in made of other digits (examples/02-mnist/stand-in)")
    return "examples/02-mnist/stand-in"


def apply() -> list[str]:
    """Apply all examples to the namespace `default`; names of the Datasets."""
    photos = {"photos.zip": (BUILD / "files" / "photos.zip").read_bytes()}
    apply_config_maps(config_map("photos", "default", photos))
    mnist = mnist_folder()
    _apply("examples/03-own-photos/claim.yaml")
    _apply("examples/01-digits/dataset.yaml")
    _apply("examples/10-digits-jax/run.yaml")
    _apply(f"{mnist}/dataset.yaml")
    # A Dataset that reads a claim takes what lies there: the photos have to be complete first.
    try:
        kubectl("wait", "-n", "default", "--for=condition=Complete", "job/copy-my-photos", "--timeout=140s")
    except Refused as error:
        raise Refused(
            "the photos are not copied; `hack/cluster kubectl describe job copy-my-photos` says why"
        ) from error
    _apply("examples/03-own-photos/dataset.yaml")
    return ["digits", "mnist", "own-photos"]


def _apply(path: str) -> None:
    for line in kubectl("apply", "-n", "default", "-f", path).splitlines():
        print(f"{line:<50} {path}", flush=True)
