"""The sources a data set can be read from. To add one: write a file here, add a line to SOURCES.

Called by blueno/prep/prepare.py. A source is a function (its part of the spec, Context) → Reading.
"""

from __future__ import annotations

import importlib

from blueno.errors import InvalidSpec
from blueno.prep.samples import Context, Reading

SOURCES = {  # name in the spec → module with a function `read`; imported when it is used
    "archive": "blueno.prep.sources.archive",
    "claim": "blueno.prep.sources.claim",
    "tfds": "blueno.prep.sources.tfds",
    "upload": "blueno.prep.sources.upload",
}


def open_source(context: Context) -> Reading:
    """Opens the source of `context.work`. Raises InvalidSpec, PrepFailure."""
    source = context.work.source
    if len(source) != 1:
        raise InvalidSpec(
            "spec.source", f"exactly one of {', '.join(SOURCES)} is needed, not {', '.join(source) or 'none'}"
        )
    name, spec = next(iter(source.items()))
    if name not in SOURCES:
        raise InvalidSpec("spec.source", f"{name!r} is none of {', '.join(SOURCES)}")
    reading: Reading = importlib.import_module(SOURCES[name]).read(spec, context)
    return reading
