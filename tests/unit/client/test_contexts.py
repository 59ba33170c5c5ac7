"""Several servers and logins in one file, as in a kubeconfig."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blueno.client import contexts, settings
from blueno.client.settings import Settings
from blueno.errors import BluenoError, InvalidSpec, NotFound

ONE, TWO = "https://one.example.org", "https://two.example.org"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """Of a person who has logged in to two servers, the second one last."""
    env = {"HOME": str(home)}
    settings.save(Settings(ONE, "blueno_1", 1, "team", person="ada@example.org"), env)
    settings.save(Settings(TWO, "blueno_2", context="two"), env)
    return env


def test_each_server_gets_its_own_token(env: dict[str, str]) -> None:
    assert settings.resolve(None, None, env) == Settings(TWO, "blueno_2", context="two")
    one = settings.resolve(ONE, None, env)
    assert (one.token, one.namespace, one.context) == ("blueno_1", "team", "one.example.org")
    assert settings.resolve("one.example.org", None, env) == one
    assert settings.resolve("https://three.example.org", None, env).token is None
    assert settings.resolve(None, None, env | {"BLUENO_SERVER": "one.example.org"}) == one


def test_another_token_is_not_that_login(env: dict[str, str]) -> None:
    given = settings.resolve("two", "blueno_given", env)
    assert given == Settings(TWO, "blueno_given")


def test_a_name_that_is_not_there_says_which_are(env: dict[str, str], home: Path) -> None:
    with pytest.raises(NotFound, match=r"'three'; there is one\.example\.org, two"):
        settings.resolve("three", None, env)
    with pytest.raises(BluenoError, match="like https://"):
        settings.resolve("blueno.example.org", None, {"HOME": str(home / "nobody")})


def test_back_and_forth(env: dict[str, str]) -> None:
    saved = settings.every(env)
    assert (saved.current, saved.previous) == ("two", "one.example.org")
    back = saved.used("-")
    assert (back.current, back.previous) == ("one.example.org", "two")
    assert back.used("one.example.org") == back
    with pytest.raises(NotFound):
        contexts.Contexts(saved.every, "two").used("-")


def test_logging_in_again_keeps_name_and_namespace(env: dict[str, str]) -> None:
    settings.save(Settings(ONE, "blueno_new", 9), env)
    now = settings.load(env)
    assert now is not None
    assert (now.token, now.namespace, now.context) == ("blueno_new", "team", "one.example.org")
    assert len(settings.every(env).every) == 2


def test_servers_of_one_host_do_not_replace_each_other(env: dict[str, str]) -> None:
    settings.save(Settings(ONE + "/blueno", "blueno_3"), env)
    assert [one.name for one in settings.every(env).every] == ["one.example.org", "two", "one.example.org-2"]


def test_forgetting_goes_back_to_the_one_before(env: dict[str, str]) -> None:
    settings.forget(env)
    assert settings.every(env).current == "one.example.org"
    settings.forget(env, "one.example.org")
    assert not settings.path(env).exists()


def test_renaming(env: dict[str, str]) -> None:
    saved = settings.every(env).renamed("two", "lab")
    assert (saved.current, saved.named("lab").server) == ("lab", TWO)
    with pytest.raises(InvalidSpec, match="already"):
        saved.renamed("lab", "one.example.org")
    for name in ("", "a b", "https://x", "-", "x" * 101):
        with pytest.raises(InvalidSpec, match="is none"):
            saved.renamed("lab", name)


def test_the_file_of_earlier_versions_is_read(home: Path) -> None:
    env = {"HOME": str(home)}
    file = settings.path(env)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"server": ONE, "token": "blueno_1", "tokenId": 7}))
    file.chmod(0o600)
    assert settings.resolve(None, None, env) == Settings(ONE, "blueno_1", 7, context="one.example.org")
    settings.save(Settings(TWO, "blueno_2"), env)
    assert [one.server for one in settings.every(env).every] == [ONE, TWO]


def test_logging_in_mends_a_damaged_file(home: Path) -> None:
    env = {"HOME": str(home)}
    file = settings.path(env)
    file.parent.mkdir(parents=True)
    file.write_text('{"contexts": {"a b": {"server": "https://x"}}}')
    file.chmod(0o600)
    with pytest.raises(BluenoError, match="damaged"):
        settings.load(env)
    settings.save(Settings(ONE, "blueno_1"), env)
    assert settings.resolve(None, None, env).server == ONE


def test_a_bad_context_does_not_spoil_the_others(env: dict[str, str]) -> None:
    saved = settings.every(env).put(contexts.Context("bad", "http://elsewhere.example.org", "blueno_1"))
    contexts.write(saved, env)
    assert settings.resolve(None, None, env).server == TWO
    with pytest.raises(BluenoError, match="not encrypted"):
        settings.resolve("bad", None, env)
