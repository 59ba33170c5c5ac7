"""Runs a preparation in a temporary directory, in this process or as `python -m blueno.prep`. Used by tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blueno import names
from blueno.prep.config import PrepConfig
from blueno.prep.prepare import prepare
from blueno.resources.outcome import Outcome
from blueno.resources.work import PrepOptions, Work

TOP = Path(__file__).parents[2]
LOOPBACK = ("127.0.0.0/8",)


def archive_work(*urls: str, layout: Mapping[str, Any] | None = None, **more: Any) -> Work:
    """A work that reads unverified archives; `more` goes to Work."""
    source = {"archive": {"files": [{"url": url} for url in urls], "allowUnverified": True}}
    return Work(source=source, layout=layout or {"type": "auto"}, **more)


class Place:
    """A volume and what prepares onto it."""

    def __init__(self, top: Path) -> None:
        self.volume = top / "volume"
        self.volume.mkdir()
        self.root = self.volume / "ns" / "set"
        self.config = PrepConfig(
            work=None,
            root=self.root,
            dataset_uid="uid-1",
            options=PrepOptions(max_bad_samples=0, allowed_source_networks=LOOPBACK),
            volume=self.volume,
            source=top / "source",
            termination_log=top / "termination-log",
            token_file=top / "token",
            report_ca_file=top / "no-ca",
            retry_seconds=60,
            retry_step=0.05,
            space_poll=0.05,
        )

    def put(self, name: str, data: bytes) -> str:
        """Lays a file on the volume; its file:// URL."""
        path = self.volume / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"file:///{name}"

    def prepare(self, work: Work, **changes: Any) -> Outcome:
        """One attempt. `changes` go to PrepConfig; those of PrepOptions's fields go there."""
        options = {k: changes.pop(k) for k in list(changes) if k in PrepOptions.__dataclass_fields__}
        config = replace(self.config, work=work, **changes)
        return prepare(replace(config, options=replace(config.options, **options)))

    def sealed(self, work: Work, **changes: Any) -> Outcome:
        """One attempt that must seal."""
        outcome = self.prepare(work, **changes)
        assert outcome.sealed, f"{outcome.code}: {outcome.message}"
        return outcome

    def failed(self, work: Work, code: str, **changes: Any) -> Outcome:
        """One attempt that must fail with `code`."""
        outcome = self.prepare(work, **changes)
        assert (outcome.sealed, outcome.code) == (False, code), outcome
        return outcome

    def version(self, outcome: Outcome) -> Path:
        return self.root / "versions" / outcome.digest[:16]

    def manifest(self, outcome: Outcome) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.version(outcome) / "manifest.json").read_text())
        return body

    def files(self) -> list[str]:
        """Everything below the data set's directory."""
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())

    def process(self, work: Work, *, prefix: Sequence[str] = (), attempt: int = 1, host: str = "pod") -> list[str]:
        """A command that prepares `work` in a process of its own; see __main__ below."""
        arguments = [str(self.volume), str(self.root), work.to_json(), str(attempt), host]
        return [*prefix, sys.executable, "-m", "tests.fakes.preparation", *arguments]

    def run(self, work: Work, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs `process` to its end."""
        command = self.process(work, **options)
        return subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=False)


def environment(**more: str) -> dict[str, str]:
    """The environment of a process of ours."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), **more}


def process_config(arguments: Sequence[str]) -> PrepConfig:
    """The settings of a process that was started with these arguments: those of `Place.process`.

    One more is the URL that it tells its progress to.
    """
    volume, root, work, attempt, host, *report = arguments
    return PrepConfig(
        work=Work.from_json(work) if work else None,
        root=Path(root),
        dataset_uid="uid-1",
        options=PrepOptions(max_bad_samples=0, allowed_source_networks=LOOPBACK),
        attempt=int(attempt),
        host=host,
        volume=Path(volume),
        termination_log=Path(volume).parent / f"termination-{host}",
        report_url="".join(report),
        report_interval=0.05,
        retry_step=0.05,
        space_poll=0.05,
    )


def _main() -> int:
    """What `Place.process` starts: blueno.prep's own main, with mounts elsewhere."""
    from blueno.prep import __main__ as prep

    return prep.run("prepare", process_config(sys.argv[1:]))


if __name__ == "__main__":
    assert names.VOLUME_MOUNT
    sys.exit(_main())
