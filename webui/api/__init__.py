"""The API's routes, a module for each part. `ROUTES` is what app.py registers."""

from __future__ import annotations

from webui.api import datasets, document, events, pixels, samples, session, tokens, users
from webui.routes import Route

ROUTES: tuple[Route, ...] = (
    *document.ROUTES,
    *session.ROUTES,
    *users.ROUTES,
    *tokens.ROUTES,
    *datasets.ROUTES,
    *samples.ROUTES,
    *pixels.ROUTES,
    *events.ROUTES,
)
