"""What a run has written is listed and downloaded through the API after its pod is gone; links lead nowhere."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
import urllib.parse
from typing import Any

import pytest

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.runs import a_run, pods_of, status_of, wait_reason
from tests.e2e.web import Answer, Web

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SIZE = 5 << 20
WRITES = f"""
import hashlib, os, random
out = os.environ["BLUENO_OUTPUT"]
data = random.Random(7).randbytes({SIZE})
with open(f"{{out}}/model.bin", "wb") as file:
    file.write(data)
os.makedirs(f"{{out}}/plots")
with open(f"{{out}}/plots/two\\nlines \\udcff.txt", "w") as file:
    file.write("odd")
os.symlink("/etc/passwd", f"{{out}}/passwd")
os.symlink("..", f"{{out}}/up")
os.mkfifo(f"{{out}}/pipe")
print(hashlib.sha256(data).hexdigest(), flush=True)
"""


def outputs(kube: Kube, name: str) -> str:
    """The path of a run's outputs in the API."""
    return f"/api/v1/trainingruns/{kube.namespace}/{name}/outputs"


def ask(web: Web, path: str, /, **query: Any) -> Answer:
    """An answer, once the server of outputs has woken."""
    end = time.monotonic() + 240
    while True:
        answer = web.ask(path + "?" + urllib.parse.urlencode(query), seconds=60)
        if answer.status != 503 or time.monotonic() > end:
            return answer
        assert answer.headers.get("Retry-After"), answer
        time.sleep(0.5)


def test_what_it_wrote_outlives_its_pod(kube: Kube, web: Web) -> None:
    kube.apply(a_run("writes", WRITES))
    wait_reason(kube, "writes", "Completed")
    (pod,) = pods_of(kube, "writes")
    digest = kube.run("logs", pod["metadata"]["name"], "-c", "train").strip()
    before = status_of(kube, "writes")
    kube.run("delete", "job", pod["metadata"]["ownerReferences"][0]["name"])
    kube.wait("its pod is gone", lambda: not pods_of(kube, "writes"))

    path = outputs(kube, "writes")
    listed = ask(web, path)
    assert listed.status == 200, listed
    found = {entry["name"]: (entry["kind"], entry["bytes"]) for entry in listed.body["items"]}
    expected = {"model.bin": ("file", SIZE), "passwd": ("link", None), "up": ("link", None), "pipe": ("other", None)}
    assert expected.items() <= found.items()
    assert found["plots"] == ("directory", None)
    file = ask(web, f"{path}/raw", path="model.bin")
    assert (file.status, len(file.body)) == (200, SIZE)
    assert hashlib.sha256(file.body).hexdigest() == digest
    assert file.headers["Content-Disposition"].startswith("attachment")
    for link in ("passwd", "up/" + before["outputs"]["path"] + "/model.bin"):
        refused = ask(web, f"{path}/raw", path=link)
        assert refused.status == 409, refused
        assert "root" not in str(refused.body)
    (odd,) = ask(web, path, path="plots").body["items"]
    assert odd["name"] == r"two\x0alines \xff.txt"
    assert ask(web, f"{path}/raw", path=f"plots/{odd['name']}").body == b"odd"
    packed = ask(web, f"{path}/tar")
    with tarfile.open(fileobj=io.BytesIO(packed.body)) as tar:
        members = {member.name.partition("/")[2] for member in tar if not member.issym()}
    assert {"model.bin", "plots"} <= members
    assert not {"passwd", "up", "pipe"} & members
    after = status_of(kube, "writes")
    assert after["conditions"] == before["conditions"], "to be looked at changes nothing about a run"


def test_its_server_belongs_to_the_claim_and_holds_nothing(kube: Kube, web: Web) -> None:
    kube.apply(a_run("short", "open('/workspace/output/a', 'w').write('a')"))
    wait_reason(kube, "short", "Completed")
    # Its only status may be its last: the page knows of its outputs when the mirror has that.
    kube.wait("its outputs in the mirror", lambda: ask(web, outputs(kube, "short")).status == 200)
    server = kube.get("deployment", names.outputs_server_name(names.OUTPUTS_CLAIM))
    (owner,) = server["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("PersistentVolumeClaim", names.OUTPUTS_CLAIM)
    pod = server["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert all(
        mount.get("readOnly") for c in pod["containers"] for mount in c["volumeMounts"] if mount["name"] != "tmp"
    )
    kube.run("delete", "trainingrun", "short", "--wait=true")
    assert ask(web, f"{outputs(kube, 'short')}/raw", path="a").body == b"a", "kept for those who ask in time"
    # Its pod uses the claim: Kubernetes waits for it, and the operator makes it rest.
    kube.run("delete", "pvc", names.OUTPUTS_CLAIM, "--wait=true", "--timeout=240s")
    kube.wait("the server goes with it", lambda: not kube.list("deployments", f"{names.ROLE_LABEL}=outputs"))
