# Blueno's images, one target each; built by hack/images with docker, podman or buildah.
#   operator  the operator's pod       docker build --target operator .
#   prep      preparation pods and data servers         docker build --target prep .
#   web       the web process and the recorder: `hack/frontend build` first, then docker build --target web .
#   postgres  the demo's PostgreSQL    docker build --target postgres .
#   nfs       managed NFS servers      docker build --target nfs .
#
# To pin the base by content: --build-arg BASE=python:3.11.14-slim-bookworm@sha256:<digest>, the digest as printed by
# `docker buildx imagetools inspect python:3.11.14-slim-bookworm` (or `buildah pull`).
# Where the network's certificates are the machine's own: --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /opt/venv

FROM builder AS operator-venv
COPY requirements/operator.lock /tmp/requirements.lock
# Everything by hash. Compiled here because the containers' root is read-only; unchecked hashes, because copying
# between stages may change the time stamps.
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-compile --require-hashes --only-binary :all: -r /tmp/requirements.lock \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM builder AS prep-venv
COPY requirements/prep.lock /tmp/requirements.lock
# promise (of tensorflow-datasets) is published as source only: its setup.py runs in this stage.
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-compile --require-hashes --only-binary :all: --no-binary promise -r /tmp/requirements.lock \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM builder AS web-venv
COPY requirements/web.lock /tmp/requirements.lock
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-compile --require-hashes --only-binary :all: -r /tmp/requirements.lock \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM builder AS postgres-venv
COPY requirements/postgres.lock /tmp/requirements.lock
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-compile --require-hashes --only-binary :all: -r /tmp/requirements.lock

# What every final image has: the user, the paths. No compiler, no pip cache.
FROM ${BASE} AS runtime
RUN echo 'blueno:x:65532:65532:Blueno:/tmp:/usr/sbin/nologin' >> /etc/passwd && echo 'blueno:x:65532:' >> /etc/group
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/app HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 65532:65532

FROM builder AS operator-app
COPY blueno /app/blueno
COPY controllers /app/controllers
COPY operator /app/operator
COPY crds /app/crds
RUN find /app -name __pycache__ -prune -exec rm -rf {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM builder AS prep-app
COPY blueno /app/blueno
RUN find /app -name __pycache__ -prune -exec rm -rf {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app

# What Vite built lies in webui/static (made by `hack/frontend build`); its sources stay outside.
FROM builder AS web-app
COPY blueno /app/blueno
COPY webui/*.py /app/webui/
COPY webui/api /app/webui/api
RUN find /app -name __pycache__ -prune -exec rm -rf {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app
COPY webui/static /app/webui/static

# /app/operator is a directory of scripts, not a package: a package of that name would hide Python's own `operator`.
FROM runtime AS operator
COPY --from=operator-venv /opt/venv /opt/venv
COPY --from=operator-app /app /app
ENTRYPOINT ["python", "-m", "kopf", "run", "--standalone", "--all-namespaces", "/app/operator/main.py"]

FROM runtime AS prep
COPY --from=prep-venv /opt/venv /opt/venv
COPY --from=prep-app /app /app
ENTRYPOINT ["python", "-m", "blueno.prep"]

FROM runtime AS web
COPY --from=web-venv /opt/venv /opt/venv
COPY --from=web-app /app /app
ENTRYPOINT ["python", "-m", "webui"]

FROM runtime AS postgres
COPY --from=postgres-venv /opt/venv /opt/venv
COPY deploy/images/postgres /app/postgres
ENTRYPOINT ["python", "/app/postgres/start.py"]

# nfs-ganesha acts as whoever asks, so it is the one image that starts as root; with which capabilities: start.py.
# The packages of the base's Debian release, at its present security level: not pinned.
FROM ${BASE} AS nfs
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    apt-get update -q && apt-get install -q -y --no-install-recommends nfs-ganesha nfs-ganesha-vfs rpcbind \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && ln -sf /proc/self/mounts /etc/mtab
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY deploy/images/nfs /app/nfs
RUN ln -s ready.py /app/nfs/ready
ENTRYPOINT ["python3", "/app/nfs/start.py"]
