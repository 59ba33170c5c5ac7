"""A stand-in for kubectl, for machines that have none: raw GET and DELETE to $FAKE_API, in kubectl's own words.

Run as a program by tests/unit/cli/test_storage.py, which runs the real one, too, where there is one.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request

VERBS = {"get": "GET", "delete": "DELETE"}


def main() -> int:
    """Answers like kubectl."""
    given = [word for word in sys.argv[1:] if not word.startswith(("--request-timeout", "--context", "--kubeconfig"))]
    verb, flag, path, *rest = given
    assert flag == "--raw", given
    assert rest == ([] if verb == "get" else ["-f", "-"]), given
    body = sys.stdin.read().encode() if rest else None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["FAKE_API"] + path, body, headers, method=VERBS[verb])
    try:
        with urllib.request.urlopen(request) as answer:
            sys.stdout.write(answer.read().decode())
    except urllib.error.HTTPError as error:
        status = json.loads(error.read() or b"{}")
        sys.stderr.write(f"Error from server ({status.get('reason')}): {status.get('message')}\n")
        return 1
    except OSError:
        sys.stderr.write("Unable to connect to the server: connection refused\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
