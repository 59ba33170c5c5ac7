"""Shows Datasets on their way to Ready: bars in a terminal, lines elsewhere. Called by cli.py; reads with kubectl."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from clusterlib.errors import Refused
from clusterlib.progress import step

from demolib.tools import get, kubectl

_POLL = 0.7
_PATIENCE = 600.0
_BAR = 24


@dataclass(frozen=True)
class State:
    """One Dataset as the display sees it."""

    name: str
    reason: str
    message: str
    percentage: int
    ready: bool = False
    stalled: bool = False


def state_of(name: str, body: Mapping[str, Any]) -> State:
    """Reads a Dataset; what was said of an earlier generation does not count."""
    status = body.get("status") or {}
    told = {c["type"]: c for c in status.get("conditions") or ()}
    if "Ready" not in told or status.get("observedGeneration") != body["metadata"]["generation"]:
        return State(name, "Pending", "waiting for the operator", 0)
    stalled = told["Stalled"]["status"] == "True"
    moving = told["Reconciling"]["status"] == "True"
    leading = told["Stalled"] if stalled else told["Reconciling"] if moving else told["Ready"]
    ready = told["Ready"]["status"] == "True" and not moving and not stalled
    percentage = 100 if ready else (status.get("progress") or {}).get("percentage", 0)
    return State(name, leading["reason"], leading["message"], percentage, ready, stalled)


def line(state: State, width: int) -> str:
    """`digits      ██████░░ 43%  Downloading  …`, cut to the terminal."""
    full = state.percentage * _BAR // 100
    bar = "█" * full + "░" * (_BAR - full)
    return f"{state.name:<12}{bar} {state.percentage:3d}%  {state.reason}: {state.message}"[:width]


class Display:
    """A block of lines, redrawn in place; without a terminal, a line for each change."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._shown: list[str] = []
        self._started = time.monotonic()

    def show(self, states: Sequence[State]) -> None:
        """Draw, if anything has changed."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            lines = [line(state, width) for state in states]
            if lines != self._shown:
                up = f"\033[{len(self._shown)}A" if self._shown else ""
                self._write(up + "".join(f"\r\033[K{text}\n" for text in lines))
        else:
            # A log does not want every percent.
            lines = [f"{s.name:<12}{s.percentage // 25 * 25:3d}%  {s.reason}" for s in states]
            for number, text in enumerate(lines):
                if text not in self._shown:
                    self._write(f"[{time.monotonic() - self._started:4.0f} s] {text}: {states[number].message}\n")
        self._shown = lines

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def until_ready(names: Sequence[str]) -> None:
    """Returns when all are Ready. Raises Refused when one needs a person, or none moves any more."""
    display, moved = Display(sys.stdout), time.monotonic()
    last: list[State] = []
    while True:
        listed = get("datasets", "-n", "default").get("items", [])
        bodies = {body["metadata"]["name"]: body for body in listed}
        gone = [name for name in names if name not in bodies]
        if gone:
            raise Refused(f"Dataset {gone[0]} was deleted meanwhile")
        states = [state_of(name, bodies[name]) for name in names]
        display.show(states)
        if all(state.ready for state in states):
            return
        for state in states:
            if state.stalled:
                raise Refused(f"{state.name} is stuck with {state.reason}: {state.message}")
        if states != last:
            last, moved = states, time.monotonic()
        if time.monotonic() - moved > _PATIENCE:
            slow = next(state for state in states if not state.ready)
            raise Refused(f"{slow.name} has not moved for {_PATIENCE:.0f} s ({slow.reason}: {slow.message})")
        time.sleep(_POLL)


def until_trained(name: str) -> None:
    """Returns when the TrainingRun has succeeded. Raises Refused when it has failed, or does not move any more."""
    with step(f"training {name}", "20 s"):
        since, last = time.monotonic(), ""
        while True:
            status = get("trainingrun", name, "-n", "default").get("status") or {}
            told = {c["type"]: c for c in status.get("conditions") or ()}.get("Succeeded", {})
            if told.get("status") == "True":
                return
            says = f"{told.get('reason', 'Pending')}: {told.get('message', 'waiting for the operator')}"
            if told.get("status") == "False":
                again = f"hack/cluster kubectl delete trainingrun {name}"
                raise Refused(f"{name} has failed ({says}); correct it, then `{again}` and `make demo`")
            progress = f"{says} {status.get('trainerStatus')}"
            if progress != last:
                last, since = progress, time.monotonic()
            if time.monotonic() - since > _PATIENCE:
                raise Refused(f"{name} has not moved for {_PATIENCE:.0f} s ({says})")
            time.sleep(_POLL)


def until_indexed(names: Sequence[str]) -> None:
    """Returns when the gallery can show all of them. Raises Refused naming the command that says why it cannot."""
    datasets = [f"dataset/{name}" for name in names]
    with step("loading the samples' rows into PostgreSQL", "5 s"):
        try:
            kubectl("wait", "-n", "default", "--for=condition=Indexed", *datasets, "--timeout=140s")
        except Refused as error:
            look = "hack/cluster kubectl logs -n blueno-system deployment/blueno-recorder"
            raise Refused(f"the gallery does not know all samples yet; `{look}` says why") from error
