"""Counts what became of samples, and reads the server's answer to a bundle. Called by upload.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from blueno.client.bundles import Bundle, Known, Skipped, etag_of
from blueno.client.reading import Fields
from blueno.client.sample_values import Refused, Uploaded
from blueno.client.words import plain
from blueno.errors import BluenoError

DAMAGED = "digest_mismatch"
_THERE = ("conflict", "precondition_failed")


class Tally:
    """Numbers that grow. `refused` is told each refused sample; the first `kept` of them are kept."""

    def __init__(self, refused: Callable[[Refused], object] | None = None, kept: int | None = None) -> None:
        self._tell, self._kept = refused, kept
        self.created = self.same = self.replaced = self.skipped = self.bytes = self.revision = 0
        self.large_bytes = 0  # of contents whose bytes were told one by one
        self.refused = 0
        self.first_refused: list[Refused] = []

    @property
    def damaged(self) -> list[Refused]:
        """Whose bytes were not what they were when they arrived: worth sending again."""
        return [one for one in self.first_refused if one.code == DAMAGED]

    def add_known(self, known: Known) -> None:
        """What was decided here."""
        if isinstance(known, Skipped):
            self.same += known.samples
            self.skipped += known.samples
            self.bytes += known.bytes
        else:
            self._refuse(known)

    def take(self, answer: Tally, size: int, without: Sequence[Refused] = ()) -> None:
        """A bundle's answer, `size` bytes of contents; `without` those that are sent again."""
        left_out = {id(one) for one in without}
        self.created += answer.created
        self.same += answer.same
        self.replaced += answer.replaced
        self.bytes += size
        self.revision = max(self.revision, answer.revision)
        for one in answer.first_refused:
            if id(one) not in left_out:
                self._refuse(one)

    def add(self, other: Tally) -> None:
        """Everything of another one."""
        self.take(other, other.bytes)
        self.skipped += other.skipped
        self.large_bytes += other.large_bytes

    def result(self) -> Uploaded:
        """As a value."""
        return Uploaded(
            created=self.created,
            same=self.same,
            replaced=self.replaced,
            skipped=self.skipped,
            refused=self.refused,
            first_refused=tuple(self.first_refused),
            bytes=self.bytes,
            revision=self.revision,
        )

    def _refuse(self, one: Refused) -> None:
        self.refused += 1
        if self._tell is not None:
            self._tell(one)
        if self._kept is None or len(self.first_refused) < self._kept:
            self.first_refused.append(one)


def read_result(body: Any, bundle: Bundle) -> Tally:
    """The answer to a bundle. Raises BluenoError when it does not add up."""
    fields = Fields(body, "answer")
    tally = Tally()
    tally.created, tally.same = fields.whole("created"), fields.whole("same")
    tally.replaced, tally.revision = fields.whole("replaced"), fields.whole("revision", 0)
    etags: dict[str, str] = {}
    for one in fields.each("refused"):
        refused = Refused(
            one.text("key"), plain(one.text("code"), 64), plain(one.text("detail", "")), one.text_or_none("etag")
        )
        if refused.code in _THERE and refused.etag is not None:
            # An answer may be lost and its bundle sent again: what it replaced then is what it asked for.
            etags = etags or {entry.key: etag_of(entry) for entry, _ in bundle.entries}
            if etags.get(refused.key) == refused.etag:
                tally.same += 1
                continue
        tally.first_refused.append(refused)
    told = tally.created + tally.same + tally.replaced + len(tally.first_refused)
    if told != len(bundle.entries) or min(tally.created, tally.same, tally.replaced) < 0:
        raise BluenoError(
            f"the server's answer does not add up: {len(bundle.entries)} samples were sent and it tells of {told}; run "
            "it again, what is there is not sent twice"
        )
    return tally
