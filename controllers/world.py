"""What every decision may know besides the object it is about: settings and facts about this cluster. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from blueno.config import OperatorConfig


@dataclass(frozen=True)
class World:
    """Made once, at start, by controllers/lifecycle.py."""

    config: OperatorConfig
    cluster_uid: str  # uid of the Service default/kubernetes: as old as the cluster, and we may read Services
    report_ca: str  # PEM certificate of the authority that signed the report endpoint's
    grant_keys: str  # JSON: issuer → PEM of the public key by which data servers know its grants
