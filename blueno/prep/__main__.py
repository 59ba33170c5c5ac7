"""`python -m blueno.prep prepare` and `python -m blueno.prep erase`: what a pod of ours runs. See blueno/names.py."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from blueno.errors import InvalidSpec
from blueno.names import TERMINATION_LOG
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure, Stopped, from_error
from blueno.resources.outcome import PERMANENT_EXIT_CODE, Outcome

log = logging.getLogger("blueno.prep")


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, PERMANENT_EXIT_CODE when trying again cannot help, 1 when it may, 2 for wrong arguments."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    if len(arguments) != 1 or arguments[0] not in ("prepare", "erase"):
        sys.stderr.write("usage: python -m blueno.prep prepare|erase\n")
        return 2
    try:
        config = PrepConfig.from_env(os.environ)
    except InvalidSpec as error:
        failed = Outcome(sealed=False, code="InvalidSpec", message=str(error), permanent=True)
        return _tell(Path(TERMINATION_LOG), failed)
    return run(arguments[0], config)


def run(verb: str, config: PrepConfig) -> int:
    """`main` with settings that were read already."""
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _stop)
    try:
        outcome = _erase(config) if verb == "erase" else _prepare(config)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on there is only the outcome left to tell
    except Stopped:
        outcome = Outcome(sealed=False, code="PrepFailed", message="stopped by SIGTERM")
    if outcome is None:
        log.info("%s is erased", config.root)
        return 0
    return _tell(config.termination_log, outcome)


def _prepare(config: PrepConfig) -> Outcome:
    from blueno.prep.prepare import prepare

    return prepare(config)


def _erase(config: PrepConfig) -> Outcome | None:
    from blueno.prep.erase import erase

    try:
        erase(config)
    except (PrepFailure, OSError) as error:
        failure = from_error(error, config.root)
        return Outcome(
            sealed=False, code=failure.code, message=str(failure), permanent=failure.permanent, owner=failure.owner
        )
    return None


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def _tell(termination_log: Path, outcome: Outcome) -> int:
    if outcome.sealed:
        log.info("sealed %s, version %d, %d samples", outcome.digest[:16], outcome.sequence, outcome.samples)
    elif outcome.opened:
        log.info("the volume is ready for samples")
    else:
        log.error("%s: %s", outcome.code, outcome.message)
    try:
        termination_log.write_text(outcome.to_json())
    except OSError as error:
        log.warning("the termination message cannot be written: %s", error)  # the sealed manifest is the truth
    if outcome.done:
        return 0
    return PERMANENT_EXIT_CODE if outcome.permanent else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
