"""One request on its way through pipeline.py, and what handlers (api/) find on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from aiohttp import web

from blueno.db import audit
from blueno.db.connect import Cursor
from webui.auth import Identity
from webui.problems import Problem
from webui.routes import Route
from webui.services import Services

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Call:
    """`values` holds path and query parameters, `body` the checked JSON; `identity` is None on open routes."""

    services: Services
    request: web.BaseRequest
    id: str
    remote: str
    route: Route | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    identity: Identity | None = None
    resource: str = ""  # of the audit row, when it is not the path's
    subject: str = ""  # name in the audit row, when it is not the path's
    detail: dict[str, Any] = field(default_factory=dict)  # for the audit row
    outcome: dict[str, Any] = field(default_factory=dict)  # for the audit row, known when it is done
    audited: bool = False
    intent: int | None = None  # id of the audit row that was written before the deed
    headers: dict[str, str] = field(default_factory=dict)  # for the answer
    began: float = field(default_factory=time.monotonic)
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))  # the same for the same Idempotency-Key

    @property
    def is_of_2019(self) -> bool:
        """Whether a client of 2019 may be waiting for the answer."""
        return self.route is not None and self.route.is_of_2019

    @property
    def person(self) -> Identity:
        """Who asks. Only on routes that need a login."""
        if self.identity is None:
            raise Problem(401, "login_needed", "log in first")
        return self.identity

    async def read(self, work: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Rows, in a read-only transaction."""
        return await self.services.database.read(work, *args, **kwargs)

    async def change(self, work: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A change and its audit row, in one transaction: there is never one without the other."""
        row = self.audit_row("ok")

        def both(cursor: Cursor) -> T:
            done = work(cursor, *args, **kwargs)
            audit.insert_audit(cursor, row)
            return done

        result = await self.services.database.write(both)
        self.audited = True
        return result

    async def intend(self) -> None:
        """To be called right before a write that is no transaction of the database: whatever becomes of this process,
        the audit table says that it was about to happen. Raises Problem when that cannot be written down.
        """
        self.intent = await self.services.database.write(audit.insert_audit, self.audit_row("intended"))

    def audit_row(self, outcome: str, **detail: Any) -> audit.AuditRow:
        """Who tried what on this request."""
        assert self.route is not None  # noqa: S101  # only routes are audited
        return audit.AuditRow(
            actor=self.identity.email if self.identity else "",
            verb=self.route.audit,
            resource=self.resource or _resource(self.route),
            outcome=outcome,
            namespace=str(self.values.get("namespace") or ""),
            name=self.subject
            or str(self.values.get("name") or self.values.get("email") or self.values.get("id") or ""),
            request_id=self.id,
            remote=self.remote,
            detail=self.detail | detail,
        )


def _resource(route: Route) -> str:
    """The collection: what stands before the first parameter."""
    return next((part for part in reversed(route.path.partition("{")[0].split("/")) if part), "")
