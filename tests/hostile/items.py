"""What an item of the hostile corpus is. Used by tests/hostile/*.py, which make the items, and by the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Item:
    """One hostile (or merely odd) thing: how to make it, what must become of it, and why it is dangerous."""

    name: str
    why: str
    make: Callable[[], bytes]
    codes: Mapping[str, int] = field(default_factory=dict)  # bad samples by code; none: accepted
    samples: int = 2  # that are sealed; the archives hold two good ones beside what is hostile
    fails: str = ""  # code of the whole, when it cannot be used at all
    says: str = ""  # part of the sentence that goes with `fails`
    layout: Mapping[str, Any] = field(default_factory=lambda: {"type": "auto"})
    shape: tuple[int, ...] = ()  # of an image or array that is accepted
    dtype: str = ""
    first: tuple[Any, ...] = ()  # values of its first pixel


def bad(name: str, why: str, data: bytes | Callable[[], bytes], code: str) -> Item:
    """A volume that is refused with `code`."""
    return Item(name, why, data if callable(data) else lambda: data, codes={code: 1})


def fine(name: str, why: str, data: bytes, shape: tuple[int, ...], dtype: str, first: tuple[Any, ...] = ()) -> Item:
    """A volume that is accepted; `first`: values of its first voxels."""
    return Item(name, why, lambda: data, samples=3, shape=shape, dtype=dtype, first=first)


def corpus_of(*items: Item) -> dict[str, Item]:
    """Items by name. Two of the same name are a mistake."""
    found = {item.name: item for item in items}
    assert len(found) == len(items), "two items have the same name"
    return found
