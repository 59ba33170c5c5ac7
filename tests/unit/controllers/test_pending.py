"""controllers/pending.py: the newest state of each object, no reason lost, nothing that grows."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from blueno import names
from blueno.resources.history import Turn
from controllers import pending as module
from controllers.pending import BATCH, Changes, Pending
from tests.make import UID, a_body

KIND = names.DATASET_KIND


def ready(
    reason: str, status: str = "False", message: str = "m", since: str = "2026-03-01T11:00:00Z"
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
    return {"conditions": [condition]}


def put(changes: Changes, uid: str = UID, reason: str = "Pending", gone: bool = False, **more: Any) -> dict[str, Any]:
    body = a_body(f"d-{uid[:8]}", uid=uid, status=ready(reason, **more))
    changes.put(KIND, body, gone)
    return body


def reasons(entry: Pending) -> list[str]:
    return [turn.reason for turn in entry.turns]


def test_only_the_newest_state_and_every_reason() -> None:
    changes = Changes()
    for reason in ("Pending", "Pending", "Preparing", "Pending", "Available"):
        newest = put(changes, reason=reason)
    (entry,) = changes.take(0)
    assert entry.body is newest
    assert reasons(entry) == ["Pending", "Preparing", "Pending", "Available"]
    assert [turn.at for turn in entry.turns] == sorted(turn.at for turn in entry.turns)
    assert changes.take(0) == []


def test_a_message_alone_is_no_turn() -> None:
    changes = Changes()
    put(changes, message="1 of 2")
    put(changes, message="2 of 2")
    (entry,) = changes.take(0)
    assert len(entry.turns) == 1


def test_an_object_without_a_status_has_no_turn() -> None:
    changes = Changes()
    changes.put(KIND, a_body(), gone=False)
    (entry,) = changes.take(0)
    assert entry.turns == ()
    (entry,) = changes.take_everything()
    assert entry.turns == ()


def test_the_oldest_come_first_and_not_too_many() -> None:
    changes = Changes()
    for number in range(BATCH + 7):
        put(changes, f"uid-{number}")
    put(changes, "uid-0")
    first, second = changes.take(0), changes.take(0)
    assert [entry.uid for entry in first] == [f"uid-{number}" for number in range(BATCH)]
    assert [entry.uid for entry in second] == [f"uid-{number}" for number in range(BATCH, BATCH + 7)]


def test_what_was_not_written_comes_before_what_came_after() -> None:
    changes = Changes()
    put(changes, "a", "Pending")
    put(changes, "b", "Pending")
    taken = changes.take(0)
    newest = put(changes, "a", "Preparing")
    changes.put_back(taken)
    a, b = sorted(changes.take(0), key=lambda entry: entry.uid)
    assert (a.body, reasons(a)) == (newest, ["Pending", "Preparing"])
    assert reasons(b) == ["Pending"]
    assert a.since == taken[0].since


def test_a_deletion_is_the_last_turn() -> None:
    changes = Changes()
    put(changes, reason="Available")
    put(changes, reason="Erasing", gone=True)
    (entry,) = changes.take(0)
    assert entry.body is None
    assert reasons(entry) == ["Available", "Deleted"]
    assert changes.take_everything() == []


def test_everything_there_is_with_the_turns_that_were_seen() -> None:
    changes = Changes()
    put(changes, "old", "Available", since="2026-01-01T00:00:00Z")
    changes.take(0)
    put(changes, "new", "Pending")
    put(changes, "new", "Preparing")
    put(changes, "gone", gone=True)
    everything = {entry.uid: entry for entry in changes.take_everything()}
    assert set(everything) == {"old", "new", "gone"}
    (turn,) = everything["old"].turns
    assert (turn.derived, turn.at.isoformat()) == (True, "2026-01-01T00:00:00+00:00")
    assert [turn.derived for turn in everything["new"].turns] == [True, False]  # how it came to the first, nobody saw
    assert everything["gone"].body is None
    assert changes.take(0) == []


def test_reasons_of_one_object_do_not_pile_up() -> None:
    changes = Changes()
    for number in range(500):
        put(changes, reason=f"Reason{number}")
    (entry,) = changes.take(0)
    assert reasons(entry) == [f"Reason{number}" for number in range(500 - module.TURNS_KEPT, 500)]


def test_deletions_do_not_pile_up() -> None:
    changes = Changes()
    put(changes, "stays")
    for number in range(module.DELETIONS_KEPT + 1):
        put(changes, f"uid-{number}")
        put(changes, f"uid-{number}", gone=True)
        assert len(changes._waiting) <= module.DELETIONS_KEPT + 2
    assert changes.incomplete
    assert [entry.uid for entry in changes.take_everything()] == ["stays"]
    assert not changes.incomplete


@pytest.mark.parametrize("again", [False, True], ids=["once", "put back in between"])
def test_deletions_are_counted_once(again: bool) -> None:
    changes = Changes()
    for _ in range(3):
        put(changes, "a", gone=True)
    if again:
        changes.put_back(changes.take(0))
        changes.put_back([Pending(KIND, "b", "lab", "b", None, (), 0.0)])
    assert changes._deletions == len(changes._waiting)
    changes.take(0)
    assert changes._deletions == 0


def test_the_lag_is_of_the_oldest_change_until_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "GATHER_SECONDS", 0)
    changes = Changes()
    assert changes.lag() == 0
    put(changes, "a")
    clock[0] += 2
    put(changes, "b")
    assert changes.lag() == 2
    monkeypatch.undo()
    taken = changes.take(0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    assert changes.lag() == 2
    changes.put_back(taken)
    assert changes.lag() == 2
    changes.take_everything()
    changes.written()
    assert changes.lag() == 0


def test_who_waits_is_woken_by_a_change_and_by_the_end() -> None:
    changes = Changes()
    taken: list[list[Pending]] = []

    def work() -> None:
        while not changes.stopped_within(0):
            taken.append(changes.take(60))

    worker = threading.Thread(target=work)
    worker.start()
    put(changes)
    while not taken:
        pass
    changes.stop()
    worker.join(60)
    assert not worker.is_alive()
    assert [entry.uid for entry in taken[0]] == [UID]
    put(changes, "late")
    assert [entry.uid for entry in changes.take(60)] == ["late"]  # what is left is still handed out


def test_a_turn_says_what_makes_it_another() -> None:
    moment = Turn(at=None, condition="Ready", status="True", reason="Available", message="x")  # type: ignore[arg-type]
    assert moment.says == ("Ready", "True", "Available")
