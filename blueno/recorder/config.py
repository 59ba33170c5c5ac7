"""Settings of the recorder, read once. Made by __main__.py and by tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.run_logs_write import Budget
from blueno.errors import InvalidSpec
from blueno.kube import Cluster

REPORT_CA_FILE = "BLUENO_REPORT_CA_FILE"
TOKEN_FILE = "BLUENO_TOKEN_FILE"
GRANT_KEY_FILE = "BLUENO_GRANT_KEY_FILE"
HTTP_PORT = "BLUENO_HTTP_PORT"
KEEP_DAYS = "BLUENO_KEEP_RUN_RECORDS_DAYS"
_LONGEST_DAYS = 36_500


@dataclass(frozen=True)
class RecorderConfig:
    """Files are read when they are needed, so that what is rotated needs no restart."""

    database: DatabaseConfig
    report_url: str  # of the operator's report endpoint, without a path
    grant_key_file: Path  # PEM of our Ed25519 private key
    report_ca_file: Path = Path(names.REPORT_CA_FILE)
    token_file: Path = Path(names.TOKEN_FILE)
    http_port: int = 8080
    data_server_url: Callable[[str, str, str], str] = names.data_server_url  # (namespace, name, uid) → URL
    poll_seconds: float = 3.0  # between two looks when nothing is notified
    pause_seconds: float = 0.3  # between two looks at least
    ready_seconds: float = 120.0  # for a data server to come up
    renew_seconds: float = 20.0  # between two renewals of a lease, which lasts 60
    cluster: Callable[[], Awaitable[Cluster]] | None = None  # whose training pods' logs are followed; None: nobody's
    budget: Budget = field(default_factory=Budget)  # of one run's logs
    flush_seconds: float = 1.0  # that text waits to be stored
    keep_days: int = 90  # BLUENO_KEEP_RUN_RECORDS_DAYS: records of a run outlive it so long; 0: for ever
    tidy_seconds: float = 3600.0  # between two looks for records that are too old

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> RecorderConfig:
        """Raises InvalidSpec naming the variable that is missing or wrong."""
        for name in (names.ENV_REPORT_URL, GRANT_KEY_FILE):
            if not env.get(name):
                raise InvalidSpec(name, "is not set; the recorder's Deployment sets it")
        if not env[names.ENV_REPORT_URL].startswith(("https://", "http://")):
            raise InvalidSpec(names.ENV_REPORT_URL, "must be an http or https URL")
        port = env.get(HTTP_PORT) or str(cls.http_port)
        if not (port.isascii() and port.isdecimal()) or not 0 <= int(port[:6]) < 65536:
            raise InvalidSpec(HTTP_PORT, f"{port[:40]!r} is no port")
        days = env.get(KEEP_DAYS) or str(cls.keep_days)
        if not (days.isascii() and days.isdecimal()) or len(days) > 5 or int(days) > _LONGEST_DAYS:
            text = f"{days[:40]!r} is no number of days from 0 (records are kept for ever) to {_LONGEST_DAYS}"
            raise InvalidSpec(KEEP_DAYS, text)
        return cls(
            database=DatabaseConfig.from_env(env),
            report_url=env[names.ENV_REPORT_URL].rstrip("/"),
            grant_key_file=Path(env[GRANT_KEY_FILE]),
            report_ca_file=Path(env.get(REPORT_CA_FILE) or cls.report_ca_file),
            token_file=Path(env.get(TOKEN_FILE) or cls.token_file),
            http_port=int(port),
            cluster=Cluster.connect,
            keep_days=int(days),
        )
