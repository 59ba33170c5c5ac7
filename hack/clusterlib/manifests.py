"""Objects every local cluster gets: the default StorageClass and the cluster's DNS Service. Called by local.py."""

from __future__ import annotations

from typing import Any

from clusterlib.errors import Refused
from clusterlib.kubeapi import Api
from clusterlib.layout import STORAGE_CLASS, Cluster


def apply(api: Api, cluster: Cluster) -> None:
    """Create what is missing; these objects never change."""
    for path, body in _objects(cluster):
        # Asked for first: a second POST of a Service fails by its address before it fails by its name.
        if api.call("GET", f"{path}/{body['metadata']['name']}")[0] == 200:
            continue
        code, answer = api.call("POST", path, body)
        if code not in (200, 201, 409):
            raise Refused(f"the API server refused {body['kind']} {body['metadata']['name']}: {answer}")


def _objects(cluster: Cluster) -> list[tuple[str, dict[str, Any]]]:
    ports = [("dns", "UDP", 53), ("dns-tcp", "TCP", 53)]
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "clusterIP": cluster.dns_address,
            "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol, port in ports],
        },
    }
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [cluster.node_address], "conditions": {"ready": True}}],
        "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol, port in ports],
    }
    return [
        ("/apis/storage.k8s.io/v1/storageclasses", storage_class("blueno.local/directory", "Immediate")),
        ("/api/v1/namespaces/kube-system/services", service),
        ("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", slice_),
    ]


def storage_class(provisioner: str, binding: str) -> dict[str, Any]:
    """The default class of our development clusters."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
    }
