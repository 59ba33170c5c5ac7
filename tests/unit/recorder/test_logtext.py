"""blueno/recorder/logtext.py and stdout.py: lines, places, secrets; whatever the pieces they come in."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from blueno.db.run_logs_write import Place
from blueno.recorder import logtext
from blueno.recorder.logtext import HELD, LINE, Batch, Cutter, Search
from blueno.recorder.stdout import points_of
from blueno.recorder.trainpod import parse_pod

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = b"-----BEGIN PRIVATE KEY-----\nMIIsecret\nsecret==\n-----END PRIVATE KEY-----\n"


def pieces(data: bytes, dice: random.Random, most: int = 300) -> list[bytes]:
    found = []
    while data:
        size = dice.randrange(1, most)
        found.append(data[:size])
        data = data[size:]
    return found


def all_of(data: bytes, *, skip: int = 0, seed: int = 1, final: bool = True, most: int = 300) -> list[Batch]:
    cutter, dice = Cutter(skip), random.Random(seed)
    batches = []
    for piece in pieces(data, dice, most):
        cutter.feed(piece)
        if dice.random() < 0.2:
            batches.append(cutter.take())
    cutter.feed(b"", final=final)
    batches.append(cutter.take(final=final))
    return [batch for batch in batches if batch is not None]


def some_log(seed: int, lines: int = 200) -> bytes:
    dice = random.Random(seed)
    return b"".join(dice.randbytes(dice.randrange(90)).replace(b"-", b"") + dice.choice([b"\n", b"\r", b"\r\n"])
                    for _ in range(lines))  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_every_byte_is_taken_once_whatever_the_pieces(seed: int) -> None:
    data = some_log(seed) + b"no end"
    batches = all_of(data, seed=seed)
    assert b"".join(batch.text for batch in batches) == data
    assert batches[-1].place.taken == len(data)
    assert b"".join(batch.text for batch in all_of(data, final=False)) == data[: -len(b"no end")]


@pytest.mark.parametrize("seed", range(5))
def test_reading_goes_on_at_any_place(seed: int) -> None:
    data = some_log(seed)
    for batch in all_of(data, seed=seed):
        search = Search(batch.place)
        for piece in pieces(data, random.Random(seed + 1)):
            search.feed(piece)
        search.feed(b"", final=True)
        assert search.found() == (batch.place.taken, len(data))
        rest = all_of(data, skip=batch.place.taken, seed=seed + 2)
        assert b"".join(one.text for one in rest) == data[batch.place.taken :]
        if rest:
            assert rest[-1].place == all_of(data)[-1].place, "the place does not depend on where reading began"


@pytest.mark.parametrize("dropped", [1, 5, 50, 150])
def test_a_rotated_log_is_found_by_its_last_lines(dropped: int) -> None:
    lines = [f"line {n}\n".encode() for n in range(400)]
    place = all_of(b"".join(lines[:200]))[-1].place
    left = lines[dropped:]
    search = Search(place)
    search.feed(b"".join(left), final=True)
    skip, size = search.found()
    assert skip == sum(map(len, lines[dropped:200]))
    assert size == sum(map(len, left))


def test_a_log_of_which_nothing_taken_is_left_is_new() -> None:
    lines = [f"line {n}\n".encode() for n in range(400)]
    search = Search(all_of(b"".join(lines[:200]))[-1].place)
    search.feed(b"".join(lines[250:]), final=True)
    assert search.found()[0] == 0
    nothing = Search(Place())
    nothing.feed(b"a\n", final=True)
    assert nothing.found()[0] == 0


def test_a_line_of_any_length_is_taken_in_bounded_pieces() -> None:
    data = b"x" * (2 * LINE + 300_000) + b"\nshort\n"
    cutter = Cutter(0)
    for piece in pieces(data, random.Random(1), 60_000):
        cutter.feed(piece)
        assert len(cutter._lines.rest) < LINE
    cutter.feed(b"", final=True)
    batch = cutter.take(final=True)
    assert batch is not None
    assert batch.text == data
    assert max(map(len, batch.lines)) == LINE
    line = b"y" * 300_000 + b"\n"
    assert b"".join(one.text for one in all_of(line * 3, most=5000)) == line * 3


@pytest.mark.parametrize("seed", range(20))
def test_a_key_is_hidden_wherever_the_pieces_break(seed: int) -> None:
    data = b"before\n" + KEY + b"between\npassword=hunter2\n" + KEY + b"after\n"
    for most in (4, 30, 100):
        batches = all_of(data, seed=seed, most=most)
        text = b"".join(batch.text for batch in batches)
        assert b"secret" not in text
        assert b"hunter2" not in text
        assert text.endswith(b"-----END PRIVATE KEY-----\nafter\n")
        assert batches[-1].place.taken == len(data)


def test_a_key_that_never_ends_is_not_waited_for_for_ever() -> None:
    cutter = Cutter(0)
    cutter.feed(b"-----BEGIN PRIVATE KEY-----\n")
    assert cutter.take() is None
    cutter.feed(b"line\n" * 100)
    assert cutter.take() is None
    cutter.feed(b"line\n" * (HELD // 5))
    assert cutter.take() is not None
    other = Cutter(0)
    other.feed(b"-----BEGIN PRIVATE KEY-----\nsecret\n", final=True)
    batch = other.take(final=True)
    assert batch is not None
    assert b"secret" not in batch.text


def test_much_text_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    line = b"2026-01-01 12:00:00 INFO step 100 loss 0.25 lr 1e-4 tokens/s 12345.6 {'a': 1}\n"
    data = line * (2_000_000 // len(line))
    scrubbed, summed = counted(monkeypatch, "scrub"), counted(monkeypatch, "_sum")
    cutter = Cutter(0)
    for at in range(0, len(data), 64 << 10):
        cutter.feed(data[at : at + (64 << 10)])
        cutter.take()
    assert sum(scrubbed) == len(data) - len(cutter._lines.rest)
    assert sum(summed) < 2 * len(data)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """How much each call of a function of logtext.py is given."""
    sizes: list[int] = []
    real = getattr(logtext, name)

    def count(text: Any) -> Any:
        sizes.append(len(text))
        return real(text)

    monkeypatch.setattr(logtext, name, count)
    return sizes


def test_lines_of_json_are_metrics() -> None:
    lines = [
        b'{"step": 100, "loss": 0.3, "note": "x", "nested": {"a": 1}, "flag": true, "big": 1e999}\n',
        b'{"step": 101.0, "loss": 1}\n',
        b'{"loss": 5}\n',
        b'{"step": -1, "loss": 5}\n', b'{"step": "x", "loss": 5}\n', b'{"step": 7}\n', b"{}\n", b"[1]\n", b"{\n",
        b'{"loss": NaN, "a": 2}\n', b'{"a":' * 5000 + b"\n", b'{"loss": ' + b"9" * 6000 + b"}\n", b"\xff\xfe\n",
        b'text {"loss": 1}\n', b'{"' + b"x" * 70_000 + b'": 1}\n', b'{"a\\u0000": 1, "b": 2}\n',
    ]  # fmt: skip
    found = points_of(lines, "run", 2, NOW)
    assert [(point.step, dict(point.values)) for point in found] == [
        (100, {"loss": 0.3}), (101, {"loss": 1.0}), (None, {"loss": 5.0}), (None, {"a": 2.0}), (None, {"b": 2.0}),
    ]  # fmt: skip
    assert {(point.run_uid, point.attempt, point.at) for point in found} == {("run", 2, NOW)}


UID = "0a1b2c3d-1111-4222-8333-444455556666"


def a_pod(phase: str = "Running", state: str = "running", **labels: str) -> dict[str, object]:
    marks = {"blueno.dev/owner-kind": "TrainingRun", "blueno.dev/owner-uid": UID, "blueno.dev/attempt": "1"} | labels
    status = {"phase": phase, "containerStatuses": [{"name": "train", "state": {state: {}}}]}
    spec = {"containers": [{"name": "helper"}, {"name": "train"}], "restartPolicy": "Never"}
    return {"metadata": {"uid": "u", "name": "p", "namespace": "lab", "labels": marks}, "spec": spec, "status": status}


def test_pods_in_plain_values() -> None:
    states = [("Pending", "waiting"), ("Running", "running"), ("Running", "terminated"), ("Failed", "waiting")]
    pods = [parse_pod(a_pod(*state)) for state in states]
    assert [(pod.began, pod.over) for pod in pods if pod] == [(False, False), (True, False), (True, True), (True, True)]
    assert pods[0] is not None
    assert (pods[0].container, pods[0].run, pods[0].attempt, pods[0].stdout_metrics) == ("train", UID, 1, False)
    for bad in (
        {"owner-uid": "no uid"},
        {"attempt": "x"},
        {"attempt": "0"},
        {"attempt": "9" * 30},
        {"owner-kind": "D"},
    ):
        assert parse_pod(a_pod(**{f"blueno.dev/{key}": value for key, value in bad.items()})) is None, bad
