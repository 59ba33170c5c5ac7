"""URIs of object stores as plain signed HTTPS requests, with what a Secret holds. Called by remote.py. Pure.

S3 and Google Cloud Storage (its XML API, with HMAC keys) by AWS Signature Version 4; Azure Blob Storage by Shared Key
or a SAS token. Without keys the request is not signed: public objects. Standard library only; no store's own client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

EMPTY: Final = hashlib.sha256(b"").hexdigest()
AZURE_VERSION: Final = "2021-08-06"
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")


class Unusable(ValueError):
    """What is wrong with the URI or the Secret, in a sentence."""


@dataclass(frozen=True)
class Request:
    """What to GET. `private` are headers that only the host of `url` may see."""

    url: str
    private: Mapping[str, str]


def place_of(uri: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`. Raises Unusable."""
    parts = urlsplit(uri)
    key = uri.split("://", 1)[1].partition("/")[2]
    if not _BUCKET.fullmatch(parts.netloc) or not key:
        raise Unusable(f"{uri[:200]} does not name a bucket and a key")
    return parts.netloc, key


def s3(uri: str, secret: Mapping[str, str], now: datetime) -> Request:
    """Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN?, AWS_REGION?, AWS_ENDPOINT_URL?."""
    bucket, key = place_of(uri)
    region = secret.get("AWS_REGION") or "us-east-1"
    if not _REGION.fullmatch(region):
        raise Unusable("AWS_REGION in the Secret is not the name of a region")
    endpoint = secret.get("AWS_ENDPOINT_URL")
    path = quote(key, safe="/~")
    if endpoint:
        url = f"{endpoint.rstrip('/')}/{bucket}/{path}"
    elif "." in bucket:  # no certificate covers it as a host
        url = f"https://s3.{region}.amazonaws.com/{bucket}/{path}"
    else:
        url = f"https://{bucket}.s3.{region}.amazonaws.com/{path}"
    keys = _pair(secret, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return Request(url, _v4(url, keys, secret.get("AWS_SESSION_TOKEN", ""), region, now) if keys else {})


def gs(uri: str, secret: Mapping[str, str], now: datetime) -> Request:
    """Keys: GS_ACCESS_KEY_ID, GS_SECRET_ACCESS_KEY (an HMAC key of a service account)."""
    bucket, key = place_of(uri)
    url = f"https://storage.googleapis.com/{bucket}/{quote(key, safe='/~')}"
    keys = _pair(secret, "GS_ACCESS_KEY_ID", "GS_SECRET_ACCESS_KEY")
    return Request(url, _v4(url, keys, "", "auto", now) if keys else {})


def az(uri: str, secret: Mapping[str, str], now: datetime) -> Request:
    """Keys: AZURE_STORAGE_ACCOUNT, and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, AZURE_BLOB_ENDPOINT?."""
    container, blob = place_of(uri)
    account = secret.get("AZURE_STORAGE_ACCOUNT", "")
    if not _ACCOUNT.fullmatch(account):
        raise Unusable("az:// needs a Secret with AZURE_STORAGE_ACCOUNT: the URI does not name the account")
    endpoint = secret.get("AZURE_BLOB_ENDPOINT") or f"https://{account}.blob.core.windows.net"
    url = f"{endpoint.rstrip('/')}/{container}/{quote(blob, safe='/~')}"
    if token := secret.get("AZURE_STORAGE_SAS_TOKEN"):
        if not url.startswith("https:"):
            raise Unusable("a SAS token is only sent over https")
        return Request(f"{url}?{token.lstrip('?')}", {})
    headers = {"x-ms-date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"), "x-ms-version": AZURE_VERSION}
    if key := secret.get("AZURE_STORAGE_KEY"):
        canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        text = f"GET\n{chr(10) * 11}{canonical}/{account}{urlsplit(url).path}"
        try:
            raw = base64.b64decode(key, validate=True)
        except ValueError:
            raise Unusable("AZURE_STORAGE_KEY in the Secret is not base64") from None
        signature = base64.b64encode(hmac.new(raw, text.encode(), hashlib.sha256).digest()).decode()
        headers["Authorization"] = f"SharedKey {account}:{signature}"
    return Request(url, headers)


def _pair(secret: Mapping[str, str], *wanted: str) -> tuple[str, str] | None:
    found = [secret.get(name, "") for name in wanted]
    if not any(found):
        return None
    if not all(found):
        raise Unusable(f"the Secret needs both {' and '.join(wanted)}")
    return found[0], found[1]


def _v4(url: str, keys: tuple[str, str], session: str, region: str, now: datetime) -> dict[str, str]:
    """Headers of a GET by AWS Signature Version 4; the path is already percent-encoded once, as S3 wants it."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    parts = urlsplit(url)
    headers = {"x-amz-content-sha256": EMPTY, "x-amz-date": stamp}
    headers |= {"x-amz-security-token": session} if session else {}
    signed = {"host": parts.netloc, **headers}
    canonical = "".join(f"{name}:{value}\n" for name, value in sorted(signed.items()))
    listed = ";".join(sorted(signed))
    request = f"GET\n{parts.path}\n{parts.query}\n{canonical}\n{listed}\n{EMPTY}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys[1]}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={keys[0]}/{scope},SignedHeaders={listed},Signature={signature}"
    return headers | {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}
