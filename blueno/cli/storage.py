"""`blueno storage ls` and `rm`: the NFS servers that the operator runs. Registered by app.py.

Calls kubectl.py: the person's own rights decide, no server of Blueno is asked. What is listed means: servers.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno import names
from blueno.cli import shell
from blueno.cli.options import Context, Format, Kubeconfig
from blueno.cli.shell import Output
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound, Rejected

if TYPE_CHECKING:
    from blueno.cli.kubectl import Kubectl
    from blueno.cli.servers import Server, Use

PATIENCE = 60.0  # seconds that a claim may take to go: its pod has to stop first
LOOK = 1.0

Place = Annotated[
    str,
    typer.Option(
        "--storage-namespace",
        envvar="BLUENO_STORAGE_NAMESPACE",
        show_envvar=False,
        metavar="NAME",
        help="Where the servers are; else BLUENO_STORAGE_NAMESPACE.",
    ),
]


@shell.command
def ls(
    storage_namespace: Place = names.STORAGE_NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: Format = Output.TABLE,
) -> None:
    """List the NFS servers that the operator runs, one for each namespace that asked for one.

    Uses kubectl with your own kubeconfig. `?` stands for what you may not list.
    """
    from blueno.cli import servers

    if output is Output.NAME:
        raise typer.BadParameter("goes with table, json and yaml", param_hint="--output")
    kubectl = _kubectl(context, kubeconfig)
    found = _servers(kubectl, storage_namespace)
    volumes = _permitted(lambda: _volumes(kubectl))
    datasets = _permitted(lambda: _datasets(kubectl, None))
    whole = volumes is not None and datasets is not None
    uses = {s.tenant: servers.find_uses(s, volumes or (), datasets or ()) for s in found}
    if output is not Output.TABLE:
        from blueno.cli import printing

        printing.data([_body(s, uses[s.tenant] if whole else None) for s in found], output)
        return
    for line in _lines(found, uses, whole=whole):
        shell.out(line)


@shell.command
def rm(
    namespace: Annotated[
        str, typer.Argument(metavar="NAMESPACE", help="Whose server: the Datasets' namespace.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage_namespace: Place = names.STORAGE_NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Remove a namespace's NFS server and erase all data on it.

    Nothing else ever does: neither deleting Datasets nor deleting their namespace. Refused while a Dataset or a
    PersistentVolume still uses the server. Uses kubectl with your own kubeconfig.
    """
    kubectl = _kubectl(context, kubeconfig)
    server = next((s for s in _servers(kubectl, storage_namespace) if s.tenant == namespace), None)
    if server is None:
        text = f"namespace {_plain(namespace)} has no NFS server in {_plain(storage_namespace)}"
        raise NotFound(f"{text}; `blueno storage ls` lists them")
    _refuse_if_used(kubectl, server)
    if not yes:
        _confirm(server)
        _refuse_if_used(kubectl, server)  # a question may stay unanswered for hours
    return _remove(kubectl, server)


def _remove(kubectl: Kubectl, server: Server) -> int:
    """The claim goes last: until then the operator can bring the rest back, and nothing is lost."""
    from blueno.cli.servers import kept_volume
    from blueno.resources.api import CLAIMS, SERVICES, STATEFUL_SETS

    volumes = _volumes(kubectl)
    for resource in (STATEFUL_SETS, SERVICES, CLAIMS):
        if resource is CLAIMS:
            _refuse_if_used(kubectl, server)
        if uid := server.uids.get(resource.kind):
            kubectl.delete(resource, server.namespace, server.name, uid)
    place = f"claim {_plain(server.namespace)}/{_plain(server.name)}"
    if not _claim_is_gone(kubectl, server):
        shell.say(f"{place} is being deleted; it goes, and the data with it, when the server's pod has stopped")
        return shell.Exit.NOT_IN_TIME
    shell.out(f"the NFS server of {_plain(server.tenant)} is removed")
    if kept := kept_volume(server, volumes):
        shell.say(f"its class keeps volumes: the data stay on PersistentVolume {_plain(kept)} until you delete that")
    return shell.Exit.DONE


def _claim_is_gone(kubectl: Kubectl, server: Server) -> bool:
    from blueno.resources.api import CLAIMS

    uid, deadline = server.uids.get(CLAIMS.kind), time.monotonic() + PATIENCE
    while any(body["metadata"]["uid"] == uid for body in kubectl.list(CLAIMS, server.namespace, _ROLE)):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK)
    return True


def _refuse_if_used(kubectl: Kubectl, server: Server) -> None:
    """Whoever may not list volumes cannot know that nobody uses it, and gets kubectl's refusal."""
    from blueno.cli.servers import find_uses, in_words

    uses = find_uses(server, _volumes(kubectl), _datasets(kubectl, server.tenant))
    if uses:
        who = _plain(in_words(uses))
        raise Conflict(
            f"the NFS server of {_plain(server.tenant)} is in use: {who}. Delete these first (`kubectl get datasets -n "
            f"{_plain(server.tenant)}`); no data were removed"
        )


def _confirm(server: Server) -> None:
    if not sys.stdin.isatty():
        raise InvalidSpec("--yes", "is needed where nobody can be asked: this erases all data on the server")
    size = f", {_plain(server.size)}" if server.size else ""
    shell.say(
        f"This erases everything that Datasets of {_plain(server.tenant)} prepared on {_plain(server.name)}{size}, "
        "data kept by reclaimPolicy Retain too. It cannot be undone."
    )
    if typer.prompt("Type the namespace to go on", err=True) != server.tenant:
        raise BluenoError("that is another name: nothing was removed")


def _kubectl(context: str | None, kubeconfig: str | None) -> Kubectl:
    from blueno.cli.kubectl import Kubectl

    return Kubectl(context, kubeconfig)


_ROLE = f"{names.ROLE_LABEL}={names.ROLE_NFS}"


def _servers(kubectl: Kubectl, namespace: str) -> list[Server]:
    from blueno.cli.servers import find_servers
    from blueno.resources.api import CLAIMS, SERVICES, STATEFUL_SETS

    kinds = (STATEFUL_SETS, SERVICES, CLAIMS)  # items of a list do not say their kind
    return find_servers({**body, "kind": k.kind} for k in kinds for body in kubectl.list(k, namespace, _ROLE))


def _volumes(kubectl: Kubectl) -> list[dict[str, Any]]:
    from blueno.resources.api import VOLUMES

    return kubectl.list(VOLUMES)


def _datasets(kubectl: Kubectl, namespace: str | None) -> list[dict[str, Any]]:
    """None at all when Blueno's kinds are gone from the cluster, as after an uninstallation."""
    from blueno.resources.api import DATASETS

    try:
        return kubectl.list(DATASETS, namespace)
    except NotFound:
        return []


def _permitted(listed: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]] | None:
    try:
        return listed()
    except Rejected as error:
        shell.say(f"blueno: {error}")
        return None


def _lines(found: list[Server], uses: dict[str, list[Use]], *, whole: bool) -> list[str]:
    from blueno.cli import text

    if not found:
        shell.say("no managed NFS servers")
        return []
    rows = [("NAMESPACE", "SERVER", "READY", "SIZE", "AGE", "USED BY")]
    for server in found:
        mine = uses[server.tenant]
        some = ",".join(use.what.removeprefix("Dataset ") for use in mine[:3]) + (",…" if len(mine) > 3 else "")
        used = (f"{len(mine)}: {some}" if mine else "") if whole else "?"
        ready, age = "yes" if server.ready else "no", text.age(server.created, datetime.now(UTC))
        rows.append((server.tenant, server.name, ready, server.size, age, used))
    return text.columns([tuple(_plain(cell) for cell in row) for row in rows])


def _body(server: Server, uses: list[Use] | None) -> dict[str, Any]:
    """What programs get; `usedBy` is null when it could not be found out."""
    return {
        "namespace": _plain(server.tenant),
        "server": _plain(server.name),
        "storageNamespace": _plain(server.namespace),
        "ready": server.ready,
        "address": _plain(server.address) or None,
        "size": _plain(server.size) or None,
        "storageClassName": _plain(server.storage_class) or None,
        "createdAt": server.created.isoformat() if server.created is not None else None,
        "usedBy": None if uses is None else [{"what": _plain(u.what), "why": _plain(u.why)} for u in uses],
    }


def _plain(text: str) -> str:
    from blueno.client.words import plain

    return plain(text)
