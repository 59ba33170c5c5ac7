"""`python -m blueno.recorder`: settings in config.py."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress

from blueno.errors import InvalidSpec
from blueno.memory import give_back_early
from blueno.recorder.config import RecorderConfig
from blueno.recorder.recorder import Recorder

log = logging.getLogger("blueno.recorder")


async def serve(config: RecorderConfig) -> None:
    """Until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(Recorder(config).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> int:
    """Exit code: 0 when asked to stop, 2 for wrong settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    try:
        config = RecorderConfig.from_env(os.environ)
    except InvalidSpec as error:
        log.error("%s", error)
        return 2
    give_back_early()
    asyncio.run(serve(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
