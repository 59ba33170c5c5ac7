"""Why one sample was left out: the closed list of codes. Used by blueno/prep and written to the manifest. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

MAX_SAMPLE_BYTES: Final = 512 << 20  # encoded


class BadSampleCode(StrEnum):
    """A bad sample fails alone, with one of these codes."""

    EMPTY = "Empty"  # no bytes at all
    TOO_LARGE = "TooLarge"  # more encoded bytes than MAX_SAMPLE_BYTES
    TRUNCATED = "Truncated"  # begins well, ends too early
    UNKNOWN_FORMAT = "UnknownFormat"  # the first bytes are those of no format that is read
    CORRUPT = "Corrupt"  # the decoder refuses it
    TOO_MANY_PIXELS = "TooManyPixels"  # the header declares more than MAX_PIXELS
    TOO_COMPLEX = "TooComplex"  # decoding it would take too long or too much memory, whatever its size
    ANIMATED = "Animated"  # more than one frame
    UNSUPPORTED_DTYPE = "UnsupportedDtype"  # object, structured, text … arrays
    UNSUPPORTED_COMPRESSION = "UnsupportedCompression"  # DICOM whose pixels are compressed: its transfer syntax
    NO_PIXELS = "NoPixels"  # DICOM that holds a report, a plan, a directory …
    UNSUPPORTED_SHAPE = "UnsupportedShape"  # no elements, no dimensions or more than four; slices that make no volume
    DUPLICATE_KEY = "DuplicateKey"  # a second sample of the same key
    MISSING_LABEL = "MissingLabel"  # lies where the layout expects no samples: beside the class folders
    MISSING_FILE = "MissingFile"  # named in the labels file, not there
    NOT_A_FILE = "NotAFile"  # link, device, directory …
    UNSAFE_NAME = "UnsafeName"  # absolute, with `..`, control characters, or not UTF-8
    ENCRYPTED = "Encrypted"  # an archive member that needs a password
    BAD_CHECKSUM = "BadChecksum"  # an archive member that does not match its own sum
    SUSPICIOUS_RATIO = "SuspiciousRatio"  # an archive member that unpacks to too much
    UNREADABLE = "Unreadable"  # the file system refuses to read it


class BadSample(Exception):
    """Raised while one sample is looked at; never fails the whole by itself."""

    def __init__(self, code: BadSampleCode, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail
