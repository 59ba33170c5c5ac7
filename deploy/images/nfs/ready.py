#!/usr/bin/env python3
"""Is /export really served? Exit code 0 when it is, else 1 and the reason on standard output.

The readiness probe of image target `nfs` (/app/nfs/ready), also used by tests: ready.py [HOST [NFS_PORT [MOUNT_PORT]]].
An open port says nothing: ganesha runs on when its export has failed. So the probe does what a client does: it asks the
MOUNT service for the export's handle and the NFS service for its attributes, by NFSv3 over TCP (RFC 1813). Standard
library only.
"""

from __future__ import annotations

import socket
import struct
import sys

EXPORT = "/export"
SECONDS = 3.0
_MOUNT, _NFS = 100005, 100003
_MNT, _UMNT, _GETATTR = 1, 3, 1
_REASONS = {1: "not permitted", 2: "no such export or directory", 5: "input/output error", 13: "permission denied",
            20: "not a directory", 70: "stale handle", 10006: "server fault"}  # fmt: skip
# AUTH_UNIX as root of no name and no groups (the export wants sec=sys), and an empty verifier.
_CREDENTIALS = struct.pack(">9I", 1, 20, 0, 0, 0, 0, 0, 0, 0)
_LARGEST = 1 << 16
_LAST = 1 << 31


class NotServed(Exception):
    """Why not, in words."""


def main(arguments: list[str]) -> int:
    """See the module."""
    given = dict(enumerate(arguments))
    host, nfs, mount = given.get(0, "127.0.0.1"), int(given.get(1, "2049")), int(given.get(2, "20048"))
    try:
        probe(host, nfs, mount)
    except NotServed as reason:
        print(reason)
        return 1
    return 0


def probe(host: str, nfs_port: int = 2049, mount_port: int = 20048, export: str = EXPORT) -> None:
    """Returns when the export is served. Raises NotServed."""
    asked = text(export.encode())
    answer = call(host, mount_port, _MOUNT, _MNT, asked)
    status, rest = number(answer)
    if status:
        raise NotServed(f"the server runs but does not export {export}: {_REASONS.get(status, f'status {status}')}")
    handle = opaque(rest)
    call(host, mount_port, _MOUNT, _UMNT, asked)
    status, _ = number(call(host, nfs_port, _NFS, _GETATTR, text(handle)))
    if status:
        raise NotServed(f"{export} is exported but cannot be read: {_REASONS.get(status, f'status {status}')}")


def call(host: str, port: int, program: int, procedure: int, arguments: bytes) -> bytes:
    """The results of one version 3 call. Raises NotServed."""
    xid = 1
    message = struct.pack(">6I", xid, 0, 2, program, 3, procedure) + _CREDENTIALS + arguments
    try:
        with socket.create_connection((host, port), SECONDS) as connection:
            connection.sendall(struct.pack(">I", len(message) | _LAST) + message)
            answer = record(connection)
    except OSError as error:
        raise NotServed(f"{host} port {port} does not answer: {error}") from error
    # xid, reply, accepted, verifier (flavour and length), accept status
    if len(answer) < 24 or struct.unpack(">3I", answer[:12]) != (xid, 1, 0):
        raise NotServed(f"{host} port {port} refused the call")
    _, length = struct.unpack(">2I", answer[12:20])
    status, results = number(answer[20 + length :])
    if status:
        raise NotServed(f"{host} port {port} refused the call: RPC status {status}")
    return results


def record(connection: socket.socket) -> bytes:
    """One answer of one or more fragments."""
    whole = b""
    while True:
        (head,) = struct.unpack(">I", exactly(connection, 4))
        if (head & ~_LAST) + len(whole) > _LARGEST:
            raise NotServed("the answer is no NFS answer")
        whole += exactly(connection, head & ~_LAST)
        if head & _LAST:
            return whole


def exactly(connection: socket.socket, count: int) -> bytes:
    """That many bytes."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise NotServed("the server closed the connection without an answer")
        data += more
    return data


def text(data: bytes) -> bytes:
    """A string or handle as XDR: its length, then padded to four bytes."""
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def number(data: bytes) -> tuple[int, bytes]:
    """The first number, and what follows."""
    if len(data) < 4:
        raise NotServed("the answer is cut short")
    return struct.unpack(">I", data[:4])[0], data[4:]


def opaque(data: bytes) -> bytes:
    """The string or handle at the start."""
    length, rest = number(data)
    return rest[:length]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
