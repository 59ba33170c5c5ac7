"""`python -m blueno.dataserver`: what a data server's pod runs. See blueno/names.py for its variables.

BLUENO_OUTPUTS_CLAIM makes it serve what training runs have written to a claim, in place of a data set.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping

from blueno.dataserver.app import make_app
from blueno.dataserver.config import OutputsConfig, ServerConfig
from blueno.dataserver.listen import listen
from blueno.dataserver.outputs_app import make_outputs_app
from blueno.errors import InvalidSpec
from blueno.memory import give_back_early
from blueno.names import DATA_PORT, ENV_OUTPUTS_CLAIM

log = logging.getLogger("blueno.dataserver")


def settings(env: Mapping[str, str]) -> ServerConfig | OutputsConfig:
    """Of what the environment asks for. Raises InvalidSpec."""
    return OutputsConfig.from_env(env) if ENV_OUTPUTS_CLAIM in env else ServerConfig.from_env(env)


async def serve(config: ServerConfig | OutputsConfig, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    app = make_outputs_app(config) if isinstance(config, OutputsConfig) else make_app(config)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = await listen(app, None, port, config.limits)
    what = config.claim if isinstance(config, OutputsConfig) else config.root
    log.info("serving %s on port %d", what, listener.port)
    await stop.wait()
    await listener.close()


def main() -> int:
    """Exit code: 0 when asked to stop, 2 for wrong settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    try:
        config = settings(os.environ)
    except InvalidSpec as error:
        log.error("%s", error)
        return 2
    give_back_early()
    asyncio.run(serve(config, DATA_PORT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
