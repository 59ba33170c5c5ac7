"""The Python client: `blueno.Client`. Used by people's scripts and by blueno/cli; speaks the web process's HTTP API.

Needs the extra `client` (httpx, PyYAML). Nothing heavy is imported before a client is made.
"""

from __future__ import annotations

from blueno.client.client import Client
from blueno.client.outputs import OutputEntry
from blueno.client.runs import NotInTime, Runs
from blueno.client.values import Metrics, Part, Run, RunSummary, Series

__all__ = ["Client", "Metrics", "NotInTime", "OutputEntry", "Part", "Run", "RunSummary", "Runs", "Series"]
