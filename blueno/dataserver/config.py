"""Settings of a data server, read once. Made by __main__.py and by tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blueno import names
from blueno.data.volume import root_below
from blueno.dataserver.listen import Limits
from blueno.errors import InvalidSpec
from blueno.grants import check_public_keys


@dataclass(frozen=True)
class ServerConfig:
    """`root` lies below `mount`, where the claim is mounted read-only."""

    mount: Path
    root: Path
    dataset_uid: str
    keys: Mapping[str, str]  # issuer → PEM of its public key
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ServerConfig:
        """Reads the variables of blueno/names.py. Raises InvalidSpec naming the variable that is missing or wrong."""
        for name in (names.ENV_ROOT, names.ENV_DATASET_UID, names.ENV_GRANT_KEYS):
            if not env.get(name):
                raise InvalidSpec(name, "is not set; the operator sets it on every data server")
        mount = Path(names.VOLUME_MOUNT)
        return cls(mount, root_below(mount, env[names.ENV_ROOT]), env[names.ENV_DATASET_UID], _keys(env))


@dataclass(frozen=True)
class OutputsConfig:
    """Of a server of what training runs wrote to `claim` of `namespace`, which is mounted read-only at `mount`."""

    mount: Path
    namespace: str
    claim: str
    keys: Mapping[str, str]  # issuer → PEM of its public key
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> OutputsConfig:
        """Raises InvalidSpec naming the variable that is missing or wrong."""
        namespace, slash, claim = env.get(names.ENV_OUTPUTS_CLAIM, "").partition("/")
        if not namespace or not slash or not claim or "/" in claim:
            raise InvalidSpec(names.ENV_OUTPUTS_CLAIM, "must be namespace/name of the claim; the operator sets it")
        if not env.get(names.ENV_GRANT_KEYS):
            raise InvalidSpec(names.ENV_GRANT_KEYS, "is not set; the operator sets it on every data server")
        return cls(Path(names.VOLUME_MOUNT), namespace, claim, _keys(env))


def _keys(env: Mapping[str, str]) -> dict[str, str]:
    try:
        return check_public_keys(json.loads(env[names.ENV_GRANT_KEYS]))
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(names.ENV_GRANT_KEYS, str(error)) from error
