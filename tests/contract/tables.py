"""What kubectl prints of a scratch kind's objects. Used by test_*_tables.py."""

from __future__ import annotations

import os
from pathlib import Path

from tests.contract.crd import ScratchKind

LABEL = {"contract": "states"}


def assert_reads_well(kind: ScratchKind, plural: str, waiting: str, golden: Path) -> None:
    """Both tables and `waiting` (what waiting tools see) are as in `golden`; UPDATE_GOLDEN=1 writes it anew."""
    narrow, wide = table(kind), table(kind, "-o", "wide")
    text = f"$ kubectl get {plural}\n{narrow}\n$ kubectl get {plural} -o wide\n{wide}\nkstatus\n{waiting}"
    if os.environ.get("UPDATE_GOLDEN"):  # UPDATE_GOLDEN=1 python -m pytest tests/contract
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "if the new table is right: UPDATE_GOLDEN=1, and read the difference"


def table(kind: ScratchKind, *options: str) -> str:
    """The objects with LABEL, with a fixed age."""
    selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
    got = kind.api.kubectl("get", kind.full_name, "-n", kind.namespace, "-l", selector, *options)
    assert got.returncode == 0, got.stderr
    heads, *rows = got.stdout.splitlines()
    start = heads.index("AGE")
    width = 6 if heads[start:].strip() != "AGE" else 3  # kubectl puts three blanks between columns
    rows = [f"{row[:start]}{'5s':{width}}{row[start + width :]}" for row in rows]
    return "\n".join(line.rstrip() for line in [heads, *rows]) + "\n"
