"""The API's routes, a module for each part. `ROUTES` is what app.py registers."""

from __future__ import annotations

from webui.api import (
    dataset_writes,
    datasets,
    document,
    events,
    pixels,
    platform,
    run_outputs,
    run_records,
    samples,
    session,
    tokens,
    training_run_writes,
    training_runs,
    uploads,
    users,
    working,
    working_pixels,
    working_samples,
)
from webui.routes import Route

ROUTES: tuple[Route, ...] = (
    *document.ROUTES,
    *session.ROUTES,
    *users.ROUTES,
    *tokens.ROUTES,
    *datasets.ROUTES,
    *dataset_writes.ROUTES,
    *uploads.ROUTES,
    *working.ROUTES,
    *platform.ROUTES,
    *samples.ROUTES,
    *pixels.ROUTES,
    *working_samples.ROUTES,
    *working_pixels.ROUTES,
    *training_runs.ROUTES,
    *training_run_writes.ROUTES,
    *run_records.ROUTES,
    *run_outputs.ROUTES,
    *events.ROUTES,
)
