"""The whole command line, as tree.py says it. Called by __main__.py and completing.py."""

from __future__ import annotations

from typing import Annotated

import typer

import blueno
from blueno.cli.lazy import SETTINGS, Group
from blueno.cli.tree import SAID, TREE, VERSION


class Root(Group):
    """All of it."""

    children = TREE


app = typer.Typer(
    cls=Root,
    help=SAID,
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
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help=VERSION)] = False,
) -> None:
    """Blueno from the terminal: data sets, samples and training runs.

    Which server: --server, else BLUENO_SERVER and BLUENO_TOKEN, else what `blueno login` saved.
    """
