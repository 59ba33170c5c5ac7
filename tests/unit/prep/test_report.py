"""Progress reports and the process's own interface: exit codes, termination message, log."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blueno.prep import __main__ as main
from blueno.prep.progress import Progressing, Reporter
from blueno.resources.outcome import PERMANENT_EXIT_CODE, Outcome, Progress
from tests.fakes.full_volume import until
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.source_server import SourceServer, source_server
from tests.fakes.sources import class_folders, tar


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with source_server() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def wait_for(server: SourceServer, count: int) -> None:
    until(lambda: len(server.bodies) >= count)


def test_reports_carry_the_token_and_can_be_parsed(server: SourceServer, place: Place) -> None:
    place.config.token_file.write_text("the-token\n")
    config = replace(place.config, report_url=server.url(""), attempt=3, report_interval=0.01)
    progress = Progressing(samples_total=10, samples_done=5, stage="Preparing")
    reporter = Reporter(config, "abc", progress)
    reporter.start()
    wait_for(server, 2)
    reporter.close()
    path, authorization, body = server.bodies[0]
    assert (path, authorization) == ("/v1/progress", "Bearer the-token")
    told = Progress.from_dict(json.loads(body))
    assert (told.work, told.attempt, told.stage, told.samples_done, told.samples_total) == (
        "abc",
        3,
        "Preparing",
        5,
        10,
    )


def test_a_report_endpoint_that_is_gone_or_hangs_neither_delays_nor_fails_the_work(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())))
    place.sealed(work, report_url="http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never answers
        place.sealed(
            archive_work(place.put("b.tar", tar(class_folders(7)))),
            report_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )


def test_a_refusing_endpoint_is_complained_about_once(
    server: SourceServer, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    server.post_status = 403
    reporter = Reporter(replace(place.config, report_url=server.url(""), report_interval=0.01), "w", Progressing())
    reporter.start()
    wait_for(server, 3)
    reporter.close()
    assert sum("cannot be reported" in r.message for r in caplog.records) == 1


def test_waiting_says_why_and_gives_no_remaining_time() -> None:
    progress = Progressing()
    progress.wait("SourceUnavailable", "x" * 2000)
    report = Progress.from_dict(progress.report("w", 1).to_dict())
    assert (report.waiting_code, len(report.waiting_message)) == ("SourceUnavailable", 1024)
    assert report.estimated_remaining_seconds is None


def test_exit_codes_and_termination_messages(place: Place) -> None:
    log = place.config.termination_log
    good = archive_work(place.put("a.tar", tar(class_folders())))
    assert main.run("prepare", replace(place.config, work=good)) == 0
    sealed = Outcome.from_json(log.read_text())
    assert sealed is not None
    assert sealed.sealed
    bad = archive_work("file:///none.tar")
    assert main.run("prepare", replace(place.config, work=bad)) == PERMANENT_EXIT_CODE
    failed = Outcome.from_json(log.read_text())
    assert failed is not None
    assert (failed.code, failed.permanent) == ("SourceNotFound", True)
    assert main.run("erase", replace(place.config, dataset_uid="x")) == PERMANENT_EXIT_CODE
    assert main.run("erase", place.config) == 0
    assert not place.root.exists()


@pytest.mark.parametrize("arguments", [[], ["make"], ["prepare", "x"]])
def test_wrong_arguments_say_how(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blueno.prep", *arguments],
        cwd=TOP,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "usage: python -m blueno.prep prepare|erase\n")


def test_a_pod_without_its_environment_fails_for_good(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blueno.prep", "prepare"],
        cwd=TOP,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == PERMANENT_EXIT_CODE
    assert "BLUENO_ROOT" in done.stdout
