"""Idempotency-Key: a POST that is sent again under the same key is answered as the first time. Called by pipeline.py
for the routes that say so (`keyed`).

The key is put down before the deed, so that of two requests at once one acts. When a process ends in between, whoever
comes again with the key acts again, and what it makes is told apart by `call.moment`, which stays the same: see
api/dataset_writes.py. Refusals are not kept: after them the same key may try again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime

from aiohttp import web

from blueno import names
from blueno.db import idempotency as rows
from webui.call import Call
from webui.kinds import Text, Wrong
from webui.problems import Problem, later
from webui.routes import Answer

HEADER = "Idempotency-Key"
PROCESS = secrets.token_hex(8)
_RUNNING: set[tuple[int, str]] = set()  # persons and keys that this process is at
ORPHANED_SECONDS = 10.0  # of another process: after that it is taken to be gone
KEY = Text(max=255, min=1, pattern="[!-~]+", hint="must be one word of printable ASCII")


async def answered(call: Call) -> Answer | web.StreamResponse:
    """The handler's answer, or the one it gave to this key before."""
    assert call.route is not None  # noqa: S101  # pipeline.py has found it
    given = call.request.headers.getall(HEADER, [])
    if not given:
        return await call.route.handler(call)
    if len(given) > 1 or not _is_good(given[0]):
        raise Problem(400, "bad_idempotency_key", f"{HEADER} is one word of 1 to 255 printable ASCII characters")
    mine = (call.person.person_id, given[0])
    if mine in _RUNNING:
        raise _in_progress()
    _RUNNING.add(mine)
    try:
        kept = await _begin(call, *mine)
        return await _act(call, *mine) if kept is None else kept
    finally:
        _RUNNING.discard(mine)


def _is_good(key: str) -> bool:
    try:
        return bool(KEY.parse(key))
    except Wrong:
        return False


async def _begin(call: Call, person: int, key: str) -> Answer | None:
    """None when the handler is to act; `call.moment` is when the key was first seen."""
    total = _fingerprint(call)
    found = await call.services.database.write(rows.begin, person, key, total, (PROCESS, ORPHANED_SECONDS))
    if isinstance(found, datetime):
        call.moment = found
        return None
    if found.total != total:
        detail = f"this {HEADER} was used for another request: a key stands for one request"
        raise Problem(422, "idempotency_key_reused", detail)
    if found.status is None:
        raise _in_progress()
    call.headers["Idempotency-Replayed"] = "true"
    call.audited = True  # by the request that did it
    return Answer(None if found.answer is None else json.loads(found.answer), found.status)


async def _act(call: Call, person: int, key: str) -> Answer | web.StreamResponse:
    assert call.route is not None  # noqa: S101  # pipeline.py has found it
    try:
        answer = await call.route.handler(call)
    except Problem as problem:
        if problem.status < 500:  # of what failed on our side nobody knows how far it came
            await call.services.database.write(rows.forget, person, key)
        raise
    if isinstance(answer, Answer):
        text = None if answer.body is None else json.dumps(answer.body, ensure_ascii=False)
        await call.services.database.write(rows.keep, person, key, answer.status, text)
    return answer


def _in_progress() -> Problem:
    return later(names.IN_PROGRESS, "the first request with this key is being answered", status=409)


def _fingerprint(call: Call) -> bytes:
    asked = [call.request.method, call.request.rel_url.raw_path_qs, call.body]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=True).encode()).digest()
