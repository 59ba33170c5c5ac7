"""Reads a run's log piece by piece, to its end or for as long as it grows. Called by runs.py; calls the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from blueno.client.driving import Transport
from blueno.client.reading import Fields
from blueno.client.values import Part
from blueno.errors import BluenoError

PIECE = 256 * 1024  # bytes asked for at once
PAUSE = 1.0  # seconds between looks at a log that grows

Ask = Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Piece:
    """One answer: `first` and `next` are byte offsets in the log of this pod."""

    parts: tuple[Part, ...]
    attempt: int | None
    pod: str | None
    text: str
    first: int
    next: int
    complete: bool

    @classmethod
    def parse(cls, value: Any) -> Piece:
        """From JSON. Raises BluenoError."""
        fields = Fields(value, "logs")
        return cls(
            parts=tuple(Part.parse(part) for part in fields.each("parts")),
            attempt=fields.whole_or_none("attempt"),
            pod=fields.text_or_none("pod"),
            text=fields.text("text", ""),
            first=fields.whole("first", 0),
            next=fields.whole("next", 0),
            complete=fields.truth("complete"),
        )


@dataclass(frozen=True)
class Wanted:
    """`after`: byte to begin with, None for the newest 64 KiB. attempt None: the latest, and those that follow."""

    attempt: int | None
    pod: str | None
    after: int | None
    follow: bool


async def read(
    transport: Transport, ask: Ask, ended: Callable[[], Awaitable[bool]], wanted: Wanted
) -> AsyncIterator[str]:
    """Pieces of text. With `follow` until the run has ended; a gap in what was kept is said in its place.

    Raises BluenoError, also for a server that sends the same place again and again.
    """
    place, over = wanted, False
    while True:
        piece = Piece.parse(await ask(_query(place)))
        if place.after is not None and piece.text:
            if piece.next <= place.after:
                raise BluenoError("the server repeats a part of the log instead of going on: this is a fault of its")
            if piece.first > place.after:
                yield f"\n[… {piece.first - place.after} bytes were not kept …]\n"
        if piece.text:
            yield piece.text
        if piece.text and not piece.complete:
            over = False
        elif (later := _later(piece, wanted)) is not None:
            yield f"\n[… attempt {later.attempt}, pod {later.pod} …]\n"
            place, over = replace(wanted, attempt=later.attempt, pod=later.pod, after=0), False
            continue
        elif not wanted.follow or over:
            return
        else:
            # One more look after the end, for what was written between the two answers.
            over = await ended()
            if not over:
                await transport.pause(PAUSE)
        if piece.attempt is not None:
            pod = piece.pod if piece.pod is not None else place.pod
            place = replace(place, attempt=piece.attempt, pod=pod, after=max(piece.next, place.after or 0))


def _later(piece: Piece, wanted: Wanted) -> Part | None:
    """The log to go on with when following: the pod that began next, unless a pod or attempt was asked for.

    A pod of the same attempt only after the end of this one: pods that train together write at the same time. One of a
    later attempt at once, since the log of a lost node never ends.
    """
    if not wanted.follow or wanted.pod is not None or piece.attempt is None:
        return None
    here = [number for number, part in enumerate(piece.parts) if (part.attempt, part.pod) == (piece.attempt, piece.pod)]
    for part in piece.parts[here[0] + 1 :] if here else ():
        if part.attempt == piece.attempt and not piece.complete:
            continue
        if wanted.attempt in (None, part.attempt):
            return part
    return None


def _query(place: Wanted) -> dict[str, Any]:
    # Without `limit` the server decides how much of the newest it sends.
    limit = None if place.after is None else PIECE
    return {"attempt": place.attempt, "pod": place.pod, "after": place.after, "limit": limit}
