"""`blueno run suspend`, `resume`, `cancel` and `delete`. Registered by app.py; calls blueno/client."""

from __future__ import annotations

from blueno.cli import shell
from blueno.cli.options import Name


@shell.placed
def suspend(name: Name) -> None:
    """Stop a run, with time to write a checkpoint; `resume` lets it go on."""
    _change("suspend", name, "stops; go on with: blueno run resume")


@shell.placed
def resume(name: Name) -> None:
    """Let a suspended run go on, from its last checkpoint if it has one."""
    _change("resume", name, "goes on")


@shell.placed
def cancel(name: Name) -> None:
    """End a run for good; its log and outputs stay."""
    _change("cancel", name, "ends")


@shell.placed
def delete(name: Name) -> None:
    """Remove a run; its outputs on the claim stay."""
    place = shell.here()
    with shell.client() as client:
        client.runs.delete(name, place)
    shell.out(f"{place}/{name} is removed")


def _change(what: str, name: str, outcome: str) -> None:
    from blueno.client.words import plain

    place = shell.here()
    with shell.client() as client:
        run = getattr(client.runs, what)(name, place)
    shell.out(f"{place}/{name} {outcome}" + (f" {name} -n {place}" if outcome.endswith("resume") else ""))
    if run.managed_by:
        shell.say(f"{plain(run.managed_by, 80)} keeps this run as it is in Git and may undo this: change it there too")
