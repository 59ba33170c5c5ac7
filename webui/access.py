"""What a person may see and do: SubjectAccessReviews of the API server, and the person's own list of namespaces. Both
must agree.

Called by pipeline.py, api/ and stream.py; asks blueno/kube.py. A person is user `blueno:<email>` in group
`blueno:<role>`. Answers are kept 10 s (yes) or 5 s (no); when the API server does not answer, nobody sees anything
(503).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from blueno import names
from blueno.db import people
from blueno.errors import BluenoError
from blueno.kube import Cluster
from blueno.resources.api import ACCESS_REVIEWS, DATASETS, TRAINING_RUNS, Resource
from webui.auth import Identity
from webui.problems import later

log = logging.getLogger("blueno.web.access")

YES_SECONDS = 10.0
NO_SECONDS = 5.0
KEPT = 20_000  # answers
REVIEW_SECONDS = 5.0
LISTED = (DATASETS, TRAINING_RUNS)
CONTENT = "content"  # the virtual subresource that stands for pixels and bytes

ListNamespaces = Callable[[], Awaitable[list[str]]]


@dataclass(frozen=True)
class Question:
    """May this person do that? An empty namespace stands for all of them, an empty name for all objects."""

    email: str
    role: str
    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    sub: str = ""


class Access:
    """Asks each question once at a time and remembers the answer."""

    def __init__(self, cluster: Cluster, list_namespaces: ListNamespaces) -> None:
        """`list_namespaces` names those that hold anything of ours."""
        self._cluster = cluster
        self._list_namespaces = list_namespaces
        self._answers: OrderedDict[Question, tuple[float, bool]] = OrderedDict()
        self._asking: dict[Question, asyncio.Task[bool]] = {}

    async def may(
        self, who: Identity, verb: str, resource: Resource, namespace: str, name: str = "", sub: str = ""
    ) -> bool:
        """Whether the person may do this to an object (or its subresource). Raises Problem 503."""
        if not who.may_enter(namespace):
            return False
        return await self._ask(Question(who.email, who.role, verb, resource, namespace, name, sub))

    async def namespaces(self, who: Identity, resource: Resource) -> tuple[str, ...] | None:
        """Those whose objects of this kind may be listed, sorted; None stands for all. Raises Problem 503."""
        if not who.namespaces:
            return ()
        everywhere = await self._ask(Question(who.email, who.role, "list", resource))
        if people.EVERY_NAMESPACE not in who.namespaces:
            candidates = sorted(set(who.namespaces))
            if everywhere:
                return tuple(candidates)
        elif everywhere:
            return None
        else:
            candidates = sorted(await self._list_namespaces())
        asked = [self._ask(Question(who.email, who.role, "list", resource, namespace)) for namespace in candidates]
        allowed = await asyncio.gather(*asked)
        return tuple(namespace for namespace, yes in zip(candidates, allowed, strict=True) if yes)

    async def listed(self, who: Identity) -> dict[str, tuple[str, ...] | None]:
        """`namespaces` by kind, of everything that lists show. Raises Problem 503."""
        found = await asyncio.gather(*(self.namespaces(who, resource) for resource in LISTED))
        return {resource.kind: namespaces for resource, namespaces in zip(LISTED, found, strict=True)}

    async def _ask(self, question: Question) -> bool:
        until, yes = self._answers.get(question, (0.0, False))
        if until > time.monotonic():
            return yes
        task = self._asking.get(question)
        if task is None:
            task = asyncio.create_task(self._review(question), name="access-review")
            self._asking[question] = task
            task.add_done_callback(lambda done: self._done(question, done))
        try:
            return await asyncio.shield(task)  # one caller hanging up must not fail the others
        except (BluenoError, TimeoutError) as error:
            log.warning("access not reviewed: %s", error or "no answer in time")
            raise later("access_unavailable", "the cluster does not say what you may see: try again") from None

    def _done(self, question: Question, task: asyncio.Task[bool]) -> None:
        self._asking.pop(question, None)
        if not task.cancelled():
            task.exception()  # seen, even when everybody who asked has hung up

    async def _review(self, question: Question) -> bool:
        async with asyncio.timeout(REVIEW_SECONDS):
            review = await self._cluster.create(ACCESS_REVIEWS, _manifest(question))
        status = review.get("status") or {}
        yes = status.get("allowed") is True and status.get("denied") is not True
        self._answers[question] = (time.monotonic() + (YES_SECONDS if yes else NO_SECONDS), yes)
        self._answers.move_to_end(question)
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return yes


def _manifest(question: Question) -> dict[str, Any]:
    attributes = {
        "group": question.resource.group,
        "version": question.resource.version,
        "resource": question.resource.plural,
        "subresource": question.sub,
        "verb": question.verb,
        "namespace": question.namespace,
        "name": question.name,
    }
    return {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": ACCESS_REVIEWS.kind,
        "metadata": {},
        "spec": {
            "user": names.PERSON_PREFIX + question.email,
            "groups": [names.PERSON_PREFIX + question.role, "system:authenticated"],
            "resourceAttributes": {key: value for key, value in attributes.items() if value},
        },
    }
