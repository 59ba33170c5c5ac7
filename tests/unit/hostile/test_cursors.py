"""Gallery cursors and filters as strangers write them: the place that was meant, or a Problem 4xx; nothing else."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.db.text import storable
from webui.api import datasets, run_records, samples, training_runs
from webui.cursors import SECONDS, Cursors
from webui.problems import Problem
from webui.requests import query_values
from webui.routes import Route

KEY, NOW = b"k" * 32, 1_800_000_000.0
SCOPE = ("samples", 7, "a" * 64, "train", None, "")
LISTS = [route for module in (datasets, samples, training_runs, run_records) for route in module.ROUTES
         if route.method == "GET" and route.query]  # fmt: skip


def cursors(key: bytes = KEY, now: float = NOW) -> Cursors:
    return Cursors(key, lambda: now)


def refused(text: str, scope: tuple[Any, ...] = SCOPE, reader: Cursors | None = None) -> None:
    with pytest.raises(Problem) as caught:
        (reader or cursors()).read(scope, text)
    assert (caught.value.status, caught.value.code) == (400, "bad_cursor")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_no_text_is_a_cursor(text: str) -> None:
    refused(text)


@given(place=st.integers(0, 10**6), data=st.data())
def test_no_changed_cursor_is_one(place: int, data: st.DataObject) -> None:
    """Whatever byte is changed, cut or added. (The last digit's spare bits are no part of it.)"""
    text = cursors().write(SCOPE, ["after", place])
    assert cursors().read(SCOPE, text) == ["after", place]
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    for changed in (bytes(raw), bytes(raw[:at]), bytes(raw) + b"x"):
        refused(base64.urlsafe_b64encode(changed).decode().rstrip("="))


@given(st.lists(st.none() | st.integers() | st.text(max_size=9), max_size=6))
def test_a_cursor_is_good_for_its_own_scope_only(other: list[Any]) -> None:
    text = cursors().write(SCOPE, 1)
    if tuple(other) != SCOPE:
        refused(text, tuple(other))
    for number, value in enumerate(SCOPE):  # another person, version, filter; nothing for something
        refused(text, (*SCOPE[:number], "other" if value != "other" else "x", *SCOPE[number + 1 :]))
    refused(text, SCOPE[:-1])


def test_old_and_foreign_cursors() -> None:
    text = cursors().write(SCOPE, 1)
    refused(text, reader=cursors(now=NOW + SECONDS + 1))
    refused(text, reader=cursors(key=b"other" * 8))
    assert cursors(now=NOW + SECONDS - 1).read(SCOPE, text) == 1


KNOWN = sorted({param.name for route in LISTS for param in route.query})
NAMES = [*KNOWN, "", "x", "limit ", "LIMIT", "cursor[]", "%00"]
VALUES = st.text(max_size=20) | st.sampled_from(
    ["-1", "0", "1e3", "0x10", "٣", str(2**31), str(2**70), "9" * 5000, "NaN", "\0", "\ud800", "%", "%zz",
     "' OR 1=1 --", "null", '"a"', "{" * 2000, "*", "../..", "x" * 5000, "\u202e", "True"]
)  # fmt: skip


def written(text: str, escaped: bool) -> str:
    return quote(text, safe="", errors="surrogatepass") if escaped else text


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
@given(
    items=st.lists(st.tuples(st.sampled_from(NAMES), VALUES, st.booleans()), max_size=4),
    between=st.sampled_from(["&", "&&", ";", "&="]),
)
def test_any_query_is_understood_or_refused(route: Route, items: list[tuple[str, str, bool]], between: str) -> None:
    """What is understood can be stored, has the types of the route's parameters, and keeps their bounds."""
    raw = between.join(f"{name}={written(value, escaped)}" for name, value, escaped in items)
    try:
        values = query_values(route, raw)
    except Problem as problem:
        assert problem.status in (400, 414, 422)
        return
    assert set(values) == {param.key or param.name for param in route.query}
    assert all(storable(value) for value in values.values() if isinstance(value, str))
    assert 1 <= (values.get("limit") or 1) <= 10_000
    assert 0 <= (values.get("position") or 0) < 2**31
