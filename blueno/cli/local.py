"""`blueno run local FILE` and `blueno run --local FILE`. Registered by app.py; calls blueno/local_run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import shell
from blueno.cli.options import File, Set
from blueno.errors import BluenoError

if TYPE_CHECKING:
    from blueno.resources.run_parts import Keeping

RUNS = "runs"  # below the directory that blueno is started in


@shell.command
def local(
    file: File,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", metavar="NAME=PATH", help="Where a copy of a data set lies.", show_default=False),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="Hand over a variable of your shell.", show_default=False),
    ] = None,
    parameters: Set = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name: a run of its own.")] = None,
    start_over: Annotated[bool, typer.Option("--start-over", help="Not from the last checkpoint.")] = False,
) -> int:
    """Run the same YAML as a process on this machine; no container is started.

    It writes below ./runs/NAME and goes on from its last checkpoint there. Ctrl-C sends SIGTERM and waits for
    spec.terminationGracePeriodSeconds. Ends with the program's exit code, or 125 when it was not started.
    """
    from blueno.client import specfile

    datasets = shell.pairs(dataset or (), "--dataset NAME=PATH")
    chosen = shell.pairs(parameters or (), "--set KEY=VALUE")
    try:
        source = specfile.read(file).changed(name, chosen)
        beside = Path.cwd() if file == "-" else Path(file).resolve().parent
        return _run(source.body(), beside, datasets, tuple(env or ()), start_over)
    except BluenoError as error:
        shell.say(f"blueno: {error}")
        return shell.Exit.LOCAL


def spelled_out(arguments: list[str]) -> list[str]:
    """What follows `run`, with `--local FILE` as `local FILE`. Called by lazy.py."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    first_is_option = bool(arguments) and arguments[0].startswith("-")
    if first_is_option and any(text == "--local" or text.startswith("--local=") for text in before):
        rest = [text.removeprefix("--local=") for text in arguments if text != "--local"]
        return ["local", *rest]
    return arguments


def _run(
    body: Mapping[str, Any], beside: Path, datasets: Mapping[str, str], env: tuple[str, ...], start_over: bool
) -> int:
    from blueno.local_run import folder, plan, process

    variables, spec = shell.variables(), body["spec"]
    run = plan.parse(body)
    found = plan.find_datasets(run, datasets, variables)
    # Once without the directory: what is refused leaves nothing behind.
    own = Path.cwd() / RUNS / run.name
    plan.make(run, spec, plan.Places(beside, own, found, own, None, 1), variables, env)
    with folder.attempt(Path.cwd() / RUNS, run.name, spec, start_over=start_over) as attempt:
        resume = _resume(attempt.folder, run.keeping)
        checkpoints = attempt.checkpoints(run.keeping.resume)
        checkpoints.mkdir(exist_ok=True)
        places = plan.Places(beside, attempt.folder, found, checkpoints, resume, attempt.number)
        made = plan.make(run, spec, places, variables, env)
        for note in made.notes:
            shell.say(f"# {note}")
        begins = f", from {resume.name}" if resume is not None else ""
        shell.say(f"# {run.name}, attempt {attempt.number}{begins}: writes to {attempt.folder}")
        code = process.run(made, attempt.lock, shell.say)
        shell.say(f"# {run.name}: " + ("done" if code == 0 else f"ended with exit code {code}"))
        return code


def _resume(own: Path, keeping: Keeping) -> Path | None:
    """As spec.checkpoint says: its own newest, never, or another local run's for the first attempt."""
    from blueno.local_run import folder

    if keeping.resume == "Never":
        return None
    found = folder.resume_from(own)
    if found is None and keeping.resume_from:
        other = own.parent / Path(keeping.resume_from).name
        found = folder.resume_from(other)
        if found is None:
            raise BluenoError(f"spec.checkpoint.from: {other} has no checkpoint: run that one first")
    return found
