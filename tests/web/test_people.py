"""Tokens and users: who holds what, and who may give and take it."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.site import PASSWORD, Site, still
from webui import auth


async def test_tokens(site: Site) -> None:
    browser = await site.logged_in()
    made = await browser.post("/api/v1/tokens", {"name": "night job", "expiresInDays": 7})
    assert made.status == 201
    assert made.json["token"].startswith("blueno_")
    program = site.browser(Authorization=f"Bearer {made.json['token']}", **{"Sec-Fetch-Site": "cross-site"})
    assert (await program.get("/api/v1/session")).json["email"] == "ada@example.org"
    (listed,) = (await browser.get("/api/v1/tokens")).json["items"]
    assert listed["usedAt"] is not None
    assert "token" not in listed
    assert made.json["token"] not in str(site.sql("SELECT * FROM record.token"))
    other = await site.logged_in("eve@example.org")
    assert (await other.ask("DELETE", f"/api/v1/tokens/{listed['id']}")).status == 404
    assert (await other.get("/api/v1/tokens")).json == {"items": []}
    assert (await browser.ask("DELETE", f"/api/v1/tokens/{listed['id']}")).status == 204
    assert (await program.get("/api/v1/session")).status == 401


async def test_a_token_runs_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "BELIEVED", 0.0)
    browser = await site.logged_in()
    made = (await browser.post("/api/v1/tokens", {"name": "a", "expiresInDays": 1})).json
    program = site.browser(Authorization=f"Bearer {made['token']}")
    assert (await program.get("/api/v1/session")).status == 200
    site.sql("UPDATE record.token SET expires_at = now()")
    assert (await program.get("/api/v1/session")).status == 401


GARBAGE = (
    *("Bearer", "Bearer ", "Basic YTpi", "Bearer garbage", "Bearer blueno_", "Bearer blueno_" + "x" * 43),
    *("Bearer blueno_" + "x" * 5000, "Bearer eyJhbGciOiJub25lIn0.e30.", "blueno_" + "x" * 43),
)


async def test_garbage_opens_nothing(site: Site) -> None:
    """A bad Authorization is not made good by a cookie."""
    browser = await site.logged_in()
    for header in GARBAGE:
        reply = await browser.get("/api/v1/session", headers={"Authorization": header})
        assert reply.status == 401, header
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_unknown_tokens_are_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    still(site, monkeypatch)
    browser = site.browser()
    statuses = [
        (await browser.get("/api/v1/session", headers={"Authorization": f"Bearer blueno_{n:043}"})).status
        for n in range(60)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_users(site: Site) -> None:
    admin = await site.logged_in("root@example.org", "admin")
    new = {"email": "Eve@example.org", "password": PASSWORD, "role": "viewer", "namespaces": ["lab"]}
    made = await admin.post("/api/v1/users", new)
    assert (made.status, made.json["email"]) == (201, "eve@example.org")
    assert (await admin.post("/api/v1/users", new)).code == "taken"
    listed = (await admin.get("/api/v1/users")).json["items"]
    assert [user["email"] for user in listed] == ["eve@example.org", "root@example.org"]
    assert "password" not in str(listed)

    eve = site.browser()
    assert (await eve.log_in("eve@example.org")).json == {
        "email": "eve@example.org",
        "role": "viewer",
        "namespaces": ["lab"],
    }
    assert (await eve.get("/api/v1/users")).status == 403
    assert (await eve.post("/api/v1/users", new)).status == 403
    change = await admin.post("/api/v1/users/eve@example.org/password", {"password": "another password"})
    assert change.status == 204
    assert (await eve.get("/api/v1/session")).status == 401
    assert (await eve.log_in("eve@example.org", "another password")).status == 200
    assert (await admin.ask("DELETE", "/api/v1/users/eve@example.org")).status == 204
    assert (await eve.get("/api/v1/session")).status == 401
    assert (await admin.ask("DELETE", "/api/v1/users/eve@example.org")).status == 404
    assert (await admin.ask("DELETE", "/api/v1/users/root@example.org")).code == "last_administrator"
    assert ("eve@example.org", "create", "users", "", "denied") in site.audit()
    assert ("root@example.org", "delete", "users", "eve@example.org", "ok") in site.audit()
    assert ("root@example.org", "delete", "users", "root@example.org", "failed") in site.audit()


async def test_two_administrators_cannot_remove_each_other(site: Site) -> None:
    first, second = await site.logged_in("a@example.org", "admin"), await site.logged_in("b@example.org", "admin")
    replies = await asyncio.gather(
        first.ask("DELETE", "/api/v1/users/b@example.org"), second.ask("DELETE", "/api/v1/users/a@example.org")
    )
    assert sorted(reply.status for reply in replies) in ([204, 401], [204, 409])
    assert site.sql("SELECT count(*) FROM record.person") == [(1,)]


async def test_a_change_of_role_and_namespaces(site: Site) -> None:
    admin, eve = await site.logged_in("root@example.org", "admin"), await site.logged_in("eve@example.org")
    one = "/api/v1/users/eve@example.org"
    changed = await admin.ask("PATCH", one, {"role": "editor", "namespaces": ["zoo", "lab", "zoo"]})
    assert (changed.status, changed.json["role"], changed.json["namespaces"]) == (200, "editor", ["zoo", "lab"])
    assert (await eve.get("/api/v1/session")).json["role"] == "editor", "at once, in the session that is open"
    assert (await admin.ask("PATCH", one, {"role": "viewer"})).json["namespaces"] == ["zoo", "lab"]
    for body, status in (({}, 422), ({"role": "root"}, 422), ({"role": None}, 422), ({"namespaces": "lab"}, 422)):
        assert (await admin.ask("PATCH", one, body)).status == status, body
    assert (await admin.ask("PATCH", "/api/v1/users/no@example.org", {"role": "editor"})).status == 404
    last = await admin.ask("PATCH", "/api/v1/users/root@example.org", {"role": "editor"})
    assert (last.status, last.code) == (409, "last_administrator")
    assert (await admin.ask("PATCH", "/api/v1/users/root@example.org", {"namespaces": ["*"]})).status == 200
    assert (await eve.ask("PATCH", one, {"role": "admin"})).status == 403
    assert ("root@example.org", "change", "users", "eve@example.org", "ok") in site.audit()


async def test_reset_and_revoke(site: Site) -> None:
    admin, eve = await site.logged_in("root@example.org", "admin"), await site.logged_in("eve@example.org")
    token = (await eve.post("/api/v1/tokens", {"name": "t"})).json["token"]
    program = site.browser(Authorization=f"Bearer {token}")
    assert (await program.get("/api/v1/session")).status == 200
    assert (await admin.ask("POST", "/api/v1/users/eve@example.org/revoke")).status == 204
    for browser in (eve, program):
        assert (await browser.get("/api/v1/session")).status == 401
    assert (await eve.log_in("eve@example.org")).status == 200
    reset = await admin.ask("POST", "/api/v1/users/eve@example.org/reset")
    assert (await eve.get("/api/v1/session")).status == 401
    assert (await eve.log_in("eve@example.org")).status == 401
    assert (await eve.log_in("eve@example.org", reset.json["password"])).status == 200
    assert reset.json["password"] not in str(site.sql("SELECT * FROM record.audit"))
    for what in ("reset", "revoke"):
        assert (await admin.ask("POST", f"/api/v1/users/no@example.org/{what}")).status == 404
        assert (await eve.ask("POST", f"/api/v1/users/root@example.org/{what}")).status == 403
    assert ("root@example.org", "revoke", "users", "eve@example.org", "ok") in site.audit()


async def test_what_another_process_ended_is_over_here_within_a_minute(site: Site) -> None:
    """A token that was removed elsewhere is believed no longer than BELIEVED seconds."""
    eve = await site.logged_in("eve@example.org")
    token = (await eve.post("/api/v1/tokens", {"name": "t"})).json["token"]
    program = site.browser(Authorization=f"Bearer {token}")
    assert (await program.get("/api/v1/session")).status == 200
    site.sql("DELETE FROM record.token")
    assert auth.BELIEVED <= 60
    known = site.process.services.doorkeeper._known
    for total, (until, who) in list(known.items()):
        known[total] = (until - auth.BELIEVED, who)
    assert (await program.get("/api/v1/session")).status == 401
