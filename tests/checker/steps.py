"""What a process did to a volume, as far as a power cut would show it. Recorded by recorder.py, judged by judge/.

A file is durable as it was when it was last fsynced, a directory's names as they were when it was last fsynced. Nodes
are told apart by their inode, so that a rename or a hard link of something durable is durable but for its name. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """A file with the sum of its bytes, or a directory with what lies in it."""

    inode: int
    content: str = ""  # of a file
    entries: Mapping[str, Node] | None = None  # of a directory
    text: str = ""  # of a pointer

    @property
    def state(self) -> object:
        """What an fsync makes durable."""
        return self.content if self.entries is None else {name: node.inode for name, node in self.entries.items()}

    def at(self, path: str) -> Node | None:
        """What lies at a path below it."""
        node: Node | None = self
        for part in path.split("/") if path else ():
            node = (node.entries or {}).get(part) if node is not None else None
        return node

    def walk(self) -> Iterator[Node]:
        """Itself and everything below."""
        yield self
        for node in (self.entries or {}).values():
            yield from node.walk()


@dataclass(frozen=True)
class Synced:
    """An fsync that succeeded: of a directory, its names only."""

    path: str
    node: Node


@dataclass(frozen=True)
class Named:
    """A rename or a link has given something its name. `volume` is the whole volume a moment later."""

    path: str
    volume: Node


@dataclass(frozen=True)
class Told:
    """An attempt has said that its work is sealed."""

    root: str
    work: str
    volume: Node


@dataclass(frozen=True)
class Trace:
    """`begin`: the volume as it was, all of it durable."""

    begin: Node
    steps: tuple[Synced | Named | Told, ...] = field(default=())
