"""blueno/resources/scrub.py: what is hidden, what stays, and how long hostile text may take."""

from __future__ import annotations

import json

import pytest

from blueno.resources.scrub import scrub

SECRET = "hunter2-Zx9"
KEY_BLOCK = f"-----BEGIN RSA PRIVATE KEY-----\nMII{SECRET}\nabc=\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"PGPASSWORD={SECRET}",
        f"password = '{SECRET} with spaces'",
        f"Password: {SECRET}",
        f'{{"db_password": "{SECRET}", "epochs": 3}}',
        f'{{"password": "a\\"{SECRET}"}}',
        f'"{{\\"api_key\\": \\"{SECRET}\\"}}"',
        f"Namespace(lr=0.1, token='{SECRET}', seed=1)",
        f"HF_TOKEN={SECRET}",
        f"WANDB_API_KEY={SECRET}",
        f"api-key: {SECRET}",
        f"apikey={SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"client_secret={SECRET}&next=1",
        f"https://host/path?token={SECRET}&x=1",
        f"python train.py --password {SECRET} --lr 1",
        f"--hub-token {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"Authorization: Basic {SECRET}",
        f"'authorization': 'token {SECRET}'",
        f"Set-Cookie: session={SECRET}; Path=/",
        f"using bearer {SECRET}",
        f"postgresql://blueno:{SECRET}@db:5432/x",
        f"https://{SECRET}@github.com/a/b",
        f"https://user:p@{SECRET}@host/",
        f"before\n{KEY_BLOCK}\nafter",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}",
        f"password: \"{SECRET}",
    ],
)  # fmt: skip
def test_secrets_are_hidden(text: str) -> None:
    found = scrub(text)
    assert SECRET not in found
    assert "***" in found
    assert scrub(found) == found or "***" in scrub(found)


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "hf_" + "aB3" * 11,
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "A1_b" * 15,
        "glpat-" + "x" * 20,
        "sk-proj-" + "a" * 40,
        "AIza" + "b" * 35,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    ],
)
def test_tokens_are_known_by_their_shape(token: str) -> None:
    assert scrub(f"logged in with {token}, ok") == "logged in with ***, ok"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step 100 loss 0.5 lr 1e-4",
        '{"step": 100, "loss": 0.3, "tokens": 512, "tokens_per_second": 12.5}',
        "tokenizer=bert-base, max_new_tokens=256, num_tokens: 9",
        "eos_token=</s> pad_token: [PAD] eos_token_id=2",
        "https://example.org:8080/a@b?x=1#y",
        "registry.example.org:5000/image@sha256:abcdef",
        "me@example.org wrote to you@example.org",
        "epoch: 3, accuracy: 0.93 secretly",
        "bearer of news",
        "password",
        "\0\x7f\ud800 binary \U0010ffff",
        "key=value monkey: banana",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert scrub(text) == text


def test_json_stays_json() -> None:
    line = json.dumps({"step": 1, "password": 'a"b\\', "token": "", "loss": 0.5})
    assert json.loads(scrub(line)) == {"step": 1, "password": "***", "token": "***", "loss": 0.5}


def test_what_stands_around_a_block_stays() -> None:
    found = scrub(f"before\n{KEY_BLOCK}\nbetween\n{KEY_BLOCK}\nafter")
    hidden = "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"
    assert found == f"before\n{hidden}\nbetween\n{hidden}\nafter"


@pytest.mark.parametrize(
    "piece",
    ["a", "password", "password=", '"', '\\"', "token\"'", "://", "://a@", "://a:", "-----BEGIN A-----", "eyJ", "eyJa.",
     "--a", "--password ", "bearer ", "authorization:", "token=\\\"a\\", "sk-", "hf_", " ", "-", "=", "api_"],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_hostile_text_takes_no_long_time(piece: str) -> None:
    """A fraction of a second; many minutes where a pattern goes through the rest of the text from each place in it."""
    scrub(piece * (400_000 // len(piece)))
