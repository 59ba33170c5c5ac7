"""blueno.report against a listening socket: in this process, in others that end, fork, and are many."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blueno import names, reporting
from blueno.reporting import Reporter

TOP = Path(__file__).resolve().parents[3]


class Operator(ThreadingHTTPServer):
    """Keeps what it is told. `answers` are given first, as (status, Retry-After); then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.answers: list[tuple[int, str]] = []
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{names.TRAINING_REPORT_PATH}"

    def points(self) -> list[dict[str, Any]]:
        return [point for body in self.bodies for point in body["points"]]

    def until(self, true: Any, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.bodies
            time.sleep(0.01)


class _Handler(BaseHTTPRequestHandler):
    server: Operator

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == names.TRAINING_REPORT_PATH
        assert self.headers["Authorization"] == "Bearer the-token"
        time.sleep(self.server.delay)
        status, after = self.server.answers.pop(0) if self.server.answers else (204, "")
        self.server.times.append(time.monotonic())
        if status < 300:
            self.server.bodies.append(body)
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def operator() -> Iterator[Operator]:
    server = Operator()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def pod(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a training pod."""
    (tmp_path / "token").write_text("the-token\n")
    env = {names.ENV_TRAINER_URL: operator.url, names.ENV_TRAINER_TOKEN: str(tmp_path / "token")}
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(reporting, "EVERY_SECONDS", 0.3)
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 60.0)
    monkeypatch.setattr(reporting, "_reporter", Reporter())
    return env


def run(code: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A program of its own; how it ended."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": str(TOP), "PATH": "/usr/bin:/bin", **env},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("pod")
def test_reports_are_gathered_and_every_point_arrives(operator: Operator) -> None:
    for step in range(2000):
        reporting.report(step=step, progress=step / 2000, loss=1 / (step + 1))
    reporting.flush()
    assert [point["step"] for point in operator.points()] == list(range(2000))
    assert max(len(body["points"]) for body in operator.bodies) <= 500
    times = [point["time"] for point in operator.points()]
    assert times == sorted(set(times))
    last = operator.bodies[-1]
    assert (last["step"], last["trainerStatus"]["progressPercentage"]) == (1999, 99)
    assert last["trainerStatus"]["metrics"] == [{"name": "loss", "value": repr(1 / 2000)}]
    assert {body["sender"] for body in operator.bodies} == {operator.bodies[0]["sender"]}


@pytest.mark.usefixtures("pod")
def test_not_more_often_than_the_operator_wants(operator: Operator) -> None:
    for step in range(100):
        reporting.report(step=step, loss=1.0)
        time.sleep(0.01)
    operator.until(lambda: len(operator.points()) == 100)
    gaps = [b - a for a, b in zip(operator.times, operator.times[1:], strict=False)]
    assert min(gaps) > 0.25


@pytest.mark.usefixtures("pod")
def test_an_operator_that_is_away_misses_nothing(operator: Operator) -> None:
    operator.answers = [(503, ""), (429, "1"), (500, "")]
    for step in range(10):
        reporting.report(step=step, loss=1.0)
    operator.until(lambda: len(operator.points()) == 10)
    assert [point["step"] for point in operator.points()] == list(range(10))
    assert operator.times[2] - operator.times[1] > 0.9, "Retry-After is obeyed"


@pytest.mark.usefixtures("pod")
def test_what_the_operator_calls_nonsense_is_not_sent_for_ever(operator: Operator) -> None:
    operator.answers = [(400, "")]
    reporting.report(step=1, loss=1.0)
    operator.until(lambda: operator.times)
    reporting.report(step=2, loss=2.0)
    operator.until(lambda: operator.bodies)
    assert [point["step"] for point in operator.points()] == [2]


@pytest.mark.usefixtures("pod")
def test_a_checkpoint_is_told_once(operator: Operator) -> None:
    reporting.report_checkpoint(Path("/c/step-1"), 1)
    reporting.flush()
    reporting.report(step=2, loss=1.0)
    reporting.flush()
    assert operator.bodies[0]["checkpoint"]["path"] == "/c/step-1"
    assert [body.get("checkpoint", {}).get("step") for body in operator.bodies] == [1, None]


class Bad:
    def __float__(self) -> float:
        raise RuntimeError("no number")


@pytest.mark.usefixtures("pod")
def test_no_value_makes_it_raise(operator: Operator) -> None:
    bad: dict[str, Any] = {"nan": float("nan"), "inf": float("inf"), "text": "high", "bad": Bad(), "none": None}
    bad |= {"x" * 64: 1, "": 1, "big": 10**400, "a\ud800": 1}
    reporting.report(step=1, progress=float("nan"), good=3, **bad)
    reporting.report(step="one", progress="half", good=4)  # type: ignore[arg-type]
    reporting.report(step=2, progress=7, good=5)
    reporting.flush()
    assert [point["metrics"].get("good") for point in operator.points()] == [3.0, 5.0]
    assert set(operator.points()[0]["metrics"]) == {"good", "a\ud800"}
    assert operator.bodies[-1]["trainerStatus"]["progressPercentage"] == 100


@pytest.mark.usefixtures("pod")
def test_memory_is_bounded_while_nobody_listens(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "POINTS_KEPT", 100)
    operator.delay = 0.2
    for step in range(5000):
        reporting.report(step=step, loss=float(step))
    assert len(reporting._reporter._points) <= 100
    operator.delay = 0.0
    reporting.flush()
    steps = [point["step"] for point in operator.points()]
    assert steps == sorted(set(steps))
    assert steps[-1] > 4000


def test_it_costs_a_training_loop_next_to_nothing(pod: dict[str, str], operator: Operator) -> None:
    operator.delay = 150.0  # an operator that hangs, for longer than it takes to say anything
    for step in range(1000):
        reporting.report(step=step, loss=1.0, accuracy=0.5)
    assert operator.times == [], "nobody waited for an answer"


def test_the_last_values_arrive_when_the_program_ends(pod: dict[str, str], operator: Operator) -> None:
    """The end does not wait for the next report's turn."""
    code = """
        import blueno
        from blueno import reporting
        reporting.EVERY_SECONDS, reporting.FLUSH_SECONDS = 1000.0, 60.0
        for step in range(20):
            blueno.report(step=step, progress=(step + 1) / 20, loss=1.0)
        raise SystemExit(3)
    """
    done = run(code, pod)
    assert (done.returncode, done.stderr) == (3, "")
    assert [point["step"] for point in operator.points()] == list(range(20))
    assert operator.bodies[-1]["trainerStatus"]["progressPercentage"] == 100


def test_the_end_of_a_program_waits_six_seconds_at_most(pod: dict[str, str], operator: Operator) -> None:
    operator.delay = 1000.0
    began = time.monotonic()
    assert run("import blueno; blueno.report(step=1, loss=1.0)", pod).returncode == 0
    assert time.monotonic() - began > 5
    away = {**pod, names.ENV_TRAINER_URL: "http://127.0.0.1:9/v1/training"}
    done = run("import blueno; blueno.report(step=1, loss=1.0)", away)
    assert (done.returncode, done.stdout) == (0, "")
    assert "cannot be reached (ConnectionRefusedError)" in done.stderr


def test_forked_children_report_for_themselves(pod: dict[str, str], operator: Operator) -> None:
    code = """
        import multiprocessing, os
        import blueno
        def work(n):
            os.environ["RANK"] = "0"
            blueno.report(step=n, child=n)
        blueno.report(step=0, parent=1.0)
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=work, args=(n,)) for n in (1, 2)]
        [child.start() for child in children]; [child.join() for child in children]
        assert all(child.exitcode == 0 for child in children)
        if os.fork() == 0:
            raise SystemExit(0)
        os.wait()
    """
    done = run(code, {**pod, "PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stderr
    assert sorted(point["step"] for point in operator.points()) == [0, 1, 2]
    assert len({body["sender"] for body in operator.bodies}) == 3


def test_to_post_imports_nothing(pod: dict[str, str], operator: Operator) -> None:
    """A child that is forked while a thread of its parent imports a module can never import it."""
    code = """
        import sys
        from blueno import reporting
        before = set(sys.modules)
        reporting.report(step=1, loss=1.0)
        reporting.flush()
        print(sorted(set(sys.modules) - before))
    """
    done = run(code, pod)
    assert (len(operator.points()), done.stdout) == (1, "[]\n"), done.stderr


@pytest.mark.parametrize(
    ("env", "reports"),
    [
        ({"RANK": "0", "LOCAL_RANK": "0"}, True), ({"RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False), ({"JOB_COMPLETION_INDEX": "0"}, True), ({"JOB_COMPLETION_INDEX": "2"}, False),
        ({"PET_NODE_RANK": "1"}, False), ({"RANK": "none"}, True), ({"OMPI_COMM_WORLD_RANK": "3"}, False),
    ],
)  # fmt: skip
def test_only_the_first_process_reports(
    pod: dict[str, str], operator: Operator, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], reports: bool
) -> None:
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    reporting.report(step=1, loss=1.0)
    reporting.flush()
    assert bool(operator.bodies) is reports
    reporting.report(step=2, every_rank=True, loss=1.0)
    reporting.flush()
    assert operator.points()[-1]["step"] == 2


def test_outside_a_pod_a_line_is_printed(tmp_path: Path) -> None:
    code = """
        import blueno
        from blueno import reporting
        reporting.PRINT_SECONDS = 1000.0
        blueno.report(step=7, progress=0.5, loss=0.25)
        blueno.report(step=8)
    """
    done = run(code, {})
    assert (done.returncode, done.stdout, done.stderr) == (0, "step 7  50%  loss 0.25\n", "")


def test_importing_blueno_stays_light() -> None:
    code = "import sys, blueno; print(sorted(set(sys.modules) & {'numpy', 'pyarrow', 'http.client', 'threading'}))"
    assert run(code, {}).stdout == "[]\n"
    code = (
        "import sys, blueno; blueno.report; blueno.checkpoint; print(sorted({'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    assert run(code, {}).stdout == "[]\n"
