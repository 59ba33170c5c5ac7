"""hack/cluster: command line. Calls the back end that backends.py chooses."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from clusterlib.backends import Backend, choose
from clusterlib.errors import Refused

# Keys of the JSON that people read as words.
_WORDS = {"nfsClient": "nfs client"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hack/cluster", description="A Kubernetes cluster for development and tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring the cluster up, or find it up")
    commands.add_parser("down", help="remove the cluster and everything it made")
    status = commands.add_parser("status", help="what runs")
    status.add_argument("--json", action="store_true", help="for programs; includes host pids of the components")
    commands.add_parser("kubeconfig", help="print the kubeconfig's path")
    load = commands.add_parser("load-image", help="make built images visible to the node")
    load.add_argument("names", nargs="+", metavar="NAME[:TAG]")
    kubectl = commands.add_parser("kubectl", help="run kubectl on this cluster", add_help=False)
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    gpus = commands.add_parser("gpus", help="let the node claim N nvidia.com/gpu (fake; local cluster only)")
    gpus.add_argument("number", type=int, metavar="N")
    kill = commands.add_parser("kill", help="SIGKILL a component, which is started again (local cluster only)")
    kill.add_argument("component")
    execute = commands.add_parser("exec", help="run a command inside the node (local cluster only)", add_help=False)
    execute.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def main(argv: Sequence[str]) -> int:
    """Exit status."""
    # argparse would take kubectl's own options for its own when they come first.
    if argv[:1] in (["kubectl"], ["exec"]):
        options = argparse.Namespace(command=argv[0], arguments=list(argv[1:]))
    else:
        options = _parser().parse_args(argv)
    try:
        code = _run(options, choose())
        sys.stdout.flush()
        return code
    except Refused as refusal:
        print(f"hack/cluster: {refusal}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough; nothing may be written any more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, backend: Backend) -> int:
    match options.command:
        case "up":
            print(backend.up())
        case "down":
            print(backend.down())
        case "status":
            state = backend.status()
            print(json.dumps(state, indent=1) if options.json else _readable(state))
            return 0 if state["running"] else 3
        case "kubeconfig":
            print(backend.kubeconfig)
        case "load-image":
            backend.load_image(options.names)
        case "kubectl":
            _become([*backend.kubectl(), *options.arguments])
        case "gpus":
            print(backend.local().gpus(options.number))
        case "kill":
            print(backend.local().kill(options.component))
        case "exec":
            command = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
            _become([*backend.local().enter(), *command])
    return 0


def _become(argv: list[str]) -> None:
    try:
        os.execvp(argv[0], argv)  # noqa: S606  no shell is meant
    except FileNotFoundError as error:
        raise Refused(f"{argv[0]} is not installed") from error


def _readable(state: dict[str, Any]) -> str:
    lines = []
    for key, value in state.items():
        if not isinstance(value, dict):
            lines.append(f"{_WORDS.get(key, key):<14}{value}")
            continue
        lines.append(f"{key}:")
        lines += [f"  {name:<20}{'not running' if pid is None else f'pid {pid}'}" for name, pid in value.items()]
    return "\n".join(lines)
