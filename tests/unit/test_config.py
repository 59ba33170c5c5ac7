"""blueno/config.py: what is understood, and that what is not names its variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueno.config import OperatorConfig
from blueno.errors import InvalidSpec
from blueno.resources.dataset import Storage
from blueno.resources.nfs import AllowedNfs


def test_nothing_is_required() -> None:
    assert OperatorConfig.from_env({}) == OperatorConfig()


def test_everything_can_be_said() -> None:
    config = OperatorConfig.from_env(
        {
            "BLUENO_NAMESPACE": "ml",
            "BLUENO_IDENTITY": "pod-1",
            "BLUENO_PREP_IMAGE": "example.org/prep:2",
            "BLUENO_IMAGE_PULL_POLICY": "Always",
            "BLUENO_DEFAULT_STORAGE": '{"claimTemplate": {"size": "1Ti"}}',
            "BLUENO_ALLOW_HOST_PATH": "True",
            "BLUENO_ALLOW_NFS_VOLUMES": "true",
            "BLUENO_ALLOWED_NFS": '[{"server": "nfs.example.org", "path": "/ml", "namespaces": ["team-*"]}]',
            "BLUENO_NFS_DRIVER": "nfs.csi.k8s.io",
            "BLUENO_NFS_MOUNT_OPTIONS": "nfsvers=3,mountport=20048",
            "BLUENO_NFS_IMAGE": "",
            "BLUENO_MANAGED_NFS": '{"storageClassName": "fast", "resources": {"limits": {"memory": "1Gi"}}}',
            "BLUENO_STORAGE_NAMESPACE": "disks",
            "BLUENO_ALLOWED_SOURCE_NETWORKS": " 10.1.0.0/16, fd00::/8 ,",
            "BLUENO_MAX_SOURCE_BYTES": "1000",
            "BLUENO_REPORT_PORT": "9443",
            "BLUENO_HTTP_PORT": "9080",
            "BLUENO_WORKERS": "2",
            "BLUENO_SWEEP_SECONDS": "5",
            "BLUENO_SERVE_SECONDS": "60",
            "BLUENO_DATABASE_URL_FILE": "/etc/blueno/url",
            "UNRELATED": "x",
        }
    )
    assert config == OperatorConfig(
        namespace="ml",
        identity="pod-1",
        prep_image="example.org/prep:2",
        image_pull_policy="Always",
        default_storage=Storage("claimTemplate", {"size": "1Ti"}),
        allow_host_path=True,
        allow_nfs_volumes=True,
        allowed_nfs=(AllowedNfs("nfs.example.org", "/ml", ("team-*",)),),
        nfs_driver="nfs.csi.k8s.io",
        nfs_mount_options=("nfsvers=3", "mountport=20048"),
        nfs_image="",
        managed_nfs={"storageClassName": "fast", "resources": {"limits": {"memory": "1Gi"}}},
        storage_namespace="disks",
        allowed_source_networks=("10.1.0.0/16", "fd00::/8"),
        max_source_bytes=1000,
        report_url="https://blueno-report.ml.svc:8443",
        report_port=9443,
        http_port=9080,
        workers=2,
        sweep_seconds=5,
        serve_seconds=60,
        database_url_file=Path("/etc/blueno/url"),
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BLUENO_ALLOW_HOST_PATH", "yes"),
        ("BLUENO_ALLOW_HOST_PATH", ""),
        ("BLUENO_WORKERS", "0"),
        ("BLUENO_WORKERS", "-1"),
        ("BLUENO_WORKERS", "many"),
        ("BLUENO_SWEEP_SECONDS", "0.5"),
        ("BLUENO_HTTP_PORT", ""),
        ("BLUENO_ALLOWED_SOURCE_NETWORKS", "10.1.2.3/16"),
        ("BLUENO_ALLOWED_SOURCE_NETWORKS", "10.0.0.0/8,example.org"),
        ("BLUENO_DEFAULT_STORAGE", "claimTemplate"),
        ("BLUENO_DEFAULT_STORAGE", "[]"),
        ("BLUENO_DEFAULT_STORAGE", "{}"),
        ("BLUENO_DEFAULT_STORAGE", '{"nfs": {}}'),
        ("BLUENO_DEFAULT_STORAGE", '{"claimTemplate": {}, "hostPath": {"path": "/x"}}'),
        ("BLUENO_DEFAULT_STORAGE", '{"claimTemplate": null}'),
        ("BLUENO_DEFAULT_STORAGE", '{"hostPath": {}}'),
        ("BLUENO_DEFAULT_STORAGE", '{"existingClaim": {"path": "x"}}'),
        ("BLUENO_DEFAULT_STORAGE", '{"nfs": {"server": "s", "path": ["/"]}}'),
        ("BLUENO_DEFAULT_STORAGE", '{"managedNFS": {}}'),
        ("BLUENO_ALLOW_NFS_VOLUMES", "1"),
        ("BLUENO_NFS_DRIVER", "csi"),
        ("BLUENO_NFS_DRIVER", ""),
        ("BLUENO_NFS_MOUNT_OPTIONS", "hard; rm -rf /"),
        ("BLUENO_NFS_MOUNT_OPTIONS", "-o"),
        ("BLUENO_NFS_IMAGE", "an image"),
        ("BLUENO_STORAGE_NAMESPACE", ""),
        ("BLUENO_STORAGE_NAMESPACE", "Blueno/storage"),
        ("BLUENO_MANAGED_NFS", "fast"),
        ("BLUENO_MANAGED_NFS", "[]"),
        ("BLUENO_MANAGED_NFS", '{"size": "1Gi"}'),
        ("BLUENO_MANAGED_NFS", '{"storageClassName": 1}'),
        ("BLUENO_MANAGED_NFS", '{"resources": {"limits": "1Gi"}}'),
        ("BLUENO_MANAGED_NFS", '{"resources": {"claims": {}}}'),
        ("BLUENO_ALLOWED_NFS", "nfs.example.org:/exports"),
        ("BLUENO_ALLOWED_NFS", "[" * 100_000),
        ("BLUENO_ALLOWED_NFS", "{}"),
        ("BLUENO_ALLOWED_NFS", '["nfs.example.org"]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/"}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": []}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": "*"}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": [""]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": ["*"], "readOnly": true}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "", "path": "/", "namespaces": ["*"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "a b", "path": "/", "namespaces": ["*"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "exports", "namespaces": ["*"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/exports/", "namespaces": ["*"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/a/../b", "namespaces": ["*"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": ["*"], "subPaths": ["../x"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": ["*"], "subPaths": ["/x"]}]'),
        ("BLUENO_ALLOWED_NFS", '[{"server": "s", "path": "/", "namespaces": ["*"], "subPaths": [1]}]'),
    ],
)
def test_what_cannot_be_understood_names_its_variable(key: str, value: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        OperatorConfig.from_env({key: value})
    assert caught.value.field == key
    assert str(caught.value).startswith(f"{key}: ")
