"""`python -m blueno.dataserver`: what a data server's pod runs. See blueno/names.py for its variables."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from blueno.dataserver.app import make_app
from blueno.dataserver.config import ServerConfig
from blueno.dataserver.listen import listen
from blueno.errors import InvalidSpec
from blueno.memory import give_back_early
from blueno.names import DATA_PORT

log = logging.getLogger("blueno.dataserver")


async def serve(config: ServerConfig, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = await listen(make_app(config), None, port, config.limits)
    log.info("serving %s on port %d", config.root, listener.port)
    await stop.wait()
    await listener.close()


def main() -> int:
    """Exit code: 0 when asked to stop, 2 for wrong settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    try:
        config = ServerConfig.from_env(os.environ)
    except InvalidSpec as error:
        log.error("%s", error)
        return 2
    give_back_early()
    asyncio.run(serve(config, DATA_PORT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
