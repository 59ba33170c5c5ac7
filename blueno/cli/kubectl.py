"""The person's own kubectl, and with it kubeconfig, context and rights. Used by storage.py
and doctor.py.

`pip install blueno` brings no Kubernetes client, and the web process holds no right on what is asked for here. Requests
are raw (`kubectl get --raw`): one path, no discovery, JSON whatever kubectl's version.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from blueno.resources.api import Resource

SECONDS = 60  # after which a kubectl that hangs (a credential helper that waits, say) is ended
_AWAY = ("unable to connect", "connection refused", "was refused", "i/o timeout", "deadline exceeded", "no such host")


@dataclass(frozen=True)
class Kubectl:
    """One cluster. None: what kubectl itself takes."""

    context: str | None = None
    kubeconfig: str | None = None

    def list(self, resource: Resource, namespace: str | None = None, labels: str = "") -> list[dict[str, Any]]:
        """All objects, or those of a namespace. Raises BluenoError with kubectl's own words."""
        path = resource.path(None if namespace is None else quote(namespace, safe=""))
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        return list(self._json("get", "--raw", path + query).get("items") or ())

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object. Raises NotFound, or BluenoError with kubectl's own words."""
        return dict(self._json("get", "--raw", resource.path(quote(namespace, safe=""), quote(name, safe=""))))

    def version(self) -> str:
        """Of the API server, like v1.34.3. Raises BluenoError when it is not reached."""
        from blueno.client.words import plain

        return plain(str(self._json("get", "--raw", "/version").get("gitVersion") or "of an unknown version"), 60)

    def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """This very object; one that took its name since is left alone. Gone already is as good."""
        import json

        path = resource.path(quote(namespace, safe=""), quote(name, safe=""))
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        try:
            self._run(["delete", "--raw", path, "-f", "-"], json.dumps({**options, "preconditions": {"uid": uid}}))
        except NotFound:
            return

    def _json(self, *arguments: str) -> Mapping[str, Any]:
        import json

        said = self._run(arguments)
        try:
            body = json.loads(said)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise BluenoError(f"kubectl {' '.join(arguments)} did not answer with JSON: is it the kubectl you mean?")
        return body

    def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        import subprocess

        where = [f"--context={self.context}"] if self.context else []
        where += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        command = ["kubectl", *where, "--request-timeout=30s", *arguments]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
            )
        except FileNotFoundError:
            text = "this needs kubectl and a kubeconfig for the cluster; there is no kubectl in"
            raise BluenoError(f"{text} {os.environ.get('PATH', 'an empty PATH')}") from None
        except OSError as error:
            raise BluenoError(f"kubectl cannot be started: {error}") from None
        except subprocess.TimeoutExpired:
            raise Unavailable(f"kubectl did not end within {SECONDS} s; does `kubectl version` answer?") from None
        if done.returncode:
            raise _error(done.stderr or done.stdout, done.returncode)
        return done.stdout


def _error(said: str, code: int) -> BluenoError:
    """What kubectl wrote, as the error that it means."""
    from blueno.client.words import plain

    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = f"kubectl: {plain(lines[-1])}" if lines else f"kubectl ended with {code} and said nothing"
    low = text.lower()
    if "(forbidden)" in low:
        return Rejected(text, 403)
    if "(unauthorized)" in low or "must be logged in" in low:
        return Rejected(text, 401)
    if "(notfound)" in low:
        return NotFound(text)
    if "(conflict)" in low:
        return Conflict(text)
    return Unavailable(text) if any(sign in low for sign in _AWAY) else BluenoError(text)
