"""Settings of Blueno's processes, read once from the environment in an entry point and passed down.

`OperatorConfig.from_env` is called by controllers/lifecycle.py. Documented in docs/configuration.md.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.accelerator import VARIABLE as PROFILES
from blueno.resources.accelerator import AcceleratorProfile, parse_profiles
from blueno.resources.dataset import STORAGE_KINDS, Storage
from blueno.resources.nfs import (
    ALLOWED,
    DEFAULT_MOUNT_OPTIONS,
    DRIVER,
    IN_TREE,
    MANAGED,
    MOUNT_OPTIONS,
    AllowedNfs,
    parse_allowed,
    parse_driver,
    parse_managed,
    parse_mount_options,
)

_NEEDED = {"existingClaim": ("name",), "hostPath": ("path",), "nfs": ("server", "path"), "managedNFS": ("size",)}


@dataclass(frozen=True)
class OperatorConfig:
    """Settings of the operator; each field names its environment variable."""

    namespace: str = names.SYSTEM_NAMESPACE  # BLUENO_NAMESPACE: where the Lease, the Secret and the Service are
    identity: str = names.OPERATOR  # BLUENO_IDENTITY: holder of the Lease (the pod's name)
    prep_image: str = "localhost/blueno/prep:dev"  # BLUENO_PREP_IMAGE
    image_pull_policy: str = "IfNotPresent"  # BLUENO_IMAGE_PULL_POLICY
    default_storage: Storage = field(default_factory=lambda: Storage("claimTemplate", {"size": "10Gi"}))
    # ^ BLUENO_DEFAULT_STORAGE: a `spec.storage` as JSON, for Datasets that name none
    outputs: Mapping[str, Any] = field(default_factory=lambda: {"size": "20Gi"})
    # ^ BLUENO_OUTPUTS: a claimTemplate as JSON, for the claim that a namespace's training runs write to
    accelerator_profiles: Mapping[str, AcceleratorProfile] = field(default_factory=dict)
    # ^ BLUENO_ACCELERATOR_PROFILES: JSON, see blueno/resources/accelerator.py
    allow_host_path: bool = False  # BLUENO_ALLOW_HOST_PATH: development only
    allow_nfs_volumes: bool = False  # BLUENO_ALLOW_NFS_VOLUMES: set by deploy/components/nfs, which has the rights
    allowed_nfs: tuple[AllowedNfs, ...] = ()  # BLUENO_ALLOWED_NFS: JSON, see blueno/resources/nfs.py
    nfs_driver: str = IN_TREE  # BLUENO_NFS_DRIVER: or nfs.csi.k8s.io
    nfs_mount_options: tuple[str, ...] = DEFAULT_MOUNT_OPTIONS  # BLUENO_NFS_MOUNT_OPTIONS: comma-separated
    nfs_image: str = "localhost/blueno/nfs:dev"  # BLUENO_NFS_IMAGE: of the servers that we run; "": we run none
    managed_nfs: Mapping[str, Any] = field(default_factory=dict)  # BLUENO_MANAGED_NFS: JSON, of those servers
    storage_namespace: str = names.STORAGE_NAMESPACE  # BLUENO_STORAGE_NAMESPACE: where those servers are
    allowed_source_networks: tuple[str, ...] = ()  # BLUENO_ALLOWED_SOURCE_NETWORKS: CIDRs, comma-separated
    max_source_bytes: int = 2 << 40  # BLUENO_MAX_SOURCE_BYTES
    report_url: str = f"https://{names.REPORT_SERVICE}.{names.SYSTEM_NAMESPACE}.svc:8443"  # BLUENO_REPORT_URL
    report_port: int = 8443  # BLUENO_REPORT_PORT: HTTPS, progress of pods
    http_port: int = 8080  # BLUENO_HTTP_PORT: /metrics and /livez
    workers: int = 32  # BLUENO_WORKERS
    sweep_seconds: float = 30.0  # BLUENO_SWEEP_SECONDS
    serve_seconds: int = 900  # BLUENO_SERVE_SECONDS: how long a data server stays after somebody looked
    database_url_file: Path = Path("/var/run/blueno-database/url")  # BLUENO_DATABASE_URL_FILE: may be missing

    @property
    def makes_volumes(self) -> bool:
        """Whether the operator makes PersistentVolumes at all; it has no right to look at them otherwise."""
        return self.allow_host_path or self.allow_nfs_volumes

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> OperatorConfig:
        """Raises InvalidSpec naming the variable that cannot be understood."""
        defaults = cls()
        namespace = env.get("BLUENO_NAMESPACE", defaults.namespace)
        storage = env.get("BLUENO_DEFAULT_STORAGE")
        return cls(
            namespace=namespace,
            identity=env.get("BLUENO_IDENTITY", defaults.identity),
            prep_image=env.get("BLUENO_PREP_IMAGE", defaults.prep_image),
            image_pull_policy=env.get("BLUENO_IMAGE_PULL_POLICY", defaults.image_pull_policy),
            default_storage=_storage(storage) if storage else defaults.default_storage,
            outputs=_template(env["BLUENO_OUTPUTS"]) if env.get("BLUENO_OUTPUTS") else defaults.outputs,
            accelerator_profiles=parse_profiles(env.get(PROFILES) or "{}"),
            allow_host_path=_flag(env, "BLUENO_ALLOW_HOST_PATH"),
            allow_nfs_volumes=_flag(env, "BLUENO_ALLOW_NFS_VOLUMES"),
            allowed_nfs=parse_allowed(env.get(ALLOWED) or "[]"),
            nfs_driver=parse_driver(env.get(DRIVER, IN_TREE)),
            nfs_mount_options=_mount_options(env),
            nfs_image=_image(env, "BLUENO_NFS_IMAGE", defaults.nfs_image),
            managed_nfs=parse_managed(env.get(MANAGED) or "{}"),
            storage_namespace=_namespace(env, "BLUENO_STORAGE_NAMESPACE", defaults.storage_namespace),
            allowed_source_networks=_networks(env.get("BLUENO_ALLOWED_SOURCE_NETWORKS", "")),
            max_source_bytes=_whole(env, "BLUENO_MAX_SOURCE_BYTES", defaults.max_source_bytes),
            report_url=env.get("BLUENO_REPORT_URL", f"https://{names.REPORT_SERVICE}.{namespace}.svc:8443"),
            report_port=_whole(env, "BLUENO_REPORT_PORT", defaults.report_port),
            http_port=_whole(env, "BLUENO_HTTP_PORT", defaults.http_port),
            workers=_whole(env, "BLUENO_WORKERS", defaults.workers),
            sweep_seconds=_whole(env, "BLUENO_SWEEP_SECONDS", int(defaults.sweep_seconds)),
            serve_seconds=_whole(env, "BLUENO_SERVE_SECONDS", defaults.serve_seconds),
            database_url_file=Path(env.get("BLUENO_DATABASE_URL_FILE", str(defaults.database_url_file))),
        )


def _flag(env: Mapping[str, str], key: str) -> bool:
    value = env.get(key, "false").lower()
    if value not in ("true", "false"):
        raise InvalidSpec(key, f"must be true or false, not {value!r}")
    return value == "true"


def _whole(env: Mapping[str, str], key: str, default: int) -> int:
    value = env.get(key)
    if value is None:
        return default
    if not value.isdecimal() or int(value) == 0:
        raise InvalidSpec(key, f"must be a positive whole number, not {value!r}")
    return int(value)


def _mount_options(env: Mapping[str, str]) -> tuple[str, ...]:
    """Set to nothing is something else than not set: no options at all."""
    value = env.get(MOUNT_OPTIONS)
    return DEFAULT_MOUNT_OPTIONS if value is None else parse_mount_options(value)


def _image(env: Mapping[str, str], key: str, default: str) -> str:
    value = env.get(key, default)
    if value and re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.:/@]*", value) is None:
        raise InvalidSpec(key, f"must be the name of an image, not {value[:80]!r}")
    return value


def _namespace(env: Mapping[str, str], key: str, default: str) -> str:
    value = env.get(key, default)
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value) is None:
        raise InvalidSpec(key, f"must be the name of a namespace, not {value[:80]!r}")
    return value


def _networks(value: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in value.split(",") if part.strip())
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise InvalidSpec("BLUENO_ALLOWED_SOURCE_NETWORKS", f"{error}; write CIDRs like 10.1.0.0/16") from None
    return networks


def _storage(value: str) -> Storage:
    try:
        body: Any = json.loads(value)
        ((kind, parameters),) = body.items()
    except (ValueError, AttributeError):
        raise InvalidSpec("BLUENO_DEFAULT_STORAGE", 'must be JSON like {"claimTemplate": {"size": "10Gi"}}') from None
    if kind not in STORAGE_KINDS:
        raise InvalidSpec("BLUENO_DEFAULT_STORAGE", f"must name one of {', '.join(STORAGE_KINDS)}, not {kind!r}")
    needed = _NEEDED.get(kind, ())
    if not isinstance(parameters, dict) or not all(isinstance(parameters.get(key), str) for key in needed):
        wanted = f"{kind} must be an object" + (f" with {' and '.join(needed)}" if needed else "")
        raise InvalidSpec("BLUENO_DEFAULT_STORAGE", wanted)
    return Storage(kind, parameters)


def _template(value: str) -> Mapping[str, Any]:
    try:
        body: Any = json.loads(value)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not set(body) <= {"size", "storageClassName", "accessModes"}:
        example = '{"size": "20Gi", "storageClassName": "fast"}'
        raise InvalidSpec("BLUENO_OUTPUTS", f"must be JSON with some of size, storageClassName, accessModes: {example}")
    return body
