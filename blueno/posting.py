"""One POST of JSON to the operator's report endpoint. Called by blueno/reporting.py, prep/progress.py and ingest.

Standard library only: it runs in images of users. The token and the CA are read for every call: both are rotated.
"""

from __future__ import annotations

import codecs
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What looks up a host's address would import this in whatever thread posts first, and a child that is forked meanwhile
# would wait for ever for the end of that import.
codecs.lookup("idna")

SECONDS = 5.0  # for each step of a call
ANSWER_BYTES = 4096


@dataclass(frozen=True)
class Endpoint:
    """Where to post, and the files that prove who both sides are; files that do not exist are left out."""

    url: str
    token_file: Path | None
    ca_file: Path | None


@dataclass(frozen=True)
class Answer:
    """Status, what the other side said (its beginning), and the seconds after which it wants to be asked again."""

    status: int
    text: str
    retry_after: float


def post(endpoint: Endpoint, body: Mapping[str, Any], answer_bytes: int = ANSWER_BYTES) -> Answer:
    """Raises OSError, ValueError or http.client.HTTPException when there is no answer."""
    url = urlsplit(endpoint.url)
    headers = {"Content-Type": "application/json"}
    if endpoint.token_file is not None and endpoint.token_file.exists():
        headers["Authorization"] = f"Bearer {endpoint.token_file.read_text().strip()}"
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        known = endpoint.ca_file is not None and endpoint.ca_file.exists()
        context = ssl.create_default_context(cafile=str(endpoint.ca_file) if known else None)
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=SECONDS)
    try:
        connection.request("POST", url.path or "/", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read(answer_bytes).decode(errors="replace")
        after = answer.headers.get("Retry-After", "")
        return Answer(answer.status, text, float(after[:6]) if after.isascii() and after.isdecimal() else 0.0)
    finally:
        connection.close()
