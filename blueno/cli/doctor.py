"""`blueno doctor`: is everything there, and does it work? Registered in app.py.

Asks the server over HTTP and the cluster by the person's own kubectl (kubectl.py); health.py judges. Reads only.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from blueno import names
from blueno.cli import shell
from blueno.cli.options import Context, Format, Kubeconfig, SystemNamespace
from blueno.cli.shell import Output
from blueno.errors import BluenoError, NotFound, Rejected, Unavailable

if TYPE_CHECKING:
    from blueno.cli.health import Finding
    from blueno.cli.kubectl import Kubectl
    from blueno.resources.api import Resource

MARKS = {"ok": ("✓", 32), "warning": ("!", 33), "failed": ("✗", 31), "skipped": ("-", 90)}
SECONDS = 10.0  # for each question to the server


@shell.served
def doctor(
    system_namespace: SystemNamespace = names.SYSTEM_NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: Format = Output.TABLE,
) -> int:
    """Check server, login, database, cluster, kinds, operator and data servers.

    Each check that fails says why and what to do; the exit code is 11 then. The cluster is asked by kubectl with your
    own kubeconfig: what you may not see is left out, and said. Changes nothing.
    """
    from blueno.cli.health import State
    from blueno.cli.kubectl import Kubectl

    found: list[Finding] = []
    for finding in _checks(Kubectl(context, kubeconfig), system_namespace):
        found.append(finding)
        if output is Output.TABLE:
            _tell(finding)
            sys.stdout.flush()
    bad = [one for one in found if one.state is State.FAILED]
    if output is Output.NAME:
        for one in bad:
            shell.out(one.check)
    elif output is not Output.TABLE:
        from blueno.cli import printing

        body = [{"check": f.check, "state": str(f.state), "message": f.said, "fix": f.fix or None} for f in found]
        printing.data({"well": not bad, "checks": body}, output)
    elif bad:
        shell.out(f"{len(bad)} of {len(found)} checks failed")
    return shell.Exit.UNWELL if bad else shell.Exit.DONE


def _checks(kubectl: Kubectl, system: str) -> Iterator[Finding]:
    """One after the other, each as soon as it is known."""
    from blueno.cli.health import State

    well = True
    for finding in _server():
        well = well and finding.state is not State.FAILED
        yield finding
    yield from _cluster(kubectl, system, well)


def _server() -> Iterator[Finding]:
    from blueno.cli.health import Finding, State
    from blueno.client.http import Http, Limits

    try:
        settings = shell.settings()
    except BluenoError as error:
        yield Finding("server", State.FAILED, str(error), "blueno login https://…, or look at `blueno config show`")
        return
    http = Http(settings.server, settings.token, Limits(SECONDS, SECONDS, SECONDS))
    try:
        try:
            http.send("GET", "/healthz")
        except BluenoError as error:
            fix = "is the address right, and does this machine reach it? Without an Ingress: blueno ui --port-forward"
            yield Finding("server", State.FAILED, str(error), fix)
            return
        yield Finding("server", State.OK, f"{settings.server} answers")
        yield from _login(http)
    finally:
        http.close()


def _login(http: Any) -> Iterator[Finding]:
    import blueno
    from blueno.cli.health import Finding, State
    from blueno.client.reading import Fields
    from blueno.client.words import plain

    logs = f"kubectl logs -n {names.SYSTEM_NAMESPACE} deploy/{names.WEB} -c web"
    try:
        session = Fields(http.send("GET", "/api/v1/session").body, "session")
        who, role = plain(session.text("email"), 200), plain(session.text("role"), 40)
        where = ", ".join(plain(one, 63) for one in session.texts("namespaces")) or "no namespace"
        version = plain(Fields(session.raw.get("server"), "session.server").text("version"), 40)
    except Rejected as error:
        yield Finding("login", State.FAILED, str(error), f"blueno login {http.server}")
        return
    except Unavailable as error:
        yield Finding("database", State.FAILED, str(error), f"kubectl get pods -n {names.SYSTEM_NAMESPACE}; {logs}")
        return
    except BluenoError as error:
        yield Finding("login", State.FAILED, str(error), "is the address that of Blueno's web process?")
        return
    nowhere = "ask an administrator: blueno user set, or the page Users" if where == "no namespace" else ""
    yield Finding("login", State.WARNING if nowhere else State.OK, f"{who}, {role} of {where}", nowhere)
    same = version == blueno.__version__
    said = f"client {blueno.__version__}, server {version}"
    fix = "" if same else "pip install the version of the server when something is not understood"
    yield Finding("versions", State.OK if same else State.WARNING, said, fix)
    try:
        http.send("GET", "/api/v1/datasets", query={"limit": 1})
        yield Finding("database", State.OK, "it answers")
    except BluenoError as error:
        yield Finding("database", State.FAILED, str(error), f"kubectl get pods -n {names.SYSTEM_NAMESPACE}; {logs}")


def _cluster(kubectl: Kubectl, system: str, server_is_well: bool) -> Iterator[Finding]:
    """Whoever has a server that works need not reach the cluster."""
    from blueno.cli import health
    from blueno.cli.health import Finding, State
    from blueno.resources.api import DEPLOYMENTS, LEASES, PODS

    if shutil.which("kubectl") is None:
        yield Finding("cluster", State.SKIPPED, "there is no kubectl here: the cluster itself is not looked at")
        return
    try:
        yield Finding("cluster", State.OK, f"Kubernetes {kubectl.version()}")
    except BluenoError as error:
        fix = "which cluster is meant? kubectl config get-contexts, then --context NAME"
        state = State.WARNING if server_is_well else State.FAILED
        yield Finding("cluster", state, f"it is not looked at: {error}", fix)
        return
    yield _seen("kinds", lambda: health.of_crds(kubectl.list(health.CRDS)))
    for check, name in (("operator", names.OPERATOR), ("web process", names.WEB), ("recorder", names.RECORDER)):
        yield _seen(check, partial(_process, kubectl, check, name, system))
    yield _seen(
        "operator works",
        lambda: health.of_lease(_one(kubectl, LEASES, system, names.LEASE), datetime.now(UTC), system),
    )
    role = f"{names.ROLE_LABEL}={names.ROLE_SERVE}"
    yield _seen(
        "data servers",
        lambda: health.of_data_servers(kubectl.list(DEPLOYMENTS, None, role), kubectl.list(PODS, None, role)),
    )


def _process(kubectl: Kubectl, check: str, name: str, system: str) -> Finding:
    from blueno.cli import health
    from blueno.resources.api import DEPLOYMENTS, PODS

    body = _one(kubectl, DEPLOYMENTS, system, name)
    pods: list[dict[str, Any]] = []
    if body is not None:
        labels = ((body.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        pods = kubectl.list(PODS, system, ",".join(f"{key}={value}" for key, value in sorted(labels.items())))
    return health.of_deployment(check, body, pods, f"Deployment {system}/{name}")


def _one(kubectl: Kubectl, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
    try:
        return kubectl.get(resource, namespace, name)
    except NotFound:
        return None


def _seen(check: str, look: Callable[[], Finding]) -> Finding:
    """What `look` found; what the person may not see is no fault."""
    from blueno.cli.health import Finding, State

    try:
        return look()
    except Rejected as error:
        return Finding(check, State.SKIPPED, str(error))
    except BluenoError as error:
        return Finding(check, State.FAILED, str(error), "try again; does `kubectl get pods -A` answer?")


def _tell(finding: Finding) -> None:
    from blueno.client.words import plain

    sign, colour = MARKS[finding.state]
    if shell.has_colours(sys.stdout):
        sign = f"\x1b[{colour}m{sign}\x1b[0m"
    shell.out(f"{sign} {finding.check + ':':15} {plain(finding.said)}")
    if finding.fix:
        shell.out(f"  {'':15} → {plain(finding.fix)}")
