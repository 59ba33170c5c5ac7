"""The whole command line as one tree. Called by __main__.py; hack/cli_docs.py reads it to write docs/cli.md."""

from __future__ import annotations

from typing import Annotated

import typer

import blueno
from blueno.cli.lazy import SETTINGS, Branch, Group, Leaf, Tree

TREE: Tree = {
    "login": Leaf("login:log_in", "Log in to a server, once; later commands use the token that this saves."),
    "logout": Leaf("login:log_out", "Forget the saved token, and make it useless on the server."),
    "run": Branch(
        "Training runs. `blueno run --local FILE` is short for `blueno run local FILE`.",
        {
            "submit": Leaf("run:submit"),
            "ls": Leaf("run:ls"),
            "describe": Leaf("run_read:describe"),
            "logs": Leaf("run_read:logs"),
            "metrics": Leaf("run_read:metrics"),
            "outputs": Leaf("run_outputs:outputs"),
            "download": Leaf("run_outputs:download"),
            "wait": Leaf("run:wait"),
            "suspend": Leaf("run_change:suspend"),
            "resume": Leaf("run_change:resume"),
            "cancel": Leaf("run_change:cancel"),
            "delete": Leaf("run_change:delete"),
            "export": Leaf("run_read:export"),
            "local": Leaf("local:local"),
        },
        spelling="local:spelled_out",
    ),
    "dataset": Branch(
        "Data sets: make them, follow them, seal what was added, check copies of them.",
        {
            "create": Leaf("dataset_make:create"),
            "ls": Leaf("dataset_read:ls"),
            "describe": Leaf("dataset_read:describe"),
            "browse": Leaf("ui:browse"),
            "versions": Leaf("dataset_read:versions"),
            "wait": Leaf("dataset_ask:wait"),
            "seal": Leaf("dataset_ask:seal"),
            "refresh": Leaf("dataset_ask:refresh"),
            "retry": Leaf("dataset_ask:retry"),
            "export": Leaf("dataset_read:export"),
            "delete": Leaf("dataset_make:delete"),
            "verify": Leaf("dataset:verify"),
        },
    ),
    "sample": Branch(
        "Samples: add files to a data set, list, look up, take out and save them.",
        {
            "add": Leaf("sample_add:add"),
            "ls": Leaf("sample_read:ls"),
            "get": Leaf("sample_read:get"),
            "download": Leaf("sample_change:download"),
            "rm": Leaf("sample_change:rm"),
        },
    ),
    "user": Branch(
        "Users: who may log in, for administrators.",
        {
            "add": Leaf("user:add"),
            "ls": Leaf("user:ls"),
            "set": Leaf("user:set_"),
            "reset": Leaf("user:reset"),
            "rm": Leaf("user:rm"),
        },
    ),
    "token": Branch(
        "Tokens: what your scripts log in with.",
        {"add": Leaf("token:add"), "ls": Leaf("token:ls"), "rm": Leaf("token:rm")},
    ),
    "storage": Branch(
        "NFS servers that the operator runs, by kubectl and your own kubeconfig.",
        {"ls": Leaf("storage:ls"), "rm": Leaf("storage:rm")},
    ),
    "config": Branch(
        "Servers that you logged in to, and the namespace that is meant.",
        {
            "ls": Leaf("config:ls"),
            "show": Leaf("config:show"),
            "use": Leaf("config:use"),
            "namespace": Leaf("config:namespace"),
            "rename": Leaf("config:rename"),
            "rm": Leaf("config:rm"),
        },
    ),
    "doctor": Leaf("doctor:doctor", "Check server, login, database, cluster, kinds, operator and data servers."),
    "ui": Leaf("ui:ui", "Open the pages in a browser, or print their address."),
    "completion": Leaf("completing:completion", "Print a script by which your shell completes commands and names."),
}


class Root(Group):
    """All of it."""

    children = TREE


app = typer.Typer(
    cls=Root,
    help="Blueno from the terminal: data sets, samples and training runs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"blueno {blueno.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it and end.")
    ] = False,
) -> None:
    """Blueno from the terminal: data sets, samples and training runs.

    Which server: --server, else BLUENO_SERVER and BLUENO_TOKEN, else what `blueno login` saved.
    """
