"""The file of `blueno login`: servers, a token for each, and the namespace that is meant. Called by settings.py, cli.

Like a kubeconfig it has contexts, each with a name, and one of them is the current one. Written all or nothing, for
its owner's eyes only. The file of earlier versions, with one server and no names, is still read.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blueno.client.words import plain
from blueno.errors import BluenoError, InvalidSpec, NotFound

MOST = 256 * 1024  # bytes of the file; a context has a few hundred
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}")


class Damaged(BluenoError):
    """What stands in the file cannot be understood."""


@dataclass(frozen=True)
class Context:
    """One login: where, as whom, and which namespace is meant when none is named."""

    name: str
    server: str
    token: str | None = field(repr=False)
    token_id: int | None = None
    namespace: str | None = None
    person: str | None = None


@dataclass(frozen=True)
class Contexts:
    """The whole file. `previous` is what `blueno config use -` goes back to."""

    every: tuple[Context, ...] = ()
    current: str | None = None
    previous: str | None = None

    def find(self, name: str) -> Context | None:
        """By its name."""
        return next((one for one in self.every if one.name == name), None)

    def of_server(self, server: str) -> Context | None:
        """That of an address; the current one when several are."""
        now = self.now
        if now is not None and now.server == server:
            return now
        return next((one for one in self.every if one.server == server), None)

    def named(self, name: str) -> Context:
        """By its name. Raises NotFound with the names there are."""
        found = self.find(name)
        if found is None:
            there = ", ".join(plain(one.name, 100) for one in self.every[:20]) or "none: run `blueno login https://…`"
            raise NotFound(f"there is no context {plain(name, 100)!r}; there is {there}")
        return found

    def free(self, name: str) -> str:
        """`name`, or with a number behind it when it is taken."""
        numbers = (f"{name}-{number}" for number in range(2, len(self.every) + 3))
        return next(one for one in (name, *numbers) if self.find(one) is None)

    @property
    def now(self) -> Context | None:
        """The current one."""
        return None if self.current is None else self.find(self.current)

    def used(self, name: str) -> Contexts:
        """With another current one; `-` is the one before. Raises NotFound."""
        if name == "-":
            if self.previous is None or self.find(self.previous) is None:
                raise NotFound("no other context was used before")
            name = self.previous
        self.named(name)
        return self if name == self.current else replace(self, current=name, previous=self.current)

    def put(self, context: Context) -> Contexts:
        """With a context added, or one of that name replaced. Raises InvalidSpec for a name that is none."""
        name = checked_name(context.name)
        if self.find(name) is None:
            return replace(self, every=(*self.every, context))
        return replace(self, every=tuple(context if one.name == name else one for one in self.every))

    def without(self, name: str) -> Contexts:
        """With one less; afterwards the one before is current, if it was the current one. Raises NotFound."""
        self.named(name)
        left = replace(self, every=tuple(one for one in self.every if one.name != name))
        previous = left.previous if left.previous is not None and left.find(left.previous) is not None else None
        return (
            replace(left, current=previous, previous=None) if left.current == name else replace(left, previous=previous)
        )

    def renamed(self, old: str, new: str) -> Contexts:
        """With another name for one. Raises NotFound; InvalidSpec for a name that is none, or is taken."""
        self.named(old)
        if self.find(checked_name(new)) is not None:
            raise InvalidSpec("NEW", f"there is a context {plain(new, 100)} already")
        every = tuple(replace(one, name=new) if one.name == old else one for one in self.every)

        def after(name: str | None) -> str | None:
            return new if name == old else name

        return Contexts(every, after(self.current), after(self.previous))


def checked_name(name: str) -> str:
    """`name`. Raises InvalidSpec when it is none: an address would be mistaken for one, and the reverse."""
    if not _NAME.fullmatch(name):
        rule = "a letter or digit first, then letters, digits and . _ : @ - , at most 100"
        raise InvalidSpec("the context's name", f"{plain(name, 100)!r} is none: {rule}")
    return name


def name_of(server: str) -> str:
    """What a context is called when nobody says: host and port."""
    name = urlsplit(server).netloc
    return name if _NAME.fullmatch(name) else "server"


def path(variables: Mapping[str, str]) -> Path:
    """Where the file lies."""
    base = variables.get("XDG_CONFIG_HOME") or ""
    folder = Path(base) if Path(base).is_absolute() else Path(variables.get("HOME") or Path.home()) / ".config"
    return folder / "blueno" / "config.json"


def read(variables: Mapping[str, str]) -> Contexts:
    """The file, empty when there is none. Raises BluenoError when it cannot be used; Damaged when a login mends it."""
    file = path(variables)
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(MOST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Contexts()
    except OSError as error:
        raise BluenoError(f"{file} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise BluenoError(f"{file} holds a token and others may read it: run chmod 600 {file}, and log in anew")
    try:
        if len(raw) > MOST:
            raise ValueError
        return _contexts(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidSpec):
        raise Damaged(f"{file} is damaged: run `blueno login` again") from None


def _contexts(saved: Any) -> Contexts:
    if "contexts" not in saved:  # of earlier versions: one server
        server = _text(saved["server"])
        only = Context(name_of(server), server, _text(saved["token"]), _number(saved.get("tokenId")))
        return Contexts((only,), only.name)
    every = [
        Context(
            checked_name(_text(name)),
            _text(one["server"]),
            _maybe(one.get("token")),
            _number(one.get("tokenId")),
            _maybe(one.get("namespace")),
            _maybe(one.get("person")),
        )
        for name, one in saved["contexts"].items()
    ]
    return Contexts(tuple(every), _maybe(saved.get("current")), _maybe(saved.get("previous")))


def write(contexts: Contexts, variables: Mapping[str, str]) -> Path:
    """Writes the file, or removes it with the last context. Raises BluenoError."""
    file = path(variables)
    if not contexts.every:
        file.unlink(missing_ok=True)
        return file
    every = {
        one.name: {
            key: value
            for key, value in (
                *(("server", one.server), ("token", one.token), ("tokenId", one.token_id)),
                *(("namespace", one.namespace), ("person", one.person)),
            )
            if value is not None
        }
        for one in contexts.every
    }
    content = {"current": contexts.current, "previous": contexts.previous, "contexts": every}
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


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _maybe(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError
    return value
