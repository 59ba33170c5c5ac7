"""The list of training runs, one of them, its history, and the runs of a data set: who sees what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.runs import DIGEST, run_uid
from tests.web.conftest import VIEWERS, StartSite
from tests.web.events import listening, ready
from tests.web.mirrored import Mirrored
from tests.web.site import Reply, Site

ALL = "/api/v1/trainingruns"
ONE = f"{ALL}/lab/train"
FULL: dict[str, Any] = {
    "spec": {
        "command": ["python", "train.py"],
        "args": ["--lr", "$(params.lr)"],
        "parameters": {"lr": "0.001"},
        "gpus": {"count": 2},
        "numNodes": 2,
        "queueName": "team-a",
        "metrics": {"objective": {"name": "accuracy", "direction": "maximize"}},
    },
    "status": {
        "attempt": 2,
        "restarts": 1,
        "nodes": ["node1"],
        "datasets": [{"name": "digits", "digest": DIGEST}],
        "startTime": "2026-03-01T12:00:05Z",
        "completionTime": "2026-03-01T12:30:00Z",
        "jobRef": {"name": "train-0a1b2c3d-a2"},
        "imageDigest": "sha256:" + "ef" * 32,
        "codeRevision": "abc123",
        "outputs": {"claimName": "blueno-outputs", "path": "train-0a1b2c3d"},
        "checkpoint": {"path": "checkpoints/step-000000000100", "step": 100, "time": "2026-03-01T12:20:00Z"},
        "failure": {"reason": "UserError", "exitCode": 1, "pod": "train-x", "lastLines": ["Traceback", "ValueError"]},
        "trainerStatus": {
            "progressPercentage": 43,
            "estimatedRemainingSeconds": 120,
            "metrics": [{"name": "loss", "value": "0.31"}],
        },
        "usage": {"gpuSeconds": 360},
    },
    "meta": {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
}
SUMMARY = {
    "uid": run_uid("train"),
    "namespace": "lab",
    "name": "train",
    "state": "failed",
    "reason": "UserError",
    "message": "exit <b>1",
    "stalled": True,
    "suspended": False,
    "progress": {"percentage": 43, "estimatedRemainingSeconds": 120},
    "metrics": [{"name": "loss", "value": "0.31"}],
    "objective": {"name": "accuracy", "direction": "maximize"},
    "datasets": [{"name": "digits", "digest": DIGEST}],
    "parameters": {"lr": "0.001"},
    "gpus": 4,
    "nodes": ["node1"],
    "numNodes": 2,
    "gpuSeconds": 360,
    "attempt": 2,
    "restarts": 1,
    "queue": "team-a",
    "startedAt": "2026-03-01T12:00:05.000Z",
    "endedAt": "2026-03-01T12:30:00.000Z",
    "managedBy": "Helm",
    "createdAt": "2026-03-01T12:00:00.000Z",
}


def names(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    return [f"{item['namespace']}/{item['name']}" for item in reply.json["items"]]


async def test_a_line_of_the_list_and_a_page(site: Site, mirrored: Mirrored) -> None:
    mirrored.put_run(state="failed", message="exit <b>1", **FULL)
    browser = await site.logged_in()
    (item,) = (await browser.get(ALL)).json["items"]
    page = (await browser.get(ONE)).json
    assert item.pop("changedAt") == page.pop("changedAt") > "2026"
    assert item == SUMMARY
    assert [c["type"] for c in page.pop("conditions")] == ["PodsReady", "Stalled", "Succeeded", "Suspended"]
    spec, status = page.pop("spec"), FULL["status"]
    assert spec["image"] == page["image"] == "registry.example.org/train:1"
    assert spec["parameters"] == {"lr": "0.001"}
    assert page == SUMMARY | {
        "pending": None,
        "image": "registry.example.org/train:1",
        "imageDigest": status["imageDigest"],
        "codeRevision": "abc123",
        "command": ["python", "train.py"],
        "args": ["--lr", "$(params.lr)"],
        "outputs": status["outputs"],
        "checkpoint": status["checkpoint"],
        "failure": status["failure"],
        "jobName": "train-0a1b2c3d-a2",
    }


async def test_a_run_of_which_little_is_known(site: Site, mirrored: Mirrored) -> None:
    pending = {"reason": "InsufficientGPU", "message": "no node", "since": "2026-03-01T12:00:00Z"}
    mirrored.put_run(state="pending", status={"pending": pending})
    page = (await (await site.logged_in()).get(ONE)).json
    assert (page["state"], page["pending"], page["datasets"]) == (
        "pending",
        pending,
        [{"name": "digits", "digest": None}],
    )
    for empty in ("progress", "objective", "outputs", "checkpoint", "failure", "jobName", "queue", "startedAt"):
        assert page[empty] is None, empty
    assert (page["gpus"], page["numNodes"], page["gpuSeconds"], page["command"], page["metrics"]) == (0, 1, 0, [], [])


async def test_filters_and_pages_newest_first(site: Site, mirrored: Mirrored) -> None:
    for number in range(9):
        mirrored.put_run(
            f"r-{number}",
            ("lab", "other")[number % 2],
            state=("running", "failed", "pending")[number % 3],
            spec={"datasets": [{"name": "digits" if number < 4 else "mnist"}]},
            meta={"creationTimestamp": f"2026-03-01T12:00:0{number}Z"},
        )
    browser = await site.logged_in()
    every = [f"{('lab', 'other')[n % 2]}/r-{n}" for n in reversed(range(9))]
    found, cursor = [], ""
    while True:
        reply = await browser.get(f"{ALL}?limit=4{cursor}")
        found += names(reply)
        if reply.json["next"] is None:
            break
        cursor = f"&cursor={reply.json['next']}"
    assert found == every
    for query, numbers in {
        "namespace=lab": (8, 6, 4, 2, 0),
        "namespace=none": (),
        "dataset=digits": (3, 2, 1, 0),
        "state=failed": (7, 4, 1),
        "state=failed&dataset=mnist&namespace=lab": (4,),
        "q=R-5": (5,),
        "q=%25": (),
    }.items():
        assert names(await browser.get(f"{ALL}?{query}")) == [every[8 - n] for n in numbers], query


BAD = {
    "state=Running": "query.state",
    "state=": "query.state",
    "dataset=A": "query.dataset",
    "dataset=..%2F": "query.dataset",
    "namespace=%2A": "query.namespace",
    "limit=0": "query.limit",
    "sort=name": "query.sort",
    "state=failed&state=failed": "query.state",
}


async def test_bad_parameters(site: Site, mirrored: Mirrored) -> None:
    mirrored.put_run()
    browser = await site.logged_in()
    for query, field in BAD.items():
        reply = await browser.get(f"{ALL}?{query}")
        assert (reply.status, [error["field"] for error in reply.json["errors"]]) == (422, [field]), query
    for path in (
        "/metrics?points=1",
        "/metrics?name=",
        "/metrics?name=a,,b",
        "/metrics?name=" + ",".join(map(str, range(51))),
    ):
        assert (await browser.get(ONE + path)).status == 422, path
    for path in ("?after=-1", "?limit=1048577", "?attempt=x", "?pod=", "?after=99999999999999999999"):
        assert (await browser.get(f"{ONE}/logs{path}")).status == 422, path
    for name in ("Train", "a%2Fb", "-", "x" * 64, "%00"):
        assert (await browser.get(f"{ALL}/lab/{name}")).status in (400, 404), name


async def test_cursors_are_bound_to_person_filter_and_route(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    for number in range(5):
        mirrored.put_run(f"r-{number}")
    ada, eve = await site.logged_in("ada@example.org"), await site.logged_in("eve@example.org")
    cursor = (await ada.get(f"{ALL}?limit=2")).json["next"]
    of_digits = (await ada.get("/api/v1/datasets/lab/digits/runs?limit=2")).json["next"]
    assert (await ada.get(f"{ALL}?limit=2&cursor={cursor}")).status == 200
    for browser, path in (
        (eve, f"{ALL}?cursor={cursor}"),
        (ada, f"{ALL}?state=running&cursor={cursor}"),
        (ada, f"{ALL}?cursor={of_digits}"),
        (ada, f"{ALL}?namespace=none&cursor={cursor}"),
        (ada, f"/api/v1/datasets/lab/digits/runs?cursor={cursor}"),
        (ada, f"{ALL}/lab/r-1/history?cursor={cursor}"),
    ):
        assert (await browser.get(path)).code == "bad_cursor", path


async def test_only_allowed_namespaces_are_listed(
    start_site: StartSite, access: AccessServer, mirrored: Mirrored
) -> None:
    """The right to data sets says nothing about runs, and the other way round."""
    site = await start_site()
    for namespace in ("lab", "open", "secret"):
        mirrored.put_run(namespace=namespace)
        mirrored.put(namespace)
    runs_only, sets_only = ("trainingruns",), ("datasets",)
    access.rules[:] = [
        Rule("blueno:ada@example.org", "lab", resources=runs_only),
        Rule(VIEWERS, "open", resources=runs_only),
        Rule("blueno:sets@example.org", resources=sets_only),
    ]
    ada = await site.logged_in("ada@example.org", "viewer", "lab", "open", "secret")
    star = await site.logged_in("star@example.org", "viewer", "*")
    sets = await site.logged_in("sets@example.org", "editor", "*")
    assert (
        names(await ada.get(ALL)) == sorted(["lab/train", "open/train"], key=lambda n: run_uid("train", n[:-6]))[::-1]
    )
    assert names(await star.get(ALL)) == ["open/train"]
    assert names(await sets.get(ALL)) == []
    assert names(await ada.get("/api/v1/datasets")) == []
    assert (await sets.get("/api/v1/datasets/lab/digits/runs")).json == {"items": [], "next": None}
    assert (await ada.get("/api/v1/datasets/lab/digits/runs")).status == 404
    for path in ("", "/history", "/metrics", "/logs", "/logs/raw"):
        hidden = await ada.get(f"{ALL}/secret/train{path}")
        missing = await ada.get(f"{ALL}/secret/none{path}")
        assert (hidden.status, missing.status) == (404, 404), path
        assert hidden.json | {"requestId": ""} == missing.json | {"requestId": ""}
        assert "training run" in hidden.json["detail"]
        assert (await ada.get(f"{ONE}{path}")).status == (404 if path == "/logs/raw" else 200), path
    asked = {review["resourceAttributes"]["resource"] for review in access.asked}
    assert asked == {"datasets", "trainingruns"}


async def test_history(site: Site, mirrored: Mirrored) -> None:
    for reason in ("Pending", "Starting", "Running"):
        mirrored.put_run(reason=reason)
    browser = await site.logged_in()
    first = (await browser.get(f"{ONE}/history?limit=2")).json
    assert [entry["reason"] for entry in first["items"]] == ["Running", "Starting"]
    assert {entry["condition"] for entry in first["items"]} == {"Succeeded"}
    second = (await browser.get(f"{ONE}/history?cursor={first['next']}&limit=2")).json
    assert ([entry["reason"] for entry in second["items"]], second["next"]) == (["Pending"], None)


async def test_a_deleted_run_stays_readable_and_is_in_no_list(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    mirrored.put_run()
    mirrored.remove_run()
    browser = await site.logged_in()
    assert names(await browser.get(ALL)) == names(await browser.get("/api/v1/datasets/lab/digits/runs")) == []
    reply = await browser.get(ONE)
    assert (reply.status, reply.json["name"]) == (200, "train")
    assert reply.headers["Blueno-Deleted-At"] > "2026"
    assert (await browser.get(f"{ONE}/history")).json["items"][0]["reason"] == "Deleted"
    mirrored.put_run(meta={"uid": run_uid("again")}, state="pending")
    reply = await browser.get(ONE)
    assert (reply.json["uid"], "Blueno-Deleted-At" in reply.headers) == (run_uid("again"), False)


async def test_runs_of_a_data_set(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    for number in range(5):
        mirrored.put_run(f"r-{number}", status={"datasets": [{"name": "digits", "digest": f"{number}" * 64}]})
    mirrored.put_run("elsewhere", "other")
    mirrored.put_run("without", spec={"datasets": []})
    browser = await site.logged_in()
    found, cursor = [], ""
    while cursor is not None:
        reply = await browser.get(f"/api/v1/datasets/lab/digits/runs?limit=2{cursor}")
        found += names(reply)
        cursor = f"&cursor={reply.json['next']}" if reply.json["next"] else None
    assert sorted(found) == [f"lab/r-{number}" for number in range(5)]
    assert (await browser.get("/api/v1/datasets/lab/none/runs")).status == 404


async def test_events_of_both_kinds(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put_run(state="failed", message="exit <b>1", **FULL)
        event = (await events.next("change")).data
        assert event["object"].pop("changedAt")
        assert event == {
            "kind": "TrainingRun",
            "op": "upsert",
            "uid": run_uid("train"),
            "namespace": "lab",
            "name": "train",
            "object": SUMMARY,
        }
        mirrored.put()
        assert (await events.next("change")).data["kind"] == "Dataset"
        mirrored.remove_run()
        event = (await events.next("change")).data
        assert (event["kind"], event["op"], event["name"], event["object"]) == ("TrainingRun", "delete", "train", None)


async def test_events_only_of_what_one_may_see(start_site: StartSite, access: AccessServer, mirrored: Mirrored) -> None:
    site = await start_site()
    access.rules[:] = [Rule(VIEWERS, resources=("datasets",)), Rule(VIEWERS, "open", resources=("trainingruns",))]
    browser = await site.logged_in()
    mirrored.put("lab", "first")
    mirrored.put_run("before", "open")
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put_run("hidden", "lab")
        mirrored.put_run("shown", "open")
        mirrored.put("lab", "last", reason="Last")
        seen = [event.data["name"] for event in await events.until("last", "Last")]
        assert [name for name in seen if name not in ("first", "before")] == ["shown", "last"]
        known = events.last_id
    mirrored.put_run("hidden", "lab", reason="Again")
    mirrored.put_run("shown", "open", reason="Again")
    async with listening(browser, known) as again:
        assert [event.data["name"] for event in await again.until("shown", "Again")] == ["shown"]


@pytest.mark.parametrize("evil", ["</script><img src=x onerror=alert(1)>\u2028\u202e", "'; DROP TABLE x; --"])
async def test_hostile_texts_come_back_as_json(site: Site, mirrored: Mirrored, evil: str) -> None:
    mirrored.put_run(
        message=evil,
        spec={"parameters": {"x": evil}, "args": [evil]},
        status={"failure": {"lastLines": [evil, 7], "exitCode": "1"}, "nodes": [evil]},
    )
    browser = await site.logged_in()
    for path in (ALL, ONE):
        reply = await browser.get(path)
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        item = reply.json["items"][0] if path == ALL else reply.json
        assert (item["message"], item["parameters"], item["nodes"]) == (evil, {"x": evil}, [evil])
    assert item["failure"] == {"reason": "", "exitCode": None, "pod": None, "lastLines": [evil]}
