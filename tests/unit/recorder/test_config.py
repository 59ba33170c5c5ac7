"""Settings of the recorder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from blueno import names
from blueno.errors import InvalidSpec
from blueno.recorder.config import GRANT_KEY_FILE, HTTP_PORT, KEEP_DAYS, REPORT_CA_FILE, TOKEN_FILE, RecorderConfig
from tests.fakes.preparation import TOP, environment

URL_FILE = "BLUENO_DATABASE_URL_FILE"
GOOD = {URL_FILE: "/db/url", names.ENV_REPORT_URL: "https://report:8443/", GRANT_KEY_FILE: "/keys/recorder.key"}


def test_settings_from_the_environment() -> None:
    config = RecorderConfig.from_env(GOOD)
    assert (config.report_url, config.http_port) == ("https://report:8443", 8080)
    assert config.token_file == Path(names.TOKEN_FILE)
    assert config.data_server_url("lab", "mnist", "0c5b3c8e-8a39") == "http://mnist-0c5b3c8e-data.lab.svc"
    assert config.keep_days == 90
    assert [RecorderConfig.from_env({**GOOD, KEEP_DAYS: days}).keep_days for days in ("0", "7", "")] == [0, 7, 90]
    more = RecorderConfig.from_env({**GOOD, TOKEN_FILE: "/t", REPORT_CA_FILE: "/ca", HTTP_PORT: "9"})
    assert (more.token_file, more.report_ca_file, more.http_port) == (Path("/t"), Path("/ca"), 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in GOOD),
        (names.ENV_REPORT_URL, "report:8443"),
        (names.ENV_REPORT_URL, "file:///etc/passwd"),
        *((KEEP_DAYS, value) for value in ("x", "-1", "1.5", "36501", "٣", "0" * 5000, "9" * 5000)),
        *((HTTP_PORT, value) for value in ("x", "-1", "65536", "٣", "1" * 5000)),
    ],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        RecorderConfig.from_env({**GOOD, name: value})
    assert caught.value.field == name


def test_the_process_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "blueno.recorder"]
    done = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "is not set" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
