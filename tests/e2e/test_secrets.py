"""Canary secrets in every place a user has for one, then looked for wherever Blueno and the cluster keep things.

They may be found in one place: the Secret objects that the user made. A signed address is in the Dataset or Sample that
has it as its source, in their Job and pod, and in their row. What a program prints is its own business, but what Blueno
keeps of it is searched: logs in PostgreSQL, last lines in status.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

import psycopg2
import pytest

from blueno.db.run_logs import unpack
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.runs import a_run, pods_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders, png
from tests.e2e.test_path import volume_path
from tests.e2e.test_samples_kind import a_sample, condition, upload_dataset
from tests.e2e.web import SYSTEM, Web, database

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

# Every way in which programs let secrets slip, from the environment: the program's text is everybody's to read.
LEAKS = """
import json, os, sys
one, two = os.environ["HF_TOKEN"], os.environ["password"]
print("HF_TOKEN=" + one, "--api-key " + two, flush=True)
print("cloning https://robot:" + one + "@example.org/code.git", flush=True)
print(json.dumps({"step": 1, "loss": 0.5, "config": {"access_token": two}}), flush=True)
print("Authorization: Bearer " + one, file=sys.stderr, flush=True)
raise SystemExit("cannot log in with password=" + two)
"""

_ALL = """
import shutil, sys, urllib.request
everything = b'{"key": "AA==", "range_end": "AA=="}'
answer = urllib.request.urlopen("http://127.0.0.1:2379/v3/kv/range", everything, timeout=120)
shutil.copyfileobj(answer, sys.stdout.buffer)
"""


def secret(name: str, kind: str = "Opaque", **values: str) -> dict[str, Any]:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": meta, "stringData": values}


def canary() -> str:
    return f"canary{uuid.uuid4().hex}"


def in_etcd(cluster: Kube, needles: list[bytes]) -> list[str]:
    """Keys of everything the API server keeps that holds one of them, but for Secrets."""
    etcd = json.loads(cluster.hack("status", "--json")).get("components", {}).get("etcd")
    if not etcd:
        pytest.skip("the etcd of this cluster is no process of ours")
    # It listens on the node's own loopback.
    asked = subprocess.run(
        ["nsenter", "-n", "-t", str(etcd), sys.executable, "-c", _ALL], check=True, capture_output=True
    )
    answer = json.loads(asked.stdout)
    assert len(answer["kvs"]) > 100, "this is not all there is"
    found = []
    for pair in answer["kvs"]:
        key, value = base64.b64decode(pair["key"]).decode(), base64.b64decode(pair["value"])
        if any(needle in value for needle in needles):
            found.append(key)
    return found


def in_postgresql(cluster: Kube, needles: list[bytes]) -> list[str]:
    """Tables with a row that holds one of them, as text or as bytes."""
    found = []
    with database(cluster) as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        tables = cursor.fetchall()
        assert len(tables) > 5, tables
        for schema, table in tables:
            for form in [form for needle in needles for form in (needle.decode(), needle.hex())]:
                with contextlib.suppress(psycopg2.errors.UndefinedTable):  # of a data set that went meanwhile
                    cursor.execute(f'SELECT count(*) FROM "{schema}"."{table}" t WHERE t::text LIKE %s', [f"%{form}%"])
                    if cursor.fetchone()[0]:
                        found.append(f"{schema}.{table}")
        cursor.execute("SELECT data, bytes FROM record.log_chunk")  # compressed: LIKE sees nothing of it
        logs = [unpack(bytes(data), size) for data, size in cursor.fetchall()]
        assert any(b"HF_TOKEN=***" in log for log in logs), "the log that leaks is not among them"
        if any(needle in log for needle in needles for log in logs):
            found.append("record.log_chunk")
    return found


def in_pod_but_its_last_words(pod: dict[str, Any], needles: list[bytes]) -> bool:
    """What the kubelet keeps of the last lines of a program that fails is the program's: docs/reporting.md."""
    for status in pod["status"]["containerStatuses"]:
        status["state"]["terminated"].pop("message")
    return any(needle in json.dumps(pod).encode() for needle in needles)


def in_logs(cluster: Kube, namespace: str, needles: list[bytes], also: tuple[str, ...] = ()) -> list[str]:
    """Pods and containers of a namespace whose log holds one of them, but for containers of these names."""
    inside, found = cluster.inside(namespace), []
    for pod in inside.list("pods"):
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            name = (pod["metadata"]["name"], container["name"])
            text = inside.run("logs", name[0], "-c", name[1], check=False)
            if container["name"] not in also and any(needle in text.encode() for needle in needles):
                found.append("/".join(name))
    return found


def test_canaries_stay_where_they_were_put(kube: Kube, mirror: Mirror, web: Web) -> None:
    token, password, pull, wrong, bearer, site, signed = (canary() for _ in range(7))
    registry = {"auths": {"example.org": {"username": "robot", "password": pull}}}
    kube.apply(
        secret("hub", token=token),
        secret("more", password=password),
        secret("site", token=site),
        secret("registry", "kubernetes.io/dockerconfigjson", **{".dockerconfigjson": json.dumps(registry)}),
    )
    given = {
        "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
        "envFrom": [{"secretRef": {"name": "more"}}],
        "imagePullSecrets": [{"name": "registry"}],
        "metrics": {"stdout": True},
    }
    kube.apply(a_run("leaks", LEAKS, **given))
    wait_reason(kube, "leaks", "UserError")
    # A URL with a password in it is refused, and what refuses it does not repeat it into anything that is kept.
    content = class_folders()
    url = mirror.put("p.tar", content).replace("://", f"://robot:{wrong}@")
    refused = kube.run("apply", "-f", "-", stdin=json.dumps(archive_dataset("named", url, content)), check=False)
    assert "must not" in refused or "userinfo" in refused, refused
    # Signed addresses are secrets, too: who may read the Dataset or Sample reads them there. No token goes over http.
    kube.apply(upload_dataset(), archive_dataset("signed", mirror.put(f"s.tar?signature={signed}", content), content))
    torn = f"{mirror.url}/missing.tar?signature={signed}"
    kube.apply(archive_dataset("torn", torn, content))
    kube.wait_ready("signed")
    kube.wait("torn said", lambda: "missing.tar" in kube.condition("torn", "Ready").get("message", ""))
    kube.run("wait", "--for=condition=Ready", "dataset/scans", "--timeout=300s")
    uri = mirror.put(f"one.png?signature={signed}", png(1))
    kube.apply(a_sample("signed", uri=uri), a_sample("guarded", uri=uri, secretRef={"name": "site"}))
    kube.wait("the Sample refused", lambda: condition(kube, "guarded").get("reason") == "SourceNotAllowed")
    # Somebody types a password into the wrong form, somebody else sends a token that is none.
    assert web.ask("/api/v1/login", {"email": web.email, "password": wrong}).status == 401
    asked = urllib.request.Request(web.url + "/api/v1/datasets", headers={"Authorization": f"Bearer {bearer}"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(asked, timeout=60)

    path = f"/api/v1/trainingruns/{kube.namespace}/leaks"

    def whole_log() -> str:
        """Each line is there, without what it must not say: of two streams, so the last may come first."""
        kept = web.ask(f"{path}/logs")
        text = str(kept.body["text"]) if kept.status == 200 else ""
        return text if "cannot log in" in text and text.count("***") >= 5 else ""

    log = kube.wait("the log", whole_log)
    needles = [each.encode() for each in (token, password, pull, wrong, bearer, site)]
    for needle in (token, password, pull, wrong, bearer, site, signed):
        assert needle not in log
        assert needle not in json.dumps(web.get(path))
    found = in_etcd(kube, needles)
    (pod,) = pods_of(kube, "leaks")
    of_people = [f"secrets/{kube.namespace}/{name}" for name in ("hub", "more", "registry", "site")]
    assert found == [f"/registry/{key}" for key in (f"pods/{kube.namespace}/{pod['metadata']['name']}", *of_people)]
    assert not in_pod_but_its_last_words(pod, needles)
    copies = {tuple(key.split("/")[-3:-1]) for key in in_etcd(kube, [signed.encode()])}
    assert copies == {(kind, kube.namespace) for kind in ("datasets", "samples", "jobs", "pods")}
    assert set(in_postgresql(kube, [signed.encode()])) == {"projection.dataset", "projection.sample_object"}
    assert in_logs(kube, SYSTEM, [signed.encode()]) == []
    assert in_logs(kube, kube.namespace, [signed.encode()]) == []
    for kind in ("datasets.blueno.dev", "samples.blueno.dev", "events"):
        for body in kube.list(kind):
            assert signed not in json.dumps({**body, "spec": 0, "metadata": 0}), body
    volumes = [volume_path(kube, claim["metadata"]["name"]) for claim in kube.list("pvc")]
    assert "owner.json" in kube.hack("exec", "--", "find", *volumes)
    grep = f"grep -rlF -e {signed} -e {site} {' '.join(volumes)} || true"
    assert kube.hack("exec", "--", "sh", "-c", grep) == ""
    assert in_postgresql(kube, needles) == []
    assert in_logs(kube, SYSTEM, needles) == []
    assert in_logs(kube, kube.namespace, needles, also=("train",)) == []


def test_our_own_secrets_are_in_no_page_and_no_pod(cluster: Kube, web: Web) -> None:
    """The database's password and the operator's keys: in no environment, argument, log or part of the web page."""
    system = cluster.inside(SYSTEM)
    values = [
        base64.b64decode(value)
        for name in ("blueno-database", "blueno-keys")
        for value in system.get("secret", name)["data"].values()
    ]
    needles = [value.strip() for value in values if len(value) >= 16 and b"BEGIN CERTIFICATE" not in value]
    assert needles
    specs = json.dumps([each["spec"] for kind in ("pods", "deployments", "statefulsets") for each in system.list(kind)])
    for needle in needles:
        assert json.dumps(needle.decode(errors="replace"))[1:-1] not in specs
    # Of a key in PEM a line is enough to know it by.
    lines = [max(needle.splitlines(), key=len) for needle in needles]
    assert in_logs(cluster, SYSTEM, lines) == []
    page = web.ask("/").body
    parts = re.findall(rb'(?:src|href)="(/[^"]+[.](?:js|css))"', page)
    assert parts
    for part in [page, *(web.ask(path.decode()).body for path in parts)]:
        assert not [line for line in lines if line in part]
