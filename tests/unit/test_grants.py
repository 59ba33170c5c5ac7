"""Grants: what is signed is accepted for what it says, and nothing else is, always with the same sentence."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from blueno.grants import (
    ISSUERS,
    MAX_LENGTH,
    MAX_TTL,
    READ,
    Grant,
    GrantRefused,
    check_public_keys,
    outputs_of,
    sign,
    verify,
)

NOW = 1_800_000_000
UID = "0c5b3c8e-8a39-4a6b-b0d6-0d9e8a1b2c3d"
PREFIX = b"blueno-grant-v1\n"

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def private_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEYS = {issuer: ed25519.Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n, issuer in enumerate(ISSUERS)}
PUBLIC = {issuer: public_pem(key) for issuer, key in KEYS.items()}


def grant(**changes: Any) -> Grant:
    fields = {"issuer": "web", "dataset": UID, "actions": (READ,), "expires": NOW + 60, "subject": "ann@example.org"}
    return Grant(**{**fields, **changes})


def signed(given: Grant | None = None, by: str | None = None) -> str:
    given = given or grant()
    return sign(given, private_pem(KEYS[by or given.issuer]))


def forged(body: Any, by: str = "web", prefix: bytes = PREFIX) -> str:
    """A text whose signature is right, whatever the body is."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = (payload, KEYS[by].sign(prefix + payload))
    return ".".join(["v1", *(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)])


def refused(text: str, uid: str = UID, action: str = READ, now: float = NOW) -> None:
    with pytest.raises(GrantRefused) as caught:
        verify(text, PUBLIC, uid, action, now)
    assert str(caught.value) == str(GrantRefused())
    assert caught.value.__cause__ is None


@given(
    issuer=st.sampled_from(ISSUERS),
    dataset=st.text(min_size=1, max_size=60),
    actions=st.lists(st.text(max_size=10), min_size=1, max_size=3),
    seconds=st.integers(1, MAX_TTL),
    subject=st.text(max_size=60),
)
def test_what_was_signed_is_accepted_and_read_back(
    issuer: Any, dataset: str, actions: list[str], seconds: int, subject: str
) -> None:
    wanted = grant(issuer=issuer, dataset=dataset, actions=tuple(actions), expires=NOW + seconds, subject=subject)
    text = signed(wanted)
    assert verify(text, PUBLIC, dataset, actions[0], NOW) == wanted
    assert text.isascii()
    assert len(text) <= MAX_LENGTH


def test_the_key_may_be_text_or_bytes() -> None:
    pem = private_pem(KEYS["web"])
    assert sign(grant(), pem) == sign(grant(), pem.decode())


@given(seconds=st.integers(-(10**12), 0) | st.integers(MAX_TTL + 1, 10**12))
def test_expired_or_too_long_is_refused(seconds: int) -> None:
    refused(signed(grant(expires=NOW + seconds)))


def test_a_grant_ends_at_its_second() -> None:
    text = signed(grant(expires=NOW + 1))
    assert verify(text, PUBLIC, UID, READ, NOW + 0.9).expires == NOW + 1
    refused(text, now=NOW + 1)


@given(uid=st.text(max_size=50), action=st.text(max_size=10))
def test_another_data_set_or_action_is_refused(uid: str, action: str) -> None:
    if uid != UID:
        refused(signed(), uid=uid)
    if action != READ:
        refused(signed(), action=action)


@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("by", ISSUERS)
def test_an_issuer_may_only_use_its_own_key(issuer: Any, by: str) -> None:
    text = signed(grant(issuer=issuer), by)
    if issuer == by:
        assert verify(text, PUBLIC, UID, READ, NOW).issuer == issuer
    else:
        refused(text)


def test_an_issuer_that_the_verifier_does_not_know_is_refused() -> None:
    with pytest.raises(GrantRefused):
        verify(signed(grant(issuer="operator")), {"web": PUBLIC["web"]}, UID, READ, NOW)
    with pytest.raises(GrantRefused):
        verify(signed(), {"web": "no key at all"}, UID, READ, NOW)


@given(data=st.data())
def test_one_changed_character_is_refused(data: st.DataObject) -> None:
    text = signed()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[at]))
    refused(text[:at] + other + text[at + 1 :])


@given(text=st.text(max_size=300) | st.text("v1.AZaz09-_=", max_size=300))
def test_garbage_is_refused(text: str) -> None:
    refused(text)
    refused(f"v1.{text}")
    refused(f"v1.{text}.{text}")


@given(body=st.binary(max_size=200))
def test_garbage_with_a_right_signature_is_refused(body: bytes) -> None:
    refused(forged(body))


FIELDS = {"issuer": "web", "dataset": UID, "actions": [READ], "expires": NOW + 60, "subject": "ann"}


@pytest.mark.parametrize(
    "body",
    [
        {k: v for k, v in FIELDS.items() if k != "subject"},
        {**FIELDS, "admin": True},
        {**FIELDS, "expires": True},
        {**FIELDS, "expires": NOW + 60.0},
        {**FIELDS, "expires": str(NOW + 60)},
        {**FIELDS, "actions": READ},
        {**FIELDS, "actions": {READ: 1}},
        {**FIELDS, "actions": [None]},
        {**FIELDS, "issuer": "root"},
        {**FIELDS, "issuer": ["web"]},
        {**FIELDS, "dataset": None},
        {**FIELDS, "subject": 7},
        [FIELDS],
        None,
        b'{"expires": NaN}',
        b"[" * 1000,
        b"\xff\xfe",
    ],
    ids=str,
)
def test_a_right_signature_makes_no_wrong_body_right(body: Any) -> None:
    refused(forged(body))


def test_what_the_key_signed_for_another_purpose_is_no_grant() -> None:
    assert verify(forged(FIELDS), PUBLIC, UID, READ, NOW).subject == "ann"
    refused(forged(FIELDS, prefix=b""))
    refused(forged(FIELDS, prefix=b"blueno-cursor-v1\n"))


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda t: t + "=",
        lambda t: t + ".",
        lambda t: t + " ",
        lambda t: " " + t,
        lambda t: t + "\n",
        lambda t: "v2" + t[2:],
        lambda t: "V1" + t[2:],
        lambda t: t.rpartition(".")[0],
        lambda t: t.rpartition(".")[0] + ".",
        lambda t: t.replace(".", ".\u0660", 1),
        lambda t: t + "A" * 10_000_000,
        lambda t: "",
        lambda t: "\ud800",
        lambda t: "v1.é.é",
    ],
)  # fmt: skip
def test_only_the_one_spelling_counts(spoilt: Any) -> None:
    refused(spoilt(signed()))


def test_a_grant_that_no_verifier_would_read_is_not_signed() -> None:
    with pytest.raises(ValueError, match="at most 2048"):
        signed(grant(subject="x" * 3000))


def test_other_keys_do_not_sign() -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        sign(grant(), private_pem(ec.generate_private_key(ec.SECP256R1())))


def test_public_keys_are_checked_at_start() -> None:
    assert check_public_keys(PUBLIC) == PUBLIC
    other = public_pem(ec.generate_private_key(ec.SECP256R1()))
    for wrong in ({}, [], None, {"root": PUBLIC["web"]}, {"web": ""}, {"web": 1}, {"web": other}, {"web": "\ud800"}):
        with pytest.raises(ValueError, match=r"issuer|key"):
            check_public_keys(wrong)


def test_outputs_have_names_that_nothing_else_has() -> None:
    """A grant for a directory opens no other one, no data set, and no data set's grant opens it."""
    mine = outputs_of("lab", "blueno-outputs", "train-0c5b3c8e")
    text = signed(grant(dataset=mine))
    assert verify(text, PUBLIC, mine, READ, NOW).dataset == mine
    others = [
        ("lab2", "blueno-outputs", "train-0c5b3c8e"),
        ("lab", "other", "train-0c5b3c8e"),
        ("lab", "blueno-outputs", "x"),
    ]
    for wrong in (UID, *(outputs_of(*parts) for parts in others)):
        with pytest.raises(GrantRefused):
            verify(text, PUBLIC, wrong, READ, NOW)
    with pytest.raises(GrantRefused):
        verify(signed(), PUBLIC, mine, READ, NOW)
    longest = outputs_of("n" * 63, "c" * 253, "d" * 100)
    assert verify(signed(grant(dataset=longest, subject="a" * 200)), PUBLIC, longest, READ, NOW)


@pytest.mark.parametrize(
    "parts", [("", "c", "d"), ("n", "", "d"), ("n", "c", ""), ("n", "c", "d/e"), ("n/c", "d", "e")]
)
def test_outputs_whose_parts_could_be_taken_for_others(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="do not name"):
        outputs_of(*parts)
