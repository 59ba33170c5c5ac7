"""Live events: what listen.py read is handed to every client that may see it. Used by api/events.py and pipeline.py.

Each client has a queue with one place per object, so that a slow client gets the newest state and never a backlog.
Events leave in the order of the log, so an event's id says that everything before it was sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from webui.auth import Identity
from webui.listen import Event, News
from webui.metrics import Metrics
from webui.problems import later

log = logging.getLogger("blueno.web.stream")

CLIENTS = 2000
CLIENTS_PER_PERSON = 64
QUEUE = 2000  # objects waiting for one client; more: it is told to begin anew
STALE_SECONDS = 15.0  # of silence of the mirror, after which answers say how old they are
TICK_SECONDS = 0.5

Clock = Callable[[], float]
Allowed = Mapping[str, tuple[str, ...] | None]  # kind → namespaces; None stands for all of them


class Client:
    """One open stream."""

    def __init__(self, identity: Identity, allowed: Allowed) -> None:
        self.identity = identity
        self.allowed = allowed
        self.queue: dict[str, Event] = {}
        self.reset = False
        self.health = True  # is to be told how things are
        self.news = asyncio.Event()

    def may_see(self, event: Event) -> bool:
        """Nothing of a kind that nobody asked about."""
        namespaces = self.allowed.get(event.kind, ())
        return namespaces is None or event.namespace in namespaces

    def put(self, event: Event) -> None:
        """Takes the place of an older event of the same object, at the end."""
        if not self.may_see(event):
            return
        self.queue.pop(event.uid, None)
        self.queue[event.uid] = event
        if len(self.queue) > QUEUE:
            self.begin_anew()
        self.news.set()

    def begin_anew(self) -> None:
        """Something was, or will be, missed: the client is to fetch everything again."""
        self.queue.clear()
        self.reset = True
        self.news.set()

    def tell_health(self) -> None:
        self.health = True
        self.news.set()


class Hub:
    """All clients, and what is known of the database and the mirror. Lives on the event loop."""

    def __init__(self, metrics: Metrics, clock: Clock = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._clients: set[Client] = set()
        self._per_person: Counter[int] = Counter()
        self._last = News(up=False)
        self._measured = 0.0  # when heartbeat_age was
        self._said: tuple[bool, bool] | None = None
        self._closing = False

    # From listen.py, through the loop -----------------------------------------------------------------

    def receive(self, news: News) -> None:
        """Hands on what the listener found."""
        if news.up:
            self._last, self._measured = news, self._clock()
        else:
            self._last = News(
                False, self._last.stream, self._last.first_seq, self._last.position, self._last.heartbeat_age
            )
        self._metrics.database_up.set(news.up)
        for client in self._clients:
            if news.reset:
                client.begin_anew()
            for event in news.events:
                client.put(event)
        self._tell_changes()

    async def run(self) -> None:
        """Until cancelled: notices when the mirror falls silent."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._tell_changes()

    def _tell_changes(self) -> None:
        state = (self._last.up, self.stale_seconds() is not None)
        if state != self._said:
            self._said = state
            for client in self._clients:
                client.tell_health()

    # For clients ---------------------------------------------------------------------------------------

    def join(self, identity: Identity, allowed: Allowed) -> Client:
        """Raises Problem 429 or 503 when there are too many."""
        if self._closing or len(self._clients) >= CLIENTS:
            raise later("overloaded", "too many event streams are open", 5.0)
        if self._per_person[identity.person_id] >= CLIENTS_PER_PERSON:
            raise later("too_many_streams", f"you have {CLIENTS_PER_PERSON} event streams open", 5.0, status=429)
        client = Client(identity, allowed)
        self._clients.add(client)
        self._per_person[identity.person_id] += 1
        self._metrics.streams.set(len(self._clients))
        return client

    def leave(self, client: Client) -> None:
        """The stream has ended."""
        if client in self._clients:
            self._clients.remove(client)
            self._per_person[client.identity.person_id] -= 1
            if not self._per_person[client.identity.person_id]:
                del self._per_person[client.identity.person_id]
            self._metrics.streams.set(len(self._clients))

    def close(self) -> None:
        """Ends all streams; clients come back to whoever is there then."""
        self._closing = True
        for client in self._clients:
            client.news.set()

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def position(self) -> tuple[str, int, int]:
        """(stream id, smallest kept seq, last published seq)."""
        return self._last.stream, self._last.first_seq, self._last.position

    @property
    def database_up(self) -> bool:
        return self._last.up

    def mirror_age(self) -> float | None:
        """Seconds since the mirror was last at work; None when that is not known."""
        if self._last.heartbeat_age is None:
            return None
        return max(0.0, self._last.heartbeat_age + self._clock() - self._measured)

    def stale_seconds(self) -> float | None:
        """The mirror's age when that is worth a word."""
        age = self.mirror_age()
        return age if age is not None and age > STALE_SECONDS else None
