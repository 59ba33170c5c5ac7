#!/usr/bin/env python3
"""Makes docs/reliability.md: what is promised, which test says so, and what the soaks in bench/results/soak have seen.

Run by `make golden` and (with --check) by `make check`; calls nothing.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import Counter
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


def kind(fault: dict[str, Any]) -> str:
    """What a fault is counted as: its name, and how long it lasted."""
    return f"{fault['fault']} for {fault['lasted']} s" if "lasted" in fault else str(fault["fault"])


def outcome(part: dict[str, Any], fault: dict[str, Any]) -> str:
    """What came of it, in two words. Before each fault had an outcome, that of its part was all there was."""
    said = fault.get("outcome", part["outcome"])
    if said in ("sound", "cut off"):
        return str(said)
    return "not sound" if fault["healed"] is not None else "not healed"


def in_words(outcomes: Counter[str]) -> str:
    """ "sound" when all are."""
    return "sound" if set(outcomes) == {"sound"} else ", ".join(f"{count} {said}" for said, count in outcomes.items())


def in_seconds(value: float) -> str:
    return "never" if value == math.inf else f"{value:.1f} s"


def table(parts: list[dict[str, Any]]) -> str:
    """A row a fault: how often, what came of it, and the seconds until it had healed. One that was cut off has none."""
    healed: dict[str, list[float]] = {}
    outcomes: dict[str, Counter[str]] = {}
    for part in parts:
        for each in part["faults"]:
            said = outcome(part, each)
            outcomes.setdefault(kind(each), Counter())[said] += 1
            seconds = math.inf if each["healed"] is None else each["healed"]
            healed.setdefault(kind(each), []).extend([seconds] if seconds < math.inf or said != "cut off" else [])
    lines = ["| fault | fired | outcome | healed after, median | p99 | worst |", "|---|--:|---|--:|--:|--:|"]
    for fault, times in sorted(healed.items()):
        summary = [statistics.median(times), worst_of_a_hundred(times), max(times)] if times else []
        cells = [*map(in_seconds, summary)] or ["", "", ""]
        counted = outcomes[fault]
        lines.append(f"| {fault} | {counted.total()} | {in_words(counted)} | " + " | ".join(cells) + " |")
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
