"""`python -m blueno.ingest`: what an ingest pod runs. See blueno/names.py for what it is told."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from blueno.errors import InvalidSpec
from blueno.ingest.config import IngestConfig
from blueno.names import TERMINATION_LOG
from blueno.resources.outcome import PERMANENT_EXIT_CODE

log = logging.getLogger("blueno.ingest")


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 nothing is left, 1 another try may help, PERMANENT_EXIT_CODE for settings that make no sense."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    if arguments:
        sys.stderr.write("usage: python -m blueno.ingest\n")
        return 2
    try:
        config = IngestConfig.from_env(os.environ)
    except InvalidSpec as error:
        log.error("%s", error)
        _tell(TERMINATION_LOG, 0, str(error))
        return PERMANENT_EXIT_CODE
    return run(config)


def run(config: IngestConfig) -> int:
    """`main` with settings that were read already."""
    from blueno.ingest.lanes import run as run_lanes

    stop = threading.Event()

    def stopped(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, stopped)
    tally = run_lanes(config, stop)
    log.info("%d Samples are done, %d are to be tried again", tally.settled, tally.failed)
    _tell(str(config.termination_log), tally.settled, "; ".join(tally.trouble)[:1000])
    return 1 if tally.trouble or stop.is_set() else 0


def _tell(path: str, settled: int, message: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123  # a device in a pod
            file.write(json.dumps({"settled": settled, "message": message}))
    except OSError as error:
        log.warning("the termination message cannot be written: %s", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
