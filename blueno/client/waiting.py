"""The error of waiting too long. Raised by runs.py and datasets.py."""

from __future__ import annotations

from blueno.errors import BluenoError


class NotInTime(BluenoError, TimeoutError):
    """It had not come to its end when the time was over; it goes on."""
