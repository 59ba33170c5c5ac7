"""What Prometheus may ask of the web process. Filled by pipeline.py, stream.py, looked.py; served by app.py, on a
port of its own, since it tells the names of no data set but how much everybody looks.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest


class Metrics:
    """A registry of its own, so that tests may make many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "blueno_web_requests_total", "Answers by route and status", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "blueno_web_request_seconds",
            "Time to an answer, by route",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.connections = Gauge("blueno_web_connections", "Open connections", registry=self.registry)
        self.refused = Counter("blueno_web_connections_refused_total", "Connections over a cap", registry=self.registry)
        self.streams = Gauge("blueno_web_streams", "Open event streams", registry=self.registry)
        self.frames = Counter("blueno_web_stream_writes_total", "Writes to event streams", registry=self.registry)
        self.resets = Counter("blueno_web_stream_resets_total", "Clients told to begin anew", registry=self.registry)
        self.database_up = Gauge("blueno_web_database_up", "1 while the change feed is read", registry=self.registry)
        self.looked = Counter(
            "blueno_web_looked_total", "Notices to the operator, by outcome", ["outcome"], registry=self.registry
        )

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
