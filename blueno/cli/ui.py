"""`blueno ui` and `blueno dataset browse`: the pages, in a browser. In app.py's tree; calls blueno/client/kube.py."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from blueno import names
from blueno.cli import shell
from blueno.cli.options import Context, Dataset, Kubeconfig, SystemNamespace
from blueno.errors import BluenoError, Unavailable

Print = Annotated[bool, typer.Option("--print", help="Only print the address.")]
Forward = Annotated[bool, typer.Option("--port-forward", help="By kubectl, even when a server is known.")]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="On this machine, for --port-forward; 0: any.")
]


@shell.served
def ui(
    only_print: Print = False,
    port_forward: Forward = False,
    port: Port = 0,
    system_namespace: SystemNamespace = names.SYSTEM_NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Open the pages in a browser, or print their address.

    Where no server is known, and with --port-forward, a port of this machine leads to the cluster's web process, by
    kubectl with your own kubeconfig, until Ctrl-C.
    """
    address = None if port_forward else _address()
    if address is not None:
        show(address, only_print=only_print)
        return
    from threading import Event

    from blueno.client import kube

    forward = kube.Forward(kube.Target(system_namespace, context, kubeconfig, port))
    try:
        show(f"{forward.open()}/", only_print=only_print)
        sys.stdout.flush()
        shell.say("leads there until Ctrl-C")
        Event().wait()
    finally:
        forward.close()


@shell.placed
def browse(name: Dataset, only_print: Print = False) -> None:
    """Open a data set's page in a browser, or print its address."""
    place = shell.here()
    show(f"{shell.settings().server}/datasets/{quote(place, safe='')}/{quote(name, safe='')}", only_print=only_print)


def show(address: str, *, only_print: bool) -> None:
    """Prints the address; a person at a terminal with a display gets a browser, too."""
    shell.out(address)
    if only_print or not shell.is_terminal(sys.stdout) or not _has_display():
        return
    import webbrowser

    if not webbrowser.open(address):
        shell.say("no browser was found: open that address yourself")


def _has_display() -> bool:
    """Text browsers would take the terminal over."""
    return sys.platform in ("darwin", "win32") or any(map(shell.variables().get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _address() -> str | None:
    """Of the known server, if it answers; None when none is known."""
    from blueno.client import settings
    from blueno.client.http import Http, Limits

    try:
        found = shell.settings()
    except BluenoError:
        if shell.is_server_named() or settings.every(shell.variables()).every:
            raise
        return None
    http = Http(found.server, None, Limits(5.0, 5.0, 5.0))
    try:
        http.send("GET", "/healthz")
    except Unavailable as error:
        raise Unavailable(f"{error} Without an Ingress: blueno ui --port-forward") from None
    finally:
        http.close()
    return f"{found.server}/"
