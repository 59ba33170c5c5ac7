"""controllers/dataset/indexed.py through the status: whether the current version's rows can be searched."""

from __future__ import annotations

import pytest

from blueno.resources.indexing import IndexReport
from controllers.dataset.indexed import project_index
from tests.fakes.kstatus import evaluate
from tests.make import OTHER, UID, VERSION, a_body, a_claim, a_dataset, a_job, a_status, sealed_outcome
from tests.unit.controllers.dataset.test_status import Status, after, conditions

DIGEST = str(VERSION["digest"])
ANOTHER = "f" * 64


def says(state: str, digest: str = DIGEST, rows: int = 70000, message: str = "") -> Status:
    return {"index": IndexReport(UID, digest, state, rows, message)}


def settled(status: Status | None = None, seen: Status | None = None) -> Status:
    """A sealed Dataset's status, written twice so that nothing is new in it."""
    return after(after(status or a_status("Sealed"), seen=seen), seen=seen)


def indexed(status: Status) -> tuple[str, str]:
    return conditions(status)["Indexed"]


def test_on_the_way_to_the_first_version() -> None:
    assert indexed(after(None, seen={"claim": None})) == ("False", "NoVersion")
    sealed = after(a_status(), seen={"jobs": (a_job(state="complete", said=sealed_outcome()),)})
    assert indexed(sealed) == ("False", "Waiting")
    loading = after(sealed, 1, says("Indexing"))
    assert (indexed(loading), loading.get("index")) == (("False", "Indexing"), None)
    done = after(loading, 2, says("Indexed"))
    assert (indexed(done), done["index"]) == (("True", "Indexed"), {"digest": DIGEST, "rows": 70000})


def test_every_state_is_written_once_and_touches_nothing_else() -> None:
    status = settled()
    for said in (says("Indexing"), says("Failed", message="disk full"), says("Indexing"), says("Indexed")):
        before, status = status, after(status, 60, said)
        assert status != before
        others = [{c["type"]: c for c in s["conditions"] if c["type"] != "Indexed"} for s in (before, status)]
        assert others[0] == others[1]
        changed = {key for key in status.keys() | before.keys() if status.get(key) != before.get(key)}
        assert changed <= {"conditions", "index"}
        assert after(status, 120, said) == status
        assert after(status, 120) == status  # a restart: nothing was heard


def test_a_failure_says_why_and_is_remembered() -> None:
    failed = after(settled(), seen=says("Failed", message="the database is full"))
    for status in (failed, after(failed, 60)):
        condition = next(c for c in status["conditions"] if c["type"] == "Indexed")
        assert (condition["reason"], condition["message"]) == ("IndexFailed", "the database is full")
    silent = after(settled(), seen=says("Failed"))
    assert next(c["message"] for c in silent["conditions"] if c["type"] == "Indexed")


def test_what_is_said_of_another_version_does_not_count() -> None:
    status = settled()
    assert after(status, 60, says("Indexed", ANOTHER)) == status
    done = after(status, 60, says("Indexed"))
    assert after(done, 120, says("Failed", ANOTHER)) == done


def test_loading_again_means_not_loaded() -> None:
    done = after(settled(), seen=says("Indexed"))
    again = after(done, 60, says("Indexing"))
    assert (indexed(again), again.get("index")) == (("False", "Indexing"), None)
    assert indexed(after(again, 120)) == ("False", "Indexing")  # also after a restart


def test_a_new_version_waits_and_the_old_one_back_again_does_not() -> None:
    done = after(settled(), seen=says("Indexed"))
    preparing = {**done, "work": {"hash": OTHER.hash, "attempt": 1, "outcome": ""}}
    next_one = sealed_outcome(digest=ANOTHER, sequence=2)
    job = {"jobs": (a_job(2, state="complete", said=next_one),)}
    second = after({**preparing, "work": a_status(attempt=2)["work"]}, 60, {**job, **says("Indexed")})
    assert second["version"]["digest"] == ANOTHER
    assert (indexed(second), second["index"]["digest"]) == (("False", "Waiting"), DIGEST)
    back = {"jobs": (a_job(3, state="complete", said=sealed_outcome(sequence=3)),)}
    third = after({**second, "work": a_status(attempt=3)["work"]}, 120, back)
    assert (third["version"]["sequence"], indexed(third)) == (3, ("True", "Indexed"))


@pytest.mark.parametrize("state", ["Indexing", "Failed"])
def test_another_versions_trouble_is_not_inherited(state: str) -> None:
    status = after(settled(), seen=says(state, message="x"))
    job = {"jobs": (a_job(2, state="complete", said=sealed_outcome(digest=ANOTHER)),)}
    assert indexed(after({**status, "work": a_status(attempt=2)["work"]}, 60, job)) == ("False", "Waiting")


def test_without_a_version_nothing_is_loaded() -> None:
    done = {**after(settled(), seen=says("Indexed")), "volume": {"claimUID": a_claim().uid}}
    replaced = after(done, 60, {"claim": a_claim(uid="another"), **says("Indexed")})
    assert (replaced.get("version"), replaced.get("index")) == (None, None)
    assert indexed(replaced) == ("False", "NoVersion")


def test_waiting_tools_do_not_care() -> None:
    seen = {evaluate(a_body(status=after(settled(), seen=said))) for said in (None, says("Failed"), says("Indexed"))}
    assert len(seen) == 1


def test_a_message_of_a_hostile_length_is_cut_with_the_others() -> None:
    index, condition = project_index(
        a_dataset(status=a_status("Sealed")), IndexReport(UID, DIGEST, "Failed", 0, "x" * 5000), VERSION
    )
    assert (index, condition.reason) == (None, "IndexFailed")
    long = after(settled(), seen=says("Failed", message="x" * 5000))
    assert max(len(c["message"]) for c in long["conditions"]) == 1024
