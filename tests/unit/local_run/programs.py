"""Programs that local runs start, and looks at processes. Used by the tests beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRONMENT = """
    import json, os, sys
    print(json.dumps({"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}))
"""
# Counts to 5, a checkpoint for each step; waits at the step that the parameter names.
COUNTS = """
    import os, pathlib, signal, sys, time
    place = pathlib.Path(os.environ["BLUENO_CHECKPOINT_DIR"])
    start = os.environ.get("BLUENO_RESUME_FROM")
    step = int((pathlib.Path(start) / "step").read_text()) if start else 0
    print("begins at", step, "in attempt", os.environ["BLUENO_ATTEMPT"], flush=True)
    def save():
        made = place / f"step-{step:012d}"
        made.mkdir()
        (made / "step").write_text(str(step))
    def stop(number, frame):
        print("asked to stop", flush=True)
        save()
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    while step < 5:
        step += 1
        if not (place / f"step-{step:012d}").exists() and step != 4:
            save()
        print("step", step, flush=True)
        if str(step) == os.environ.get("WAIT_AT"):
            time.sleep(600)
"""


def read_until(stream: Any, text: str) -> None:
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"never said: {text}")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(what: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
