"""Settings of an ingest process, read once. Made by blueno/ingest/__main__.py and by tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.ingest import IngestOptions


@dataclass(frozen=True)
class IngestConfig:
    """Everything the process is told. Paths are fields so that a test needs no pod."""

    data_server: str  # http://…
    report_url: str
    options: IngestOptions
    token_file: Path = Path(names.TOKEN_FILE)
    report_ca_file: Path = Path(names.REPORT_CA_FILE)
    volume: Path = Path(names.VOLUME_MOUNT)  # the data set's claim, when it is mounted
    secrets: Path = Path(names.SECRET_MOUNTS)
    manifests: Path = Path(names.CONFIG_MOUNTS)
    scratch: Path = Path("/tmp")  # noqa: S108
    termination_log: Path = Path(names.TERMINATION_LOG)
    operator_seconds: float = 600.0  # how long the operator may be away
    server_seconds: float = 300.0  # how long the data server may be
    source_pauses: tuple[float, ...] = (1.0, 4.0)  # seconds between tries of a source that does not answer
    idle_seconds: float = 3.0  # without work, until the pod ends

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> IngestConfig:
        """Raises InvalidSpec naming the variable that is missing or cannot be understood."""
        for name in (names.ENV_DATA_SERVER, names.ENV_REPORT_URL, names.ENV_INGEST):
            if not env.get(name):
                raise InvalidSpec(name, "is not set")
        try:
            options = IngestOptions.from_json(env[names.ENV_INGEST])
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidSpec(names.ENV_INGEST, f"cannot be understood: {error}") from None
        return cls(env[names.ENV_DATA_SERVER], env[names.ENV_REPORT_URL], options)
