"""The ingest Job's manifest. Pure: frozen values in, a plain dict out. Called by decide.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno import names
from blueno.resources.ingest import IngestOptions, Needs
from controllers.objects.job import JobShape, build_job
from controllers.objects.meta import Owner
from controllers.sample.observe import DatasetView
from controllers.world import World

COMMAND = ("python", "-m", "blueno.ingest")
RESOURCES: Mapping[str, Any] = {"requests": {"cpu": "100m", "memory": "192Mi"}}
TTL_SECONDS = 600  # its outcome is in the Samples; the Job is kept for a look at its log


def build_ingest_job(dataset: DatasetView, number: int, needs: Needs, world: World) -> dict[str, Any]:
    """One pod that brings in and takes out whatever waits. It belongs to the Dataset: no single Sample holds it."""
    config = world.config
    options = IngestOptions(needs, config.allowed_source_networks, config.max_source_bytes)
    secrets = {f"{names.SECRET_MOUNTS}/{name}": ("secret", name) for name in needs.secrets}
    maps = {f"{names.CONFIG_MOUNTS}/{name}": ("configMap", name) for name in needs.config_maps}
    shape = JobShape(
        name=names.ingest_job_name(dataset.name, dataset.uid, number),
        role=names.ROLE_INGEST,
        image=config.prep_image,
        pull_policy=config.image_pull_policy,
        command=COMMAND,
        args=(),
        env={
            names.ENV_DATASET: f"{dataset.namespace}/{dataset.name}",
            names.ENV_DATASET_UID: dataset.uid,
            names.ENV_DATA_SERVER: names.data_server_url(dataset.namespace, dataset.name, dataset.uid),
            names.ENV_INGEST: options.to_json(),
            names.ENV_REPORT_URL: config.report_url,
        },
        claims={names.VOLUME_MOUNT: (dataset.claim, True)} if needs.volume else {},
        files={**secrets, **maps},
        resources=RESOURCES,
        extra_labels={names.ATTEMPT_LABEL: str(number)},
        report_ca=world.report_ca,
        ttl_seconds=TTL_SECONDS,
        node_selector=dataset.prepare.get("nodeSelector") or {},
        tolerations=tuple(dataset.prepare.get("tolerations") or ()),
        together=(dataset.claim,) if needs.volume and not dataset.shared else (),
    )
    return build_job(owner(dataset), shape)


def owner(dataset: DatasetView) -> Owner:
    """The Dataset as the owner of its children."""
    return Owner(names.DATASET_KIND, dataset.name, dataset.namespace, dataset.uid)
