"""Manifests of a claim's data server. Pure; called by serving.py."""

from __future__ import annotations

from typing import Any

from blueno import names
from controllers.objects.meta import Owner
from controllers.objects.server import ServerShape, build_deployment, build_service
from controllers.outputs.observe import Observed
from controllers.world import World


def build_outputs_server(seen: Observed, world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deployment and Service. They belong to the claim, go with it, and never hold it back: their pod does while it
    runs, and it rests as soon as the claim is to go.
    """
    owner = Owner(names.CLAIM_KIND, seen.name, seen.namespace, seen.uid)
    shape = ServerShape(
        image=world.config.prep_image,
        pull_policy=world.config.image_pull_policy,
        env={
            names.ENV_OUTPUTS_CLAIM: f"{seen.namespace}/{seen.name}",
            names.ENV_GRANT_KEYS: world.grant_keys,
        },
        claim=seen.name,
    )
    return build_deployment(owner, shape), build_service(owner)
