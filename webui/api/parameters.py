"""Kinds that several routes share. Used by api/. Pure."""

from __future__ import annotations

from typing import Final

from blueno.db.people import EVERY_NAMESPACE, ROLES
from webui import cursors
from webui.kinds import Kind, ListOf, OneOf, Text, Whole
from webui.routes import Param

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAMESPACE: Final = Text(max=63, min=1, pattern=_LABEL, hint="must be the name of a namespace")
NAME: Final = Text(max=63, min=1, pattern=_LABEL, hint="must be the name of a data set")
DATASET: Final = NAME
RUN_NAME: Final = Text(max=63, min=1, pattern=_LABEL, hint="must be the name of a training run")
OBJECT: Final[dict[str, Kind]] = {"namespace": NAMESPACE, "name": NAME}
RUN: Final[dict[str, Kind]] = {"namespace": NAMESPACE, "name": RUN_NAME}

EMAIL: Final = Text(
    max=200,
    min=3,
    pattern=r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,120}[A-Za-z0-9])?",
    hint="must be an email address",
)
PASSWORD: Final = Text(max=256, min=10)  # a new one
ANY_PASSWORD: Final = Text(max=1024)  # one to be tried
ROLE: Final = OneOf(ROLES)
NAMESPACES: Final = ListOf(
    Text(max=63, min=1, pattern=rf"{_LABEL}|\{EVERY_NAMESPACE}", hint="must be the name of a namespace, or * for all"),
    200,
)

ROW: Final = Whole(0, 2**31 - 1)
LIMIT: Final = Param("limit", Whole(1, 200), 100, "how many at most")
CURSOR: Final = Param("cursor", cursors.KIND, None, "`next` or `previous` of another answer")
VERSION: Final = Param(
    "version",
    Text(max=64, min=16, pattern="[0-9a-f]{16,64}", hint="must be a digest, or its first 16 digits or more"),
    None,
    "digest of a version, or its first 16 digits; default: the newest that was indexed",
)
