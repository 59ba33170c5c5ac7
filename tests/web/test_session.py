"""Setup, login, logout, tokens, users: what opens the door, and what does not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from blueno.db import people
from tests.web.conftest import StartSite
from tests.web.site import PASSWORD, Browser, Site, eventually, still
from webui import auth

CODE = re.compile(r"open /setup and enter the code ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})")


async def code_in_log(log_lines: Callable[[], list[str]]) -> str:
    """The code that the log shows last."""

    def find() -> list[str]:
        return CODE.findall("\n".join(log_lines()))

    return (await eventually(find))[-1]


async def test_first_user_by_the_code_from_the_log(start_site: StartSite, log_lines: Callable[[], list[str]]) -> None:
    site = await start_site()
    browser = site.browser()
    code = await code_in_log(log_lines)
    assert (await browser.get("/api/v1/setup")).json == {"needed": True}
    first = {"code": f" {code.lower()} ", "email": "Ada@Example.org", "password": PASSWORD}
    reply = await browser.post("/api/v1/setup", first)
    assert reply.status == 201
    assert reply.json | {"server": 0} == {"email": "ada@example.org", "role": "admin", "namespaces": ["*"], "server": 0}
    assert (await browser.get("/api/v1/session")).json == reply.json
    assert (await browser.get("/api/v1/setup")).json == {"needed": False}
    again = await site.browser().post("/api/v1/setup", first | {"email": "eve@example.org"})
    assert (again.status, again.code) == (403, "wrong_code")
    assert site.audit() == [
        ("", "setup", "setup", "ada@example.org", "ok"),
        ("", "setup", "setup", "eve@example.org", "denied"),
    ]


async def test_no_code_once_there_is_somebody(start_site: StartSite, log_lines: Callable[[], list[str]]) -> None:
    site = await start_site()
    await code_in_log(log_lines)
    site.add_person("ada@example.org")
    before = len(log_lines())
    second = await start_site()
    await eventually(lambda: second.sql("SELECT count(*) FROM record.setup_seed") == [(0,)])
    assert not CODE.search("\n".join(log_lines()[before:]))


async def test_every_process_shows_the_same_code(start_site: StartSite, log_lines: Callable[[], list[str]]) -> None:
    first = await start_site()
    await code_in_log(log_lines)
    await start_site()
    codes = await eventually(lambda: found if len(found := CODE.findall("\n".join(log_lines()))) > 1 else None)
    assert len(set(codes)) == 1
    body = {"code": codes[0], "email": "ada@example.org", "password": PASSWORD}
    assert (await first.browser().post("/api/v1/setup", body)).status == 201


async def test_of_two_with_the_code_one_wins(site: Site, log_lines: Callable[[], list[str]]) -> None:
    code = await code_in_log(log_lines)
    bodies = [{"code": code, "email": f"p{n}@example.org", "password": PASSWORD} for n in range(4)]
    replies = await asyncio.gather(*(site.browser().post("/api/v1/setup", body) for body in bodies))
    assert sorted(reply.status for reply in replies) == [201, 403, 403, 403]
    assert site.sql("SELECT count(*) FROM record.person") == [(1,)]


async def test_guesses_at_the_code_are_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    still(site, monkeypatch)
    browser = site.browser()
    body = {"code": "0000-0000-0000", "email": "eve@example.org", "password": PASSWORD}
    statuses = [(await browser.post("/api/v1/setup", body)).status for _ in range(21)]
    assert statuses[0] == 403
    assert statuses[-1] == 429


async def test_login_and_logout(site: Site) -> None:
    browser = await site.logged_in("ada@example.org")
    (cookie,) = list(browser.session.cookie_jar)
    assert (cookie.key, cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        "blueno_session",
        True,
        "Strict",
        "/",
    )
    assert not cookie["secure"]
    assert cookie.value not in str(site.sql("SELECT sum FROM record.session"))
    assert (await browser.get("/api/v1/session")).json["email"] == "ada@example.org"
    stolen = cookie.value
    assert (await browser.post("/api/v1/logout", None)).status == 204
    thief = site.browser(Cookie=f"blueno_session={stolen}")
    assert (await thief.get("/api/v1/session")).status == 401
    assert site.audit() == [
        ("ada@example.org", "login", "login", "ada@example.org", "ok"),
        ("ada@example.org", "logout", "logout", "", "ok"),
    ]


async def test_the_cookie_is_secure_where_the_site_is(start_site: StartSite) -> None:
    site = await start_site(public_url="https://blueno.example.org")
    site.add_person("ada@example.org")
    reply = await site.browser(Origin="https://blueno.example.org").log_in("ada@example.org")
    assert reply.status == 200
    assert "Secure" in reply.headers["Set-Cookie"]


async def test_wrong_and_unknown_get_the_same_answer(site: Site) -> None:
    site.add_person("ada@example.org")
    site.add_person("gone@example.org")
    site.sql("UPDATE record.person SET disabled_at = now() WHERE email = 'gone@example.org'")
    browser = site.browser()
    wrong = await browser.log_in("ada@example.org", "not the password")
    unknown = await browser.log_in("nobody@example.org", "not the password")
    disabled = await browser.log_in("gone@example.org", PASSWORD)
    for reply in (wrong, unknown, disabled):
        assert reply.status == 401
        assert reply.json | {"requestId": ""} == wrong.json | {"requestId": ""}
        assert "Set-Cookie" not in reply.headers
    assert {row[4] for row in site.audit()} == {"denied"}


async def test_attempts_are_limited_by_address_and_by_place(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    still(site, monkeypatch)
    site.add_person("ada@example.org")
    browser = site.browser()
    replies = [await browser.log_in("ada@example.org", "wrong password") for _ in range(11)]
    assert [reply.status for reply in replies] == [401] * 10 + [429]
    assert int(replies[-1].headers["Retry-After"]) >= 1
    assert (await browser.log_in("ada@example.org")).status == 429
    others = [(await browser.log_in(f"p{n}@example.org", "wrong password")).status for n in range(20)]
    assert set(others) == {401, 429}
    assert others[0] == 401
    assert len(site.audit()) == 10 + others.count(401), "who is sent away unheard is not written down"


async def test_right_logins_do_not_count(site: Site) -> None:
    site.add_person("ada@example.org")
    browser = site.browser()
    assert {(await browser.log_in("ada@example.org")).status for _ in range(30)} == {200}


async def test_a_session_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "BELIEVED", 0.0)
    for change in (
        "UPDATE record.session SET seen_at = now() - interval '13 hours'",
        "UPDATE record.session SET expires_at = now() - interval '1 second'",
        "UPDATE record.person SET disabled_at = now()",
        "DELETE FROM record.person",
    ):
        browser = await site.logged_in()
        site.sql(change)
        assert (await browser.get("/api/v1/session")).status == 401, change
        site.sql("DELETE FROM record.person")


async def test_use_keeps_a_session_alive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "BELIEVED", 0.0)
    browser = await site.logged_in()
    site.sql("UPDATE record.session SET seen_at = now() - interval '11 hours'")
    assert (await browser.get("/api/v1/session")).status == 200
    assert site.sql("SELECT now() - seen_at < interval '1 minute' FROM record.session") == [(True,)]


async def test_a_removed_person_is_out_within_a_minute(site: Site) -> None:
    """Removed behind our back (command line, another replica): what is believed lasts ten seconds."""
    browser = await site.logged_in()
    assert auth.BELIEVED <= 60
    assert (await browser.get("/api/v1/session")).status == 200
    site.sql("DELETE FROM record.person")
    keeper = site.process.services.doorkeeper
    known = next(iter(keeper._known))
    until, identity = keeper._known[known]
    keeper._known[known] = (until - auth.BELIEVED, identity)  # ten seconds later
    assert (await browser.get("/api/v1/session")).status == 401


OWN = "{own}"
ORIGINS: list[tuple[dict[str, str], int]] = [
    ({"Sec-Fetch-Site": "same-origin"}, 204),
    ({"Origin": OWN}, 204),
    ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "none"}, 403),
    ({}, 403),
]


async def test_changes_by_cookie_come_from_our_own_pages(site: Site) -> None:
    for headers, status in ORIGINS:
        browser = await site.logged_in()
        (cookie,) = list(browser.session.cookie_jar)
        own = {name: value.format(own=site.url) for name, value in headers.items()}
        async with browser.session.post(f"{site.url}/api/v1/logout", headers=own) as answer:
            assert answer.status == status, headers
            assert "Access-Control-Allow-Origin" not in answer.headers
        still = await site.browser(Cookie=f"blueno_session={cookie.value}").get("/api/v1/session")
        assert still.status == (401 if status == 204 else 200), headers


async def test_login_is_not_taken_from_other_sites(site: Site) -> None:
    site.add_person("ada@example.org")
    reply = await site.browser(Origin="http://evil.example").log_in("ada@example.org")
    assert (reply.status, reply.code) == (403, "other_site")


async def test_no_secret_reaches_the_log(site: Site, log_lines: Callable[[], list[str]]) -> None:
    browser = await site.logged_in("root@example.org", "admin")
    (cookie,) = list(browser.session.cookie_jar)
    made = (await browser.post("/api/v1/tokens", {"name": "a"})).json
    await browser.get("/api/v1/session?token=" + made["token"])
    await browser.get("/api/v1/session", headers={"Authorization": f"Bearer {made['token']}"})
    await browser.log_in("root@example.org", "a wrong secret")
    log = "\n".join(log_lines())
    assert "answered" in log
    for secret in (PASSWORD, "a wrong secret", cookie.value, made["token"], "not-a-secret-of-anybody"):
        assert secret not in log


async def test_the_audit_table_only_grows(site: Site) -> None:
    browser = await site.logged_in()
    assert isinstance(browser, Browser)
    with pytest.raises(Exception, match="append-only"):
        site.sql("DELETE FROM record.audit")
    assert site.sql(people.is_nobody) is False
