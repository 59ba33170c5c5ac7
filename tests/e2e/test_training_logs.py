"""Logs of real pods as the recorder keeps them: 60 MB whole, 1 GB with its gap marked, both after the pod is gone."""

from __future__ import annotations

import pytest

from blueno.db.run_logs_write import KEPT_BYTES
from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, pods_of, wait_reason
from tests.e2e.web import Answer, Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

LINE = 1000  # bytes, the end of the line too
# A kubelet keeps five files of 10 MiB and looks every 10 s whether one is full: what is written faster than it is read
# is lost before anybody can.
SPEAKS = """
    import sys, time
    from pathlib import Path
    lines, pause = {lines}, {pause}
    for number in range(lines):
        sys.stdout.write(f"line {{number:09}} ".ljust({line} - 1, "x") + "\\n")
        if number % 1000 == 999:
            sys.stdout.flush()
            time.sleep(pause)
    print("the end", flush=True)
"""


def log_after(kube: Kube, web: Web, lines: int, pause: float) -> str:
    """The whole log of a run that wrote so many lines, once its pod is gone."""
    kube.apply(a_run("speaks", SPEAKS.format(lines=lines, pause=pause, line=LINE)))
    wait_reason(kube, "speaks", "Completed", 900)
    path = f"/api/v1/trainingruns/{kube.namespace}/speaks/logs"
    kube.wait("its log is there", lambda: any(part["complete"] for part in web.get(path)["parts"]), 300)
    (pod,) = pods_of(kube, "speaks")
    kube.run("delete", "job", pod["metadata"]["ownerReferences"][0]["name"], "--wait=true")
    answer: Answer = web.ask(f"{path}/raw", seconds=300)
    assert answer.status == 200, answer
    return str(answer.body.decode())


def test_sixty_megabytes_are_whole(kube: Kube, web: Web) -> None:
    lines = 60_000
    text = log_after(kube, web, lines, 0.5)
    numbers = [int(line[5:14]) for line in text.splitlines() if line.startswith("line ")]
    assert numbers == list(range(lines))
    assert text.endswith("the end\n")


@pytest.mark.soak
def test_a_gigabyte_is_bounded_and_says_so(kube: Kube, web: Web) -> None:
    lines = 1_000_000
    text = log_after(kube, web, lines, 0.0)
    assert len(text) < KEPT_BYTES + (1 << 20)
    assert "bytes were not kept]" in text
    numbers = [int(line[5:14]) for line in text.splitlines() if line.startswith("line ") and len(line) == LINE - 1]
    assert numbers[0] == 0
    assert numbers == sorted(set(numbers))
    assert text.endswith("the end\n")
