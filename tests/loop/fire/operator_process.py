"""What a forked operator runs: `kopf run operator/main.py`, as the image does. Used by tests/loop/fire."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import kopf.cli
from kubernetes.aio.config import kube_config

# What operator/main.py imports: the process that all are forked from has it then.
from controllers import lifecycle  # noqa: F401

TOP = Path(__file__).resolve().parents[3]
COMMAND = ["kopf", "run", "--standalone", "--all-namespaces"]


def run(settings: Mapping[str, str], log: str, script: str = "operator/main.py") -> None:
    """Until the operator ends; its exit code is the process's."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for output in (1, 2):
        os.dup2(descriptor, output)
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
    os.environ.clear()
    os.environ |= {**kept, **settings}
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = settings["KUBECONFIG"]  # was read when it was imported
    os.chdir(TOP)
    sys.argv = [*COMMAND, script]
    kopf.cli.main()
