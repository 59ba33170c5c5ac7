"""hack/demo: command line. Calls the steps in their order; every failure is one sentence."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence

from clusterlib.backends import choose
from clusterlib.errors import Refused

from demolib import closing, examples, install, login, mirror, watching
from demolib.tools import BUILD, hack


def up() -> None:
    """A cluster, Blueno, the mirror and the examples; returns when all are Ready and one is trained."""
    started = time.monotonic()
    _only_our_clusters()
    install.cluster()
    install.images()
    install.blueno()
    entrance = login.ensure()
    mirror.serve(mirror.files())
    names = examples.apply()
    print(flush=True)
    watching.until_ready(names)
    watching.until_indexed(names)
    watching.until_trained(examples.RUN)
    print(closing.words(names, examples.RUN, entrance, time.monotonic() - started))


def down() -> None:
    """Remove the cluster, and with it all that lives on it; then the files that were made for it."""
    _only_our_clusters()
    hack("cluster", "down")
    shutil.rmtree(BUILD, ignore_errors=True)
    print("what is left is in this checkout's .venv/ and in the cache of builds: both make the next `make demo` fast")


def _only_our_clusters() -> None:
    if choose().status()["backend"] == "explicit":
        raise Refused(
            "the demo makes and removes a cluster of its own: unset BLUENO_KUBECONFIG, or install on that cluster with "
            "`kubectl apply --server-side -f crds/` and `kubectl apply -k deploy/`"
        )


def main(argv: Sequence[str]) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="hack/demo", description="Shows Blueno at work on a cluster of this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="a cluster, Blueno and the examples, made Ready before your eyes")
    commands.add_parser("down", help="remove all of it")
    command = parser.parse_args(argv).command
    try:
        up() if command == "up" else down()
    except Refused as refusal:
        print(f"hack/demo: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nhack/demo: stopped; `make demo` goes on from here, `make demo-down` removes what there is",
            file=sys.stderr,
        )
        return 130
    return 0
