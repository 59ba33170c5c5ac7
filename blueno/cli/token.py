"""`blueno token …`: one's own tokens, for scripts and CI. In app.py's tree; calls blueno/client."""

from __future__ import annotations

from typing import Annotated

import typer

from blueno.cli import shell
from blueno.cli.options import Format
from blueno.cli.shell import Output


@shell.served
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for; one line.", show_default=False)],
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long it is good for.")] = 90,
    output: Format = Output.TABLE,
) -> None:
    """Make a token with your rights; it is printed, and nobody can see it again."""
    from blueno.cli import printing

    with shell.client() as client:
        made = client.tokens.add(name, days=days)
    if output in (Output.JSON, Output.YAML):
        printing.data(made.raw, output)
    else:
        shell.out(made.secret)  # alone, for TOKEN=$(blueno token add ci)
        shell.say(f"token {made.id}, good for {days} days: use it as BLUENO_TOKEN, or with blueno login --token-stdin")


@shell.served
def ls(output: Format = Output.TABLE) -> None:
    """List your tokens; their secrets are known to nobody."""
    from datetime import UTC, datetime

    from blueno.cli import printing, text
    from blueno.client.words import plain

    with shell.client() as client:
        found = client.tokens.list()
    if output is Output.NAME:
        for one in found:
            shell.out(str(one.id))
    elif output is not Output.TABLE:
        printing.data([dict(one.raw) for one in found], output)
    else:
        now = datetime.now(UTC)
        rows = [("ID", "NAME", "EXPIRES", "LAST USED", "AGE")]
        for one in found:
            ends = "never" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d}"
            used = f"{text.age(one.used_at, now)} ago" if one.used_at is not None else "never"
            rows.append((str(one.id), plain(one.name, 100), ends, used, text.age(one.created_at, now)))
        for line in text.columns(rows):
            shell.out(line)


@shell.served
def rm(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its number in `blueno token ls`.", show_default=False)],
) -> None:
    """Make a token useless, within a minute everywhere."""
    with shell.client() as client:
        client.tokens.remove(number)
    shell.out(f"token {number} is removed")
