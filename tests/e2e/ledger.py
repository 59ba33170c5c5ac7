"""What a soak did: faults with the time until each had healed, and how it ended.

Written by test_soak.py; hack/reliability.py makes docs/reliability.md of all ledgers in bench/results/soak.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]


class Ledger:
    """One part: a seed, its faults, its end. Nothing is written unless a folder is given."""

    def __init__(self, seed: int, folder: Path | None) -> None:
        self.seed, self._folder = seed, folder
        self._began = time.monotonic()
        self.faults: list[dict[str, Any]] = []

    def fired(self, fault: str, what: str) -> None:
        """A fault is in force."""
        at = round(time.monotonic() - self._began, 1)
        self.faults.append({"fault": fault, "what": what, "at": at, "healed": None})
        print(f"{at:7.1f} s  {what}", flush=True)

    def healed(self) -> None:
        """The last one is over."""
        last = self.faults[-1]
        last["healed"] = round(time.monotonic() - self._began - last["at"], 1)

    def write(self, outcome: str) -> None:
        """`outcome`: sound, or what was wrong in a line."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False
        ).stdout.strip()
        body = {
            "seed": self.seed,
            "commit": commit,
            "day": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": round(time.monotonic() - self._began),
            "outcome": outcome,
            "faults": self.faults,
        }
        path = self._folder / f"{body['day']}-{self.seed}.json"
        path.write_text(json.dumps(body, indent=1) + "\n")
