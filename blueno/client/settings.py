"""Which server and which token: arguments, else BLUENO_SERVER and BLUENO_TOKEN, else the file of `blueno login`.

Called by client.py and blueno/cli; calls contexts.py. A token goes only to the server it was given with: the file's
token is not used for another address, and no token travels unencrypted except to this machine.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from blueno import names
from blueno.client import contexts
from blueno.client.contexts import Context, Contexts
from blueno.client.words import plain
from blueno.errors import BluenoError


@dataclass(frozen=True)
class Settings:
    """Where to, and as whom."""

    server: str  # scheme://host[:port][/path], without a slash at the end
    token: str | None = field(repr=False)
    token_id: int | None = None  # its number on the server, by which `blueno logout` removes it
    namespace: str | None = None  # that is meant when none is named
    context: str | None = None  # name in the file; None when it is not from there
    person: str | None = None  # email


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file of `blueno login`."""
    return contexts.path(environ)


def resolve(server: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """What a client is to use; `server` is an address, or the name of a context in the file.

    Raises BluenoError: no server, a bad address, a file that others can read; NotFound: no such context.
    """
    named = server or environ.get(names.ENV_SERVER)
    given = token or environ.get(names.ENV_TOKEN)
    if named and given and "://" in named:
        return Settings(checked_server(named, environ), _checked_token(given))
    saved = every(environ)
    if not named:
        found = saved.now
        if found is None:
            raise BluenoError(
                "no server is known: run `blueno login https://…`, or set BLUENO_SERVER (and BLUENO_TOKEN), "
                "or give it: blueno.Client(server=…, token=…)"
            )
    elif "://" in named:
        address = checked_server(named, environ)
        found = saved.of_server(address) or Context("", address, None)
    else:
        found = saved.find(named)
        if found is None and not saved.every:
            checked_server(named, environ)  # says how an address is written
        found = saved.named(named)
    settings = _of(found, environ)
    # What comes with another token is not that person's login.
    return settings if given is None else Settings(settings.server, _checked_token(given), None, settings.namespace)


def checked_server(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` as an address without a slash at the end. Raises BluenoError for what is none, or not safe."""
    shown = plain(text, 200)
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise BluenoError(f"{shown!r} is no address of a server: write it like https://blueno.example.org")
    if "@" in parts.netloc:  # not repeated: it may hold a password
        raise BluenoError("the address of the server must not hold a user or password: log in with `blueno login`")
    if parts.query or parts.fragment:
        raise BluenoError(f"the address of the server ends before ? and #: {plain(parts.netloc, 200)}")
    if parts.scheme == "http" and not _is_here(host) and environ.get(names.ENV_ALLOW_HTTP) != "1":
        raise BluenoError(
            f"{shown} is not encrypted, so that everybody on the way could read your token: use https://, or "
            f"`kubectl port-forward` and http://127.0.0.1; inside a cluster set {names.ENV_ALLOW_HTTP}=1"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def every(environ: Mapping[str, str] = os.environ) -> Contexts:
    """All that `blueno login` saved. Raises BluenoError when the file cannot be used."""
    return contexts.read(environ)


def load(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """The current context, or None. Raises BluenoError when the file cannot be used."""
    found = every(environ).now
    return None if found is None else _of(found, environ)


def save(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Makes this login the current context and writes the file. Raises BluenoError.

    A context without a name is called after its server, and takes the place of an earlier login there.
    """
    try:
        saved = every(environ)
    except contexts.Damaged:
        saved = Contexts()
    earlier = saved.find(settings.context) if settings.context else saved.of_server(settings.server)
    name = settings.context or (earlier.name if earlier is not None else saved.free(contexts.name_of(settings.server)))
    namespace = settings.namespace or (earlier.namespace if earlier is not None else None)
    one = Context(name, settings.server, settings.token, settings.token_id, namespace, settings.person)
    return contexts.write(saved.put(one).used(name), environ)


def forget(environ: Mapping[str, str] = os.environ, name: str | None = None) -> None:
    """Removes the current context, or that of a name; the file goes with the last."""
    saved = every(environ)
    gone = name or saved.current
    if gone is not None and saved.find(gone) is not None:
        contexts.write(saved.without(gone), environ)


def _of(one: Context, environ: Mapping[str, str]) -> Settings:
    server = checked_server(one.server, environ)
    token = None if one.token is None else _checked_token(one.token)
    return Settings(server, token, one.token_id, one.namespace, one.name or None, one.person)


def _checked_token(token: str) -> str:
    cleaned = token.strip()
    if not cleaned or not cleaned.isascii() or not cleaned.isprintable() or " " in cleaned:
        raise BluenoError(
            "the token has signs that no token has: copy it again, from the page Tokens or `blueno login`"
        )
    return cleaned


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
