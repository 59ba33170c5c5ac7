"""What was prepared can be looked at: rows in PostgreSQL, pixels from the data server, both through the web process."""

from __future__ import annotations

import contextlib
import http.client
import io
import threading
import urllib.error
import urllib.request

import pytest
from PIL import Image

from blueno import names
from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.sources import archive_dataset, class_folders, png, tar
from tests.e2e.web import Web, database, wait_data_server, wait_indexed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_what_was_prepared_is_shown(kube: Kube, mirror: Mirror, web: Web) -> None:
    content = class_folders(count=60)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    wait_indexed(kube, "pictures")
    path = web.dataset(kube, "pictures")
    shown = web.get(path)
    assert (shown["ready"], shown["reason"], shown["samples"], shown["indexed"]) == (True, "Available", 60, True)
    page = web.get(f"{path}/samples", limit=100)
    assert (page["total"], len(page["items"])) == (60, 60)
    label = page["items"][0]["label"]
    of_label = web.get(f"{path}/samples", label=label)
    assert of_label["total"] == 15
    assert {item["label"] for item in of_label["items"]} == {label}
    facets = web.get(f"{path}/facets")
    assert (facets["total"], sum(entry["samples"] for entry in facets["labels"])) == (60, 60)
    prefix = page["items"][7]["key"]
    assert web.get(f"{path}/samples", prefix=prefix)["items"][0]["key"] == prefix

    sheet = web.pixels(f"{path}/sheet", rows="0-59", cell=32, columns=10)
    picture = Image.open(io.BytesIO(sheet.body))
    assert picture.size[0] // 10 == picture.size[1] // 6, "ten columns of six rows of squares"
    row = page["items"][7]
    raw = web.pixels(f"{path}/samples/{row['row']}/raw")
    assert "attachment" in raw.headers["Content-Disposition"]
    assert len(raw.body) == row["bytes"]
    full = web.pixels(f"{path}/samples/{row['row']}/image")
    assert Image.open(io.BytesIO(full.body)).size == (row["width"], row["height"])


def test_a_change_by_kubectl_arrives_as_an_event(kube: Kube, mirror: Mirror, web: Web) -> None:
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", class_folders())))
    kube.wait_ready("pictures")
    seen: list[str] = []
    connected = threading.Event()
    stop = threading.Event()

    def listen() -> None:
        request = urllib.request.Request(f"{web.url}/api/v1/events", headers={"Accept": "text/event-stream"})
        # Whatever breaks the stream after the test has seen what it waits for is nobody's failure.
        with contextlib.suppress(OSError, http.client.HTTPException), web._opener.open(request, timeout=60) as stream:
            connected.set()
            for raw in stream:
                seen.append(raw.decode())
                if stop.is_set():
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert connected.wait(60)
    kube.run("patch", "dataset", "pictures", "--type=merge", "-p", '{"spec":{"displayName":"Renamed by kubectl"}}')
    kube.wait("the event", lambda: any("Renamed by kubectl" in line for line in seen), 60, every=0.05)
    stop.set()


def test_nothing_but_health_login_and_files_answers_without_login(web: Web, kube: Kube) -> None:
    stranger = Web(web.url, "nobody@example.org", "wrong")
    for path in ("/api/v1/datasets", "/api/openapi.json", "/api/v1/events", "/api/v1/users", "/api/v1/session"):
        assert stranger.ask(path).status == 401, path
    assert stranger.ask("/api/v1/login", {"email": "nobody@example.org", "password": "wrong"}).status == 401
    for path in ("/healthz", "/readyz", "/", "/gallery", "/api/v1/setup"):
        assert stranger.ask(path).status == 200, path


def test_a_user_of_one_namespace_sees_no_other(kube: Kube, cluster: Kube, mirror: Mirror, web: Web) -> None:
    content = class_folders(count=20)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    wait_indexed(kube, "pictures")
    email, password = f"{kube.namespace}@example.org", "correct horse battery"
    for name, namespaces in ((email, [kube.namespace]), (f"x{email}", ["elsewhere"])):
        body = {"email": name, "password": password, "role": "viewer", "namespaces": namespaces}
        assert web.ask("/api/v1/users", body).status == 201
    inside = Web(web.url, email, password).login()
    outside = Web(web.url, f"x{email}", password).login()
    path = web.dataset(kube, "pictures")
    assert [item["name"] for item in inside.get("/api/v1/datasets")["items"]] == ["pictures"]
    assert inside.get(f"{path}/samples")["total"] == 20
    assert inside.pixels(f"{path}/sheet", rows="0-9").status == 200
    assert outside.get("/api/v1/datasets")["items"] == []
    for route in (
        "",
        "/samples",
        "/facets",
        "/versions",
        "/history",
        "/sheet?rows=0-9",
        "/samples/0/raw",
        "/samples/0",
    ):
        assert outside.ask(path + route).status == 404, route
    assert inside.ask("/api/v1/users").status == 403


def test_the_data_server_holds_nothing_and_writes_to_nothing_sealed(kube: Kube, mirror: Mirror, web: Web) -> None:
    content = class_folders(count=20)
    kube.apply(archive_dataset("pictures", mirror.put("p.tar", content), content))
    wait_indexed(kube, "pictures")
    pod = wait_data_server(kube, web, "pictures")
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["spec"]["volumes"] if "secret" in volume or "projected" in volume]
    mounts = {m["mountPath"]: m for m in pod["spec"]["containers"][0]["volumeMounts"]}
    root = mounts.pop(names.SERVED_ROOT)
    uid = kube.dataset("pictures")["metadata"]["uid"]
    assert root["subPath"] == f"{kube.namespace}/pictures-{uid[:8]}", "nobody else's directory"
    sealed = [names.STAGING_DIR, names.VERSIONS_DIR, names.WORKS_DIR]
    assert {path: m["subPath"] for path, m in mounts.items() if m["name"] == root["name"] and m.get("readOnly")} == {
        f"{names.SERVED_ROOT}/{inner}": f"{root['subPath']}/{inner}" for inner in sealed
    }
    assert len([m for m in mounts.values() if m["name"] == root["name"]]) == len(sealed)
    address = pod["status"]["podIP"]
    for token in (None, "Bearer v1.e30.AAAA"):
        request = urllib.request.Request(f"http://{address}:8080/v1/versions")
        if token:
            request.add_header("Authorization", token)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == (403 if token else 401)
        refused.value.close()


def test_hostile_names_stay_text(kube: Kube, mirror: Mirror, web: Web) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    content = tar({f"<svg onload=alert(1)>/{name}": png(1), f"plain/{name}": png(2)})
    dataset = archive_dataset("hostile", mirror.put("h.tar", content), content)
    dataset["spec"]["displayName"] = "<b onmouseover=alert(1)>bold</b>"
    kube.apply(dataset)
    wait_indexed(kube, "hostile")
    answer = web.ask(f"{web.dataset(kube, 'hostile')}/samples")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert {item["labelText"] for item in answer.body["items"]} == {"<svg onload=alert(1)>", "plain"}


def test_a_new_version_joins_and_the_old_one_stays(kube: Kube, mirror: Mirror, web: Web) -> None:
    first, second = class_folders(count=20), class_folders(count=40)
    kube.apply(archive_dataset("pictures", mirror.put("a.tar", first), first))
    before = wait_indexed(kube, "pictures")["status"]["version"]["digest"]
    kube.apply(archive_dataset("pictures", mirror.put("b.tar", second), second))
    kube.wait("the second version", lambda: kube.dataset("pictures")["status"]["version"]["sequence"] == 2)
    wait_indexed(kube, "pictures")
    path = web.dataset(kube, "pictures")
    assert web.get(f"{path}/samples")["total"] == 40
    assert web.get(f"{path}/samples", version=before[:16])["total"] == 20
    assert len(web.get(f"{path}/versions")["items"]) == 2
    kube.run("delete", "dataset", "pictures", "--timeout=180s")
    kube.wait("it gone from the list", lambda: web.ask(path).status == 404, 60)

    def rows_are_gone() -> bool:
        with database(kube) as cursor:
            cursor.execute("SELECT count(*) FROM projection.version WHERE digest = %s", (before,))
            return bool(cursor.fetchone() == (0,))

    kube.wait("its rows gone", rows_are_gone)
