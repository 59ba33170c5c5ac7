"""Who is calling the report endpoint: a projected token (audience blueno-report), reviewed by the API server.

Used by controllers/reports.py; calls blueno/kube.py. A review is believed for a minute.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from blueno import names
from blueno.errors import BluenoError
from blueno.kube import Cluster
from blueno.resources.api import TOKEN_REVIEWS

log = logging.getLogger("blueno.reports")

TRUST_SECONDS = 60.0  # how long a token's review is believed
DISTRUST_SECONDS = 5.0
REVIEWS_KEPT = 4096

_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True)
class Caller:
    """A ServiceAccount that proved who it is, and the pod that its token was made for ("": for none)."""

    namespace: str
    account: str
    pod: str
    pod_uid: str


class Callers:
    """Reviews tokens; remembers a bounded number of answers, by the token's hash."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._reviews: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()

    async def identify(self, request: web.Request) -> Caller | None:
        """None when the token proves nothing; raises HTTPServiceUnavailable when nobody can say."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return None
        key = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        until, caller = self._reviews.get(key, (0.0, None))
        if until > time.monotonic():
            return caller
        try:
            caller = await self._review(token)
        except BluenoError as error:
            log.warning("token not reviewed: %s", error)
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from None
        lasts = TRUST_SECONDS if caller is not None else DISTRUST_SECONDS
        self._reviews[key] = (time.monotonic() + lasts, caller)
        self._reviews.move_to_end(key)
        while len(self._reviews) > REVIEWS_KEPT:
            self._reviews.popitem(last=False)
        return caller

    async def _review(self, token: str) -> Caller | None:
        spec = {"token": token, "audiences": [names.REPORT_AUDIENCE]}
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "metadata": {}, "spec": spec}
        status: Mapping[str, Any] = (await self._cluster.create(TOKEN_REVIEWS, review)).get("status") or {}
        # An API server that does not know the audience answers authenticated=true without it: check both.
        if not status.get("authenticated") or names.REPORT_AUDIENCE not in (status.get("audiences") or ()):
            return None
        user = status["user"]
        extra = user.get("extra") or {}
        parts = user["username"].split(":")
        if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
            return None
        return Caller(parts[2], parts[3], _only(extra.get(_POD_NAME)), _only(extra.get(_POD_UID)))


def _only(values: Any) -> str:
    return str(values[0]) if values else ""
