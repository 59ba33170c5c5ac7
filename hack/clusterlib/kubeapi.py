"""A few calls to the API server with the administrator's certificate. Called by local.py; a kubectl costs 1 s each."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


class Api:
    """The cluster of a kubeconfig written by nodeconfig.py."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server = str(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        # ssl loads a client certificate from a file only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            file.flush()
            self._tls.load_cert_chain(file.name)
        # The cluster is on this machine: a proxy for the outside world must not be asked.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls))
        self._opener = urllib.request.build_opener(*handlers)

    def call(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json", timeout: float = 30.0
    ) -> tuple[int, Any]:
        """Status and decoded answer; 0 when nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._server + path, data, {"Content-Type": kind}, method=method)  # noqa: S310  always https
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return int(answer.status), _decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())
        except OSError as error:
            return 0, str(error)

    def ready(self) -> bool:
        """Whether the API server says it is ready."""
        return self.call("GET", "/readyz", timeout=10.0)[0] == 200

    def node_ready(self, node: str) -> bool:
        """Whether pods may be put on the node."""
        code, found = self.call("GET", f"/api/v1/nodes/{node}")
        if code != 200 or any(taint["effect"] == "NoSchedule" for taint in found["spec"].get("taints", [])):
            return False
        conditions = {item["type"]: item["status"] for item in found["status"].get("conditions", [])}
        # The condition may be of before a crash; the kubelet itself answers for now.
        return conditions.get("Ready") == "True" and self.call("GET", f"/api/v1/nodes/{node}/proxy/healthz")[0] == 200


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
