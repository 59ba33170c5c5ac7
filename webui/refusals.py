"""Errors of the API server as answers to a person. Used by api/training_run_writes.py around calls of blueno/kube.py.

A person's mistake is a 4xx with the API server's own sentence; 503 is left for an API server that does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from blueno.errors import Conflict, NotFound, Rejected, Unavailable
from blueno.resources.api import Resource
from webui.problems import FieldError, Problem, gone, later

DETAIL = 2000  # characters of the API server's sentence
_STRICT = re.compile(r'(unknown|duplicate) field "([^"]{1,256})"')
_OURS = {"metadata.name": "body.name", "metadata.namespace": "body.namespace"}
_WHY = {"unknown": "is not known here", "duplicate": "stands more than once"}


@contextmanager
def translated(about: Resource, *, creating: bool = False) -> Iterator[None]:
    """Raises Problem for what the API server refuses."""
    try:
        yield
    except Rejected as error:
        raise refused(error) from None
    except Conflict:
        detail = "somebody has changed it in this moment: look again, then try again"
        if creating:
            detail = "there is one of this name already: choose another name"
        raise Problem(409, "taken" if creating else "conflict", detail) from None
    except NotFound as error:
        if not creating:
            raise gone(about) from None
        if error.said.startswith("namespaces "):
            missing = FieldError("body.namespace", "there is no such namespace in the cluster")
            raise Problem(422, "invalid", error.said[:DETAIL], [missing]) from None
        raise later(
            "cluster_unavailable", f"the cluster knows no {about.plural}: {error.said[:DETAIL]}", 30.0
        ) from None
    except Unavailable as error:
        detail = "the cluster's API server does not answer now; look whether it was done, then try again"
        raise later("cluster_unavailable", detail, error.retry_after or 1.0) from error


def refused(error: Rejected) -> Problem:
    """403 when it is a matter of rights, quotas or policies; else 422 with the fields that the API server names."""
    said = error.said[:DETAIL]
    if error.status == 403:
        return Problem(403, "refused_by_cluster", said)
    errors = [FieldError(_field(path), message[:DETAIL]) for path, message in error.causes]
    if not errors:
        errors = [FieldError(_field(path), _WHY[kind]) for kind, path in _STRICT.findall(error.said)[:20]]
    return Problem(422, "invalid", said, errors)


def _field(path: str) -> str:
    """Where the API server's path stands in the body that we were sent."""
    if path in ("", "<nil>"):
        return "body"
    return _OURS.get(path, f"body.{path[:256]}")
