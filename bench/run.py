"""Runs all benchmarks, or those named, and writes the table docs/benchmarks.md from bench/results/. For `make bench`.

Usage: bench/run.py [--table] [NAME…]; --table only writes the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import common

BENCH = Path(__file__).resolve().parent
TABLE = common.TOP / "docs" / "benchmarks.md"
NO_BENCHMARKS = ("run", "common", "played_node", "upload_stack")  # what benchmarks use
HEAD = """# Benchmarks

Made by `make bench` from `bench/results/`; do not edit. Ratio = ours / other, medians of interleaved runs on one
machine; below 1 means less time or memory than the other. Whole figures, ranges and raw numbers are in the JSON files.

| metric | ours (min to max) | beside | ratio | target | commit |
|---|---|---|---|---|---|
"""


def names() -> list[str]:
    """Every benchmark there is."""
    return sorted(path.stem for path in BENCH.glob("*.py") if path.stem not in NO_BENCHMARKS)


def figure(values: dict[str, Any], unit: str) -> str:
    """Median, and the range where there is one."""
    spread = f" ({values['min']} to {values['max']})" if values["min"] is not None else ""
    return f"{values['median']} {unit}{spread}"


def lines() -> list[str]:
    """One line per comparison."""
    made = []
    notes = []
    for path in sorted(common.RESULTS.glob("*.json")):
        body = json.loads(path.read_text())
        for row in body["rows"]:
            for name, other in row["beside"].items():
                made.append(
                    f"| {row['metric']} | {figure(row['ours'], row['unit'])} | {name}: {figure(other, row['unit'])} "
                    f"| {row['ratio'][name]:g} | {row['target']} | {body['commit'][:8]} |"
                )
            notes.append(f"- `{row['metric']}`: {row['note']}")
    return [*made, "", *notes]


def main() -> int:
    """0 when every benchmark ran."""
    wanted = [name for name in sys.argv[1:] if name != "--table"] or names()
    failed = 0
    if "--table" not in sys.argv[1:]:
        for name in wanted:
            print(f"benchmark {name}", flush=True)
            failed |= subprocess.run([sys.executable, BENCH / f"{name}.py"], check=False).returncode
    TABLE.write_text(HEAD + "\n".join(lines()) + "\n")
    print(f"wrote {TABLE.relative_to(common.TOP)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
