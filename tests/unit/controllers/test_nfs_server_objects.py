"""controllers/objects/nfs_server.py: whole manifests against golden files (`make golden` rewrites them)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from blueno import names
from controllers.objects.nfs_server import (
    NfsServerShape,
    build_claim,
    build_service,
    build_stateful_set,
    patch_to,
    template_mark,
)
from tests.make import a_world

SITE = {
    "managed_nfs": {"storageClassName": "fast", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "4Gi"}}},
    "nfs_image": "example.org/nfs:2",
    "image_pull_policy": "Always",
    "storage_namespace": "files",
}


def manifests(tenant: str = "team-a", address: str = "", **config: Any) -> list[dict[str, Any]]:
    shape = NfsServerShape.of(tenant, "20Gi", a_world(**config).config)
    return [build_claim(shape), build_service(shape, address), build_stateful_set(shape)]


def test_a_server(golden: Callable[[str, Any], None]) -> None:
    golden("nfs/server", manifests())


def test_a_server_made_again_as_a_site_wants_it(golden: Callable[[str, Any], None]) -> None:
    golden("nfs/server-of-a-site", manifests(address="10.96.0.7", **SITE))


def test_nothing_takes_it_along_when_it_goes() -> None:
    assert not [body for body in manifests() if "ownerReferences" in body["metadata"]]


def test_it_may_do_no_more_than_it_must() -> None:
    spec = manifests()[2]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {
            "drop": ["ALL"],
            "add": ["DAC_READ_SEARCH", "DAC_OVERRIDE", "SETUID", "SETGID", "CHOWN", "FOWNER", "FSETID"],
        },
    }
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)


def test_the_mark_knows_what_the_pod_is_made_from_and_nothing_else() -> None:
    plain = NfsServerShape.of("team-a", "20Gi", a_world().config)
    larger = NfsServerShape.of("team-a", "50Gi", a_world().config)
    site = NfsServerShape.of("team-a", "20Gi", a_world(**SITE).config)
    assert template_mark(plain) == template_mark(larger) != template_mark(site)
    assert patch_to(site)["metadata"]["labels"] == {names.TEMPLATE_LABEL: template_mark(site)}


labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(labels, labels)
def test_every_namespace_has_a_server_of_its_own(one: str, other: str) -> None:
    for body in manifests(one):
        assert len(body["metadata"]["name"]) <= 52
        assert all(len(value) <= 63 for value in body["metadata"]["labels"].values())
        json.dumps(body)
    assert (names.nfs_server_name(one) == names.nfs_server_name(other)) == (one == other)
    assert 0 < names.nfs_fsid(one) < 2**63


def test_no_namespace_can_be_named_after_another_ones_server() -> None:
    long = "a" * 63
    server = names.nfs_server_name(long)
    assert len(server) == 52
    assert names.nfs_server_name(server.removeprefix("nfs-")) != server
    assert len(names.nfs_server_name("b" * 47)) == 51
    assert names.nfs_server_name("b" * 47) == "nfs-" + "b" * 47


def test_the_file_system_keeps_its_number() -> None:
    """A number that changed with an upgrade would make every open file of every client stale."""
    assert (names.nfs_fsid("team-a"), names.nfs_server_name("team-a")) == (165_762_256_622_034, "nfs-team-a")
