"""Everything a request may need; made once by app.py. Only a bundle: each part has a module of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blueno.kube import Cluster
from webui.access import Access
from webui.auth import Doorkeeper
from webui.config import WebConfig
from webui.cursors import Cursors
from webui.database import Database
from webui.dataservers import DataServers
from webui.keys import Keys
from webui.looked import Looked
from webui.metrics import Metrics
from webui.passwords import Passwords
from webui.quotas import Quotas
from webui.static import Static
from webui.stream import Hub

if TYPE_CHECKING:
    from webui.routes import Registry


@dataclass
class Services:
    """The parts of the process."""

    config: WebConfig
    keys: Keys
    cluster: Cluster
    database: Database
    passwords: Passwords
    doorkeeper: Doorkeeper
    access: Access
    cursors: Cursors
    data_servers: DataServers
    looked: Looked
    quotas: Quotas
    hub: Hub
    metrics: Metrics
    static: Static
    registry: Registry
    version: str
    ending: bool = False  # not ready any more, though still answering
