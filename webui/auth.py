"""Who asks: sessions (cookie) and tokens (bearer), login and its limits, and what a browser may do from elsewhere.

Called by pipeline.py and api/session.py; reads blueno/db/people.py. Secrets are random (256 bits) and only their sums
are stored. What was found is believed for BELIEVED seconds, so a session or person that is removed is out after that.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from blueno.db import people
from blueno.db.connect import Cursor
from webui.config import WebConfig
from webui.database import Database
from webui.keys import Keys, token_sum
from webui.limits import Buckets, neighbourhood
from webui.passwords import Passwords
from webui.problems import Problem, later

log = logging.getLogger("blueno.web.auth")

COOKIE = "blueno_session"
COOKIE_SECONDS = 7 * 86400
TOKEN_PREFIX = "blueno_"
BELIEVED = 10.0  # seconds
REMEMBERED = 4096
SAFE = ("GET", "HEAD")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_SAME_ANSWER = "the address or the password is not right"


@dataclass(frozen=True)
class Identity:
    """A person, and by what we know. `total` is the sum of the session or token that was shown."""

    person_id: int
    email: str
    role: str
    namespaces: tuple[str, ...]
    by_token: bool
    total: bytes

    def may_enter(self, namespace: str) -> bool:
        """Whether the person's own list has the namespace; the cluster's say comes on top (access.py)."""
        return people.EVERY_NAMESPACE in self.namespaces or namespace in self.namespaces


class Doorkeeper:
    """Identifies callers and lets people in."""

    def __init__(self, config: WebConfig, keys: Keys, database: Database, passwords: Passwords) -> None:
        self._config = config
        self._keys = keys
        self._database = database
        self._passwords = passwords
        self._known: OrderedDict[bytes, tuple[float, Identity | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Future[Identity | None]] = {}  # many requests of one caller ask once
        # 20 attempts at once and 20 a minute from one place; 10 and 6 a minute at one address. Right ones do not count.
        self._by_place = Buckets(20 / 60, 20, time.monotonic)
        self._by_email = Buckets(6 / 60, 10, time.monotonic)
        self._strangers = Buckets(5, 50, time.monotonic)  # cookies and tokens that nobody knows, by place

    async def identify(self, request: web.BaseRequest, remote: str) -> Identity | None:
        """Who sent this; None without a good session or token. Raises Problem 403 for another site's request."""
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            secret = token.strip().removeprefix(TOKEN_PREFIX)
            if scheme.lower() != "bearer" or not token.startswith(TOKEN_PREFIX) or not _SECRET.fullmatch(secret):
                return None
            return await self._look_up(token_sum(token.strip()), remote, by_token=True)
        cookie = request.cookies.get(COOKIE, "")
        if not _SECRET.fullmatch(cookie):
            return None
        self.refuse_other_sites(request, with_cookie=True)
        return await self._look_up(self._keys.session_sum(cookie), remote, by_token=False)

    async def again(self, identity: Identity) -> Identity | None:
        """The same session or token, looked up now: for streams, which outlive what was believed."""
        self.forget(identity.total)
        return await self._look_up(identity.total, None, by_token=identity.by_token)

    def refuse_other_sites(self, request: web.BaseRequest, *, with_cookie: bool) -> None:
        """A change that comes with a cookie must come from our own pages. Raises Problem 403.

        Without a cookie (login, setup) a browser's word is enough; programs send neither header.
        """
        if request.method in SAFE:
            return
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if site is not None and site not in ("same-origin", "none"):
            raise _other_site()
        if origin is not None:
            if not self._is_ours(origin, request.headers.get("Host", "")):
                raise _other_site()
        elif with_cookie and site != "same-origin":
            raise _other_site()

    async def log_in(self, email: str, password: str, remote: str) -> people.Person:
        """Raises Problem 401 (one answer for all causes) and 429."""
        place, address = neighbourhood(remote), email.lower()
        for buckets, key in ((self._by_place, place), (self._by_email, address)):
            seconds = buckets.take(key)
            if seconds:
                raise later("too_many_attempts", "too many attempts to log in: wait a little", seconds, status=429)
        counts = True  # one that is broken off, too
        try:
            person = await self._database.read(people.select_person, address)
            counts = not await self._passwords.fits(password, person.password if person else None)
        except Exception:  # nobody could look
            counts = False
            raise
        finally:
            if not counts:
                self._by_place.give_back(place)
                self._by_email.give_back(address)
        if counts:
            raise Problem(401, "wrong_login", _SAME_ANSWER)
        assert person is not None  # noqa: S101  # nobody's password never fits
        return person

    def limit_setup(self, remote: str) -> None:
        """Guesses at the setup code count as logins. Raises Problem 429."""
        seconds = self._by_place.take(neighbourhood(remote))
        if seconds:
            raise later("too_many_attempts", "too many attempts: wait a little", seconds, status=429)

    def new_session(self, person: people.Person) -> tuple[str, Identity]:
        """A new secret and who it will stand for; store it with `begin`."""
        secret = secrets.token_urlsafe(32)
        total = self._keys.session_sum(secret)
        return secret, Identity(person.id, person.email, person.role, person.namespaces, False, total)

    @staticmethod
    def begin(cursor: Cursor, identity: Identity) -> None:
        """Stores a session of `new_session`."""
        people.insert_session(cursor, identity.total, identity.person_id)

    def forget(self, total: bytes | None = None, email: str | None = None) -> None:
        """Ask the database again about this session or token, or about everything of this person."""
        if total is not None:
            self._known.pop(total, None)
            self._asking.pop(total, None)
        if email is not None:
            for known in [key for key, (_, who) in self._known.items() if who is not None and who.email == email]:
                del self._known[known]

    async def _look_up(self, total: bytes, remote: str | None, *, by_token: bool) -> Identity | None:
        until, identity = self._known.get(total, (0.0, None))
        if until > time.monotonic():
            return identity
        asking = self._asking.get(total)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(total, remote, by_token=by_token))
            self._asking[total] = asking
            asking.add_done_callback(lambda done: self._asked(total, done))
        return await asyncio.shield(asking)  # one that hangs up does not end it for the others

    def _asked(self, total: bytes, done: asyncio.Future[Identity | None]) -> None:
        if self._asking.get(total) is done:
            del self._asking[total]
        if not done.cancelled():
            done.exception()  # seen, also when everybody has hung up

    async def _ask(self, total: bytes, remote: str | None, *, by_token: bool) -> Identity | None:
        place = None if remote is None else neighbourhood(remote)
        seconds = self._strangers.take(place) if place is not None else 0.0
        if seconds:
            raise later("too_many_attempts", "too many unknown sessions or tokens from here", seconds, status=429)
        select = people.select_token if by_token else people.select_session
        touch = people.touch_token if by_token else people.touch_session
        stranger = False
        try:
            holder = await self._database.read(select, total)
            stranger = holder is None
        finally:
            if place is not None and not stranger:  # nor when the database did not say who it is
                self._strangers.give_back(place)
        identity = None
        if holder is not None:
            identity = Identity(holder.person_id, holder.email, holder.role, holder.namespaces, by_token, total)
            if holder.stale:
                await self._database.write(touch, total)
        self._known[total] = (time.monotonic() + BELIEVED, identity)
        self._known.move_to_end(total)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return identity

    def _is_ours(self, origin: str, host: str) -> bool:
        if self._config.origin:
            return origin.lower() == self._config.origin.lower()
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def new_token() -> str:
    """A secret for programs: known by its prefix, so that scanners find one that leaked."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def _other_site() -> Problem:
    return Problem(403, "other_site", "this change does not come from our own pages (see Origin and Sec-Fetch-Site)")
