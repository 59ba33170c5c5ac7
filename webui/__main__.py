"""`python -m webui`: the web process. Settings: config.py."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from kubernetes.aio.config import ConfigException

from blueno.errors import BluenoError
from blueno.kube import Cluster
from webui import logs
from webui.app import running
from webui.config import WebConfig

DRAIN_SECONDS = 2.0  # between "not ready" and the end: the cluster still sends a few requests here

log = logging.getLogger("blueno.web")


async def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    config = WebConfig.from_env(os.environ)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = await Cluster.connect()
    try:
        async with running(config, cluster) as process:
            await stop.wait()
            log.info("ending")
            process.services.ending = True
            await asyncio.sleep(DRAIN_SECONDS)
    finally:
        await cluster.close()


if __name__ == "__main__":
    logs.set_up()
    try:
        asyncio.run(main())
    except (BluenoError, ConfigException, OSError) as failure:
        log.error("cannot start: %s", failure)
        sys.exit(1)
