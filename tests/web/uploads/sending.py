"""Requests that change a working set, and their audit rows: what the tests of uploads share."""

from __future__ import annotations

from typing import Any

from blueno import names
from tests.web.site import Browser, Reply, Site

ONE = "/api/v1/datasets/lab/digits"


EDITORS = "blueno:editor"


BUNDLE = {"Content-Type": names.BUNDLE_TYPE}


CHUNK = {"Content-Type": "application/octet-stream"}


async def send(browser: Browser, body: Any, **headers: str) -> Reply:
    return await browser.ask("POST", f"{ONE}/bundles", data=body, headers=BUNDLE | headers)


async def append(browser: Browser, upload: str, offset: int, chunk: Any) -> Reply:
    headers = CHUNK | {names.UPLOAD_OFFSET: str(offset)}
    return await browser.ask("PATCH", f"{ONE}/uploads/{upload}", data=chunk, headers=headers)


def audited(site: Site) -> list[tuple[Any, ...]]:
    asked = "SELECT verb, outcome, detail FROM record.audit WHERE resource = 'datasets' ORDER BY id"
    found: list[tuple[Any, ...]] = site.sql(asked)
    return found
