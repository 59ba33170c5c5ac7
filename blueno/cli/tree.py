"""What commands there are, in the order of the help, without importing any of them or typer.

Read by app.py (all of the command line), quick.py (what is said without typer) and hack/cli_docs.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SAID = "Blueno from the terminal: data sets, samples and training runs."
VERSION = "Say it and end."
WIDEST = 100  # columns of help, also on a wider terminal


@dataclass(frozen=True)
class Leaf:
    """One command: `module:function` below blueno/cli, and the first line of its help."""

    where: str
    help: str


@dataclass(frozen=True)
class Branch:
    """A group of commands, and what the group before it says of it. `spelling` rewrites the words that follow."""

    help: str
    children: Mapping[str, Leaf]
    spelling: str = ""  # module:function, from arguments to arguments


Tree = Mapping[str, Leaf | Branch]

TREE: Tree = {
    "login": Leaf("login:log_in", "Log in to a server, once; later commands use the token that this saves."),
    "logout": Leaf("login:log_out", "Forget the saved token, and make it useless on the server."),
    "run": Branch(
        "Training runs. `blueno run --local FILE` is short for `blueno run local FILE`.",
        {
            "submit": Leaf("run:submit", "Start a run from a YAML file."),
            "ls": Leaf(
                "run:ls", "List runs, newest first, with the time and the GPU hours they took, each and together."
            ),
            "describe": Leaf(
                "run_read:describe", "Say everything about a run: why it waits, how it goes, how it ended."
            ),
            "logs": Leaf("run_read:logs", "Print what a run wrote, also after its pods have gone."),
            "metrics": Leaf(
                "run_read:metrics",
                "Show the numbers a run reported: the last, the least, the greatest, and their course.",
            ),
            "outputs": Leaf("run_outputs:outputs", "List what a run has written, also after its pods are gone."),
            "download": Leaf(
                "run_outputs:download", "Save a file that a run has written, or a directory as a tar (/ is all of it)."
            ),
            "wait": Leaf("run:wait", "Wait until a run has ended: 0 when it succeeded, 7 when it failed."),
            "suspend": Leaf(
                "run_change:suspend", "Stop a run, with time to write a checkpoint; `resume` lets it go on."
            ),
            "resume": Leaf("run_change:resume", "Let a suspended run go on, from its last checkpoint if it has one."),
            "cancel": Leaf("run_change:cancel", "End a run for good; its log and outputs stay."),
            "delete": Leaf("run_change:delete", "Remove a run; its outputs on the claim stay."),
            "export": Leaf(
                "run_read:export", "Print a run as YAML for Git: without defaults and status, always in the same order."
            ),
            "local": Leaf("local:local", "Run the same YAML as a process on this machine; no container is started."),
        },
        spelling="local:spelled_out",
    ),
    "dataset": Branch(
        "Data sets: make them, follow them, seal what was added, check copies of them.",
        {
            "create": Leaf("dataset_make:create", "Make a data set, from a YAML file or from a name and a source."),
            "ls": Leaf("dataset_read:ls", "List data sets, with the words of `kubectl get datasets`."),
            "describe": Leaf(
                "dataset_read:describe",
                "Say everything about a data set: where it stands, what it holds, what is wrong and what to do.",
            ),
            "browse": Leaf("ui:browse", "Open a data set's page in a browser, or print its address."),
            "versions": Leaf("dataset_read:versions", "List the sealed versions of a data set, newest first."),
            "wait": Leaf(
                "dataset_ask:wait", "Wait until a data set can be used: 0 when it can, 7 when only a person can help."
            ),
            "seal": Leaf("dataset_ask:seal", "Seal what was added since into a new version, which later runs get."),
            "refresh": Leaf(
                "dataset_ask:refresh", "Read the source anew into a new version; the old one stays usable meanwhile."
            ),
            "retry": Leaf(
                "dataset_ask:retry", "Try a preparation that has failed once more; what was done already is kept."
            ),
            "export": Leaf(
                "dataset_read:export",
                "Print a data set as YAML for Git: without defaults and status, always in the same order.",
            ),
            "delete": Leaf(
                "dataset_make:delete", "Delete data sets; their data go or stay as spec.reclaimPolicy says."
            ),
            "verify": Leaf("dataset:verify", "Read a copy of a data set and compare every sum: is it whole?"),
        },
    ),
    "sample": Branch(
        "Samples: add files to a data set, list, look up, take out and save them.",
        {
            "add": Leaf("sample_add:add", "Add files to a data set: single ones, or all below directories."),
            "ls": Leaf("sample_read:ls", "List samples: of a sealed version, or with --working those that were added."),
            "get": Leaf(
                "sample_read:get", "Say everything about one sample: as it was added, or as it is in a version."
            ),
            "download": Leaf("sample_change:download", "Save samples as they were added, byte for byte."),
            "rm": Leaf("sample_change:rm", "Take samples out of what was added; sealed versions keep theirs."),
        },
    ),
    "user": Branch(
        "Users: who may log in, for administrators.",
        {
            "add": Leaf("user:add", "Make a user: a viewer of no namespace, unless you say more."),
            "ls": Leaf("user:ls", "List all users."),
            "set": Leaf("user:set_", "Give a user another role, or other namespaces instead of the present ones."),
            "reset": Leaf("user:reset", "Set another password; ends the user's sessions and tokens."),
            "rm": Leaf("user:rm", "Remove a user, with sessions and tokens, at once."),
        },
    ),
    "token": Branch(
        "Tokens: what your scripts log in with.",
        {
            "add": Leaf("token:add", "Make a token with your rights; it is printed, and nobody can see it again."),
            "ls": Leaf("token:ls", "List your tokens; their secrets are known to nobody."),
            "rm": Leaf("token:rm", "Make a token useless, within a minute everywhere."),
        },
    ),
    "storage": Branch(
        "NFS servers that the operator runs, by kubectl and your own kubeconfig.",
        {
            "ls": Leaf(
                "storage:ls", "List the NFS servers that the operator runs, one for each namespace that asked for one."
            ),
            "rm": Leaf("storage:rm", "Remove a namespace's NFS server and erase all data on it."),
        },
    ),
    "config": Branch(
        "Servers that you logged in to, and the namespace that is meant.",
        {
            "ls": Leaf("config:ls", "List the servers that you logged in to; * is the current one."),
            "show": Leaf(
                "config:show", "Say which server, namespace and login a command would use now, and where that is from."
            ),
            "use": Leaf("config:use", "Make another server the current one."),
            "namespace": Leaf(
                "config:namespace", "Say or set the namespace that is meant where no -n stands, in the current context."
            ),
            "rename": Leaf("config:rename", "Give a context another name."),
            "rm": Leaf("config:rm", "Forget a context; its token stays good on the server (`blueno logout` ends it)."),
        },
    ),
    "doctor": Leaf("doctor:doctor", "Check server, login, database, cluster, kinds, operator and data servers."),
    "ui": Leaf("ui:ui", "Open the pages in a browser, or print their address."),
    "completion": Leaf("completing:completion", "Print a script by which your shell completes commands and names."),
}


def walk(tree: Tree) -> Iterator[tuple[tuple[str, ...], Leaf | Branch]]:
    """Every command as it is typed, in the order of the help."""
    for name, one in tree.items():
        yield (name,), one
        if isinstance(one, Branch):
            for child, leaf in one.children.items():
                yield (name, child), leaf
