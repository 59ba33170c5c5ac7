"""A real API server as tests see it: plain HTTPS calls, and kubectl where kubectl's own work is what is tested.

Used by tests/contract/conftest.py. The server is named by BLUENO_KUBECONFIG, else by `hack/cluster kubeconfig`; kubectl
is BLUENO_KUBECTL, else the one of `hack/cluster`, else the one on the path. A kubeconfig whose context was not made for
Blueno is refused: these tests install resources.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import shlex
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
OWN_CONTEXTS = ("blueno", "kind-blueno")  # what hack/cluster calls its contexts begins like this
TIMEOUT = 30.0  # seconds for one call

Body = Mapping[str, Any]


class NoCluster(Exception):
    """There is no API server to test against; the text says what to do."""


def find_kubeconfig() -> Path:
    """Raises NoCluster."""
    explicit = os.environ.get("BLUENO_KUBECONFIG")
    if explicit:
        return Path(explicit)
    tool = ROOT / "hack" / "cluster"
    if not tool.is_file():
        raise NoCluster("hack/cluster is missing and BLUENO_KUBECONFIG is not set")
    answer = subprocess.run([tool, "kubeconfig"], capture_output=True, text=True, timeout=60, check=False)
    path = Path(answer.stdout.strip() or "/nonexistent")
    if answer.returncode != 0 or not path.is_file():
        raise NoCluster("no cluster is up: run `hack/cluster up`, or set BLUENO_KUBECONFIG")
    return path


def find_kubectl() -> list[str]:
    """The command that runs kubectl. Raises NoCluster."""
    explicit = os.environ.get("BLUENO_KUBECTL")
    if explicit:
        return shlex.split(explicit)
    tool = ROOT / "hack" / "cluster"
    if tool.is_file() and not os.environ.get("BLUENO_KUBECONFIG"):
        return [str(tool), "kubectl"]
    found = shutil.which("kubectl")
    if found is None:
        raise NoCluster("kubectl is missing: put it on the path or set BLUENO_KUBECTL")
    return [found]


class ApiServer:
    """One API server, called as its administrator unless `acting_as` somebody else."""

    def __init__(self, kubeconfig: Path, kubectl: list[str]) -> None:
        self.kubeconfig = kubeconfig
        self._kubectl = kubectl
        config = yaml.safe_load(kubeconfig.read_text())
        context = config.get("current-context", "")
        if not context.startswith(OWN_CONTEXTS):
            raise AssertionError(f"{kubeconfig}: context {context!r} was not made for Blueno; it stays untouched")
        names = next(c["context"] for c in config["contexts"] if c["name"] == context)
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == names["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == names["user"])
        self._base = cluster["server"].rstrip("/")
        tls = ssl.create_default_context(cadata=_material(cluster, "certificate-authority", kubeconfig).decode())
        _load_client_certificate(tls, user, kubeconfig)
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
        self._as: str | None = None
        self._open = urllib.request.build_opener(*handlers).open

    def acting_as(self, user: str) -> ApiServer:
        """The same server, called as this user: whatever rights that user has."""
        other = copy.copy(self)
        other._as = user
        return other

    def call(self, method: str, path: str, body: Body | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        """(HTTP status, JSON answer). A PATCH is a merge-patch."""
        url = f"{self._base}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", f"application/{'merge-patch+' if method == 'PATCH' else ''}json")
        if self._as is not None:
            request.add_header("Impersonate-User", self._as)
        try:
            with self._open(request, timeout=TIMEOUT) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"message": text}

    def must(self, method: str, path: str, body: Body | None = None, **query: str) -> dict[str, Any]:
        """As `call`, for calls that have to succeed."""
        code, answer = self.call(method, path, body, **query)
        assert 200 <= code < 300, f"{method} {path}: {code} {answer.get('message')}"
        return answer

    def kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl to its end, whatever that is."""
        command = [*self._kubectl, "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def _material(holder: Mapping[str, str], key: str, kubeconfig: Path) -> bytes:
    """A certificate or key that a kubeconfig holds or names."""
    if f"{key}-data" in holder:
        return base64.b64decode(holder[f"{key}-data"])
    return (kubeconfig.parent / holder[key]).read_bytes()


def _load_client_certificate(tls: ssl.SSLContext, user: Mapping[str, str], kubeconfig: Path) -> None:
    """ssl takes a client certificate from files only: they live for this one call."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        for path, name in ((certificate, "client-certificate"), (key, "client-key")):
            path.touch(mode=0o600)
            path.write_bytes(_material(user, name, kubeconfig))
        tls.load_cert_chain(certificate, key)
