"""The demo's display, its choice of MNIST and its limits; tests/e2e/test_demo.py runs the whole."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "hack"))

from clusterlib.errors import Refused
from demolib import cli, examples, mirror, tools, watching


def dataset(ready: str, reconciling: str, stalled: str, **more: Any) -> dict[str, Any]:
    """A Dataset with these conditions; `reason`, `message`, `observed` and `percentage` may be given."""
    reason, message = more.get("reason", "Available"), more.get("message", "version 1")
    values = {"Ready": ready, "Reconciling": reconciling, "Stalled": stalled}
    conditions = [{"type": t, "status": s, "reason": reason, "message": message} for t, s in values.items()]
    status = {"observedGeneration": more.get("observed", 1), "conditions": conditions}
    return {
        "metadata": {"name": "digits", "generation": 1},
        "status": status | {"progress": {"percentage": more.get("percentage", 43)}},
    }


@pytest.mark.parametrize(
    ("body", "ready", "stalled", "percentage"),
    [
        (dataset("True", "False", "False"), True, False, 100),
        (dataset("True", "True", "False"), False, False, 43),  # a new version is being made
        (dataset("False", "True", "False", reason="Preparing"), False, False, 43),
        (dataset("False", "False", "True", reason="ChecksumMismatch"), False, True, 43),
        (dataset("True", "False", "True", reason="ChecksumMismatch"), False, True, 43),
        (dataset("True", "False", "False", observed=0), False, False, 0),  # said of an earlier spec
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}, False, False, 0),
    ],
)
def test_state(body: dict[str, Any], ready: bool, stalled: bool, percentage: int) -> None:
    state = watching.state_of("digits", body)
    assert (state.ready, state.stalled, state.percentage) == (ready, stalled, percentage)


def test_line_fits_the_terminal() -> None:
    text = watching.line(watching.State("digits", "Preparing", "m" * 200, 50), 80)
    assert len(text) == 80
    assert text.startswith("digits      ████████████░░░░░░░░░░░░  50%  Preparing: m")


def test_log_gets_a_line_for_each_change_only() -> None:
    out = io.StringIO()
    display = watching.Display(out)
    for percentage in (0, 1, 2, 30, 31, 100):
        display.show([watching.State("digits", "Preparing", "", percentage)])
    assert [line.split()[4] for line in out.getvalue().splitlines()] == ["0%", "25%", "100%"]


def test_stuck_data_set_ends_the_demo_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    body = dataset("False", "False", "True", reason="ChecksumMismatch", message="correct one of them")
    monkeypatch.setattr(watching, "get", lambda *_: {"items": [body]})
    with pytest.raises(Refused, match="digits is stuck with ChecksumMismatch: correct one of them"):
        watching.until_ready(["digits"])


@pytest.mark.parametrize(
    ("there", "internet", "folder"),
    [
        ({}, True, "examples/02-mnist"),
        ({}, False, "examples/02-mnist/stand-in"),
        ({"spec": {"source": {"tfds": {"name": "mnist"}}}}, False, "examples/02-mnist"),
        ({"spec": {"source": {"tfds": {"name": "mnist", "mirror": {}, "x": 1}}}}, False, "examples/02-mnist"),
        ({"spec": {"source": {"tfds": {"mirror": {"url": "u"}}}}}, True, "examples/02-mnist/stand-in"),
    ],
)
def test_choice_of_mnist(monkeypatch: pytest.MonkeyPatch, there: dict[str, Any], internet: bool, folder: str) -> None:
    monkeypatch.setattr(examples, "get", lambda *_: there)
    monkeypatch.setattr(examples, "internet_answers", lambda: internet)
    assert examples.mnist_folder() == folder


def test_files_too_large_for_a_config_map_are_refused() -> None:
    whole = mirror.config_map("m", "n", {"a": b"x" * (1 << 20)})
    assert list(whole["binaryData"]) == ["a"]
    with pytest.raises(Refused, match="1048577 bytes"):
        mirror.config_map("m", "n", {"a": b"x" * (1 << 20), "b": b"x"})


def test_a_failure_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise Refused("no cluster: do this")

    monkeypatch.setattr(cli, "up", refuse)
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == "hack/demo: no cluster: do this\n"


def test_nothing_is_added_to_what_a_failing_program_has_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tools.hack("images", "build", "no-such-image")
    assert ended.value.code == 1
    assert "no-such-image" in capfd.readouterr().err.splitlines()[-1]


def run_of(status: str, reason: str, step: int = 1) -> dict[str, Any]:
    """A TrainingRun whose condition Succeeded says this."""
    condition = {"type": "Succeeded", "status": status, "reason": reason, "message": f"it is {reason}"}
    return {"status": {"conditions": [condition], "trainerStatus": {"progressPercentage": step}}}


def test_the_demo_waits_for_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([{}, run_of("Unknown", "DatasetNotReady"), run_of("Unknown", "Running"), run_of("True", "Completed")])
    monkeypatch.setattr(watching, "get", lambda *_: next(said))
    monkeypatch.setattr(watching, "_POLL", 0)
    watching.until_trained("digits-jax")
    assert next(said, None) is None


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        (
            "False",
            "UserError",
            r"digits-jax has failed \(UserError: it is UserError\); .*delete trainingrun digits-jax",
        ),
        ("Unknown", "ImagePullFailed", r"has not moved for 0 s \(ImagePullFailed: it is ImagePullFailed\)"),
    ],
)
def test_a_run_that_does_not_succeed_is_told(
    monkeypatch: pytest.MonkeyPatch, status: str, reason: str, says: str
) -> None:
    monkeypatch.setattr(watching, "get", lambda *_: run_of(status, reason))
    monkeypatch.setattr(watching, "_POLL", 0)
    monkeypatch.setattr(watching, "_PATIENCE", 0.01)
    with pytest.raises(Refused, match=says):
        watching.until_trained("digits-jax")
