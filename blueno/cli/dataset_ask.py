"""`blueno dataset seal`, `refresh`, `retry` and `wait`. In app.py's tree; calls blueno/client and following.py."""

from __future__ import annotations

from blueno.cli import shell
from blueno.cli.options import Dataset, Timeout, Wait


@shell.placed
def seal(name: Dataset, wait: Wait = False, timeout: Timeout = None) -> int | None:
    """Seal what was added since into a new version, which later runs get.

    With `--wait` the exit code is 7 when that fails.
    """
    return _ask("seal", name, wait, timeout)


@shell.placed
def refresh(name: Dataset, wait: Wait = False, timeout: Timeout = None) -> int | None:
    """Read the source anew into a new version; the old one stays usable meanwhile."""
    return _ask("refresh", name, wait, timeout)


@shell.placed
def retry(name: Dataset, wait: Wait = False, timeout: Timeout = None) -> int | None:
    """Try a preparation that has failed once more; what was done already is kept."""
    return _ask("retry", name, wait, timeout)


@shell.placed
def wait(name: Dataset, timeout: Timeout = None) -> int:
    """Wait until a data set can be used: 0 when it can, 7 when only a person can help."""
    from blueno.cli import following

    place = shell.here()
    with shell.client() as client:
        return following.follow(client, name, place, timeout=timeout)


def _ask(what: str, name: str, wait: bool, timeout: float | None) -> int | None:
    from blueno.cli import following

    place = shell.here()
    with shell.client() as client:
        requested = getattr(client.datasets, what)(name, place)
        if not wait:
            shell.out(f"{place}/{name}: {what} is asked for; see how it goes: blueno dataset wait {name} -n {place}")
            return None
        return following.follow(client, name, place, since=requested, timeout=timeout)
