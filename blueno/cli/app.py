"""Puts the commands together. Called by __main__.py; hack/cli_docs.py reads it to write docs/cli.md."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import blueno
from blueno.cli import dataset, local, login, run, run_change, run_outputs, run_read, storage

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class RunGroup(TyperGroup):
    """`blueno run --local FILE` is `blueno run local FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Called by typer with what follows `run`."""
        before = args[: args.index("--")] if "--" in args else args
        first_is_option = bool(args) and args[0].startswith("-")
        given = [text for text in before if text == "--local" or text.startswith("--local=")]
        if first_is_option and given:
            rest = [text.removeprefix("--local=") for text in args if text != "--local"]
            args = ["local", *rest]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Blueno from the terminal: training runs on a cluster, or on this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
runs = typer.Typer(
    cls=RunGroup,
    help="Training runs. `blueno run --local FILE` is short for `blueno run local FILE`.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)

datasets = typer.Typer(
    help="Data sets: copies of them on a disk.", no_args_is_help=True, rich_markup_mode=None, context_settings=SETTINGS
)

servers = typer.Typer(
    help="NFS servers that the operator runs, by kubectl and your own kubeconfig.",
    no_args_is_help=True,
    rich_markup_mode=None,
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
    """Blueno from the terminal: training runs on a cluster, or on this machine.

    Which server: BLUENO_SERVER and BLUENO_TOKEN, else what `blueno login` saved.
    """


app.command("login")(login.log_in)
app.command("logout")(login.log_out)
app.add_typer(runs, name="run")
runs.command("submit")(run.submit)
runs.command("ls")(run.ls)
runs.command("describe")(run_read.describe)
runs.command("logs")(run_read.logs)
runs.command("metrics")(run_read.metrics)
runs.command("outputs")(run_outputs.outputs)
runs.command("download")(run_outputs.download)
runs.command("wait")(run.wait)
runs.command("suspend")(run_change.suspend)
runs.command("resume")(run_change.resume)
runs.command("cancel")(run_change.cancel)
runs.command("delete")(run_change.delete)
runs.command("export")(run_read.export)
runs.command("local")(local.local)
app.add_typer(datasets, name="dataset")
datasets.command("verify")(dataset.verify)
app.add_typer(servers, name="storage")
servers.command("ls")(storage.ls)
servers.command("rm")(storage.rm)
