"""Faults drawn by dice, against a stream of data sets and training runs. Used by test_soak.py.

What is drawn depends on nothing but the seed. Every fault finds something to hit (blows.py), and goes into the ledger
(ledger.py) with the time until it had healed and what came of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from tests.checker import Snapshot
from tests.e2e.blows import FAULTS, ON_A_PREPARATION, ON_A_RUN, Scene, collects
from tests.e2e.checked import assert_sound_soon
from tests.e2e.kube import Kube
from tests.e2e.ledger import Ledger
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import MANAGED
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import digest_of
from tests.e2e.web import Web, wait_indexed

VICTIMS = 7  # names of data sets, used again and again
SAMPLES = 600  # of each: ten pieces of the source
QUICK, SLOW = 0.05, 2.0  # seconds for each piece: half a second, or long enough to be hit in the middle
LONGER = 5.0  # seconds that a run takes which is to be hit, more than the storm waits before it strikes
MORE = 2  # faults after the first of a round, each with a run of its own


def draws(dice: random.Random, kinds: Collection[str] = FAULTS.keys()) -> Iterator[list[str]]:
    """Names of faults without end, those of one round after those of another.

    In every row of as many as there are `kinds`, each comes once. One that needs a preparation at work begins a round.
    """
    names: list[str] = []
    while True:
        while len(names) <= MORE:
            names += dice.sample(sorted(kinds), len(kinds))
        drawn = [names.pop(0)]
        while len(drawn) <= MORE and names[0] not in ON_A_PREPARATION:
            drawn.append(names.pop(0))
        yield drawn


class Storm:
    """One run of it: what was made, what has to come out of it."""

    def __init__(self, kube: Kube, web: Web, mirror: Mirror, ledger: Ledger, kinds: Collection[str]) -> None:
        self.kube, self.mirror, self.ledger = kube, mirror, ledger
        self.dice = random.Random(ledger.seed)
        self.scene = Scene(kube, web, self.dice, "reference")
        self.content = class_folders(SAMPLES)
        self.url = mirror.put("p.tar", self.content)
        self.rounds = self.runs = 0
        self.seen: Snapshot | None = None
        self._faults = draws(self.dice, kinds)
        kube.apply(archive_dataset("reference", self.url, self.content, storage=MANAGED))
        self.expected = digest_of(kube.wait_ready("reference", 400))
        wait_indexed(kube, "reference")
        mirror.delay = QUICK

    def round(self) -> None:
        """Another data set, and faults in the middle of it: one that needs it at work comes first."""
        kube, name, faults = self.kube, f"victim-{self.rounds % VICTIMS}", next(self._faults)
        slow, fresh = faults[0] in ON_A_PREPARATION, self.dice.random() < 0.33
        if self.rounds >= VICTIMS:  # there is one of that name
            if fresh or slow:
                kube.run("delete", "dataset", name, "--timeout=300s")
            else:
                assert digest_of(kube.wait_ready(name, 400)) == self.expected
        # Deleted Jobs and killed pods count against backoffLimit: a person who soaks allows for it.
        spec: dict[str, Any] = {"reclaimPolicy": "Delete", "prepare": {"backoffLimit": 20}}
        if self.rounds % VICTIMS % 3 == 0:
            spec["storage"] = MANAGED
        self.mirror.delay = SLOW if slow else QUICK
        kube.apply(archive_dataset(name, self.url, self.content, **spec))
        self.rounds += 1
        for fault in faults:
            self._strike(fault)

    def _strike(self, fault: str) -> None:
        """Another run, then the fault."""
        wait, seconds = self.dice.uniform(0, 3), self.dice.uniform(0, 4) + (LONGER if fault in ON_A_RUN else 0)
        self.kube.apply(a_run(f"run-{self.runs}", f"import time; time.sleep({seconds:.1f})", backoffLimit=20))
        self.runs += 1
        time.sleep(wait)
        self._fire(fault)

    def _fire(self, fault: str) -> None:
        hit = FAULTS[fault](self.scene)
        self.ledger.fired(fault, hit.what, hit.lasted)
        self.mirror.delay = QUICK
        hit.healed()
        self.ledger.healed()
        self._look(at_rest=False)
        self.ledger.sound()

    def _look(self, at_rest: bool) -> None:
        """The checker, which knows what it saw the last time and what a data set without faults has in it."""
        uids = [body["metadata"]["uid"] for body in self._datasets()]
        counts, digests = dict.fromkeys(uids, SAMPLES), dict.fromkeys(uids, self.expected)
        seen = assert_sound_soon(self.kube, self.seen, at_rest=at_rest, declared=counts, reference=digests)
        self.seen = replace(seen, texts=())  # the operator's log: megabytes each time

    def _datasets(self) -> list[dict[str, Any]]:
        bodies = self.kube.list("datasets.blueno.dev")
        return [body for body in bodies if not body["metadata"]["name"].startswith("probe-")]

    def calm(self) -> None:
        """After the last fault: all is as if there had been none."""
        kube = self.kube
        for body in self._datasets():
            assert digest_of(kube.wait_ready(body["metadata"]["name"], 400)) == self.expected
        for run in (f"run-{one}" for one in range(self.runs)):
            wait_reason(kube, run, "Completed", 400)
            assert status_of(kube, run)["attempt"] == 1, run
        assert collects(kube)
        self._look(at_rest=True)
        kube.run("delete", "trainingruns.blueno.dev", "--all", "--timeout=300s")
        kube.run("delete", "datasets.blueno.dev", "--all", "--timeout=400s")
        kube.wait("nothing left", lambda: not kube.list("jobs") and not kube.list("pods"))
        kept = ("reference", "probe-", "blueno-outputs")

        def left() -> list[str]:
            names = [c["metadata"]["name"] for c in kube.list("pvc") if not c["metadata"].get("deletionTimestamp")]
            return [name for name in names if not name.startswith(kept)]

        kube.wait("Delete leaves no claim, Retain its own", lambda: not left())
        self._look(at_rest=True)
