"""The one error of this package: a sentence for the person who made the run."""

from __future__ import annotations

from blueno.errors import BluenoError


class SetupFailed(BluenoError):
    """What is wrong and what to do about it."""
