"""What a soak did: faults with the time until each had healed and what came of it, and how it ended.

Written by test_soak.py after each fault, so that a part that is killed leaves its faults; hack/reliability.py makes
docs/reliability.md of all ledgers in bench/results/soak.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
RESULTS = "bench/results"  # what a soak before this one has left there makes no tree dirty
SOUND, CUT_OFF = "sound", "cut off"


class Ledger:
    """One part: a seed, its faults, its end. Nothing is written unless a folder is given."""

    def __init__(self, seed: int, folder: Path | None) -> None:
        self.seed, self._folder = seed, folder
        self._began = self._fired = time.monotonic()
        now = time.gmtime()
        self._day = time.strftime("%Y-%m-%d", now)
        self._name = f"{time.strftime('%Y-%m-%dT%H%M%SZ', now)}-{seed}.json"  # never that of another part
        self._commit = commit_of(TOP) if folder is not None else ""  # that of what runs: it may be another at the end
        self._outcome = CUT_OFF
        self.faults: list[dict[str, Any]] = []

    def fired(self, fault: str, what: str, lasted: int | None = None) -> None:
        """A fault was made; one that `lasted` so many seconds is over by now, and has to heal."""
        self._fired = time.monotonic()
        at = round(self._fired - self._began, 1)
        more = {} if lasted is None else {"lasted": lasted}
        self.faults.append({"fault": fault, "what": what, **more, "at": at, "healed": None, "outcome": CUT_OFF})
        print(f"{at:7.1f} s  {what}", flush=True)
        self._write()

    def healed(self) -> None:
        """What the last one hit works again."""
        self.faults[-1]["healed"] = round(time.monotonic() - self._fired, 1)
        self._write()

    def sound(self) -> None:
        """And nothing was found to be wrong after it."""
        self.faults[-1]["outcome"] = SOUND
        self._write()

    def end(self, outcome: str = SOUND) -> None:
        """`outcome`: of the whole part, sound or what was wrong in a line. It is that of a fault it came in, too."""
        self._outcome = outcome
        if self.faults and self.faults[-1]["outcome"] == CUT_OFF:
            self.faults[-1]["outcome"] = outcome
        self._write()

    def _write(self) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        body = {
            "seed": self.seed,
            "commit": self._commit,
            "day": self._day,
            "seconds": round(time.monotonic() - self._began),
            "outcome": self._outcome,
            "faults": self.faults,
        }
        whole = self._folder / f"{self._name}.new"
        whole.write_text(json.dumps(body, indent=1) + "\n")
        whole.replace(self._folder / self._name)


def commit_of(tree: Path) -> str:
    """HEAD of a work tree, with a mark when files are not as in it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", f":(exclude){RESULTS}")
    return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")
