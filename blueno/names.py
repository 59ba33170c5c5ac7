"""Every name Blueno gives to a thing in a cluster or on a volume is spelled here and nowhere else.

Called by everything; calls nothing but the standard library.
"""

from __future__ import annotations

import hashlib
from typing import Final

GROUP: Final = "blueno.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

DATASET_KIND: Final = "Dataset"
DATASETS: Final = "datasets"
TRAINING_RUN_KIND: Final = "TrainingRun"
TRAINING_RUNS: Final = "trainingruns"
SAMPLE_KIND: Final = "Sample"
SAMPLES: Final = "samples"
KINDS: Final = (DATASET_KIND, TRAINING_RUN_KIND, SAMPLE_KIND)
CLAIM_KIND: Final = "PersistentVolumeClaim"  # owns the data server of what runs have written to it

# Labels and annotations -------------------------------------------------------------------------
MANAGED: Final = f"{GROUP}/managed"  # "true" on every child: what our watches select
OWNER_KIND: Final = f"{GROUP}/owner-kind"
OWNER_UID: Final = f"{GROUP}/owner-uid"
OWNER_LABELS: Final = {  # the owner's name
    DATASET_KIND: f"{GROUP}/dataset",
    TRAINING_RUN_KIND: f"{GROUP}/training-run",
    SAMPLE_KIND: f"{GROUP}/sample",
    CLAIM_KIND: f"{GROUP}/claim",
}
DATASET_LABEL: Final = OWNER_LABELS[DATASET_KIND]
# "prepare", "erase", "ingest" or "train" on Jobs, "data" on claims and volumes, "serve" on data servers, "nfs" on NFS
# servers:
ROLE_LABEL: Final = f"{GROUP}/role"
WORK_LABEL: Final = f"{GROUP}/work"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
PREPARE_LABEL: Final = f"{GROUP}/prepare"  # hash of the part of spec.prepare that a Job was made from
IMAGE_LABEL: Final = f"{GROUP}/image"  # hash of the image's name
TEMPLATE_LABEL: Final = f"{GROUP}/template"  # hash of the pod template that a Deployment was made from
PINNED: Final = f"{GROUP}/datasets"  # annotation of a training Job: JSON, data set → digest of the version it mounts
TENANT_NAMESPACE: Final = f"{GROUP}/tenant-namespace"  # on a managed NFS server's objects: whose Datasets it serves
ASKED_SIZE: Final = f"{GROUP}/asked-size"  # on such a server's claim: the size it was last asked to grow to
REQUESTED_AT: Final = f"{GROUP}/requested-at"
REQUEST_KEY: Final = f"{GROUP}/request-key"  # sum of the Idempotency-Key that an object was made under
REPORT_CA: Final = f"{GROUP}/report-ca"  # pod annotation, read through the downward API

# Other people's: by these it is known who keeps an object as it is in a repository.
ARGOCD_PREFIX: Final = "argocd.argoproj.io/"
ARGOCD_TRACKING: Final = f"{ARGOCD_PREFIX}tracking-id"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
FLUX_LABELS: Final = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")

ROLE_PREPARE: Final = "prepare"
ROLE_ERASE: Final = "erase"
ROLE_INGEST: Final = "ingest"  # brings Samples into the working set, and takes them out
ROLE_DATA: Final = "data"
ROLE_SERVE: Final = "serve"
ROLE_TRAIN: Final = "train"
ROLE_SETUP: Final = "setup"  # the container that runs before the training
ROLE_OUTPUTS: Final = "outputs"  # on the claim that runs write to, and on the data server of such a claim
ROLE_NFS: Final = "nfs"
KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
KUEUE_JOB_LABEL: Final = "kueue.x-k8s.io/job-uid"  # on the Workload that Kueue makes for a Job
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"  # pod annotation of an Indexed Job
METRICS_STDOUT: Final = f"{GROUP}/metrics-stdout"  # pod annotation: lines of JSON on standard output are metrics

# Finalizers -------------------------------------------------------------------------------------
ERASE_FINALIZER: Final = f"{GROUP}/erase"
IN_USE_FINALIZER: Final = f"{GROUP}/in-use"  # on a Dataset from before the first run's Job until no run uses it
# kopf strips whatever finalizer it believes to be its own: this one is never put on an object.
KOPF_UNUSED_FINALIZER: Final = f"{GROUP}/kopf-unused"

# The operator's own objects, in its own namespace -------------------------------------------------
SYSTEM_NAMESPACE: Final = "blueno-system"
STORAGE_NAMESPACE: Final = "blueno-storage"  # where the NFS servers are that the operator runs
OPERATOR: Final = "blueno-operator"
KEYS_SECRET: Final = "blueno-keys"
LEASE: Final = "blueno-operator"
REPORT_SERVICE: Final = "blueno-report"
REPORT_AUDIENCE: Final = "blueno-report"
FIELD_MANAGER: Final = "blueno-operator"
WEB: Final = "blueno-web"  # Deployment, Service and ServiceAccount
RECORDER: Final = "blueno-recorder"
DATABASE_SECRET: Final = "blueno-database"  # key `url`: a libpq connection URL

# People, as Kubernetes sees them: the web process asks SubjectAccessReviews about these ---------------
PERSON_PREFIX: Final = "blueno:"  # user name blueno:<email>, group blueno:<role>

# NFS servers that the operator runs ---------------------------------------------------------------
NFS_EXPORT: Final = "/export"  # what each of them exports
NFS_READY: Final = "/app/nfs/ready"  # program in its image: ends with 0 when the export is served
ENV_NFS_FSID: Final = "BLUENO_NFS_FSID"  # whole number: names the file system in clients' handles

# What a preparation pod is told: see blueno/resources/work.py -------------------------------------
ENV_WORK: Final = "BLUENO_WORK"  # canonical JSON of the Work
ENV_OPTIONS: Final = "BLUENO_PREP_OPTIONS"  # JSON of the PrepOptions
ENV_ROOT: Final = "BLUENO_ROOT"  # the data set's own directory, below the mounted claim
ENV_ATTEMPT: Final = "BLUENO_ATTEMPT"  # whole number, 1 for the first Job of a work
ENV_DATASET_UID: Final = "BLUENO_DATASET_UID"
ENV_DATASET: Final = "BLUENO_DATASET"  # namespace/name
ENV_CLUSTER_UID: Final = "BLUENO_CLUSTER_UID"  # tells clusters apart in owner.json
ENV_ADOPT_FROM: Final = "BLUENO_ADOPT_FROM"  # uid of a Dataset seen gone, whose directory may be taken over
ENV_REPORT_URL: Final = "BLUENO_REPORT_URL"
VOLUME_MOUNT: Final = "/volume"  # the data set's claim, read-write
SOURCE_MOUNT: Final = "/source"  # a `claim` source's claim, read-only
SERVED_ROOT: Final = f"{VOLUME_MOUNT}/dataset"  # the data set's own directory, in a data server that takes samples
TOKEN_FILE: Final = "/var/run/blueno/token"
REPORT_CA_FILE: Final = "/var/run/blueno-info/report-ca.crt"
TERMINATION_LOG: Final = "/dev/termination-log"

# What a data server is told: see blueno/dataserver ---------------------------------------------------
ENV_GRANT_KEYS: Final = "BLUENO_GRANT_KEYS"  # JSON: issuer → PEM of its Ed25519 public key
ENV_OUTPUTS_CLAIM: Final = "BLUENO_OUTPUTS_CLAIM"  # namespace/name: it serves what runs wrote there, not a data set
SUBJECT_HEADER: Final = "Blueno-Subject"  # for whom a request is made: goes into the journal of the working set
UPLOAD_OFFSET: Final = "Upload-Offset"  # header: how much of a large file is there
IN_PROGRESS: Final = "in_progress"  # code of a refusal: the first request with this Idempotency-Key has no answer yet
OFFSET_MISMATCH: Final = "offset_mismatch"  # code of a refusal: a chunk that does not begin where the last one ended
BUNDLE_TYPE: Final = "application/vnd.blueno.bundle"  # media type: many samples in one body, blueno/data/bundle.py
REVISION: Final = "Blueno-Revision"  # header: up to where the working set is that an answer tells of
DATA_PORT: Final = 8080  # of the data server's pod; its Service listens on 80

# What an ingest pod is told: see blueno/ingest -------------------------------------------------------
ENV_INGEST: Final = "BLUENO_INGEST"  # JSON of the IngestOptions
ENV_DATA_SERVER: Final = "BLUENO_DATA_SERVER"  # address of the data set's data server
SECRET_MOUNTS: Final = "/var/run/blueno-secrets"  # below it one directory for each Secret that a Sample names
CONFIG_MOUNTS: Final = "/var/run/blueno-manifests"  # the same of ConfigMaps that hold manifests
INGEST_WORK_PATH: Final = "/v1/ingest/work"  # of the report endpoint
INGEST_GRANT_PATH: Final = "/v1/ingest/grant"

# What a training pod finds -----------------------------------------------------------------------------
DATASET_MOUNTS: Final = "/workspace/dataset"  # below it one directory per data set, named like the Dataset
OUTPUT_MOUNT: Final = "/workspace/output"  # the run's own directory on the outputs claim, read-write
CODE_MOUNT: Final = "/workspace/code"  # spec.code
RESUME_MOUNT: Final = "/workspace/resume"  # another run's outputs, read-only: spec.checkpoint.from
OUTPUTS_CLAIM: Final = "blueno-outputs"  # one in each namespace, unless spec.output names another
CHECKPOINTS_DIR: Final = "checkpoints"  # below the output directory
TRAINING_HOME: Final = "/blueno/home"
ENV_DATASET_PREFIX: Final = "BLUENO_DATASET_"  # + name in capitals: where the data set is mounted
ENV_PARAMETER_PREFIX: Final = "BLUENO_PARAM_"
OUTPUTS_ROOT: Final = "/outputs"  # the whole outputs claim, in the container that makes the run's directory
TEAM_PORT: Final = 29500  # where the first pod of several listens for the others, as torchrun has it
ENV_RUN: Final = "BLUENO_RUN"
ENV_OUTPUT: Final = "BLUENO_OUTPUT"
ENV_CHECKPOINT_DIR: Final = "BLUENO_CHECKPOINT_DIR"  # the same in every attempt
ENV_RESUME_FROM: Final = "BLUENO_RESUME_FROM"  # a checkpoint, when one was reported by an earlier attempt or named
# Kubeflow Trainer's: transformers reports by them without a line of code.
ENV_TRAINER_URL: Final = "KUBEFLOW_TRAINER_SERVER_URL"
ENV_TRAINER_CA: Final = "KUBEFLOW_TRAINER_SERVER_CA_CERT"  # path
ENV_TRAINER_TOKEN: Final = "KUBEFLOW_TRAINER_SERVER_TOKEN"  # path
TRAINING_REPORT_PATH: Final = "/v1/training"  # of the report endpoint
TRAINING_POINTS_PATH: Final = "/v1/training/points"  # of the report endpoint, for the recorder
RESERVED_ENV: Final = ("BLUENO_", "KUBEFLOW_TRAINER_", "PET_", "JAX_", "TF_CONFIG")  # prefixes that are ours to set

# What the client and the command line read --------------------------------------------------------------
ENV_SERVER: Final = "BLUENO_SERVER"  # address of the web process
ENV_TOKEN: Final = "BLUENO_TOKEN"
ENV_NAMESPACE: Final = "BLUENO_NAMESPACE"  # instead of -n
ENV_ALLOW_HTTP: Final = "BLUENO_ALLOW_HTTP"  # "1": a token may travel unencrypted

# On the volume ------------------------------------------------------------------------------------
OWNER_FILE: Final = "owner.json"
VERSIONS_DIR: Final = "versions"
WORKS_DIR: Final = "works"
STAGING_DIR: Final = "staging"
OBJECTS_DIR: Final = "objects"  # bytes of the working set
WORKING_DIR: Final = "working"  # its journals
UPLOADS_DIR: Final = "uploads"  # large files that are still being sent
MANIFEST_FILE: Final = "manifest.json"
INDEX_FILE: Final = "index.arrow"

# uid and gid of every process of ours; volume roots of the local cluster belong to it.
UID: Final = 65532

_LABEL_MAX: Final = 63  # DNS label; also the longest label value


def uid8(uid: str) -> str:
    """The first eight hexadecimal digits of a Kubernetes uid: enough to tell re-creations apart."""
    return uid.replace("-", "")[:8]


def claim_name(name: str, uid: str) -> str:
    """Name of the claim made for a Dataset: at most 49 characters."""
    return f"{_stem(name, 40)}-{uid8(uid)}"


def volume_name(uid: str) -> str:
    """Name of the cluster-wide PersistentVolume made for a Dataset."""
    return f"blueno-{uid}"


def claim_label(claim: str) -> str:
    """Label of every pod of ours that mounts this claim, when only one node at a time can have it."""
    return f"{GROUP}/claim-{hashlib.sha256(claim.encode()).hexdigest()[:12]}"


def prep_job_name(name: str, uid: str, work: str, attempt: int) -> str:
    """Name of one attempt's Job; with `-<index>` of four digits it stays within 63 characters."""
    return f"{_stem(name, 24)}-{uid8(uid)}-prep-{work[:8]}-a{attempt}"


def erase_job_name(name: str, uid: str) -> str:
    """Name of the Job that erases a Dataset's directory."""
    return f"{_stem(name, 24)}-{uid8(uid)}-erase"


def ingest_job_name(name: str, uid: str, number: int) -> str:
    """Name of a Dataset's ingest Job; `number` grows from one to the next that is there at the same time."""
    return f"{_stem(name, 24)}-{uid8(uid)}-ingest-{number}"


def sample_author(uid: str) -> str:
    """Who put a sample into the working set, when it was a Sample: `by` in its journal."""
    return f"sample:{uid}"


def data_server_name(name: str, uid: str) -> str:
    """Name of a Dataset's data server: Deployment and Service, at most 54 characters."""
    return f"{_stem(name, 40)}-{uid8(uid)}-data"


def nfs_server_name(namespace: str) -> str:
    """Name of a namespace's managed NFS server: StatefulSet, Service and claim, at most 52 characters.

    A StatefulSet's pods carry its name and ten signs more as a label. A cut name is always 52 long and a whole one
    shorter, so that nobody can name a namespace such that it gets another one's server.
    """
    whole = f"nfs-{namespace}"
    return whole if len(whole) < 52 else f"{whole[:43]}-{_sha256(namespace)[:8]}"


def nfs_fsid(namespace: str) -> int:
    """What the server calls its file system: the same at every start, or clients lose the files they have open."""
    return int(_sha256(namespace)[:12], 16) + 1


def data_server_url(namespace: str, name: str, uid: str) -> str:
    """Where the web process and the recorder reach a Dataset's data server."""
    return f"http://{data_server_name(name, uid)}.{namespace}.svc"


def outputs_server_name(claim: str) -> str:
    """Name of the data server of a claim that runs write to: Deployment and Service, at most 57 characters.

    Begins with a letter, as Services must; the claim's name may be longer, hold dots and begin with a digit.
    """
    digest = hashlib.sha256(claim.encode()).hexdigest()
    return f"outputs-{_stem(claim.replace('.', '-'), 40)}-{digest[:8]}"


def outputs_server_url(namespace: str, claim: str) -> str:
    """Where the web process reaches the data server of a claim that runs write to."""
    return f"http://{outputs_server_name(claim)}.{namespace}.svc"


def train_job_name(name: str, uid: str, attempt: int) -> str:
    """Name of one attempt's Job of a TrainingRun; with `-<index>` of four digits it stays within 63 characters."""
    return f"{_stem(name, 36)}-{uid8(uid)}-a{attempt}"


def team_service_name(name: str, uid: str) -> str:
    """Name of the headless Service by which the pods of a run on several nodes find each other."""
    return f"{_stem(name, 40)}-{uid8(uid)}-team"


def output_dir(name: str, uid: str) -> str:
    """A run's directory on the outputs claim."""
    return f"{_stem(name, 40)}-{uid8(uid)}"


def env_suffix(name: str) -> str:
    """A name as the end of an environment variable's: mnist-3d → MNIST_3D."""
    return "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name).upper()


def default_subpath(namespace: str, name: str, uid: str) -> str:
    """Directory of a Dataset on its volume when the spec names none."""
    return f"{namespace}/{name}-{uid8(uid)}"


def version_dir(digest: str) -> str:
    """Directory of a version below VERSIONS_DIR; the whole digest stands in its manifest."""
    return digest[:16]


def label_value(text: str) -> str:
    """`text` cut to a legal label value (a Dataset's name is a DNS label, so this only cuts)."""
    return text[:_LABEL_MAX].rstrip("-._")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _stem(name: str, limit: int) -> str:
    return name[:limit].rstrip("-.")
