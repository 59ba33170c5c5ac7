"""Arguments and options that several commands share, so that they read the same everywhere.

`--server` and `-n` are added by shell.served and shell.placed, to every command that asks a server.
"""

from __future__ import annotations

from typing import Annotated

import typer

from blueno.cli import known
from blueno.cli.shell import Output

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the run.", show_default=False, autocompletion=known.runs)
]
Dataset = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Name of the data set.", show_default=False, autocompletion=known.datasets),
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="YAML of one TrainingRun; - is standard input.", show_default=False)
]
Everywhere = Annotated[bool, typer.Option("-A", "--all-namespaces", help="Of all that you may see.")]
Watch = Annotated[bool, typer.Option("-w", "--watch", help="Go on until Ctrl-C.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The server checks everything and makes nothing.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it is done; 7 when it failed.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Then give up with 8; it goes on.")
]
Format = Annotated[Output, typer.Option("-o", "--output", help="How it is printed.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A parameter over the file's; as often as needed.", show_default=False
    ),
]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Of the kubeconfig; else its current.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", metavar="FILE", help="Else as kubectl finds it.")]
SystemNamespace = Annotated[
    str,
    typer.Option(
        "--system-namespace",
        envvar="BLUENO_SYSTEM_NAMESPACE",
        show_envvar=False,
        metavar="NAME",
        help="Where Blueno itself runs; else BLUENO_SYSTEM_NAMESPACE.",
    ),
]
