"""What kubectl prints of a scratch kind's objects. Used by test_crd_tables.py and test_run_tables.py."""

from __future__ import annotations

from tests.contract.crd import ScratchKind

LABEL = {"contract": "states"}


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
