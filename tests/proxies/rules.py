"""What a proxy does to which calls: faults, the rules that say when, and their account of having fired and healed.

Used by tests/proxies/api.py and, for Account, by tests/proxies/postgres.py. Pure but for its account in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("proxies")


@dataclass(frozen=True)
class Call:
    """One request to an API server."""

    verb: str  # GET LIST WATCH POST PATCH PUT DELETE
    kind: str  # plural, with its subresource: "datasets", "datasets/status"; "" when it is about no object
    namespace: str
    name: str
    query: Mapping[str, str]
    body: Any

    def is_about(self, *needles: str) -> bool:
        """Whether its object's name, or what it asks for, holds one of these: names of children hold their owner's."""
        made = self.body.get("metadata", {}).get("name", "") if isinstance(self.body, dict) else ""
        return any(needle in text for needle in needles for text in (self.name, str(made), *self.query.values()))


def call_of(verb: str, path: str, query: Mapping[str, str], body: Any) -> Call:
    """The Call that an HTTP request is; any group, version and kind."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] != "status":
        namespace, parts = parts[1], parts[2:]
    plural, name, sub = [*parts[:3], "", "", ""][:3]
    if verb == "GET" and plural and not name:
        verb = "WATCH" if query.get("watch") in ("1", "true") else "LIST"
    return Call(verb, f"{plural}/{sub}" if sub else plural, namespace, name, query, body)


# Faults of a whole call -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The proxy answers in place of the server, which never sees the call."""

    status: int
    retry_after: int | None = None  # seconds


@dataclass(frozen=True)
class Delay:
    """The call arrives later."""

    seconds: float


@dataclass(frozen=True)
class Twice:
    """The server gets the call twice; the client is told what came of the second."""


@dataclass(frozen=True)
class CutBefore:
    """The connection breaks before the server sees the call."""


@dataclass(frozen=True)
class CutAfter:
    """The connection breaks when the server has acted and before its answer; `strike` is done at that moment."""

    strike: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Meanwhile:
    """Something else happens when the server has acted and before its answer, which comes as ever."""

    strike: Callable[[], object]


# Faults of a watch: their rules count lines, on watches that are open already, too ----------------------


@dataclass(frozen=True)
class Freeze:
    """From this line on no byte comes until the rule is healed; the connection stays open."""


@dataclass(frozen=True)
class StreamError:
    """In place of this line comes an ERROR, and the stream ends."""

    code: int


@dataclass(frozen=True)
class Garble:
    """This line and those that follow are dropped, repeated, or come after their successor, each with this chance."""

    seed: int
    drop: float = 0.1
    repeat: float = 0.1
    swap: float = 0.1


@dataclass(frozen=True)
class EndStream:
    """The connection breaks before this line."""


LINE_FAULTS = (Freeze, StreamError, Garble, EndStream)
Fault = Answer | Delay | Twice | CutBefore | CutAfter | Meanwhile | Freeze | StreamError | Garble | EndStream


@dataclass
class Account:
    """Says that a fault was set, how often it fired, and that it is over. One that never fired proves nothing."""

    name: str
    fired: int = 0
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def fire(self, what: str) -> None:
        """It has happened once more."""
        self.fired += 1
        log.info("%s: fired for the %d. time: %s", self.name, self.fired, what)

    def heal(self) -> None:
        """It will not happen again."""
        if not self.healed.is_set():
            self.healed.set()
            log.info("%s: healed after %d times", self.name, self.fired)

    def check(self) -> None:
        """Raises AssertionError when the fault never fired or is not over."""
        assert self.fired, f"{self.name}: the fault never fired: the test proves nothing"
        assert self.healed.is_set(), f"{self.name}: the fault has not healed"


@dataclass
class Rule(Account):
    """One fault for the calls that fit: from the `first` on, `times` times, or until it is healed when that is None."""

    fault: Fault = Delay(0)
    verbs: tuple[str, ...] = ()  # empty: all
    kinds: tuple[str, ...] = ()  # empty: all but discovery
    where: Callable[[Call], bool] = lambda call: True
    first: int = 1
    times: int | None = None
    seen: int = 0

    def takes(self, call: Call) -> bool:
        """Counts a call (of a line fault: a line) and says whether the fault is for this one."""
        if not self.is_for(call):
            return False
        self.seen += 1
        if self.seen < self.first:
            return False
        self.fire(f"{call.verb} {call.kind} {call.name}")
        if self.fired == self.times:
            self.heal()
        return True

    def is_for(self, call: Call) -> bool:
        """Whether the rule is in force and about such calls."""
        if self.healed.is_set() or (isinstance(self.fault, LINE_FAULTS) and call.verb != "WATCH"):
            return False
        if self.verbs and call.verb not in self.verbs:
            return False
        return (call.kind in self.kinds if self.kinds else bool(call.kind)) and self.where(call)
