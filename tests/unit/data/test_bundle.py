"""Lines of a bundle's head: written piece by piece, they are what the JSON encoder writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.data.bundle import Entry, read_head

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = {"if_match": "ifMatch"}


@given(
    key=TEXTS,
    size=st.integers(0, 2**70),
    more=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("sha256", "split", "group", "if_match", "upload", "by"), TEXTS),
            "label": VALUES,
            "metadata": st.dictionaries(TEXTS, VALUES, max_size=3),
            "replace": st.booleans(),
        },
    ),
)
def test_a_line_is_the_json_of_what_is_said(key: str, size: int, more: dict[str, Any]) -> None:
    line = Entry(key, size, **more).line()
    said = {NAMES.get(name, name): value for name, value in more.items() if value is not None and value is not False}
    if more.get("label") is False:
        said["label"] = False
    assert read_head(line) == [{"key": key, "bytes": size, **said}]
    order = ("key", "bytes", "sha256", "split", "label", "group", "metadata", "replace", "ifMatch", "upload", "by")
    whole = {"key": key, "bytes": size, **said}
    plain = json.dumps(
        {name: whole[name] for name in order if name in whole}, ensure_ascii=False, separators=(",", ":")
    )
    assert json.loads(plain) == json.loads(line)
    assert list(json.loads(line)) == list(json.loads(plain))


@pytest.mark.parametrize(
    "entry",
    [
        Entry("a", 1, label=float("nan")),
        Entry("a", 1, metadata={"b": float("inf")}),
        Entry("a", 1, label=object()),
        Entry("\ud800", 1),
        Entry("a", 1, split="\udfff"),
    ],
)
def test_what_json_cannot_say_is_an_error(entry: Entry) -> None:
    with pytest.raises((ValueError, TypeError)):
        entry.line()
