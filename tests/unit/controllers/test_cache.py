"""controllers/cache.py: the newest state wins, and what is gone stays gone."""

from __future__ import annotations

from typing import Any

from blueno import names
from controllers.cache import Cache


def a_thing(version: int, uid: str = "u1", name: str = "x", owner: str | None = None, **more: Any) -> dict[str, Any]:
    labels = {"labels": {names.OWNER_UID: owner}} if owner else {}
    meta = {"name": name, "namespace": "lab", "uid": uid, "resourceVersion": str(version), **labels}
    return {"metadata": meta, "spec": {}, "status": {}, **more}


def test_old_and_repeated_events_are_no_news() -> None:
    cache = Cache()
    assert cache.upsert("Pod", a_thing(10, status={"phase": "Running"}))
    assert not cache.upsert("Pod", a_thing(9, status={"phase": "Pending"}))
    assert not cache.upsert("Pod", a_thing(10, status={"phase": "Running"}))
    assert cache.upsert("Pod", a_thing(100, status={"phase": "Succeeded"}))  # 100 > 10 as numbers, not as texts
    found = cache.get("Pod", "u1")
    assert found is not None
    assert found["status"] == {"phase": "Succeeded"}


def test_what_was_deleted_does_not_come_back_with_a_late_event() -> None:
    cache = Cache()
    cache.upsert("Pod", a_thing(1))
    assert cache.remove("Pod", "u1") is not None
    assert not cache.upsert("Pod", a_thing(99))
    assert cache.get("Pod", "u1") is None
    assert cache.remove("Pod", "unknown") is None
    assert not cache.upsert("Pod", a_thing(1, "unknown"))


def test_only_so_many_deletions_are_remembered() -> None:
    cache = Cache()
    for number in range(5000):
        cache.remove("Pod", str(number))
    assert cache.upsert("Pod", a_thing(1, "0"))
    assert not cache.upsert("Pod", a_thing(1, "4999"))


def test_a_namesake_made_anew_is_found_whatever_the_order_of_events() -> None:
    cache = Cache()
    cache.upsert("Job", a_thing(1, "old"))
    cache.upsert("Job", a_thing(5, "new"))
    cache.remove("Job", "old")
    found = cache.named("Job", "lab", "x")
    assert found is not None
    assert found["metadata"]["uid"] == "new"
    cache.remove("Job", "new")
    assert cache.named("Job", "lab", "x") is None


def test_unfinished_runs_by_the_data_sets_they_read() -> None:
    cache, reads = Cache(), [{"name": "mnist"}, {"name": "cifar"}]
    cache.upsert("TrainingRun", a_thing(1, "r1", "one") | {"spec": {"datasets": reads}})
    cache.upsert("TrainingRun", a_thing(1, "r2", "two") | {"spec": {"datasets": reads[:1]}})
    far = a_thing(1, "r3", "far") | {"spec": {"datasets": reads}}
    far["metadata"]["namespace"] = "elsewhere"
    cache.upsert("TrainingRun", far)

    def runs(dataset: str) -> list[str]:
        return sorted(run["metadata"]["name"] for run in cache.runs_of("lab", dataset))

    assert (runs("mnist"), runs("cifar"), runs("none")) == (["one", "two"], ["one"], [])
    over = {"conditions": [{"type": "Succeeded", "status": "False"}]}
    cache.upsert("TrainingRun", a_thing(2, "r1", "one") | {"spec": {"datasets": reads}, "status": over})
    assert (runs("mnist"), runs("cifar")) == (["two"], [])
    cache.remove("TrainingRun", "r2")
    assert runs("mnist") == []


def test_datasets_of_a_namespace() -> None:
    cache = Cache()
    far = a_thing(1, "d3", "far")
    far["metadata"]["namespace"] = "elsewhere"
    for body in (a_thing(1, "d1", "one"), a_thing(1, "d2", "two"), far, a_thing(2, "d1", "one")):
        cache.upsert(names.DATASET_KIND, body)
    cache.upsert("Pod", a_thing(1, "p1", "pod"))
    assert [body["metadata"]["name"] for body in cache.datasets_in("lab")] == ["one", "two"]
    cache.remove(names.DATASET_KIND, "d1")
    assert [body["metadata"]["name"] for body in cache.datasets_in("lab")] == ["two"]
    assert cache.datasets_in("none") == ()


def test_children_by_the_label_of_their_owner() -> None:
    cache = Cache()
    cache.upsert("Pod", a_thing(1, "p1", "p1", owner="d1"))
    cache.upsert("Pod", a_thing(2, "p2", "p2", owner="d1"))
    cache.upsert("Pod", a_thing(3, "p3", "p3", owner="d2"))
    cache.upsert("Pod", a_thing(4, "p4", "p4"))
    assert [pod["metadata"]["uid"] for pod in cache.children("Pod", "d1")] == ["p1", "p2"]
    assert cache.children("Job", "d1") == ()
    cache.remove("Pod", "p1")
    assert [pod["metadata"]["uid"] for pod in cache.children("Pod", "d1")] == ["p2"]
    assert cache.count("Pod") == len(list(cache.all("Pod"))) == 3


def test_what_no_decision_needs_is_not_kept() -> None:
    cache = Cache()
    body = a_thing(1, spec={"containers": ["big"], "nodeName": "n1", "suspend": True})
    body["metadata"] |= {"managedFields": ["big"], "annotations": {"big": "x"}}
    cache.upsert("Pod", body)
    kept = cache.get("Pod", "u1")
    assert kept is not None
    assert kept["spec"] == {"nodeName": "n1", "suspend": True}
    assert set(kept["metadata"]) == {"name", "namespace", "uid", "resourceVersion"}
    cache.upsert(names.DATASET_KIND, body)
    dataset = cache.get(names.DATASET_KIND, "u1")
    assert dataset is not None
    assert dataset["spec"] == body["spec"]
    assert dataset["metadata"]["annotations"] == {"big": "x"}


def test_who_observes_a_kind_hears_of_every_change_once() -> None:
    cache = Cache()
    heard: list[tuple[str, bool]] = []
    cache.observe("Pod", lambda body, gone: heard.append((body["metadata"]["resourceVersion"], gone)))
    cache.upsert("Pod", a_thing(1))
    cache.upsert("Pod", a_thing(1))  # the watch brings back what our own write brought
    cache.upsert("Job", a_thing(7))
    cache.upsert("Pod", a_thing(2))
    cache.remove("Pod", "u1")
    cache.remove("Pod", "u1")
    cache.upsert("Pod", a_thing(3))
    assert heard == [("1", False), ("2", False), ("2", True)]


def test_unfinished_runs_by_the_claim_they_write_to() -> None:
    cache = Cache()
    cache.upsert("TrainingRun", a_thing(1, "r1", "one"))
    cache.upsert("TrainingRun", a_thing(1, "r2", "two") | {"spec": {"output": {"existingClaim": "mine"}}})

    def runs(claim: str, namespace: str = "lab") -> list[str]:
        return [run["metadata"]["name"] for run in cache.runs_on(namespace, claim)]

    assert (runs("blueno-outputs"), runs("mine"), runs("mine", "other")) == (["one"], ["two"], [])
    assert cache.runs_of("lab", "mine") == (), "a Dataset of the same name is something else"
    over = {"conditions": [{"type": "Succeeded", "status": "True"}]}
    cache.upsert("TrainingRun", a_thing(2, "r1", "one") | {"status": over})
    assert runs("blueno-outputs") == []
