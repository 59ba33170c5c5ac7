"""Settings of a preparation process, read once. Made by blueno/prep/__main__.py, by tests and by bench/."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blueno import names
from blueno.data.volume import root_below
from blueno.errors import InvalidSpec
from blueno.resources.work import PrepOptions, Work


@dataclass(frozen=True)
class PrepConfig:
    """Everything the process is told. Paths are fields so that a test or a laptop needs no pod."""

    work: Work | None  # None for `erase`
    root: Path  # the data set's own directory, below `volume`
    dataset_uid: str
    dataset: str = ""  # its namespace/name, for people who wait for it
    cluster_uid: str = ""
    options: PrepOptions = field(default_factory=PrepOptions)
    attempt: int = 1
    adopt_from: str = ""
    report_url: str = ""
    host: str = "local"  # the pod's name: keeps the temporary names of two pods apart
    volume: Path = Path(names.VOLUME_MOUNT)
    source: Path = Path(names.SOURCE_MOUNT)
    token_file: Path = Path(names.TOKEN_FILE)
    report_ca_file: Path = Path(names.REPORT_CA_FILE)
    termination_log: Path = Path(names.TERMINATION_LOG)
    report_interval: float = 2.0  # seconds between two progress reports
    retry_seconds: float = 900.0  # how long an unreachable source is retried within one attempt
    retry_step: float = 60.0  # longest pause between two tries
    space_poll: float = 5.0  # seconds between two looks at a volume that has no room

    @property
    def tag(self) -> str:
        """Goes into temporary names: two attempts of the same work never share one."""
        return f"{self.attempt}-{self.host}"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> PrepConfig:
        """Reads the variables of blueno/names.py. Raises InvalidSpec naming the variable that is missing or wrong."""

        def needed(name: str) -> str:
            if not env.get(name):
                raise InvalidSpec(name, "is not set; the operator sets it on every preparation pod")
            return env[name]

        work, options = env.get(names.ENV_WORK), env.get(names.ENV_OPTIONS)
        attempt = env.get(names.ENV_ATTEMPT) or "1"
        if not attempt.isdecimal():
            raise InvalidSpec(names.ENV_ATTEMPT, f"{attempt!r} is not a whole number")
        try:
            parsed_work = Work.from_json(work) if work else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidSpec(names.ENV_WORK, f"is not the JSON of a Work: {error!r}") from error
        try:
            parsed_options = PrepOptions.from_json(options) if options else PrepOptions()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidSpec(names.ENV_OPTIONS, f"is not the JSON of PrepOptions: {error!r}") from error
        return cls(
            work=parsed_work,
            root=root_below(Path(names.VOLUME_MOUNT), needed(names.ENV_ROOT)),
            dataset_uid=needed(names.ENV_DATASET_UID),
            dataset=env.get(names.ENV_DATASET, ""),
            cluster_uid=env.get(names.ENV_CLUSTER_UID, ""),
            options=parsed_options,
            attempt=int(attempt),
            adopt_from=env.get(names.ENV_ADOPT_FROM, ""),
            report_url=env.get(names.ENV_REPORT_URL, "").rstrip("/"),
            host=socket.gethostname().replace("/", "-")[:64] or "local",
        )
