"""`blueno completion`, and what its scripts ask: `blueno __complete WORD…`. Called by __main__.py; in app.py's tree.

An answer is a line for each word that could stand there: the word, a tab, what it means. The last WORD is the one that
is being typed, so it may be empty. For kubectl (1.26 and later) the program kubectl_complete-blueno gives the same with
the line `:4` behind it: no file names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from blueno.cli import shell, spoken


class Shell(StrEnum):
    """For which."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    KUBECTL = "kubectl"


SCRIPTS = {
    Shell.BASH: """\
_blueno() {
  local IFS=$'\\n' line
  COMPREPLY=()
  for line in $(blueno __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    COMPREPLY+=("${line%%$'\\t'*}")
  done
}
complete -o default -o nosort -F _blueno blueno 2>/dev/null || complete -o default -F _blueno blueno
""",
    Shell.ZSH: """\
#compdef blueno
_blueno() {
  local -a found
  local line
  for line in ${(f)"$(blueno __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)"}; do
    found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
  done
  if (( ${#found} )); then _describe -V blueno found; else _files; fi
}
if [ "$funcstack[1]" = "_blueno" ]; then _blueno "$@"; else compdef _blueno blueno; fi
""",
    Shell.FISH: """\
function __blueno_complete
  set -l words (commandline -opc) (commandline -ct)
  blueno __complete $words[2..-1] 2>/dev/null
end
complete -c blueno -e
complete -c blueno -a '(__blueno_complete)'
""",
    Shell.KUBECTL: """\
#!/bin/sh
# Save this as kubectl_complete-blueno, executable, in a directory of your PATH.
kubectl-blueno __complete "$@" && echo :4
""",
}


@shell.command
def completion(
    which: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh, fish or kubectl.", show_default=False)],
) -> None:
    """Print a script by which your shell completes commands and names.

    In ~/.bashrc: source <(blueno completion bash). In ~/.zshrc, after compinit: source <(blueno completion zsh). For
    fish: blueno completion fish > ~/.config/fish/completions/blueno.fish. For `kubectl blueno`: save what `blueno
    completion kubectl` prints as kubectl_complete-blueno in your PATH, and make it executable.
    """
    shell.out(SCRIPTS[which].rstrip("\n"))


def answer(words: Sequence[str]) -> int:
    """Prints what the last of `words` may become; what was typed wrong before it has no answer, and is no error."""
    *before, incomplete = words or [""]
    try:
        for value, meaning in _possible(before, incomplete):
            sys.stdout.write(f"{value}\t{meaning}\n" if meaning else f"{value}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _possible(before: Sequence[str], incomplete: str) -> list[tuple[str, str]]:
    from blueno.cli.app import app

    root: Any = typer.main.get_command(app)
    found = _completer()(root, {}, "blueno", "_BLUENO_COMPLETE").get_completions(list(before), incomplete)
    return [
        (item.value, spoken.as_called(" ".join((item.help or "").split()))) for item in found if item.type == "plain"
    ]


def _completer() -> Any:
    """What typer finds completions with: its own copy of click's, or click's before it had one."""
    try:
        from typer._click import shell_completion
    except ImportError:
        from click import shell_completion  # type: ignore[no-redef]

    class Completer(shell_completion.ShellComplete):
        """Only `get_completions` is used: words come in and go out by our own rules."""

        def source_vars(self) -> dict[str, Any]:
            """Not used."""
            return {}

        def get_completion_args(self) -> tuple[list[str], str]:
            """Not used."""
            return [], ""

        def format_completion(self, item: Any) -> str:
            """Not used."""
            return str(item.value)

    return Completer
