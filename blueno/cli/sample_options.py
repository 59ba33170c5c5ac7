"""Arguments and options of `blueno sample …`, said once. Used by sample_*.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Folders(StrEnum):
    """As spec.layout.type of a Dataset has it."""

    CLASSES = "classFolders"
    SPLITS = "splitClassFolders"


Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH…", help="Files and directories; - is standard input, with --key.", show_default=False),
]
List = Annotated[
    str | None,
    typer.Option(
        "--list", metavar="FILE", help="CSV or lines of JSON: path, and key, split, label, group, metadata as wanted."
    ),
]
Split = Annotated[str | None, typer.Option("--split", metavar="TEXT", help="Such as train, test or validation.")]
Label = Annotated[
    str | None, typer.Option("--label", metavar="VALUE", help='JSON (7, "7", [0,1]), else taken as a text (cat).')
]
Group = Annotated[str | None, typer.Option("--group", metavar="TEXT", help="What stays in one split, like a patient.")]
Metadata = Annotated[str | None, typer.Option("--metadata", metavar="JSON", help='An object: {"device": "A"}.')]
Layout = Annotated[
    Folders | None, typer.Option("--layout", help="Labels (and splits) are the names of the directories.")
]
Prefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Comes before every key, like 2024/.")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Of the one file; else its name.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of samples that have the same key.")]
Keys = Annotated[list[str] | None, typer.Argument(metavar="KEY…", help="Keys of samples.", show_default=False)]
Working = Annotated[
    bool | None,
    typer.Option(
        "--working/--sealed",
        help="What was added since, or a version; else what the data set is made from decides.",
        show_default=False,
    ),
]
Version = Annotated[
    str | None,
    typer.Option(
        "--version", metavar="DIGEST", help="A sealed version, else the newest; its number or how its digest begins."
    ),
]
Starts = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Only keys that begin so.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many.")]
