"""Which server and which token: arguments, else BLUENO_SERVER and BLUENO_TOKEN, else the file of `blueno login`.

Called by client.py and blueno/cli. A token goes only to the server it was given with: the file's token is not used for
another address, and no token travels unencrypted except to this machine.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blueno import names
from blueno.client.words import plain
from blueno.errors import BluenoError

MOST = 64 * 1024  # bytes of the file; it has a few hundred


@dataclass(frozen=True)
class Settings:
    """Where to, and as whom."""

    server: str  # scheme://host[:port][/path], without a slash at the end
    token: str | None = field(repr=False)
    token_id: int | None = None  # its number on the server, by which `blueno logout` removes it


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file of `blueno login`."""
    base = environ.get("XDG_CONFIG_HOME") or ""
    folder = Path(base) if Path(base).is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "blueno" / "config.json"


def resolve(server: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """What a client is to use. Raises BluenoError: no server, a bad address, a file that others can read."""
    named = server or environ.get(names.ENV_SERVER)
    given = token or environ.get(names.ENV_TOKEN)
    saved = None if named and given else load(environ)
    if named:
        address = checked_server(named, environ)
        if given is None and saved is not None and saved.server == address:
            return saved
    elif saved is not None:
        address = saved.server
        if given is None:
            return saved
    else:
        raise BluenoError(
            "no server is known: run `blueno login https://…`, or set BLUENO_SERVER (and BLUENO_TOKEN), "
            "or give it: blueno.Client(server=…, token=…)"
        )
    return Settings(address, None if given is None else _checked_token(given))


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


def load(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """What `blueno login` saved, or None. Raises BluenoError when the file cannot be used."""
    file = path(environ)
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BluenoError(f"{file} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise BluenoError(f"{file} holds a token and others may read it: run chmod 600 {file}, and log in anew")
    try:
        if len(raw) > MOST:
            raise ValueError
        saved: dict[str, Any] = json.loads(raw)
        number = saved.get("tokenId")
        server, token = saved["server"], saved["token"]
        if not isinstance(server, str) or not isinstance(token, str) or not isinstance(number, int | None):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BluenoError(f"{file} is damaged: run `blueno login` again") from None
    return Settings(checked_server(server, environ), _checked_token(token), number)


def save(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Writes the file, for its owner's eyes, all or nothing. Raises BluenoError."""
    file = path(environ)
    content = {"server": settings.server, "token": settings.token, "tokenId": settings.token_id}
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, temporary = tempfile.mkstemp(dir=file.parent, prefix=".config-")  # 0600 from the start
        try:
            with os.fdopen(number, "w") as opened:
                json.dump(content, opened, indent=2)
                opened.write("\n")
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BluenoError(f"{file} cannot be written: {error.strerror}; set BLUENO_SERVER and BLUENO_TOKEN") from None
    return file


def forget(environ: Mapping[str, str] = os.environ) -> None:
    """Removes the file."""
    path(environ).unlink(missing_ok=True)


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
