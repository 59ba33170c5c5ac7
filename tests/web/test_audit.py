"""What is written to the cluster for people stands in the audit table before it is sent, whatever happens then."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import aiohttp
import psycopg2
import pytest

from blueno.db import audit, people
from tests.fakes.access import AccessServer
from tests.fakes.api_discovery import Refused
from tests.runs import a_run
from tests.web.run_writes import ALL, ONE, a_new, an_editor, judging_access
from tests.web.site import PASSWORD, Browser, Site, eventually
from tests.web.test_process import environment, kube_config, run
from webui.config import WebConfig
from webui.passwords import hashed

WRITES = (("POST", ALL, a_new("new")), ("PATCH", ONE, {"suspend": True}), ("DELETE", ONE, None))


@pytest.fixture
def access() -> AccessServer:
    return judging_access()


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await an_editor(site)


def outcomes(site: Site) -> list[tuple[str, Any]]:
    """(outcome, detail) of the rows about runs, oldest first."""
    return [
        (outcome, detail)
        for outcome, detail in site.sql(
            "SELECT outcome, detail FROM record.audit WHERE resource = 'trainingruns' ORDER BY id"
        )
    ]


@pytest.mark.parametrize(("verb", "path", "body"), WRITES)
async def test_the_intent_is_there_when_the_cluster_hears_of_it(
    site: Site, editor: Browser, access: AccessServer, verb: str, path: str, body: Any
) -> None:
    access.api.put(a_run())
    heard: list[list[tuple[str, Any]]] = []

    def look(method: str, _: str) -> None:
        if method == verb:
            heard.append(outcomes(site))

    access.api.fail = look
    reply = await editor.ask(verb, path, body)
    assert reply.status in (200, 201, 204), reply
    assert [found[-1][0] for found in heard] == ["intended"]
    assert [outcome for outcome, _ in outcomes(site)] == ["ok"]  # the same row, settled


async def test_a_dry_run_intends_nothing(site: Site, editor: Browser, access: AccessServer) -> None:
    access.api.fail = lambda verb, path: 503 if verb == "POST" else None
    assert (await editor.post(ALL, a_new() | {"dryRun": True})).status == 503
    assert [outcome for outcome, _ in outcomes(site)] == ["failed"]


@pytest.mark.parametrize(
    ("refusal", "outcome", "code"),
    [
        (Refused(403, "exceeded quota"), "denied", "refused_by_cluster"),
        (Refused(422, "it is invalid"), "failed", "invalid"),
        (Refused(409, "exists"), "failed", "taken"),
        (Refused(500, "etcd is slow"), "unknown", "cluster_unavailable"),
    ],
)
async def test_the_answer_settles_it_and_silence_does_not(
    site: Site, editor: Browser, access: AccessServer, refusal: Refused, outcome: str, code: str
) -> None:
    def refuse(body: Any, query: Any) -> None:
        raise refusal

    access.api.judge = refuse
    await editor.post(ALL, a_new())
    assert outcomes(site) == [(outcome, {"code": code})]


async def test_what_cannot_be_written_down_is_not_done(site: Site, editor: Browser, access: AccessServer) -> None:
    access.api.put(a_run())
    site.sql("ALTER TABLE record.audit RENAME TO audit_away")
    for verb, path, body in WRITES:
        reply = await editor.ask(verb, path, body)
        assert (reply.status, reply.code) == (503, "database_unavailable"), verb
    assert [seen for seen in access.api.requests if seen.is_write] == []
    site.sql("ALTER TABLE record.audit_away RENAME TO audit")
    assert (await editor.ask(*WRITES[0])).status == 201


async def test_what_was_done_is_told_though_it_cannot_be_settled(
    site: Site, editor: Browser, access: AccessServer
) -> None:
    """The row says `intended`, which is true; the person hears what the cluster said."""
    access.api.judge = lambda body, query: site.sql("ALTER TABLE record.audit RENAME TO audit_away")
    assert (await editor.post(ALL, a_new())).status == 201
    site.sql("ALTER TABLE record.audit_away RENAME TO audit")
    assert [outcome for outcome, _ in outcomes(site)] == ["intended"]


async def test_a_killed_process_leaves_a_trace(
    site: Site, settings: WebConfig, access: AccessServer, tmp_path: Path
) -> None:
    site.sql(people.insert_person, "ed@example.org", hashed(PASSWORD), "editor", ["*"])
    slow = asyncio.Event()

    def late(verb: str, path: str) -> float:
        if verb != "POST" or "trainingruns" not in path:
            return 0.0
        slow.set()
        return 20.0

    access.api.slow = late
    async with access.serving() as cluster:
        (tmp_path / "kubeconfig").write_text(json.dumps(kube_config(cluster._base)))
        program = await run(environment(settings, tmp_path / "kubeconfig"))
        reader = asyncio.create_task(program.read())
        ports = await eventually(lambda: program.said(r"serving on port (\d+)"), 30.0)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            browser = Browser(f"http://127.0.0.1:{ports[1]}", session)
            assert (await browser.log_in("ed@example.org")).status == 200
            asked = asyncio.create_task(browser.post(ALL, a_new()))
            await asyncio.wait_for(slow.wait(), 20)
            program.process.send_signal(signal.SIGKILL)
            await program.process.wait()
            await asyncio.gather(asked, return_exceptions=True)
        await reader
    assert site.audit()[-1] == ("ed@example.org", "create", "trainingruns", "train", "intended")


async def test_a_row_changes_once_and_only_its_outcome(site: Site, editor: Browser) -> None:
    row = audit.AuditRow("ed@example.org", "create", "trainingruns", "intended", "lab", "train", detail={"a": 1})
    number = site.sql(audit.insert_audit, row)
    for change in ("actor = 'x', outcome = 'ok'", "at = now(), outcome = 'ok'", "outcome = 'fine'", "detail = '{}'"):
        with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
            site.sql(f"UPDATE record.audit SET {change} WHERE id = {number}")
    site.sql(audit.settle_audit, number, "failed", {"code": "taken"})
    assert outcomes(site) == [("failed", {"a": 1, "code": "taken"})]
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        site.sql(audit.settle_audit, number, "ok", {})
