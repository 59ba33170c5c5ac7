"""Where each kind that Blueno touches lives in the Kubernetes API. Pure; used by blueno/kube.py and controllers/."""

from __future__ import annotations

from dataclasses import dataclass

from blueno import names


@dataclass(frozen=True)
class Resource:
    """Where a kind lives in the API: `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """URL path of the collection, of one object, or of its subresource."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, sub) if part]
        return "/" + "/".join(parts)


DATASETS = Resource(names.GROUP, names.VERSION, names.DATASETS, names.DATASET_KIND)
TRAINING_RUNS = Resource(names.GROUP, names.VERSION, names.TRAINING_RUNS, names.TRAINING_RUN_KIND)
SAMPLES = Resource(names.GROUP, names.VERSION, names.SAMPLES, names.SAMPLE_KIND)
JOBS = Resource("batch", "v1", "jobs", "Job")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
PODS = Resource("", "v1", "pods", "Pod")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
SERVICES = Resource("", "v1", "services", "Service")
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("", "v1", "events", "Event")
# Kueue's, newest version first: asked for only while a Job is held, and missing in most clusters.
WORKLOADS = tuple(Resource("kueue.x-k8s.io", version, "workloads", "Workload") for version in ("v1beta2", "v1beta1"))
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)

_ALL = (
    *(DATASETS, TRAINING_RUNS, JOBS, DEPLOYMENTS, STATEFUL_SETS, PODS, CLAIMS, VOLUMES, SERVICES, SECRETS, LEASES),
    *(EVENTS, WORKLOADS[0], SAMPLES),
)
BY_KIND = {resource.kind: resource for resource in _ALL}
