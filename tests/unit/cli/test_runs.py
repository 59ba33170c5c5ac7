"""`blueno run …` as a person or a script uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from blueno.cli import watching
from blueno.client import RunSummary
from tests.fakes.runs_api import TOKEN, RunsApi, problem, summary, whole
from tests.unit.cli.conftest import Blueno
from tests.unit.client.test_specfile import RUN


def test_submit(blueno: Blueno, api: RunsApi, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    done = blueno("run", "submit", "run.yaml", "--set", "lr=0.5")
    assert (done.exit_code, done.stdout) == (0, "trainingrun.blueno.dev/digits\n")
    assert api.asked[0][2]["spec"]["parameters"] == {"lr": "0.5"}
    again = blueno("run", "submit", "-", stdin=RUN)
    assert again.exit_code == 6
    assert "choose another name" in again.stderr
    assert blueno("run", "submit", "-", "-n", "forbidden", stdin=RUN).exit_code == 4


def test_dry_run_prints_what_to_keep_in_git(blueno: Blueno, api: RunsApi, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    done = blueno("run", "submit", "run.yaml", "--dry-run", "-o", "yaml", "--set", "lr=1e3")
    assert done.exit_code == 0
    assert api.runs == {}
    said = yaml.safe_load(done.stdout)
    assert said["spec"]["parameters"] == {"lr": "1e3"}
    assert 'lr: "1e3"' in done.stdout
    assert "shmSize" not in said["spec"]
    (tmp_path / "git.yaml").write_text(done.stdout)
    assert blueno("run", "submit", "git.yaml", "--dry-run", "-o", "yaml").stdout == done.stdout


def test_submit_and_wait(blueno: Blueno, api: RunsApi) -> None:
    percentage = 0

    def on(run: dict[str, Any]) -> None:
        nonlocal percentage
        percentage += 15
        run["state"] = "running" if percentage < 100 else "succeeded"
        run["progress"] = {"percentage": min(percentage, 100), "estimatedRemainingSeconds": None}

    api.on_get = on
    done = blueno("run", "submit", "-", "--wait", stdin=RUN)
    assert done.exit_code == 0
    assert done.stdout == "trainingrun.blueno.dev/digits\n"
    assert "team/digits  running  Running  15%  loss=0.31: it trains\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "team/digits  succeeded  Running  loss=0.31"


def test_wait_tells_how_it_failed(blueno: Blueno, api: RunsApi) -> None:
    failure = {"reason": "UserError", "exitCode": 3, "pod": "p", "lastLines": ["Traceback", "\x1b]0;title\x07KeyError"]}
    api.add(whole(state="failed", reason="UserError", message="it ended with code 3", failure=failure))
    done = blueno("run", "wait", "digits")
    assert done.exit_code == 7
    assert "UserError, exit code 3\n  Traceback\n  ]0;titleKeyError\n" in done.stderr


def test_wait_gives_up_in_time(blueno: Blueno, api: RunsApi) -> None:
    api.add(whole())
    done = blueno("run", "wait", "digits", "--timeout", "0.1")
    assert done.exit_code == 8
    assert "it goes on" in done.stderr


TOOK: dict[str, Any] = {"runningSince": None, "wallSeconds": 90}


def test_ls_says_what_all_of_them_took(blueno: Blueno, api: RunsApi) -> None:
    for name in ("a", "b"):
        api.add(summary(name, state="failed", **TOOK))
    assert blueno("run", "ls").stderr == "2 runs took 3m0s and 3.00 GPU hours\n"
    api.add(summary("elsewhere", "other", state="pending", gpuSeconds=0, **TOOK | {"wallSeconds": 0}))
    assert blueno("run", "ls", "-n", "other").stderr == "1 run took no time\n"
    assert blueno("run", "ls", "-o", "json").stderr == ""


def test_ls_watched_by_no_person_is_silent_while_only_time_goes_by(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([summary(**TOOK), summary(**TOOK | {"wallSeconds": 92}), summary(**TOOK, state="failed")])
    monkeypatch.setattr(watching, "EVERY", 0.0)
    with pytest.raises(StopIteration):
        watching._watch_lines(lambda: [RunSummary.parse(next(looks))], watching.runs(with_namespace=False))
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_ls(blueno: Blueno, api: RunsApi) -> None:
    api.add(summary())
    api.add(summary("long-name", state="failed", reason="OutOfMemory", progress=None, gpus=0, gpuSeconds=0, **TOOK))
    api.add(summary("elsewhere", "other"))
    lines = blueno("run", "ls").stdout.splitlines()
    assert lines[0].split() == "NAME STATE REASON PROGRESS DATASETS GPUS GPU HOURS RESTARTS DURATION AGE".split()
    assert lines[1].split()[:7] == ["digits", "running", "Running", "40%", "digits", "2", "1.50"]
    assert lines[2].split()[:4] == ["long-name", "failed", "OutOfMemory", "digits"]
    assert lines[2].split()[-2] == "90s", "without GPUs, too"
    assert len(lines) == 3
    assert "other       elsewhere" in blueno("run", "ls", "-A").stdout
    assert blueno("run", "ls", "-o", "name").stdout.splitlines()[0] == "trainingrun.blueno.dev/digits"
    assert json.loads(blueno("run", "ls", "-o", "json").stdout)[0]["gpuSeconds"] == 5400.0
    assert yaml.safe_load(blueno("run", "ls", "-o", "yaml").stdout)[0]["name"] == "digits"
    blueno("run", "ls", "--state", "failed", "--dataset", "digits", "-n", "team")
    assert "namespace=team" in api.asked[-1][1]
    assert "dataset=digits" in api.asked[-1][1]


def test_ls_of_nothing(blueno: Blueno) -> None:
    done = blueno("run", "ls")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no runs in default\n")
    assert blueno("run", "ls", "-o", "json").stdout == "[]\n"


def test_the_namespace_of_the_environment(blueno: Blueno, api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUENO_NAMESPACE", "team")
    blueno("run", "ls")
    assert "namespace=team" in api.asked[-1][1]


def test_what_others_wrote_cannot_command_the_terminal(blueno: Blueno, api: RunsApi) -> None:
    evil = "\x1b[2J\x9b31m\u202eevil\r\n"
    api.add(whole(reason=evil, message=evil, metrics=[{"name": evil, "value": evil}], parameters={evil: evil}))
    for command in (("ls",), ("describe", "digits")):
        printed = blueno("run", *command).stdout
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(printed)
        assert "[2J31mevil" in printed


def test_describe(blueno: Blueno, api: RunsApi) -> None:
    pending = {"reason": "InsufficientGPU", "message": "needs 2 nvidia.com/gpu", "since": None}
    api.add(whole(state="pending", pending=pending, managedBy="Argo CD"))
    printed = blueno("run", "describe", "digits").stdout
    for text in ("InsufficientGPU: needs 2 nvidia.com/gpu", "Parameters:\n  lr: 0.01", "GPU hours:   1.50", "Argo CD"):
        assert text in printed
    assert json.loads(blueno("run", "describe", "digits", "-o", "json").stdout)["jobName"] == "digits-0c5b3c8e-a1"
    missing = blueno("run", "describe", "nothing")
    assert (missing.exit_code, missing.stdout) == (3, "")
    assert "no such run" in missing.stderr


def test_logs(blueno: Blueno, api: RunsApi) -> None:
    api.add(whole(state="succeeded"))
    silent = blueno("run", "logs", "digits")
    assert (silent.stdout, silent.stderr) == ("", "default/digits has written nothing (yet)\n")
    api.text = {(1, "p"): b"first\n", (2, "p"): b"second, no end \x1b[2J"}
    assert blueno("run", "logs", "digits").stdout == "second, no end \x1b[2J"  # as it was: this is no terminal
    assert blueno("run", "logs", "digits", "--attempt", "1", "-f").stdout == "first\n"


def test_metrics(blueno: Blueno, api: RunsApi) -> None:
    api.add(whole())
    assert "has reported no such number" in blueno("run", "metrics", "digits").stderr
    at = "2026-01-02T03:04:05.000Z"
    api.metrics = {"loss": [[step, at, 1 / step] for step in range(1, 9)], "accuracy": [[None, at, 0.5]]}
    lines = blueno("run", "metrics", "digits").stdout.splitlines()
    assert lines[1].split() == ["accuracy", "0.5", "0.5", "0.5", "▁"]
    assert lines[2].split() == ["loss", "8", "0.125", "0.125", "1", "█▄▂▂▁▁▁▁"]
    assert len(blueno("run", "metrics", "digits", "loss").stdout.splitlines()) == 2
    assert blueno("run", "metrics", "digits", "-o", "name").stdout == "accuracy\nloss\n"
    assert json.loads(blueno("run", "metrics", "digits", "-o", "json").stdout)["names"] == ["accuracy", "loss"]


def test_suspend_resume_cancel_delete_export(blueno: Blueno, api: RunsApi) -> None:
    api.add(whole(managedBy="Argo CD"))
    done = blueno("run", "suspend", "digits")
    assert done.stdout == "default/digits stops; go on with: blueno run resume digits -n default\n"
    assert "Argo CD keeps this run" in done.stderr
    assert blueno("run", "resume", "digits").stdout == "default/digits goes on\n"
    assert blueno("run", "cancel", "digits").stdout == "default/digits ends\n"
    assert yaml.safe_load(blueno("run", "export", "digits").stdout)["spec"]["cancel"] is True
    assert blueno("run", "delete", "digits").stdout == "default/digits is removed\n"
    assert blueno("run", "delete", "digits").exit_code == 3


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4), (403, 4), (404, 3), (409, 6), (422, 2), (429, 5), (500, 5), (503, 5)]
)
def test_exit_codes(blueno: Blueno, api: RunsApi, status: int, code: int) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return problem(status, "x", f"the token {TOKEN} is no good")

    api.misbehave = [refuse] * 4
    done = blueno("run", "ls")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith("blueno: ")
    assert len(done.stderr.splitlines()) == 1
    assert TOKEN not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "submit"),
        ("run", "submit", "-", "--set", "lr"),
        ("run", "ls", "--state", "ended"),
        ("run", "ls", "--watch", "-o", "json"),
        ("run", "logs", "a", "--attempt", "0"),
        ("run", "ls", "-o", "xml"),
        ("run", "jump"),
        ("run", "--local"),
        ("frobnicate",),
    ],
)
def test_wrong_arguments(blueno: Blueno, api: RunsApi, arguments: tuple[str, ...]) -> None:
    done = blueno(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    assert api.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "ls", "-o", "xml"), "Invalid value for '-o' / '--output': 'xml' is not one of 'table', 'json',"),
        (("token", "rm", "abc"), "Invalid value for 'ID': it is no whole number"),
        (("sample", "ls", "a", "--limit", "0"), "Invalid value for '--limit': it must be greater than or equal to 1"),
        (("login", "--days", "x"), "Invalid value for '--days': it is no whole number"),
    ],
)
def test_wrong_values_are_told_in_our_words(blueno: Blueno, arguments: tuple[str, ...], said: str) -> None:
    done = blueno(*arguments)
    assert (done.exit_code, f"Error: {said}" in done.stderr) == (2, True), done.stderr


def test_a_field_that_was_an_argument_is_called_as_such(blueno: Blueno, api: RunsApi) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        errors = [{"field": "body.email", "message": "must be an email address"}]
        return problem(422, "invalid", "body.email: must be an email address", errors=errors)

    api.misbehave = [refuse]
    done = blueno("user", "add", "ada")
    assert (done.exit_code, done.stderr) == (2, "blueno: email: must be an email address\n")


def test_a_file_that_cannot_be_submitted(blueno: Blueno, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN.replace('"0.01"', "0.01"))
    done = blueno("run", "submit", "run.yaml")
    assert done.exit_code == 2
    assert done.stderr == 'blueno: spec.parameters.lr: must be a text: write "0.01" in quotation marks\n'
    done = blueno("run", "submit", "nothing.yaml")
    assert (done.exit_code, done.stderr) == (2, "blueno: nothing.yaml: cannot be read: No such file or directory\n")


def test_nobody_is_logged_in(blueno: Blueno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUENO_SERVER")
    monkeypatch.delenv("BLUENO_TOKEN")
    done = blueno("run", "ls")
    assert done.exit_code == 1
    assert "blueno login" in done.stderr
