"""controllers/keys.py: made once, never again; and a real TLS handshake."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from blueno import names
from blueno.errors import NotFound
from blueno.kube import Cluster
from controllers import http
from controllers.keys import (
    CA_CERT,
    CA_KEY,
    GRANTERS,
    RENEW_DAYS,
    SERVER_CERT,
    SERVER_DAYS,
    SERVER_KEY,
    ReportKeys,
    complete,
    ensure_keys,
)
from tests.fakes.api_server import ApiServer

NOW = datetime.now(UTC)
HOSTS = ("blueno-report.blueno-system.svc", "localhost", "127.0.0.1")
MADE = complete({}, HOSTS, NOW)


def test_everything_is_made() -> None:
    pairs = {f"{granter}.{end}" for granter in GRANTERS for end in ("key", "pub")}
    assert set(MADE) == {CA_CERT, CA_KEY, SERVER_CERT, SERVER_KEY, "session.key", "cursor.key"} | pairs
    assert len(MADE["session.key"]) == 32


def test_nothing_is_made_twice() -> None:
    assert complete(MADE, HOSTS, NOW) == MADE


@pytest.mark.parametrize("missing", ["web.key", "operator.pub", "session.key", SERVER_CERT, SERVER_KEY])
def test_only_what_is_missing_is_made(missing: str) -> None:
    have = {key: value for key, value in MADE.items() if key != missing}
    again = complete(have, HOSTS, NOW)
    assert missing in again
    together = {SERVER_CERT: SERVER_KEY, SERVER_KEY: SERVER_CERT, "web.key": "web.pub"}
    same = set(MADE) - {missing, together.get(missing, missing)}
    assert {key: again[key] for key in same} == {key: MADE[key] for key in same}


def test_a_lost_public_key_is_derived_not_made() -> None:
    have = {key: value for key, value in MADE.items() if key != "web.pub"}
    assert complete(have, HOSTS, NOW) == MADE


@pytest.mark.parametrize("days", [SERVER_DAYS - RENEW_DAYS + 1, SERVER_DAYS + 10])
def test_the_server_certificate_is_renewed_from_the_same_authority(days: int) -> None:
    later = complete(MADE, HOSTS, NOW + timedelta(days=days))
    assert later[SERVER_CERT] != MADE[SERVER_CERT]
    assert {key for key in MADE if later[key] != MADE[key]} == {SERVER_CERT, SERVER_KEY}


def test_another_name_needs_another_certificate() -> None:
    assert complete(MADE, (*HOSTS, "reports.example.org"), NOW)[SERVER_CERT] != MADE[SERVER_CERT]
    assert complete(MADE, HOSTS[:1], NOW) == MADE


def test_another_authority_needs_another_certificate() -> None:
    other = complete({}, HOSTS, NOW)
    mixed = complete({**MADE, CA_CERT: other[CA_CERT], CA_KEY: other[CA_KEY]}, HOSTS, NOW)
    assert mixed[CA_CERT] == other[CA_CERT]
    assert mixed[SERVER_CERT] != MADE[SERVER_CERT]


def test_pairs_belong_together() -> None:
    for granter in GRANTERS:
        key = serialization.load_pem_private_key(MADE[f"{granter}.key"], password=None)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert public == MADE[f"{granter}.pub"]


async def handshake(authority: bytes, name: str) -> str:
    """The version agreed on, by a client that checks everything, strictly."""
    client = ssl.create_default_context(cadata=authority.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    context = http._tls(ReportKeys(MADE[CA_CERT], MADE[SERVER_CERT], MADE[SERVER_KEY], {}))

    hung_up = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        hung_up.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        await hung_up.wait()
        return str(version)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("name", HOSTS)
async def test_a_client_that_trusts_the_authority_accepts_the_certificate(name: str) -> None:
    assert await handshake(MADE[CA_CERT], name) == "TLSv1.3"


async def test_another_name_or_authority_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"evil\.example\.org"):
        await handshake(MADE[CA_CERT], "evil.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(complete({}, HOSTS, NOW)[CA_CERT], "localhost")


async def test_the_secret_is_filled_once(api: ApiServer, cluster: Cluster) -> None:
    api.put({"kind": "Secret", "metadata": {"name": names.KEYS_SECRET, "namespace": "blueno-system"}})
    first = await ensure_keys(cluster, "blueno-system", "https://reports.example.org:8443")
    second = await ensure_keys(cluster, "blueno-system", "https://reports.example.org:8443")
    assert first == second
    assert [seen.verb for seen in api.requests] == ["GET", "PUT", "GET"]
    data = api.read("Secret", names.KEYS_SECRET, "blueno-system")["data"]
    assert b64decode(data[CA_CERT]) == first.ca
    assert first.grants == {granter: b64decode(data[f"{granter}.pub"]).decode() for granter in GRANTERS}


async def test_a_missing_secret_says_what_to_do(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match="apply deploy/ first"):
        await ensure_keys(cluster, "blueno-system", "https://x:1")


def test_no_key_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    http._tls(ReportKeys(MADE[CA_CERT], MADE[SERVER_CERT], MADE[SERVER_KEY], {}))
    assert list(tmp_path.iterdir()) == []
