"""Which server and which token, and that a token goes nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import blueno
from blueno.client import settings
from blueno.client.settings import Settings
from blueno.errors import BluenoError

TOKEN = "blueno_" + "x" * 43
HERE = "https://blueno.example.org"


def test_arguments_go_before_the_environment_before_the_file(home: Path) -> None:
    env = {"HOME": str(home)}
    settings.save(Settings("https://file.example.org", TOKEN, 3), env)
    saved = Settings("https://file.example.org", TOKEN, 3, context="file.example.org")
    assert settings.resolve(None, None, env) == saved
    env |= {"BLUENO_SERVER": HERE, "BLUENO_TOKEN": "blueno_env"}
    assert settings.resolve(None, None, env) == Settings(HERE, "blueno_env")
    given = settings.resolve("https://given.example.org/", "blueno_given", env)
    assert given == Settings("https://given.example.org", "blueno_given")


def test_the_saved_token_is_not_sent_to_another_server(home: Path) -> None:
    env = {"HOME": str(home)}
    settings.save(Settings(HERE, TOKEN), env)
    assert settings.resolve("https://evil.example.org", None, env).token is None
    assert settings.resolve(HERE.upper().replace("HTTPS", "https"), None, env).token == TOKEN


def test_the_file_is_its_owners_and_others_are_refused(home: Path) -> None:
    env = {"HOME": str(home)}
    file = settings.save(Settings(HERE, TOKEN), env)
    assert file == home / ".config/blueno/config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    file.chmod(0o644)
    with pytest.raises(BluenoError, match="chmod 600") as caught:
        settings.load(env)
    assert TOKEN not in str(caught.value)


def test_nothing_known_says_what_to_do() -> None:
    with pytest.raises(BluenoError, match="blueno login"):
        blueno.Client()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"server": 1, "token": "x"}',
        '{"server": "https://a", "token": null}',
        "x" * 70_000,
    ],
)
def test_a_damaged_file_is_one_sentence(home: Path, content: str) -> None:
    file = home / ".config/blueno/config.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(BluenoError, match="damaged"):
        settings.load({"HOME": str(home)})


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("blueno.example.org", "like https://"),
        ("ftp://a", "like https://"),
        ("https://", "like https://"),
        ("https://a:b", "like https://"),
        ("https://[::1", "like https://"),
        ("https://me:secret@a", "must not hold a user"),
        ("https://a?x=secret", "ends before"),
        ("http://blueno.example.org", "not encrypted"),
        ("http://127.0.0.1.example.org", "not encrypted"),
    ],
)
def test_addresses_that_are_none_or_not_safe(address: str, why: str) -> None:
    with pytest.raises(BluenoError, match=why) as caught:
        settings.checked_server(address, {})
    assert "secret" not in str(caught.value)


def test_unencrypted_is_for_this_machine_or_by_decision() -> None:
    assert settings.checked_server("http://127.0.0.1:8080/", {}) == "http://127.0.0.1:8080"
    assert settings.checked_server("http://localhost", {}) == "http://localhost"
    assert settings.checked_server("http://[::1]:1", {}) == "http://[::1]:1"
    assert settings.checked_server("http://blueno-web", {"BLUENO_ALLOW_HTTP": "1"}) == "http://blueno-web"


@pytest.mark.parametrize("token", ["a b", "a\nX-Header: 1", "ä", " "])
def test_a_token_that_would_break_the_header(token: str) -> None:
    with pytest.raises(BluenoError, match="copy it again"):
        blueno.Client(HERE, token)


def test_no_secret_in_what_is_printed() -> None:
    with blueno.Client(HERE, TOKEN) as client:
        assert TOKEN not in repr(client)
        assert TOKEN not in repr(settings.resolve(HERE, TOKEN, {}))


def test_saved_as_json_that_others_can_read(home: Path) -> None:
    file = settings.save(Settings(HERE, TOKEN, 7), {"XDG_CONFIG_HOME": str(home / "x"), "HOME": "/nowhere"})
    assert file == home / "x/blueno/config.json"
    context = {"server": HERE, "token": TOKEN, "tokenId": 7}
    whole = {"current": "blueno.example.org", "previous": None, "contexts": {"blueno.example.org": context}}
    assert json.loads(file.read_text()) == whole


def test_a_home_that_cannot_be_written(home: Path) -> None:
    (home / ".config").write_text("a file")
    with pytest.raises(BluenoError, match="cannot be written"):
        settings.save(Settings(HERE, TOKEN), {"HOME": str(home)})
