"""`python -m webui.users`, as administrators run it with `kubectl exec`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from tests.web.site import Site
from webui.users import main

TOP = Path(__file__).parents[2]
MADE = re.compile(r"password \(shown only now\): (\S{20})\n")


def run(config: DatabaseConfig, *arguments: str, typed: str = "") -> int:
    return main(arguments, config, io.StringIO(typed))


async def test_add_reset_rm(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    config = site.config.database
    assert run(config, "add", "Ada@Example.org", "--role", "admin", "--namespace", "*") == 0
    password = MADE.search(capsys.readouterr().out)
    assert password
    browser = site.browser()
    assert (await browser.log_in("ada@example.org", password[1])).status == 200
    assert (
        run(config, "add", "eve@example.org", "--namespace", "lab", "--namespace", "open", typed="a typed password\n")
        == 0
    )
    assert "a typed password" not in capsys.readouterr().out
    assert (await site.browser().log_in("eve@example.org", "a typed password")).json["namespaces"] == ["lab", "open"]
    assert run(config, "ls") == 0
    assert capsys.readouterr().out == "ada@example.org\tadmin\t*\neve@example.org\tviewer\tlab,open\n"
    assert run(config, "reset", "ADA@example.org", typed="another password") == 0
    assert (await site.browser().log_in("ada@example.org", "another password")).status == 200
    assert site.sql(
        "SELECT count(*) FROM record.session JOIN record.person ON id = person_id WHERE role = 'admin'"
    ) == [(1,)]
    assert run(config, "rm", "eve@example.org") == 0
    assert (await site.browser().log_in("eve@example.org", "a typed password")).status == 401
    done = [line for line in site.audit() if line[0] == "" and line[2] == "users"]
    assert [(line[1], line[3]) for line in done] == [
        *(("create", "ada@example.org"), ("create", "eve@example.org")),
        *(("set-password", "ada@example.org"), ("delete", "eve@example.org")),
    ]


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", "no-address"), "", "email address"),
        (("add", "a@b.example", "--namespace", "No"), "", "namespace"),
        (("add", "a@b.example"), "short\n", "characters"),
        (("add", "ada@example.org"), "", "already"),
        (("rm", "nobody@example.org"), "", "no user"),
        (("reset", "nobody@example.org"), "", "no user"),
        (("rm", "ada@example.org"), "", "last administrator"),
    ],
)
def test_what_cannot_be(
    database: DatabaseConfig, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], typed: str, said: str
) -> None:
    assert run(database, "add", "ada@example.org", "--role", "admin") == 0
    capsys.readouterr()
    assert run(database, *arguments, typed=typed) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_without_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DatabaseConfig(tmp_path / "none"), "ls") == 1
    assert "none" in capsys.readouterr().err


def test_as_a_program(database: DatabaseConfig) -> None:
    """With the real scrypt, and a password on standard input."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "BLUENO_DATABASE_URL_FILE": str(database.url_file)}
    command = [sys.executable, "-m", "webui.users"]
    added = subprocess.run(
        [*command, "add", "a@b.example"],
        env=env,
        input="on standard input\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (added.returncode, added.stderr) == (0, "")
    connection = connect(database, application="test")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM record.person")
        assert str(cursor.fetchall()[0][0]).startswith("scrypt$15$8$1$")
    connection.close()
    nothing = subprocess.run([*command, "ls"], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert nothing.returncode == 1
    assert "BLUENO_DATABASE_URL_FILE" in nothing.stderr
