"""`blueno config …`: the contexts that `blueno login` saved. Registered by app.py; calls blueno/client/settings.py.

As kubeconfig's and kubectx's: a context is a server and a login; one is the current one. No server is asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import known, shell
from blueno.cli.options import Format
from blueno.cli.shell import Output
from blueno.errors import InvalidSpec, NotFound

if TYPE_CHECKING:
    from blueno.client.contexts import Context

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of a context.", show_default=False, autocompletion=known.contexts)
]


@shell.command
def ls(output: Format = Output.TABLE) -> None:
    """List the servers that you logged in to; * is the current one."""
    from blueno.cli import printing, text
    from blueno.client import settings
    from blueno.client.words import plain

    saved = settings.every(shell.variables())
    if output is Output.NAME:
        for one in saved.every:
            shell.out(one.name)
    elif output is not Output.TABLE:
        printing.data([_body(one, saved.current) for one in saved.every], output)
    elif not saved.every:
        shell.say("nobody is logged in: blueno login https://…")
    else:
        rows = [("CURRENT", "NAME", "SERVER", "NAMESPACE", "LOGGED IN AS")]
        for one in saved.every:
            mark = "*" if one.name == saved.current else ""
            cells = (one.server, one.namespace or "", one.person or "")
            rows.append((mark, one.name, *(plain(cell, 200) for cell in cells)))  # type: ignore[arg-type]
        for line in text.columns(rows):
            shell.out(line)


@shell.served
def show(output: Format = Output.TABLE) -> None:
    """Say which server, namespace and login a command would use now, and where that is from."""
    from blueno import names
    from blueno.cli import printing, text

    found, variables = shell.settings(), shell.variables()
    body: dict[str, Any] = {
        "server": found.server,
        "context": found.context,
        "namespace": shell.here(),
        "person": found.person,
        "token": found.token is not None,
        "variables": sorted(
            name
            for name in (names.ENV_SERVER, names.ENV_TOKEN, names.ENV_NAMESPACE, names.ENV_ALLOW_HTTP)
            if variables.get(name)
        ),
    }
    if output is Output.NAME:
        shell.out(found.context or found.server)
    elif output is not Output.TABLE:
        printing.data(body, output)
    else:
        token = "yes" if found.token is not None else "no: blueno login"
        lines = [("Server", found.server), ("Context", found.context or "none"), ("Namespace", body["namespace"])]
        lines += [("Logged in as", found.person or ""), ("Token", token), ("Set", ", ".join(body["variables"]))]
        for line in text.fields(lines):
            shell.out(line)


@shell.command
def use(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Of a context; - is the one before.", show_default=False, autocompletion=known.contexts
        ),
    ],
) -> None:
    """Make another server the current one."""
    from blueno.client import contexts, settings

    saved = settings.every(shell.variables()).used(name)
    contexts.write(saved, shell.variables())
    now = saved.named(saved.current or "")
    shell.out(f"now: {now.name} ({now.server})")


@shell.command
def namespace(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAMESPACE]", help="Else it is said which is set.", show_default=False)
    ] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Back to `default`.")] = False,
) -> None:
    """Say or set the namespace that is meant where no -n stands, in the current context."""
    import re

    from blueno.client import contexts, settings

    saved = settings.every(shell.variables())
    now = saved.now
    if now is None:
        raise NotFound("no context is the current one: run `blueno login https://…`, or `blueno config use NAME`")
    if name is None and not unset:
        shell.out(now.namespace or "default")
        return
    if name is not None and (unset or not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)):
        why = "goes without a namespace" if unset else f"{name[:80]!r} is no name of a namespace"
        raise typer.BadParameter(why, param_hint="--unset" if unset else "NAMESPACE")
    contexts.write(saved.put(replace(now, namespace=name)), shell.variables())
    shell.out(f"{now.name}: {name or 'default'}")


@shell.command
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)],
) -> None:
    """Give a context another name."""
    from blueno.client import contexts, settings

    contexts.write(settings.every(shell.variables()).renamed(old, new), shell.variables())
    shell.out(f"{old} is called {new}")


@shell.command
def rm(name: Name) -> None:
    """Forget a context; its token stays good on the server (`blueno logout` ends it)."""
    from blueno.client import contexts, settings

    if name == "-":
        raise InvalidSpec("NAME", "must be written out here")
    saved = settings.every(shell.variables()).without(name)
    contexts.write(saved, shell.variables())
    shell.out(f"{name} is forgotten")
    if saved.every and saved.now is None:
        shell.say("none is the current one now: blueno config use NAME")


def _body(one: Context, current: str | None) -> dict[str, Any]:
    """What programs get: no token."""
    return {
        "name": one.name,
        "current": one.name == current,
        "server": one.server,
        "namespace": one.namespace,
        "person": one.person,
        "token": one.token is not None,
    }
