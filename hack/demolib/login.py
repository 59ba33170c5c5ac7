"""The demo's login: the first user is made as a person would, with the one-time code from the web process's log.

Called by cli.py. The login is kept in build/demo/login.json (mode 0600) for the next `make demo`.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusterlib.errors import Refused
from clusterlib.progress import step

from demolib.tools import BUILD, get, kubectl

EMAIL = "demo@blueno.example"
NODE_PORT = 30880  # deploy/demo
_WEB = ("-n", "blueno-system", "deployment/blueno-web")
_CODE = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2,}\b")
_SECONDS = 180.0


@dataclass(frozen=True)
class Login:
    """Where the gallery is, and who may look."""

    url: str
    email: str
    password: str


def ensure() -> Login:
    """The login of before if it still works, else a first user, else a new password for the one there is."""
    url = address()
    with step("making a login for the gallery", "2 s"):
        needed = _ask(f"{url}/api/v1/setup")["needed"]
        if needed:
            return _keep(_first_user(url))
        known = _known(url)
        if known is not None and _works(known):
            return known
        return _keep(_new_password(url))


def address() -> str:
    """The gallery on the node's own address."""
    addresses = [
        entry["address"]
        for node in get("nodes").get("items", ())
        for entry in node["status"]["addresses"]
        if entry["type"] == "InternalIP"
    ]
    if not addresses:
        raise Refused("the node has no address: `hack/cluster kubectl get nodes -o wide`")
    return f"http://{addresses[0]}:{NODE_PORT}"


def _first_user(url: str) -> Login:
    codes = _CODE.findall(kubectl("logs", *_WEB, "-c", "web"))
    if not codes:
        raise Refused(
            "the web process's log names no code: `hack/cluster kubectl logs -n blueno-system deploy/blueno-web`"
        )
    login = Login(url, EMAIL, secrets.token_urlsafe(12))
    _ask(f"{url}/api/v1/setup", {"code": codes[-1], "email": login.email, "password": login.password})
    return login


def _new_password(url: str) -> Login:
    login = Login(url, EMAIL, secrets.token_urlsafe(12))
    command = ("exec", "-i", *_WEB, "-c", "web", "--", "python", "-m", "webui.users", "reset", login.email)
    kubectl(*command, stdin=login.password + "\n")
    return login


def _known(url: str) -> Login | None:
    try:
        body = json.loads(_file().read_text())
        return Login(url, str(body["email"]), str(body["password"]))
    except (OSError, ValueError, KeyError):
        return None


def _works(login: Login) -> bool:
    try:
        _ask(f"{login.url}/api/v1/login", {"email": login.email, "password": login.password})
    except Refused:
        return False
    return True


def _keep(login: Login) -> Login:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"url": login.url, "email": login.email, "password": login.password}) + "\n")
    return login


def _file() -> Path:
    return BUILD / "login.json"


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    """JSON in, JSON out; waits for a web process that is still starting. Raises Refused with what it said."""
    data = None if body is None else json.dumps(body).encode()
    end = time.monotonic() + _SECONDS
    while True:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                raw = answer.read()
            return json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:300]
            error.close()
            if error.code != 503 or time.monotonic() > end:
                raise Refused(f"{url} answered {error.code}: {said}") from None
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                raise Refused(f"{url} does not answer: {error}") from None
        time.sleep(0.5)
