"""Whether a claim's data server is to run now, and in words why not. Pure; called by kind.py and reports.py."""

from __future__ import annotations

from datetime import datetime

from blueno.resources.conditions import shorten
from controllers import servers
from controllers.outputs.build import build_outputs_server
from controllers.outputs.observe import Observed
from controllers.servers import Deed
from controllers.world import World

LOOK_AGAIN = 5.0  # seconds, while it is wanted but cannot run


def serve(seen: Observed, world: World, until: datetime | None, now: datetime) -> tuple[tuple[Deed, ...], float | None]:
    """What to make or patch, and the seconds after which to look again (None: something will tell).

    `until` is when the last wish for it ends.
    """
    if until is None or until <= now:
        return servers.rest(seen.namespace, seen.server), None
    ends_in = (until - now).total_seconds()
    if _hindered(seen):
        return servers.rest(seen.namespace, seen.server), min(ends_in, LOOK_AGAIN)
    deeds, again_in = servers.wake(seen.server, build_outputs_server(seen, world), seen.service_made, ends_in)
    # Of an earlier claim of this name, a server may be on its way out: nothing tells of its end.
    return deeds, min(again_in, LOOK_AGAIN) if seen.server is None else again_in


def why_not(seen: Observed) -> str:
    """Why what lies on the claim cannot be read, though somebody wants to; "" when it can, or can in a moment."""
    if _hindered(seen) or not seen.trouble:
        return _hindered(seen)
    return f"the server of claim {seen.name} cannot start: {shorten(seen.trouble, 300)}"


def _hindered(seen: Observed) -> str:
    if seen.deleting:
        return f"claim {seen.name} is being deleted"
    if seen.phase == "Lost":
        return f"claim {seen.name} has lost its volume"
    if seen.phase != "Bound":
        return f"claim {seen.name} has no volume yet: nothing was written to it"
    if seen.writers:  # a server on another node would keep the run from its volume
        who = ", ".join(seen.writers[:3]) + (" and others" if len(seen.writers) > 3 else "")
        return f"claim {seen.name} is for one node at a time, and {who} writes to it: its files can be read afterwards"
    return ""
