"""Which data set a request writes to, and its data server. Used by uploads.py, working.py and platform/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueno.db.datasets import select_dataset
from blueno.resources.api import DATASETS
from webui.call import Call
from webui.dataservers import Source
from webui.problems import gone
from webui.refusals import translated


@dataclass(frozen=True)
class Target:
    """A data set as it is in the cluster, or in the mirror's copy of it."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Target:
        """Of an object."""
        meta = body["metadata"]
        return cls(meta["namespace"], meta["name"], meta["uid"])


async def target(call: Call) -> Target:
    """The data set that the path names; the pipeline has asked what the person may. Raises Problem 404."""
    namespace, name = call.values["namespace"], call.values["name"]
    found = await call.read(select_dataset, namespace, name)
    if found is not None:
        return Target(namespace, name, found[0].uid)
    with translated(DATASETS):  # made in this moment: the mirror has not told of it yet
        body = await call.services.cluster.get(DATASETS, namespace, name)
    if body is None:
        raise gone(DATASETS)
    return Target.of_body(body)


def server_of(call: Call, place: Target) -> Source:
    """Its data server, which the operator is told to keep up."""
    call.services.looked.note(place.uid)
    return call.services.data_servers.of_dataset(place)
