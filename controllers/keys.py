"""The Secret `blueno-keys`: what is missing in it is made once and never made again.

Called by controllers/lifecycle.py at start, after the Lease is held. The manifests create the Secret empty; getting and
updating it by that one name is the operator's only right on Secrets.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from blueno import names
from blueno.errors import NotFound
from blueno.kube import Cluster
from blueno.resources.api import SECRETS

CA_YEARS = 10
SERVER_DAYS = 5 * 365  # renewed at a start of the operator, and it may run for years
RENEW_DAYS = 30  # a server certificate that ends sooner is issued anew
GRANTERS = ("web", "recorder", "operator")  # who signs grants for data servers
RANDOM_KEYS = ("session.key", "cursor.key")  # 32 bytes each, of the web process

CA_CERT, CA_KEY, SERVER_CERT, SERVER_KEY = "ca.crt", "ca.key", "report.crt", "report.key"


@dataclass(frozen=True)
class ReportKeys:
    """What the report endpoint, its callers and data servers need, as PEM."""

    ca: bytes
    certificate: bytes
    key: bytes
    grants: Mapping[str, str]  # issuer: public key by which its grants are known
    grant_key: bytes = b""  # the operator's own, with which it signs grants


async def ensure_keys(cluster: Cluster, namespace: str, report_url: str) -> ReportKeys:
    """Fill what is missing; raises NotFound when the Secret itself is missing (it comes with the manifests)."""
    secret = await cluster.get(SECRETS, namespace, names.KEYS_SECRET)
    if secret is None:
        raise NotFound(f"Secret {namespace}/{names.KEYS_SECRET} is missing: apply deploy/ first")
    have = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    want = complete(have, _alternative_names(namespace, report_url), datetime.now(UTC))
    if want != have:
        secret["data"] = {key: base64.b64encode(value).decode() for key, value in want.items()}
        await cluster.replace(SECRETS, secret)
    grants = {granter: want[f"{granter}.pub"].decode() for granter in GRANTERS}
    return ReportKeys(want[CA_CERT], want[SERVER_CERT], want[SERVER_KEY], grants, want["operator.key"])


def complete(have: Mapping[str, bytes], hosts: tuple[str, ...], now: datetime) -> dict[str, bytes]:
    """`have` with everything that was missing; only the server certificate is ever replaced."""
    keys = dict(have)
    if CA_CERT not in keys or CA_KEY not in keys:
        keys[CA_CERT], keys[CA_KEY] = _make_ca(now)
        keys.pop(SERVER_CERT, None)
    if not _is_good(keys.get(SERVER_CERT), keys[CA_CERT], hosts, now) or SERVER_KEY not in keys:
        keys[SERVER_CERT], keys[SERVER_KEY] = _make_server(keys[CA_CERT], keys[CA_KEY], hosts, now)
    for granter in GRANTERS:
        if f"{granter}.key" not in keys:
            keys[f"{granter}.key"] = _pem(ed25519.Ed25519PrivateKey.generate())
            keys.pop(f"{granter}.pub", None)
        if f"{granter}.pub" not in keys:
            keys[f"{granter}.pub"] = _public(keys[f"{granter}.key"])
    for name in RANDOM_KEYS:
        keys.setdefault(name, secrets.token_bytes(32))
    return keys


def _alternative_names(namespace: str, report_url: str) -> tuple[str, ...]:
    service = names.REPORT_SERVICE
    host = urlsplit(report_url).hostname or service
    return tuple(sorted({f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", service, host}))


def _make_ca(now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "blueno-report-ca")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    certificate = (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def _make_server(ca_pem: bytes, ca_key_pem: bytes, hosts: tuple[str, ...], now: datetime) -> tuple[bytes, bytes]:
    authority = x509.load_pem_x509_certificate(ca_pem)
    authority_key = serialization.load_pem_private_key(ca_key_pem, password=None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)  # noqa: S101  # we made it
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names.REPORT_SERVICE)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(authority.subject)
    certificate = (
        builder.public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=SERVER_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def _public(key_pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(key_pem, password=None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _is_good(pem: bytes | None, ca_pem: bytes, hosts: tuple[str, ...], now: datetime) -> bool:
    if pem is None:
        return False
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_pem))
    except InvalidSignature:  # somebody gave us another authority
        return False
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = set(named) >= {_general_name(host) for host in hosts}
    return covered and certificate.not_valid_after_utc > now + timedelta(days=RENEW_DAYS)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
