"""What becomes of each sample that is sent: taken, the same as before, or refused with a code. Pure.

Called by working_receive.py (what a line says) and working_set.py (against what is there).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSampleCode
from blueno.data.bundle import unknown_fields
from blueno.data.digest import canonical_json
from blueno.data.journal import Place, Record, record_fields
from blueno.data.working import (
    ETAG_DIGITS,
    GROUP_CHARACTERS,
    LABEL_BYTES,
    METADATA_BYTES,
    SPLIT_CHARACTERS,
    WorkingSample,
    wrong_key,
    wrong_text,
)

Verdict = Literal["created", "same", "replaced", "refused"]

CONFLICT: Final = "conflict"
PRECONDITION_FAILED: Final = "precondition_failed"
DIGEST_MISMATCH: Final = "digest_mismatch"
INVALID: Final = "invalid"
TOO_LARGE: Final = "too_large"

_HEX64 = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(rf"[0-9a-f]{{{ETAG_DIGITS}}}")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_STRANGE = re.compile(r"[\ud800-\udfff]|(?<!\\)(?:\\\\)*\\u0000")  # in JSON: what no database can hold
_KEY = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,1024}")
_SHARED = 4096
_PLAIN = frozenset((str, int, type(None)))  # of what a record is known again by: no two of them are equal across types
_RECORD = frozenset(("key", "bytes", "split", "label", "group", "metadata"))
_SUMMED = _RECORD | {"sha256"}  # nearly all lines say no more


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a sample was not taken. `etag`: of the one that is there."""

    code: str
    detail: str
    etag: str = ""


@dataclass(slots=True)
class Candidate:
    """A sample that was sent. `place` is known once its content lies in a pack, `verdict` once it was judged."""

    key: str
    size: int
    sha256: str  # as it was announced, later as it is
    record: Record
    fields: tuple[str, str, str]  # of its line in the journal
    replace: bool = False
    if_match: str = ""
    upload: str = ""
    by: str = ""  # "": who sends the bundle
    refusal: Refusal | None = None
    place: Place | None = None
    verdict: Verdict | None = None
    offset: int = -1  # in the pack that is being written, when it is kept there

    def refuse(self, code: str, detail: str) -> None:
        """The first reason stays."""
        if self.refusal is None:
            self.refusal = Refusal(code, detail)


@dataclass
class Reader:
    """Lines of a head → candidates. What many lines say alike is looked at once. `authors`: a line may say `by`."""

    authors: bool = False

    _known: dict[tuple[Any, Any, Any], tuple[Record, tuple[str, str, str], str]] = field(default_factory=dict)

    def read(self, body: Mapping[str, Any]) -> Candidate:
        """Of a line that has a text `key` and a size `bytes`; a wrong one is refused already."""
        get = body.get
        record, fields, wrong = self._record(get("split"), get("label"), get("group"), get("metadata"))
        found = Candidate(body["key"], body["bytes"], "", record, fields)
        if not _RECORD.issuperset(body):
            # Looked at in any case: whether a content comes with the line depends on it.
            options = _sum(found, body["sha256"]) if _SUMMED.issuperset(body) else self._options(found, body)
            wrong = wrong or options
        if not _KEY.fullmatch(found.key):
            wrong = wrong_key(found.key)
        if found.size > MAX_SAMPLE_BYTES:
            found.refuse(TOO_LARGE, f"{found.size} bytes: a sample has at most {MAX_SAMPLE_BYTES}")
        if not found.size:
            wrong = wrong or f"it has no bytes ({BadSampleCode.EMPTY.value})"
        if wrong:
            found.refuse(INVALID, wrong)
        return found

    def _options(self, found: Candidate, body: Mapping[str, Any]) -> str:
        """What is wrong with the rest of a line."""
        replace, if_match, upload = body.get("replace"), body.get("ifMatch"), body.get("upload")
        if upload is not None:
            found.upload = str(upload)  # whatever it is, no content comes with the line
            if type(upload) is not str or not _UPLOAD.fullmatch(upload):
                return "upload must be the id of an upload"
        if strange := unknown_fields(body):
            return f"there is no field {strange[0]!r}"
        if wrong := _sum(found, body.get("sha256")):
            return wrong
        if replace is not None:
            if type(replace) is not bool:
                return "replace must be true or false"
            found.replace = replace
        if if_match is not None:
            if type(if_match) is not str or not _ETAG.fullmatch(if_match):
                return "ifMatch must be the etag of a sample"
            found.if_match = if_match
        return self._author(found, body.get("by"))

    def _author(self, found: Candidate, by: Any) -> str:
        if by is None:
            return ""
        if not self.authors:
            return "by is not for you to say"
        if type(by) is not str or wrong_text("by", by, GROUP_CHARACTERS):
            return "by must name somebody"
        found.by = by
        return ""

    def _record(self, split: Any, label: Any, group: Any, metadata: Any) -> tuple[Record, tuple[str, str, str], str]:
        if metadata is not None or not (type(split) in _PLAIN and type(label) in _PLAIN and type(group) in _PLAIN):
            return _record(split, label, group, metadata)
        known = self._known.get((split, label, group))
        if known is None:
            known = _record(split, label, group, None)
            if len(self._known) < _SHARED:
                self._known[split, label, group] = known
        return known


def judge(candidate: Candidate, present: WorkingSample | None) -> tuple[Verdict, Refusal | None]:
    """Beside the sample of the same key that is there. Whoever is refused is told the etag of that one."""
    if candidate.refusal is not None:
        return "refused", candidate.refusal
    if present is not None and (present.sha256, present.record) == (candidate.sha256, candidate.record):
        return "same", None
    tag = "" if present is None else present.etag
    if candidate.if_match and candidate.if_match != tag:
        text = "there is no such sample" if present is None else "it was changed since: look at it again"
        return "refused", Refusal(PRECONDITION_FAILED, text, tag)
    if candidate.place is None:
        return "refused", Refusal(CONFLICT, "the sample was changed while this one came: send it again", tag)
    if present is None:
        return "created", None
    if candidate.replace or candidate.if_match:
        return "replaced", None
    what = "content" if present.sha256 != candidate.sha256 else "label, split, group or metadata"
    return "refused", Refusal(CONFLICT, f"there is a sample of this key with other {what}: ask to replace it", tag)


def is_same_already(candidate: Candidate, present: Callable[[str], WorkingSample | None]) -> bool:
    """Whether its content need not be kept: it is known to be there, or the sample is refused."""
    if candidate.refusal is not None:
        return True
    if not candidate.sha256:
        return False
    found = present(candidate.key)
    return found is not None and (found.sha256, found.record) == (candidate.sha256, candidate.record)


def _record(split: Any, label: Any, group: Any, metadata: Any) -> tuple[Record, tuple[str, str, str], str]:
    """(record, pieces of its line, what is wrong with it)."""
    record = Record()
    for name, text, most in (("split", split, SPLIT_CHARACTERS), ("group", group, GROUP_CHARACTERS)):
        if text is not None:
            wrong = f"{name} must be a text" if type(text) is not str else wrong_text(name, text, most)
            if wrong:
                return record, record_fields(record), wrong
    if metadata is not None and type(metadata) is not dict:
        return record, record_fields(record), "metadata must be an object"
    texts: list[str | None] = []
    for name, value, most in (("label", label, LABEL_BYTES), ("metadata", metadata, METADATA_BYTES)):
        written, wrong = _json(name, value, most)
        if wrong:
            return record, record_fields(record), wrong
        texts.append(written)
    record = Record(split, texts[0], group, texts[1])
    return record, record_fields(record), ""


def _sum(found: Candidate, sha256: Any) -> str:
    """What is wrong with the sum that a line announces."""
    if sha256 is None:
        return ""
    if type(sha256) is not str or not _HEX64.fullmatch(sha256):
        return "sha256 must be 64 lower-case hexadecimal digits"
    found.sha256 = sha256
    return ""


def _json(name: str, value: Any, most: int) -> tuple[str | None, str]:
    if value is None:
        return None, ""
    try:
        text = canonical_json(value)
    except (ValueError, RecursionError):
        return None, f"{name} must be JSON without NaN and infinity, and not nest too deeply"
    if _STRANGE.search(text):
        return None, f"{name} must hold neither NUL nor halves of characters"
    if len(text.encode()) > most:
        return None, f"{name} has more than {most} bytes"
    return text, ""
