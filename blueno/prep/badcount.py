"""Counts samples that were left out and decides when that is too many. Called by blueno/prep/pack.py and seal.py."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from blueno.data.badsample import BadSampleCode
from blueno.prep.failure import PrepFailure
from blueno.resources.work import PrepOptions

log = logging.getLogger("blueno.prep")

_KEPT = 100  # keys in the manifest
_LOGGED = 20


@dataclass
class BadCount:
    """Bad samples so far."""

    options: PrepOptions
    count: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, bad: Iterable[tuple[str, BadSampleCode]]) -> None:
        """Counts; judges nothing yet."""
        for key, code in bad:
            self.count += 1
            self.codes[code.value] += 1
            if len(self.first) < _KEPT:
                self.first.append((key, code.value))
            if self.count <= _LOGGED:
                log.warning("bad sample %r: %s", key, code.value)

    def check(self) -> None:
        """Raises PrepFailure TooManyBadSamples. Finished shards stay in staging: a higher limit goes on from there."""
        fail = self.options.on_bad_sample == "Fail"
        if self.count <= (0 if fail else self.options.max_bad_samples):
            return
        codes = ", ".join(f"{n} {code}" for code, n in self.codes.most_common())
        keys = "; ".join(f"{key} ({code})" for key, code in self.first[:5])
        limit = "onBadSample is Fail" if fail else f"maxBadSamples is {self.options.max_bad_samples}"
        raise PrepFailure(
            "TooManyBadSamples",
            f"{self.count} bad samples so far ({codes}), {limit}. First: {keys}. Repair the source, or allow more",
        )

    def summary(self) -> dict[str, Any]:
        """For the manifest."""
        first = [{"key": key, "code": code} for key, code in self.first]
        return {"count": self.count, "byCode": dict(sorted(self.codes.items())), "first": first}
