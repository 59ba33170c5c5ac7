"""`python -m blueno.dataserver`: settings, a real process, and that it needs no more than its image has."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from blueno import names
from blueno.dataserver.__main__ import settings
from blueno.dataserver.config import OutputsConfig, ServerConfig
from blueno.errors import InvalidSpec
from tests.fakes.data_server import PUBLIC
from tests.fakes.preparation import TOP, Place, environment
from tests.ports import free_port

GOOD = {
    names.ENV_ROOT: "ns/set",
    names.ENV_DATASET_UID: "uid-1",
    names.ENV_GRANT_KEYS: json.dumps(PUBLIC),
}


def test_settings_from_the_environment() -> None:
    config = ServerConfig.from_env(GOOD)
    assert (config.mount, config.root, config.dataset_uid) == (Path("/volume"), Path("/volume/ns/set"), "uid-1")
    assert config.keys == PUBLIC
    assert ServerConfig.from_env({**GOOD, names.ENV_ROOT: "/volume/ns/set"}).root == config.root


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in GOOD),
        (names.ENV_ROOT, "/etc"),
        (names.ENV_ROOT, "a/../../b"),
        (names.ENV_GRANT_KEYS, "{"),
        (names.ENV_GRANT_KEYS, "[" * 100_000),
        (names.ENV_GRANT_KEYS, "{}"),
        (names.ENV_GRANT_KEYS, json.dumps({"web": "x"})),
        (names.ENV_GRANT_KEYS, json.dumps({"root": PUBLIC["web"]})),
    ],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ServerConfig.from_env({**GOOD, name: value})
    assert caught.value.field == name


def test_a_claim_of_outputs_in_place_of_a_data_set() -> None:
    env = {names.ENV_OUTPUTS_CLAIM: "lab/blueno-outputs", names.ENV_GRANT_KEYS: json.dumps(PUBLIC)}
    assert settings(env) == OutputsConfig(Path("/volume"), "lab", "blueno-outputs", PUBLIC)
    assert isinstance(settings(GOOD), ServerConfig)
    for value in ("", "lab", "lab/", "/x", "lab/a/b"):
        with pytest.raises(InvalidSpec) as caught:
            settings({**env, names.ENV_OUTPUTS_CLAIM: value})
        assert caught.value.field == names.ENV_OUTPUTS_CLAIM
    with pytest.raises(InvalidSpec):
        settings({**env, names.ENV_GRANT_KEYS: ""})


def test_the_process_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "blueno.dataserver"]
    done = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert names.ENV_ROOT in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


SERVE = """
import asyncio, logging, sys
from pathlib import Path
from blueno.dataserver.__main__ import serve
from blueno.dataserver.__main__ import settings
from blueno.dataserver.config import OutputsConfig, ServerConfig
import json
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
mount, root, keys, port = sys.argv[1:]
asyncio.run(serve(ServerConfig(Path(mount), Path(root), "uid-1", json.loads(keys)), int(port)))
heavy = {"pyarrow", "PIL", "kubernetes", "psycopg2", "kopf", "tensorflow_datasets"} & sys.modules.keys()
print("loaded:", sorted(heavy))
"""


def test_a_real_process_serves_and_ends_when_asked(digits: Place) -> None:
    """Neither pyarrow nor Pillow is loaded before something needs it: a woken server answers soon."""
    port = free_port()  # 0 would be another one for IPv6 than for IPv4
    arguments = [str(digits.volume), str(digits.root), json.dumps(PUBLIC), str(port)]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *arguments], cwd=TOP, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while "serving" not in (line := process.stdout.readline()):
            assert line, "it has ended"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
            assert answer.read() == b"ok"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "loaded: []" in out
