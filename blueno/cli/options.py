"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from blueno.cli.shell import Output

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the run.", show_default=False)]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="YAML of one TrainingRun; - is standard input.", show_default=False)
]
Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", metavar="NAME", help="Its namespace; else BLUENO_NAMESPACE, else default."),
]
Format = Annotated[Output, typer.Option("-o", "--output", help="How it is printed.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A parameter over the file's; as often as needed.", show_default=False
    ),
]
