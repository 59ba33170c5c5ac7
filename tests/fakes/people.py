"""People who add samples to a working set, without a data server: the lines and packs that it would write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blueno.data.digest import canonical_json
from blueno.data.journal import (
    Place,
    Record,
    committed,
    control_line,
    journal_name,
    put_line,
    record_fields,
    remove_line,
)
from blueno.names import OBJECTS_DIR, WORKING_DIR

_BY_TIME = (json.dumps("eve@example.org"), "2026-03-01T12:00:00.000Z")


class People:
    """Adds to the data set in `root` and removes from it. One batch is one call, as one bundle is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seq = 0
        self._journal = root / WORKING_DIR / journal_name(1)

    def add(self, files: Mapping[str, bytes], *, label: Any = None, metadata: Any = None, **texts: str) -> Path:
        """Samples of one pack; `texts`: split and group. Returns the pack."""
        data = b"".join(files.values())
        pack = hashlib.sha256(data).hexdigest()
        path = self.root / OBJECTS_DIR / pack[:2] / pack
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        said = [None if value is None else canonical_json(value) for value in (label, metadata)]
        fields = record_fields(Record(texts.get("split"), said[0], texts.get("group"), said[1]))
        lines, offset = "", 0
        for key, content in files.items():
            self.seq += 1
            place, digest = Place(pack, offset, len(content)), hashlib.sha256(content).hexdigest()
            lines += put_line(key, digest, place, self.seq, _BY_TIME, fields)
            offset += len(content)
        self._append(lines)
        return path

    def remove(self, keys: Iterable[str]) -> None:
        """Takes samples out; their bytes stay."""
        lines = ""
        for key in keys:
            self.seq += 1
            lines += remove_line(key, self.seq, _BY_TIME, "")
        self._append(lines)

    def _append(self, lines: str) -> None:
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        with self._journal.open("ab") as file:
            if not file.tell():
                file.write(control_line("begin", takes={}))
            file.write(committed(lines.encode()))
