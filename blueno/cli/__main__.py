"""Entry point of `blueno`, `kubectl-blueno` and `python -m blueno.cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from blueno.cli.app import app
    except ModuleNotFoundError as error:
        print(f"blueno: the command line needs {error.name}: pip install 'blueno[client]'", file=sys.stderr)
        sys.exit(1)
    app(prog_name="blueno")


if __name__ == "__main__":
    main()
