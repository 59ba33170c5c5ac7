"""A planted secret is nowhere but where its owner put it, whatever form it was given."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Canary, Snapshot, called

Place = tuple[str, str]  # where, text


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Every text of the snapshot is searched for every form of every canary."""
    if not snapshot.canaries:
        return
    forms = {canary: forms_of(canary.secret) for canary in snapshot.canaries}
    for where, text in places(snapshot):
        for canary, known in forms.items():
            if _is_allowed(canary, where):
                continue
            if any(form in text for form in known):
                yield Finding(Invariant.SECRECY, where, f"shows secret {canary.secret[:4]}…")


def forms_of(secret: str) -> frozenset[str]:
    """As it is, in JSON, in a URL, and in base64 at any of the three places where it can begin."""
    raw = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).decode()
        first, last = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6  # signs that depend on it alone
        forms |= {text[first:last], text[first:last].translate(str.maketrans("+/", "-_"))}
    return frozenset(forms)


def places(snapshot: Snapshot) -> Iterator[Place]:
    """(where, text) of everything that is known."""
    if snapshot.objects is not None:
        for bodies in snapshot.objects.by_kind.values():
            for body in bodies:
                for part, value in body.items():
                    yield f"{called(body)} {part}", json.dumps(value, ensure_ascii=False)
    for directory in snapshot.directories or ():
        yield f"{directory}", json.dumps([directory.owner, dict(directory.pointers), list(directory.unknown)])
        for version in directory.versions:
            yield f"{directory}, version {version.folder}", json.dumps(version.manifest, ensure_ascii=False)
            rows = "\n".join(f"{row.key}\n{row.label}\n{row.group}\n{row.metadata}" for row in version.rows)
            yield f"{directory}, index of {version.folder}", rows
    if snapshot.rows is not None:
        for table, rows in snapshot.rows.tables.items():
            for row in rows:
                yield from _row(table, row)
    for text in snapshot.texts:
        yield text.name, text.text


def _row(table: str, row: object) -> Iterator[Place]:
    assert isinstance(row, dict)
    name = f"{row.get('namespace', '')}/{row.get('name', '')}".strip("/")
    for column, value in row.items():
        if column == "document":
            for part, inner in value.items():
                yield f"row {table} {name} {part}", json.dumps(inner, ensure_ascii=False)
        elif value is not None:
            yield f"row {table} {name} {column}", value if isinstance(value, str) else json.dumps(value, default=str)


def _is_allowed(canary: Canary, where: str) -> bool:
    return any(where.startswith(beginning) for beginning in canary.allowed)
