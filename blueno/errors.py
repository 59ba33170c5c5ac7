"""The few errors that cross Blueno's layers. Raised everywhere; imports nothing."""

from __future__ import annotations


class BluenoError(Exception):
    """Base of every error of ours. Its text is meant for a person: what, why, how to fix.

    `code` is the stable word of the web process's answer, when the error comes from one.
    """

    code: str = ""


class InvalidSpec(BluenoError):
    """A person must edit the object: no retry until the spec changes.

    `field` is the JSON path of what is wrong, for example `spec.source.archive.files[0].url`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class NotFound(BluenoError):
    """The thing asked for does not exist (HTTP 404). `said` is the other side's own sentence, when it gave one."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class Conflict(BluenoError):
    """Somebody else changed or made it first (HTTP 409): look again, then retry."""


class Unavailable(BluenoError):
    """A part does not answer now (connection refused, 429, 5xx, time-out): retry with backoff.

    `retry_after` is what the other side asked for, in seconds, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(BluenoError):
    """The API server refused what it was sent (400, 403, 422): a bug of ours, a missing right, or a person's mistake.

    `said` is its own sentence, `causes` are the (path, message) of the fields that it names.
    """

    def __init__(self, message: str, status: int, said: str = "", causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.said = said or message
        self.causes = causes
