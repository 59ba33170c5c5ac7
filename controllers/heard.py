"""What was said at the report endpoint about one object, in plain values. Pure.

Kept by controllers/reports.py, handed by the engine to a kind's `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno.resources.indexing import IndexReport
from blueno.resources.ingest import Result
from blueno.resources.outcome import Progress
from blueno.resources.training_report import TrainingReport
from blueno.resources.workload import Admission


@dataclass(frozen=True)
class Heard:
    """The latest of each; after a restart of ours everybody repeats themselves."""

    progress: Progress | None = None  # of the preparation pod
    index: IndexReport | None = None  # of the recorder, about the version that was current then
    serve_until: datetime | None = None  # the data server is wanted till then
    training: TrainingReport | None = None  # of a run's pods, of the latest attempt that was heard
    admission: Admission | None = None  # of Kueue, about a Job that is held: only when a Step has asked for it
    ingest: Result | None = None  # of the ingest pod, about a Sample


NOTHING = Heard()
