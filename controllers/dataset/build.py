"""Manifests of a Dataset's children. Pure: frozen values in, plain dicts out. Called by decide.py and deletion.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import CLAIMS
from blueno.resources.dataset import Dataset, Storage
from blueno.resources.work import PrepOptions
from controllers.dataset.observe import Observed, claim_name
from controllers.dataset.work import Wanted
from controllers.objects.job import JobShape, build_job
from controllers.objects.meta import Owner
from controllers.objects.server import ServerShape, build_deployment, build_service
from controllers.objects.volume import (
    DEFAULT_SIZE,
    claim_for_volume,
    claim_from_template,
    host_path_source,
    nfs_source,
    static_volume,
)
from controllers.step import Patch, Ref
from controllers.world import World

# What a preparation asks for when its Dataset does not say: enough for one decoder, small enough for a laptop. And what
# it may take: it parses strangers' files, which the node must not pay for.
DEFAULT_RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "250m", "memory": "256Mi"},
    "limits": {"memory": "4Gi"},
}
ERASE_RESOURCES: Mapping[str, Any] = {"requests": {"cpu": "50m", "memory": "64Mi"}}


def owner(dataset: Dataset) -> Owner:
    """The Dataset as the owner of its children."""
    return Owner(names.DATASET_KIND, dataset.name, dataset.namespace, dataset.uid)


def build_volume(
    dataset: Dataset, seen: Observed, config: OperatorConfig, server: str = ""
) -> tuple[dict[str, Any], ...]:
    """What has to be made for the data to have a claim; nothing for an `existingClaim`.

    `server` is the address of the namespace's managed NFS server.
    """
    storage, whose = seen.storage, owner(dataset)
    given = storage.parameters
    if storage.kind == "claimTemplate":
        return (claim_from_template(whose, given),)
    if not storage.is_static:
        return ()
    options: Sequence[str] = ()
    if storage.kind == "hostPath":
        source = host_path_source(given["path"])
    elif storage.kind == "nfs":
        source = nfs_source(whose, given["server"], given["path"], config.nfs_driver)
        options = given.get("mountOptions") or config.nfs_mount_options
    else:
        source = nfs_source(whose, server, names.NFS_EXPORT, config.nfs_driver)
        options = config.nfs_mount_options
    size = given.get("size", DEFAULT_SIZE)  # of an export nobody knows it, and NFS keeps nobody to it
    uid = seen.claim.uid if seen.claim is not None else ""
    # The volume first: a claim that looks for it in vain is bound by the volume controller's next round, 15 s later.
    return static_volume(whose, source, options, size, uid), claim_for_volume(whose, size)


def grow_claim(dataset: Dataset, seen: Observed) -> tuple[Patch, ...]:
    """A spec that was just changed to a larger claim: ask for it once; the provisioner decides."""
    claim = seen.claim
    size = seen.storage.parameters.get("size", claim.requested if claim else "")
    if claim is None or seen.storage.kind != "claimTemplate" or dataset.storage is None or size == claim.requested:
        return ()
    if dataset.observed_generation == dataset.generation:
        return ()
    ref = Ref(CLAIMS, dataset.namespace, claim.name, claim.uid)
    return (Patch(ref, {"spec": {"resources": {"requests": {"storage": size}}}}),)


def root_path(dataset: Dataset, storage: Storage) -> str:
    """The data set's directory on its volume, relative to the volume's root."""
    return storage.sub_path or names.default_subpath(dataset.namespace, dataset.name, dataset.uid)


def build_prep_job(dataset: Dataset, seen: Observed, wanted: Wanted, world: World) -> dict[str, Any]:
    """The Job of one attempt at one work."""
    prepare, config = dataset.prepare, world.config
    claims = {names.VOLUME_MOUNT: (claim_name(dataset, seen.storage), False)}
    if dataset.source_kind == "claim":
        claims[names.SOURCE_MOUNT] = (dataset.source["claim"]["name"], True)
    env = _base_env(dataset, seen, world) | {
        names.ENV_DATASET: f"{dataset.namespace}/{dataset.name}",
        names.ENV_WORK: wanted.work.to_json(),
        names.ENV_OPTIONS: _options(dataset, config).to_json(),
        names.ENV_ATTEMPT: str(wanted.attempt),
        names.ENV_REPORT_URL: config.report_url,
    }
    if seen.gone_owner:
        env[names.ENV_ADOPT_FROM] = seen.gone_owner
    shape = JobShape(
        name=names.prep_job_name(dataset.name, dataset.uid, wanted.hash, wanted.attempt),
        role=names.ROLE_PREPARE,
        image=config.prep_image,
        pull_policy=config.image_pull_policy,
        args=("prepare",),
        env=env,
        claims=claims,
        resources=resources(dataset),
        extra_labels={
            names.WORK_LABEL: wanted.hash,
            names.ATTEMPT_LABEL: str(wanted.attempt),
            names.PREPARE_LABEL: prepare_hash(dataset),
            names.IMAGE_LABEL: short_hash(config.prep_image),
        },
        report_ca=world.report_ca,
        backoff_limit=prepare.backoff_limit,
        deadline_seconds=prepare.active_deadline_seconds,
        ttl_seconds=prepare.ttl_seconds_after_finished,
        node_selector=_node_selector(dataset),
        tolerations=prepare.tolerations,
        together=_for_one_node(dataset, seen),
    )
    return build_job(owner(dataset), shape)


def build_erase_job(dataset: Dataset, seen: Observed, world: World) -> dict[str, Any]:
    """The Job that erases the Dataset's directory, and nothing beside it, from its volume."""
    shape = JobShape(
        name=names.erase_job_name(dataset.name, dataset.uid),
        role=names.ROLE_ERASE,
        image=world.config.prep_image,
        pull_policy=world.config.image_pull_policy,
        args=("erase",),
        env=_base_env(dataset, seen, world),
        claims={names.VOLUME_MOUNT: (claim_name(dataset, seen.storage), False)},
        resources=ERASE_RESOURCES,
        backoff_limit=6,
        node_selector=dataset.prepare.node_selector,
        tolerations=dataset.prepare.tolerations,
        together=_for_one_node(dataset, seen),
    )
    return build_job(owner(dataset), shape)


def build_data_server(dataset: Dataset, seen: Observed, world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deployment and Service of the data server, where the data's volume can be reached."""
    root = root_path(dataset, seen.storage)
    takes_samples = dataset.accepts_samples
    shape = ServerShape(
        image=world.config.prep_image,
        pull_policy=world.config.image_pull_policy,
        env={
            names.ENV_ROOT: names.SERVED_ROOT if takes_samples else f"{names.VOLUME_MOUNT}/{root}",
            names.ENV_DATASET_UID: dataset.uid,
            names.ENV_GRANT_KEYS: world.grant_keys,
        },
        claim=claim_name(dataset, seen.storage),
        node_selector=dataset.prepare.node_selector,
        tolerations=dataset.prepare.tolerations,
        shared=not _for_one_node(dataset, seen),
        takes_samples=root if takes_samples else "",
    )
    return build_deployment(owner(dataset), shape), build_service(owner(dataset))


def prepare_hash(dataset: Dataset) -> str:
    """Changes when a Job made from the spec as it was no longer is what the spec asks for."""
    prepare = asdict(replace(dataset.prepare, ttl_seconds_after_finished=0))
    return short_hash(json.dumps(prepare, sort_keys=True))


def short_hash(text: str) -> str:
    """Enough of a SHA-256 to tell a few texts apart, as a label value."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _for_one_node(dataset: Dataset, seen: Observed) -> tuple[str, ...]:
    """The data set's claim, when only one node at a time can have it."""
    return (claim_name(dataset, seen.storage),) if seen.claim is not None and not seen.claim.shared else ()


def _base_env(dataset: Dataset, seen: Observed, world: World) -> dict[str, str]:
    return {
        names.ENV_ROOT: f"{names.VOLUME_MOUNT}/{root_path(dataset, seen.storage)}",
        names.ENV_DATASET_UID: dataset.uid,
        names.ENV_CLUSTER_UID: world.cluster_uid,
    }


def _options(dataset: Dataset, config: OperatorConfig) -> PrepOptions:
    return PrepOptions(
        on_bad_sample=dataset.prepare.on_bad_sample,
        max_bad_samples=dataset.prepare.max_bad_samples,
        allowed_source_networks=config.allowed_source_networks,
        max_source_bytes=config.max_source_bytes,
    )


def resources(dataset: Dataset) -> dict[str, Any]:
    """The spec's resources, with GPUs added to the limits (Kubernetes wants extended resources there)."""
    resources = {key: dict(value) for key, value in (dataset.prepare.resources or DEFAULT_RESOURCES).items()}
    gpus = dataset.prepare.gpus
    if gpus.get("count"):
        name = gpus.get("resourceName", "nvidia.com/gpu")
        resources["limits"] = {**resources.get("limits", {}), name: str(gpus["count"])}
    return resources


def _node_selector(dataset: Dataset) -> dict[str, str]:
    selector = dict(dataset.prepare.node_selector)
    if product := dataset.prepare.gpus.get("product"):
        selector["nvidia.com/gpu.product"] = product  # the label NVIDIA's feature discovery sets
    return selector
