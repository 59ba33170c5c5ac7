"""Contact sheets: up to 200 thumbnails as one PNG. Called by app.py.

Bytes of one small shape come straight from the shards into the grid; everything else is drawn one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blueno.data.imaging import formats
from blueno.dataserver import png
from blueno.dataserver.intensity import Window, shown
from blueno.dataserver.png import Picture
from blueno.dataserver.problems import Damaged, Problem, wrong
from blueno.dataserver.samples import Context
from blueno.dataserver.views import View, shrunk, thumbnail

MOST_ROWS = 200
SMALLEST, LARGEST = 8, 256  # pixels of a cell
_MARK_GREY, _MARK_LINE = 64, 200


@dataclass(frozen=True)
class SheetQuery:
    """`rows` in the order of the cells; no cell is larger than `cell` pixels."""

    rows: tuple[int, ...]
    cell: int
    columns: int
    window: Window | None = None


@dataclass(frozen=True)
class Sheet:
    """`bad`: cells that hold a mark because their sample could not be read."""

    png: bytes
    edge: int  # pixels of a cell
    columns: int
    bad: int


def make(context: Context, query: SheetQuery) -> Sheet:
    """Raises Problem when a row is not in the version, or the volume does not answer."""
    last = max(query.rows)
    if last >= context.version.samples:
        wrong("rows", f"{last}: this version has {context.version.samples} samples, numbered from 0")
    columns = min(query.columns, len(query.rows))
    picture = _direct(context, query, columns)
    if picture is not None:
        return Sheet(png.encode(picture), picture.shape[1] // columns, columns, 0)
    cells = [_cell(context, row, query) for row in query.rows]
    sides = [side for cell, side in cells if cell is not None]
    edge = min(query.cell, max(sides)) if sides else query.cell
    found = [cell for cell, _ in cells]
    with context.budget.reserve(8 * len(found) * edge * edge, context.job):  # the grid, and as much for its PNG
        made = png.encode(_arranged(found, edge, columns))
    return Sheet(made, edge, columns, len(found) - len(sides))


def _direct(context: Context, query: SheetQuery, columns: int) -> Picture | None:
    """The whole grid when every sample is a square of bytes no larger than a cell, else None."""
    dense = context.version.dense
    if dense is None or query.window is not None or dense.dtype.str not in ("|u1", "|b1"):
        return None
    if len(dense.shape) == 2:
        height, width, channels = *dense.shape, 1
    elif len(dense.shape) == 3 and dense.shape[2] <= 4:
        height, width, channels = dense.shape
    else:
        return None
    if height != width or height > query.cell:
        return None
    try:
        if context.version.formats & formats.KINDS:
            return None  # their files say how they are to be shown
        samples = shown(context.version.pixels(query.rows), None)
    except Damaged:
        return None  # one by one: those in the other shards can still be shown
    lines = math.ceil(len(query.rows) / columns)
    cells = np.zeros((lines * columns, height, width, channels), np.uint8)
    cells[: len(query.rows)] = samples.reshape(-1, height, width, channels)
    grid = cells.reshape(lines, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(lines * height, columns * width, channels)


def _cell(context: Context, row: int, query: SheetQuery) -> tuple[Picture | None, int]:
    """(thumbnail, longest side of the sample); (None, 0) when this one cannot be shown."""
    context.job.check()
    try:
        drawn = thumbnail(context, row, View(size=query.cell, window=query.window))
    except Problem as problem:
        if problem.status in (409, 422):
            return None, 0
        raise
    return shrunk(drawn.picture, query.cell), max(drawn.height, drawn.width)


def _arranged(cells: list[Picture | None], edge: int, columns: int) -> Picture:
    """Pictures in the middle of their cells. Alpha is there when a picture has it or leaves a part of its cell."""
    pictures = [cell for cell in cells if cell is not None]
    colour = any(p.shape[2] > 2 for p in pictures)
    alpha = any(p.shape[2] in (2, 4) or p.shape[:2] != (edge, edge) for p in pictures)
    channels = (3 if colour else 1) + (1 if alpha else 0)
    lines = math.ceil(len(cells) / columns)
    grid = np.zeros((lines, edge, columns, edge, channels), np.uint8)
    for number, cell in enumerate(cells):
        place = grid[number // columns, :, number % columns]
        picture = _mark(edge) if cell is None else cell
        height, width, has = picture.shape
        top, left = (edge - height) // 2, (edge - width) // 2
        part = place[top : top + height, left : left + width]
        plain = 1 if has < 3 else 3
        part[:, :, : channels - alpha] = picture[:, :, :plain]
        if alpha:
            part[:, :, -1] = picture[:, :, -1] if has in (2, 4) else 255
    return grid.reshape(lines * edge, columns * edge, channels)


def _mark(edge: int) -> Picture:
    """A crossed-out square: nothing that a data set would hold."""
    mark = np.full((edge, edge, 1), _MARK_GREY, np.uint8)
    diagonal = np.arange(edge)
    for shift in (0, 1):
        at = np.minimum(diagonal + shift, edge - 1)
        mark[diagonal, at] = mark[diagonal, edge - 1 - at] = _MARK_LINE
    return mark
