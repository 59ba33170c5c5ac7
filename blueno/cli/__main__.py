"""Entry point of `blueno`, `kubectl-blueno` and `python -m blueno.cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from blueno.cli import quick, spoken

        name = spoken.called_as(sys.argv[0])
        answer = quick.answer(sys.argv[1:])
        if answer is not None:
            sys.exit(quick.say(answer))
        if sys.argv[1:2] == ["__complete"]:
            from blueno.cli import completing

            sys.exit(completing.answer(sys.argv[2:]))
        from blueno.cli.app import app
    except ModuleNotFoundError as error:
        print(f"blueno: the command line needs {error.name}: pip install 'blueno[client]'", file=sys.stderr)
        sys.exit(1)
    app(prog_name=name)


if __name__ == "__main__":
    main()
