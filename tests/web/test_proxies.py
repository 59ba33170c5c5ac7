"""Whose request it is behind proxies: what is believed, and what is not."""

from __future__ import annotations

import pytest

from blueno.errors import InvalidSpec
from tests.web.conftest import StartSite
from tests.web.site import still
from webui.proxies import Proxies, parse_networks

OURS = Proxies(parse_networks("10.0.0.0/8, 2001:db8:1::/48", "X"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # nobody of ours wrote that
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
        ("10.0.0.1", ["2001:db8:2::7"], "2001:db8:2::7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1::1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # the first one was made up by the client
        ("10.0.0.1", ["198.51.100.7, 10.0.0.2"], "198.51.100.7"),  # two proxies of ours
        ("10.0.0.1", ["198.51.100.7", "10.0.0.2"], "198.51.100.7"),  # in two headers
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),  # the client is inside, too
        ("10.0.0.1", ["198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        ("10.0.0.1", [", ".join(["198.51.100.7"] + ["10.0.0.2"] * 100)], "10.0.0.2"),  # so many, and no more
        ("", ["198.51.100.7"], ""),
    ],
)
def test_client(peer: str, forwarded: list[str], client: str) -> None:
    assert OURS.client(peer, forwarded) == client


def test_nobody_is_trusted_unless_named() -> None:
    assert Proxies().client("10.0.0.1", ["198.51.100.7"]) == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/8 10.1.0.0/16", "*"])
def test_networks_that_are_none(text: str) -> None:
    with pytest.raises(InvalidSpec, match="BLUENO_TRUSTED_PROXIES"):
        parse_networks(text, "BLUENO_TRUSTED_PROXIES")


async def test_guesses_count_for_the_client_behind_the_proxy(
    start_site: StartSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await start_site(proxies=Proxies(parse_networks("127.0.0.0/8", "X")))
    still(site, monkeypatch)
    body = {"code": "0000-0000-0000", "email": "eve@example.org", "password": "a long enough password"}

    async def guess(client: str) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.9, {client}"}
        return (await site.browser().post("/api/v1/setup", body, headers=headers)).status

    assert [await guess("198.51.100.7") for _ in range(25)][-1] == 429
    assert await guess("198.51.100.8") == 403
    assert {remote for (remote,) in site.sql("SELECT remote FROM record.audit")} == {"198.51.100.7", "198.51.100.8"}


async def test_a_client_cannot_make_itself_another(start_site: StartSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = await start_site()
    still(site, monkeypatch)
    body = {"code": "0000-0000-0000", "email": "eve@example.org", "password": "a long enough password"}
    statuses = []
    for number in range(25):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        statuses.append((await site.browser().post("/api/v1/setup", body, headers=headers)).status)
    assert statuses[-1] == 429
