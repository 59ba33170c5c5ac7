"""The recorder's metrics, and the small HTTP server that shows them. Called by recorder.py and load.py."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

IDLE_SECONDS = 10.0


class Metrics:
    """A registry of its own, so that two recorders fit into one test process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counters = [
            ("blueno_recorder_versions_loaded", "Versions whose rows were loaded."),
            ("blueno_recorder_rows_loaded", "Rows of samples that were loaded."),
            ("blueno_recorder_versions_dropped", "Versions whose rows were dropped."),
            ("blueno_recorder_working_lines", "Lines of working sets' journals that were stored."),
            ("blueno_recorder_working_lines_strange", "Lines of working sets that were passed over."),
            ("blueno_recorder_log_bytes", "Bytes of training pods' logs that were stored."),
            ("blueno_recorder_points", "Points of training runs' metrics that were stored."),
            ("blueno_recorder_points_lost", "Points that the operator dropped before they were taken."),
            ("blueno_recorder_values_refused", "Values passed over because their run has too many metrics."),
            ("blueno_recorder_runs_forgotten", "Deleted training runs whose records were removed for their age."),
        ]
        (
            self.versions,
            self.rows,
            self.dropped,
            self.working_lines,
            self.strange_lines,
            self.log_bytes,
            self.points,
            self.points_lost,
            self.values_refused,
            self.forgotten,
        ) = (Counter(*of, registry=self.registry) for of in counters)
        self.failures = Counter(
            "blueno_recorder_failures", "Attempts that failed, by what failed.", ["part"], registry=self.registry
        )
        gauges = [
            ("blueno_recorder_lag_seconds", "How long the version waiting longest has been waiting to be loaded."),
            ("blueno_recorder_pending", "Data sets with something left to do."),
            ("blueno_recorder_working_pending", "Working sets that are known to hold more than is stored."),
            ("blueno_recorder_database_up", "1 when the database answers and takes what is to be stored."),
            ("blueno_recorder_logs_followed", "Training pods whose log is not whole yet."),
        ]
        (self.lag, self.pending, self.working_pending, self.database_up, self.following) = (
            Gauge(*of, registry=self.registry) for of in gauges
        )


async def serve(port: int, metrics: Metrics, alive: Callable[[], str]) -> web.AppRunner:
    """/metrics, and /healthz: 503 when `alive` returns what is wrong. On all addresses."""

    async def healthz(_: web.Request) -> web.Response:
        trouble = alive()
        return web.Response(status=503 if trouble else 200, text=trouble or "ok")

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1)
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_SECONDS, max_field_size=4096)
    await runner.setup()
    await web.TCPSite(runner, None, port).start()
    return runner
