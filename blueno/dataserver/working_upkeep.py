"""What the writer tidies up: purged bytes, journals that hold little that counts. Called by working_opened.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress

from blueno.data.digest import canonical_json
from blueno.data.journal import Chain, Place, move_line, quoted, remove_line
from blueno.data.working import WorkingSample, parse_line
from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Problem
from blueno.dataserver.working_feed import Wanted, feed
from blueno.dataserver.working_journal import Journals
from blueno.dataserver.working_packs import Packs, copied
from blueno.dataserver.working_state import State

log = logging.getLogger("blueno.dataserver")

SLACK = 20_000  # lines that may count for nothing before anything is done about it
_BATCH = 1000  # lines of a compacted journal that are committed together


def purge(state: State, packs: Packs, journals: Journals) -> None:
    """Takes away what `state.due` names, as far as nobody needs it; packs that others need are written anew.

    Whatever fails stays due. Raises Changed, Overtaken, OSError.
    """
    for name in [name for name in state.due if _is_gone(packs, name)]:
        state.due.discard(name)
    if not state.due:
        return
    journals.claim()
    needed: dict[str, list[WorkingSample]] = {name: [] for name in state.due}
    for sample in state.in_packs(state.due):
        needed[sample.object].append(sample)
    for name, samples in needed.items():
        try:
            if _purge_pack(packs, journals, state, (name, samples)):
                state.due.discard(name)
        except (OSError, Problem) as error:
            log.warning("purged bytes in pack %s are still there: %s", name[:16], error)


def _is_gone(packs: Packs, name: str) -> bool:
    with suppress(OSError, Problem):
        return packs.is_gone(name)
    return False


def _purge_pack(packs: Packs, journals: Journals, state: State, pack: tuple[str, list[WorkingSample]]) -> bool:
    """Whether nothing that was purged is left in it."""
    name, samples = pack
    if not samples:
        return packs.remove(name, journals.confirm)
    spans = sorted({(sample.offset, sample.bytes) for sample in samples})
    file = packs.file(name)
    if sum(size for _, size in spans) >= file.size:
        return True  # somebody has sent the very same bytes again
    new = copied(packs, ((file, offset, size) for offset, size in spans))
    try:
        moves = list(_moves(samples, new, spans))
        journals.append("".join(move_line(key, old, to) for key, old, to in moves).encode())
        for key, old, to in moves:
            state.move(key, (old.object, old.offset), (to.object, to.offset))
    finally:
        packs.unpin(new)
    return packs.remove(name, journals.confirm)


def _moves(
    samples: Iterable[WorkingSample], new: str, spans: list[tuple[int, int]]
) -> Iterator[tuple[str, Place, Place]]:
    """(key, where its content was, where it is)."""
    places, at = {}, 0
    for span in spans:
        places[span] = at
        at += span[1]
    for sample in samples:
        old = Place(sample.object, sample.offset, sample.bytes)
        yield sample.key, old, Place(new, places[sample.offset, sample.bytes], sample.bytes)


def is_worthwhile(lines: int, useful: int, samples: int) -> bool:
    """Whether the journals should be put together: more than half of their lines count for nothing."""
    return lines > 2 * max(useful, samples) + SLACK


def compacted(folder: Folder, chain: Chain, start: tuple[str, int] | None, state: State) -> Iterator[list[bytes]]:
    """Batches of the lines that still count: of each sample that is there, and the last removal of each that is not."""
    everything = Wanted(0, 1 << 62, state.revision)
    gone: dict[str, int] = {}
    for line in _each(feed(folder, chain.parts, start, everything)):
        if _is_removal(line):
            body = parse_line(line)
            gone[body["key"]] = body["seq"]
    batch: list[bytes] = []
    for line in _each(feed(folder, chain.parts, start, everything)):
        kept = _kept(line, state, gone)
        if kept:
            batch.append(kept)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _each(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from piece.splitlines(keepends=True)


def _is_removal(line: bytes) -> bool:
    return b'"op":"remove"' in line and parse_line(line)["op"] == "remove"


def _kept(line: bytes, state: State, gone: dict[str, int]) -> bytes:
    """The line, as it is to stand; b"" when it counts no more."""
    body = parse_line(line)
    key, seq = body["key"], body["seq"]
    present = state.get(key)
    if body["op"] == "remove":
        if present is not None or gone[key] != seq:
            return b""
        purged = body.get("object", "") if body.get("object") in state.due else ""
        return remove_line(key, seq, (quoted(body["by"]), body["time"]), purged).encode()
    if present is None or present.seq != seq:
        return b""
    if (present.object, present.offset) == (body["object"], body["offset"]):
        return line
    body |= {"object": present.object, "offset": present.offset}
    return (canonical_json(body) + "\n").encode()
