"""Names for completion: what the server knows, if it says so within a second. Used by options.py; nothing here raises.

A shell waits for this at every press of Tab: one request, no retries, no words when it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

SECONDS = 1.0
MOST = 200


def datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Data sets of the namespace that is meant."""
    return _of_server("/api/v1/datasets", ctx.params, incomplete)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Training runs of the namespace that is meant."""
    return _of_server("/api/v1/trainingruns", ctx.params, incomplete)


def contexts(incomplete: str) -> list[str]:
    """Contexts of the person's file."""
    from blueno.client import settings
    from blueno.errors import BluenoError

    try:
        found = [one.name for one in settings.every().every]
    except BluenoError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def _of_server(path: str, given: Mapping[str, Any], incomplete: str) -> list[str]:
    from blueno.cli import shell
    from blueno.errors import BluenoError

    try:
        with shell.asked_for(given.get("server"), given.get("namespace")):
            found, place = shell.settings(), shell.here()
        return _names(found.server, found.token, path, {"namespace": place, "q": incomplete, "limit": MOST}, incomplete)
    except BluenoError:
        return []


def _names(server: str, token: str | None, path: str, query: Mapping[str, Any], begin: str) -> list[str]:
    from blueno.client.http import Http, Limits
    from blueno.client.reading import Fields

    http = Http(server, token, Limits(SECONDS, SECONDS, SECONDS))
    try:
        answer = Fields(http.send("GET", path, query=query).body, "answer")
        names = [item.text("name") for item in answer.each("items")]
    finally:
        http.close()
    # A name of Kubernetes: nothing else is written into a person's command line.
    return [name for name in names if name.startswith(begin) and name.replace("-", "a").isalnum() and name.isascii()]
