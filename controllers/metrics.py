"""What `/metrics` shows. Set by engine, writer, sweep, mirror, reports and fleet; served by controllers/http.py."""

from __future__ import annotations

from prometheus_client import Counter, Enum, Gauge, Histogram

API_WRITES = Counter("blueno_api_writes", "Writes to the API server", ["verb", "kind"])
RECONCILE_SECONDS = Histogram(
    "blueno_reconcile_duration_seconds",
    "One reconcile of one object",
    ["kind"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30),
)
RECONCILE_ERRORS = Counter("blueno_reconcile_errors", "Reconciles that ended in an error", ["reason"])
QUEUE_DEPTH = Gauge("blueno_queue_depth", "Objects waiting to be reconciled")
DATASET_READY = Gauge("blueno_dataset_ready", "1 for each Ready Dataset, else 0", ["namespace", "dataset"])
TRAINING_RUNS = Gauge("blueno_trainingruns", "TrainingRuns there are", ["state"])
GPU_SECONDS = Counter("blueno_gpu_seconds", "GPUs times seconds that training pods held", ["namespace"])
RUN_SECONDS = Counter("blueno_run_seconds", "Seconds in which runs had their nodes, each run once", ["namespace"])
DATASET_GPU_SECONDS = Counter(
    "blueno_dataset_gpu_seconds", "blueno_gpu_seconds of the runs that read a Dataset", ["namespace", "dataset"]
)
DATASET_RUN_SECONDS = Counter(
    "blueno_dataset_run_seconds", "blueno_run_seconds of the runs that read a Dataset", ["namespace", "dataset"]
)
PREP_SECONDS = Histogram(
    "blueno_prep_duration_seconds",
    "From a preparation Job's creation to its sealed version",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3600, 14400),
)
SWEEP_MISSED = Counter("blueno_sweep_missed", "Changes the sweep found before any watch brought them", ["kind"])
MIRROR_UP = Gauge("blueno_mirror_up", "1 while the mirror writes to PostgreSQL, else 0")
MIRROR_STATE = Enum(
    "blueno_mirror_state",
    "Why the mirror does not write: no database, one of another number, a later operator, a refusal",
    states=["unavailable", "working", "schema", "stale", "refused"],
)
MIRROR_LAG = Gauge("blueno_mirror_lag_seconds", "Age of the oldest change that is not in PostgreSQL yet")
MIRROR_LOST = Counter("blueno_mirror_database_older", "Times that PostgreSQL had lost what was written to it last")
MIRROR_ROWS = Counter("blueno_mirror_changes", "Changes written to PostgreSQL")
TRAINING_REPORTS = Counter("blueno_training_reports", "Reports of training pods, by the answer's status", ["status"])
TRAINING_POINTS_WAITING = Gauge("blueno_training_values_waiting", "Values of metrics the recorder has not taken yet")
TRAINING_POINTS_LOST = Counter("blueno_training_points_lost", "Points dropped because the recorder did not come")
EVENTS_SEEN = Counter("blueno_watch_events", "Watch events received", ["kind"])
