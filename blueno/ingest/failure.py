"""Why a sample, a manifest or the whole pod did not come to its end. Raised throughout blueno/ingest."""

from __future__ import annotations

from blueno.errors import BluenoError
from blueno.resources.ingest import ENDS
from blueno.resources.sample_reasons import SampleReason as Reason


class Failed(BluenoError):
    """One sample or one manifest. `reason` is a key of ENDS; `code` is what status.rejected says of it."""

    def __init__(self, reason: Reason, message: str, code: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code or str(reason)

    @property
    def permanent(self) -> bool:
        return ENDS[self.reason]


class Changed(Failed):
    """A file of the volume is not what it was when it was hashed: this sample's own trouble, whoever comes upon it."""

    def __init__(self) -> None:
        text = "the file changed while it was read: write it under another name, then rename it; it is tried again"
        super().__init__(Reason.SOURCE_UNAVAILABLE, text)


class Dismissed(BluenoError):
    """The operator says that this pod has nothing to do here any more."""


class Stale(BluenoError):
    """The Sample that is being worked on was changed or deleted meanwhile: what has been begun is left as it is."""


class Stopped(BaseException):
    """SIGTERM arrived. Not an Exception: nothing that handles errors may swallow it."""
