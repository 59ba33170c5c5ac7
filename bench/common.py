"""What every benchmark writes, in one format. Used by bench/*.py; read by bench/run.py for docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
RESULTS = TOP / "bench" / "results"


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median with its range and the raw numbers."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "n": len(values),
        "raw": [round(value, 3) for value in values],
    }


def limit(value: float) -> dict[str, Any]:
    """A fixed figure to compare with: a limit, or one measured on another day (then the note says so)."""
    return {"median": round(value, 3), "min": None, "max": None, "n": 0}


def row(
    metric: str, unit: str, ours: Sequence[float], beside: Mapping[str, Mapping[str, Any]], target: str, note: str
) -> dict[str, Any]:
    """One row; ratio = ours / other, by the medians."""
    mine = summary(ours)
    ratio = {name: round(mine["median"] / other["median"], 5) for name, other in beside.items()}
    fields = {"metric": metric, "unit": unit, "ours": mine, "beside": dict(beside), "ratio": ratio}
    return {**fields, "target": target, "note": note}


def write(benchmark: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write bench/results/<benchmark>.json and print a line for each row."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TOP, capture_output=True, text=True, check=True)
    machine = {
        "cpus": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
    body = {"benchmark": benchmark, "commit": head.stdout.strip(), "machine": machine, "rows": list(rows)}
    path = RESULTS / f"{benchmark}.json"
    path.write_text(json.dumps(body, indent=1) + "\n")
    for item in rows:
        ratios = ", ".join(f"{value:g}x {name}" for name, value in item["ratio"].items())
        print(f"{item['metric']}: {item['ours']['median']} {item['unit']} ({ratios}; target {item['target']})")
    return path
