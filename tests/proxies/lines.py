"""What becomes of a watch's lines: dropped, repeated, in another order, held up, ended. For tests/proxies/api.py."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from enum import Enum

from tests.proxies.rules import Call, EndStream, Freeze, Garble, Rule, StreamError


@dataclass
class Garbler:
    """What becomes of the lines of one connection. The same seed and the same lines come to the same end."""

    fault: Garble
    connection: str  # which one: each has dice of its own
    disturbed: int = 0
    _held: bytes = b""
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.fault.seed} {self.connection}")

    def pass_on(self, line: bytes) -> list[bytes]:
        """What the client gets when this line has come. Bookmarks are never touched and bring what was held back."""
        held, self._held = self._held, b""
        after = [held] if held else []
        if is_bookmark(line):
            return [*after, line]
        chance, fault = self._dice.random(), self.fault
        if chance >= fault.drop + fault.repeat + fault.swap:
            return [line, *after]
        self.disturbed += 1
        if chance < fault.drop:
            return after
        if chance < fault.drop + fault.repeat:
            return [line, *after, line]
        self._held = line
        return after


def is_bookmark(line: bytes) -> bool:
    """Whether a line only says how far the watch has come."""
    return bool(json.loads(line)["type"] == "BOOKMARK")


def error_line(code: int) -> bytes:
    """What an API server says in a stream that goes wrong."""
    reason = {410: "Expired", 500: "InternalError"}.get(code, "")
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return json.dumps({"type": "ERROR", "object": {**status, "message": "broken by the test"}}).encode() + b"\n"


class Then(Enum):
    """How a watch goes on after a line."""

    ON = "on"
    END = "end"  # as the server ends it
    CUT = "cut"  # as a cable does


@dataclass
class WatchPipe:
    """One watch on its way through the proxy."""

    call: Call
    rules: list[Rule]  # the proxy's own list: rules may come and go while the watch is open
    number: int  # of the connection
    _garblers: dict[int, Garbler] = field(default_factory=dict)

    async def pass_on(self, line: bytes) -> tuple[list[bytes], Then]:
        """What the client gets in place of this line, and how the watch goes on."""
        lines = [line]
        for rule in self.rules:
            match rule.fault:
                case Garble() if rule.is_for(self.call):
                    lines = self._garbled(rule, rule.fault, lines)
                case Freeze() if rule.takes(self.call):
                    await rule.healed.wait()
                case StreamError(code) if rule.takes(self.call):
                    return [error_line(code)], Then.END
                case EndStream() if rule.takes(self.call):
                    return [], Then.CUT
        return lines, Then.ON

    def _garbled(self, rule: Rule, fault: Garble, lines: list[bytes]) -> list[bytes]:
        garbler = self._garblers.setdefault(id(rule), Garbler(fault, f"{self.call.kind} {self.number}"))
        before = garbler.disturbed
        after = [new for old in lines for new in garbler.pass_on(old)]
        if garbler.disturbed > before:
            rule.fire(f"a line of {self.call.kind}")
        return after
