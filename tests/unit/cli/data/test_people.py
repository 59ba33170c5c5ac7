"""`blueno user …` and `blueno token …`."""

from __future__ import annotations

import json

from tests.fakes.data_api import DataApi
from tests.fakes.runs_api import TOKEN
from tests.unit.cli.conftest import Blueno


def test_users(blueno: Blueno, api: DataApi) -> None:
    done = blueno("user", "add", "bob@example.org", "--role", "editor", "-n", "team", "-n", "lab")
    assert done.stdout.startswith("bob@example.org is there now, as editor of team, lab\npassword (shown only now): ")
    sent = api.asked[0][2]
    assert sent["password"] == done.stdout.split()[-1]
    assert len(sent["password"]) >= 20
    assert blueno("user", "add", "bob@example.org").exit_code == 6
    assert blueno("user", "ls").stdout.splitlines()[1].split()[:4] == ["bob@example.org", "editor", "team,", "lab"]
    assert blueno("user", "ls", "-o", "name").stdout == "bob@example.org\n"
    assert json.loads(blueno("user", "ls", "-o", "json").stdout)[0]["role"] == "editor"
    assert blueno("user", "set", "bob@example.org", "-n", "*").stdout == "bob@example.org is editor of all namespaces\n"
    assert blueno("user", "set", "bob@example.org", "--no-namespaces", "--role", "viewer").stdout == (
        "bob@example.org is viewer of no namespace\n"
    )
    assert blueno("user", "set", "bob@example.org").exit_code == 2
    assert blueno("user", "rm", "bob@example.org").exit_code == 2
    assert api.users
    assert blueno("user", "rm", "bob@example.org", "--yes").exit_code == 0
    assert api.users == {}
    assert blueno("user", "rm", "bob@example.org", "--yes").exit_code == 3


def test_passwords_that_are_handed_over(blueno: Blueno, api: DataApi) -> None:
    done = blueno("user", "add", "eve@example.org", "--password-stdin", stdin="a long password\n")
    assert (done.exit_code, "a long password" in done.output) == (0, False)
    assert api.asked[0][2] == {
        "email": "eve@example.org",
        "password": "a long password",
        "role": "viewer",
        "namespaces": [],
    }
    again = blueno("user", "reset", "eve@example.org", "--password-stdin", stdin="another password\n")
    assert again.stdout == "eve@example.org has a new password; sessions and tokens are ended\n"
    assert api.asked[-1][2] == {"password": "another password"}
    assert blueno("user", "reset", "eve@example.org", "--password-stdin", stdin="").exit_code == 2


def test_tokens(blueno: Blueno, api: DataApi) -> None:
    made = blueno("token", "add", "ci", "--days", "7")
    assert made.stdout == f"{TOKEN}\n"
    assert api.asked[0][2] == {"name": "ci", "expiresInDays": 7}
    listed = blueno("token", "ls")
    assert listed.stdout.splitlines()[1].split()[:5] == ["1", "ci", "never", "never", listed.stdout.split()[-1]]
    assert TOKEN not in listed.output
    assert blueno("token", "rm", "1").stdout == "token 1 is removed\n"
    assert blueno("token", "rm", "1").exit_code == 3
