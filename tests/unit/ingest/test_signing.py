"""Requests to object stores, beside published examples of their signatures."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from blueno.ingest.signing import Unusable, az, gs, s3

NOW = datetime(2013, 5, 24, tzinfo=UTC)
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

TOKEN = {"AZURE_STORAGE_ACCOUNT": "myaccount", "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x"}


def test_signature_version_4_by_another_implementation() -> None:
    """Worked out by hand from the published steps: the canonical request, the text to sign, the signing key."""
    import hashlib
    import hmac

    request = s3("s3://examplebucket/test.txt", KEYS, NOW)
    assert request.url == "https://examplebucket.s3.us-east-1.amazonaws.com/test.txt"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    canonical = (
        "GET\n/test.txt\n\nhost:examplebucket.s3.us-east-1.amazonaws.com\n"
        f"x-amz-content-sha256:{empty}\nx-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\n{empty}"
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{digest}"
    key = b"AWS4" + KEYS["AWS_SECRET_ACCESS_KEY"].encode()
    for part in (b"20130524", b"us-east-1", b"s3", b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    wanted = hmac.digest(key, text.encode(), "sha256").hex()
    assert request.private["Authorization"].endswith(f"Signature={wanted}")
    # The signing key of that published example, as its documentation prints it for these inputs.
    assert key.hex() == "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378"


def test_without_keys_nothing_is_signed_and_endpoints_are_paths() -> None:
    assert (
        s3("s3://open.data/a b/é.png", {}, NOW).url == "https://s3.us-east-1.amazonaws.com/open.data/a%20b/%C3%A9.png"
    )
    request = s3(
        "s3://scans/1.png", {**KEYS, "AWS_ENDPOINT_URL": "http://minio.lab:9000/", "AWS_SESSION_TOKEN": "t"}, NOW
    )
    assert request.url == "http://minio.lab:9000/scans/1.png"
    assert request.private["x-amz-security-token"] == "t"
    assert "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" in request.private["Authorization"]
    assert gs("gs://bucket/x/y.png", {}, NOW).url == "https://storage.googleapis.com/bucket/x/y.png"
    hmacs = {"GS_ACCESS_KEY_ID": "GOOG1", "GS_SECRET_ACCESS_KEY": "s"}
    assert "GOOG1/20130524/auto/s3/aws4_request" in gs("gs://bucket/x", hmacs, NOW).private["Authorization"]


def test_azure_by_shared_key_and_by_token() -> None:
    secret = {"AZURE_STORAGE_ACCOUNT": "myaccount", "AZURE_STORAGE_KEY": base64.b64encode(b"key").decode()}
    request = az("az://scans/a b.png", secret, NOW)
    assert request.url == "https://myaccount.blob.core.windows.net/scans/a%20b.png"
    assert request.private["x-ms-date"] == "Fri, 24 May 2013 00:00:00 GMT"
    assert request.private["Authorization"].startswith("SharedKey myaccount:")
    token = az(
        "az://scans/a.png", {"AZURE_STORAGE_ACCOUNT": "myaccount", "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x"}, NOW
    )
    assert token.url.endswith("/scans/a.png?sv=1&sig=x")
    assert not token.private


@pytest.mark.parametrize(
    ("make", "uri", "secret"),
    [
        (s3, "s3://b", {}),
        (s3, "s3:///key", {}),
        (s3, "s3://bucket/k", {"AWS_ACCESS_KEY_ID": "x"}),
        (s3, "s3://bucket/k", {"AWS_REGION": "evil.example/"}),
        (gs, "gs://bucket/", {}),
        (az, "az://scans/a.png", {"AZURE_STORAGE_ACCOUNT": "evil.example/"}),
        (az, "az://scans/a.png", {"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_KEY": "%%%"}),
        (az, "az://scans/a", {**TOKEN, "AZURE_BLOB_ENDPOINT": "http://x"}),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(make, uri: str, secret: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Unusable, match=r"\w{3}"):
        make(uri, secret, NOW)
