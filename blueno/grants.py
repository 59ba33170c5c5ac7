"""Short permits for a data server: who may do what with which data set or which run's outputs, and until when.

Signed by the web process and the recorder, checked by blueno/dataserver. A grant is
`v1.<base64url of its JSON>.<base64url of an Ed25519 signature>`, sent as `Authorization: Bearer …`. Each issuer has a
key pair of its own (Secret blueno-keys); a data server knows the public halves and holds no secret.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from blueno.errors import BluenoError

Issuer = Literal["web", "recorder", "operator"]
ISSUERS: Final = ("web", "recorder", "operator")
READ: Final = "read"
WRITE: Final = "write"  # change the working set

MAX_TTL: Final = 300  # seconds: what ends later is refused, so that a stolen grant is soon worth nothing
TTL: Final = 120  # seconds that a signer should ask for: leaves room for clocks that differ
MAX_LENGTH: Final = 2048  # characters of a whole grant

_PREFIX = b"blueno-grant-v1\n"  # nothing else that these keys sign can be taken for a grant
_PART = re.compile(r"[A-Za-z0-9_-]+")


class GrantRefused(BluenoError):
    """Whatever is wrong, the sentence is the same: it tells a forger nothing."""

    def __init__(self) -> None:
        super().__init__("the grant is not valid here now; ask the server that sent you here for a new one")


@dataclass(frozen=True)
class Grant:
    """`subject` may do `actions` with the data set of uid `dataset` until `expires`, says `issuer`.

    For what a training run has written, `dataset` is `outputs_of` its directory: no uid looks like that.
    """

    issuer: Issuer
    dataset: str
    actions: tuple[str, ...]
    expires: int  # unix seconds
    subject: str  # for the log: an email, or the issuer itself


def outputs_of(namespace: str, claim: str, directory: str) -> str:
    """What a grant names for a run's directory on a claim. Raises ValueError for a part that is empty or has a `/`."""
    parts = (namespace, claim, directory)
    if not all(parts) or any("/" in part for part in parts):
        raise ValueError(f"{parts} do not name a directory on a claim")
    return f"outputs:{'/'.join(parts)}"


def sign(grant: Grant, private_pem: str | bytes) -> str:
    """The grant as text. Raises ValueError when the key is no Ed25519 key or the text would be too long."""
    body = {
        "actions": list(grant.actions),
        "dataset": grant.dataset,
        "expires": grant.expires,
        "issuer": grant.issuer,
        "subject": grant.subject,
    }
    payload = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    signature = _private(private_pem.encode() if isinstance(private_pem, str) else private_pem).sign(_PREFIX + payload)
    text = f"v1.{_encode(payload)}.{_encode(signature)}"
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a grant of {len(text)} characters: at most {MAX_LENGTH} are accepted")
    return text


def verify(text: str, public_keys: Mapping[str, str], dataset_uid: str, action: str, now: float) -> Grant:
    """The grant in `text`, when it allows `action` on this data set at `now` (unix seconds). Raises GrantRefused.

    `public_keys`: issuer → PEM of its Ed25519 public key. The key is chosen by the issuer that the grant names.
    """
    payload, signature = _split(text)
    try:
        grant = _parse(json.loads(payload))
    except (ValueError, RecursionError):
        _refuse()
    pem = public_keys.get(grant.issuer)
    if pem is None:
        _refuse()
    try:
        _public(pem).verify(signature, _PREFIX + payload)
    except (InvalidSignature, ValueError):
        _refuse()
    if not now < grant.expires <= now + MAX_TTL or grant.dataset != dataset_uid or action not in grant.actions:
        _refuse()
    return grant


def check_public_keys(keys: Any) -> dict[str, str]:
    """`keys` when it is {issuer: PEM of an Ed25519 public key}, at least one. Raises ValueError, saying why not."""
    if not isinstance(keys, dict) or not keys:
        raise ValueError("must be a JSON object: issuer → PEM of its public key")
    for issuer, pem in keys.items():
        if issuer not in ISSUERS:
            raise ValueError(f"{issuer!r:.60} is no issuer; issuers are {', '.join(ISSUERS)}")
        if not isinstance(pem, str):
            raise ValueError(f"the key of {issuer} is not a text")
        try:
            _public(pem)
        except ValueError as error:
            raise ValueError(f"the key of {issuer} is not the PEM of an Ed25519 public key") from error
    return dict(keys)


def _split(text: str) -> tuple[bytes, bytes]:
    """(JSON, signature). Only the one spelling that `sign` writes is accepted."""
    if len(text) > MAX_LENGTH:
        _refuse()
    parts = text.split(".")
    if len(parts) != 3 or parts[0] != "v1":
        _refuse()
    return _decode(parts[1]), _decode(parts[2])


def _parse(body: Any) -> Grant:
    """Raises ValueError unless every field is there with its own type, and nothing else."""
    if not isinstance(body, dict) or body.keys() != {"actions", "dataset", "expires", "issuer", "subject"}:
        raise ValueError("fields")
    actions, expires = body["actions"], body["expires"]
    if type(expires) is not int or not isinstance(actions, list):
        raise ValueError("types")
    if not all(isinstance(text, str) for text in (*actions, body["dataset"], body["issuer"], body["subject"])):
        raise ValueError("texts")
    if body["issuer"] not in ISSUERS:
        raise ValueError("issuer")
    return Grant(body["issuer"], body["dataset"], tuple(actions), expires, body["subject"])


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    if not _PART.fullmatch(text):
        _refuse()
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        _refuse()
    if _encode(data) != text:  # unused bits of the last character could be anything
        _refuse()
    return data


@functools.lru_cache(maxsize=8)
def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not a PEM of a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


@functools.lru_cache(maxsize=8)
def _private(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def _refuse() -> NoReturn:
    raise GrantRefused from None
