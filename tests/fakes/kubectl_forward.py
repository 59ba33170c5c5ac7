"""A stand-in for `kubectl port-forward`, for machines that have no cluster: in kubectl's own words.

Run as a program by tests/unit/client/test_kube.py: passes connections on to $FAKE_WEB, notes its arguments in
$FAKE_LOG, and ends when the file $FAKE_END is there.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from pathlib import Path


def main() -> int:
    """Forwards until it is told to end."""
    with Path(os.environ["FAKE_LOG"]).open("a") as log:
        log.write(" ".join(sys.argv[1:]) + "\n")
    if refusal := os.environ.get("FAKE_REFUSAL"):
        sys.stderr.write(f"{refusal}\n")
        return 1
    local, _, _ = sys.argv[-1].partition(":")
    listener = socket.create_server(("127.0.0.1", int(local or 0)))
    print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> 8080", flush=True)
    host, _, port = os.environ["FAKE_WEB"].removeprefix("http://").partition(":")
    end = Path(os.environ["FAKE_END"])
    pairs: dict[socket.socket, socket.socket] = {}
    while not end.exists():
        for ready in select.select([listener, *pairs], [], [], 0.05)[0]:
            if ready is listener:
                near, far = listener.accept()[0], socket.create_connection((host, int(port)))
                pairs |= {near: far, far: near}
            elif ready in pairs and (block := ready.recv(65536)):
                pairs[ready].sendall(block)
            elif ready in pairs:
                other = pairs.pop(ready)
                del pairs[other]
                ready.close()
                other.close()
    end.unlink()
    sys.stderr.write("error: lost connection to pod\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
