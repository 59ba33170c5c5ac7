"""blueno/resources/quantity.py: sizes as Kubernetes writes them."""

from __future__ import annotations

import pytest

from blueno.resources.quantity import is_larger, largest, parse_quantity


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0), ("128", 128), ("20Gi", 20 << 30), ("1.5Ki", 1536), ("1Ei", 1 << 60), ("1k", 1000), ("2G", 2 * 10**9),
        ("1e3", 1000), ("1E3", 1000), ("1E", 10**18), ("5e-1", 1), ("1500m", 2), (".5Ki", 512), ("3.", 3),
    ],
)  # fmt: skip
def test_quantities(text: str, count: int) -> None:
    assert parse_quantity(text) == count


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "-1", "1KiB", "1gi", "1e", "1e999", "1e3Gi", "٣", "0x10", "1" * 40])
def test_what_is_none(text: str) -> None:
    assert parse_quantity(text) is None


def test_comparing() -> None:
    assert largest(["1Gi", "2G", "much", "1024Mi"]) == "2G"
    assert largest(["much"]) == largest([]) == ""
    assert is_larger("1025Mi", "1Gi")
    assert not is_larger("1024Mi", "1Gi")
    assert not is_larger("much", "1Gi")
    assert not is_larger("1Gi", "")
