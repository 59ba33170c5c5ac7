"""Ledgers of soaks (tests/e2e/ledger.py) and what hack/reliability.py makes of them, old ones too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import reliability

from tests.e2e import ledger as module
from tests.e2e.ledger import Ledger, commit_of

OLD = {
    "seed": 7,
    "commit": "514279ef56b0",
    "day": "2026-11-29",
    "seconds": 600,
    "outcome": "sound",
    "faults": [{"fault": "operator SIGKILL", "what": "operator killed", "at": 13.7, "healed": 10.5}],
}


def parts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def rows(*told: dict[str, Any]) -> list[str]:
    return reliability.table(list(told)).splitlines()[2:]


def test_a_part_that_is_killed_leaves_its_faults(tmp_path: Path) -> None:
    """At any moment: what was written last says how far it came."""
    ledger = Ledger(7, tmp_path)
    ledger.fired("etcd SIGKILL", "etcd killed")
    (part,) = parts(tmp_path)
    assert (part["seed"], part["outcome"], part["faults"][0]["healed"]) == (7, "cut off", None)
    assert rows(part) == ["| etcd SIGKILL | 1 | 1 cut off |  |  |  |"]
    ledger.healed()
    ledger.sound()
    (part,) = parts(tmp_path)
    assert (part["outcome"], part["faults"][0]["outcome"]) == ("cut off", "sound")
    assert rows(part) == ["| etcd SIGKILL | 1 | sound | 0.0 s | 0.0 s | 0.0 s |"]


def test_the_same_seed_on_the_same_day_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Ledger(7, tmp_path)
    failed.fired("etcd SIGKILL", "etcd killed")
    failed.end("AssertionError: not within 90 s: etcd back")
    monkeypatch.setattr(module.time, "gmtime", lambda: module.time.struct_time((2036, 11, 29, 9, 0, 1, 0, 0, 0)))
    again = Ledger(7, tmp_path)
    again.fired("etcd SIGKILL", "etcd killed")
    again.healed()
    again.sound()
    again.end()
    assert [part["outcome"] for part in parts(tmp_path)] == ["AssertionError: not within 90 s: etcd back", "sound"]
    assert rows(*parts(tmp_path)) == ["| etcd SIGKILL | 2 | 1 not healed, 1 sound | never | never | never |"]


def test_an_outcome_is_that_of_the_fault_it_came_in(tmp_path: Path) -> None:
    ledger = Ledger(7, tmp_path)
    for seconds in (30, 60):
        ledger.fired("API server stopped", "apiserver stopped", seconds)
        ledger.healed()
        if seconds == 30:
            ledger.sound()
    ledger.end("AssertionError: after 60 s 1 findings")
    assert rows(*parts(tmp_path)) == [
        "| API server stopped for 30 s | 1 | sound | 0.0 s | 0.0 s | 0.0 s |",
        "| API server stopped for 60 s | 1 | 1 not sound | 0.0 s | 0.0 s | 0.0 s |",
    ]


def test_old_ledgers_have_the_outcome_of_their_part() -> None:
    assert rows(OLD) == ["| operator SIGKILL | 1 | sound | 10.5 s | 10.5 s | 10.5 s |"]
    assert rows(OLD, {**OLD, "outcome": "AssertionError: lost"})[0].startswith(
        "| operator SIGKILL | 2 | 1 sound, 1 not sound |"
    )
    assert reliability.page(reliability.PAGE.read_text()) == reliability.PAGE.read_text()


def test_the_commit_says_when_the_tree_is_another(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    clean = git("rev-parse", "--short=12", "HEAD")
    assert commit_of(tmp_path) == clean
    results = tmp_path / "bench" / "results" / "soak"
    results.mkdir(parents=True)
    (results / "before.json").touch()
    assert commit_of(tmp_path) == clean, "what a soak leaves is no change"
    (tmp_path / "new.py").touch()
    assert commit_of(tmp_path) == f"{clean}-dirty"
