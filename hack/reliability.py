#!/usr/bin/env python3
"""Makes docs/reliability.md: what is promised, which test says so, and what the soaks in bench/results/soak have seen.

Run by `make golden` and (with --check) by `make check`; calls nothing.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
LEDGERS = TOP / "bench" / "results" / "soak"
PAGE = TOP / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: made by hack/reliability.py -->\n", "<!-- end of soak -->\n"


def ledgers() -> list[dict[str, Any]]:
    """All parts, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(LEDGERS.glob("*.json"))]


def worst_of_a_hundred(values: list[float]) -> float:
    """The 99th percentile, by nearest rank."""
    return sorted(values)[max(0, -(-99 * len(values) // 100) - 1)]


def table(parts: list[dict[str, Any]]) -> str:
    """A row a fault: how often, and the seconds until it had healed."""
    faults: dict[str, list[float]] = {}
    for part in parts:
        for each in part["faults"]:
            faults.setdefault(each["fault"], []).extend([] if each["healed"] is None else [each["healed"]])
    lines = ["| fault | fired | healed after, median | p99 | worst |", "|---|--:|--:|--:|--:|"]
    for fault, healed in sorted(faults.items()):
        fired = sum(each["fault"] == fault for part in parts for each in part["faults"])
        times = [statistics.median(healed), worst_of_a_hundred(healed), max(healed)] if healed else []
        lines.append(f"| {fault} | {fired} | " + " | ".join(f"{value:.1f} s" for value in times) + " |")
    return "\n".join(lines)


def list_of_parts(parts: list[dict[str, Any]]) -> str:
    """A row a part."""
    lines = ["| day | seed | commit | minutes | faults | outcome |", "|---|--:|---|--:|--:|---|"]
    for part in parts:
        minutes = part["seconds"] / 60
        lines.append(
            f"| {part['day']} | {part['seed']} | `{part['commit']}` | {minutes:.0f} | {len(part['faults'])} "
            f"| {part['outcome']} |"
        )
    return "\n".join(lines)


def soak(parts: list[dict[str, Any]]) -> str:
    """What stands between the marks."""
    if not parts:
        return "No soak has been recorded yet.\n"
    fired = sum(len(part["faults"]) for part in parts)
    sound = sum(part["outcome"] == "sound" for part in parts)
    return (
        f"{fired} faults in {len(parts)} parts, of which {sound} ended sound: nothing lost, doubled, torn or stuck.\n\n"
        f"{table(parts)}\n\n{list_of_parts(parts)}\n"
    )


def page(text: str) -> str:
    """The page with what the ledgers say today."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{soak(ledgers())}\n{END}{tail}"


def main() -> int:
    """`--check` says whether the page is what the ledgers say."""
    text = PAGE.read_text()
    made = page(text)
    if "--check" in sys.argv[1:]:
        return 0 if made == text else 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
