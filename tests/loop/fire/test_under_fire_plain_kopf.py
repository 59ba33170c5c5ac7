"""Why our operator has no `@kopf.on.create`: a PATCH that fails for longer than kopf is patient is lost (row 6).

A reproduction that needs nothing of ours but the fake API server: should kopf mend this, it fails and says so.
"""

from __future__ import annotations

from pathlib import Path

from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.proxies.rules import Answer

# A textbook operator; its patience (54 s by default) is shortened, and so is the pause after an error.
TEXTBOOK = """
import kopf

@kopf.on.login()
def login(**given):
    return kopf.login_with_kubeconfig(**given)

@kopf.on.startup()
def settle(settings, **_):
    settings.networking.error_backoffs = [0.1, 0.1]
    settings.queueing.error_delays = [0.1]
    settings.posting.enabled = False

@kopf.on.create("blueno.dev", "v1alpha1", "datasets")
def handle(name, patch, **_):
    print("handled", name, flush=True)
    patch.status["handled"] = "yes"
"""


async def test_a_plain_kopf_handler_loses_what_could_not_be_patched_for_a_while(
    world: UnderFire, tmp_path: Path
) -> None:
    script = tmp_path / "textbook.py"
    script.write_text(TEXTBOOK)
    process, log = world.fork({}, str(script))
    await world.until(lambda: any(seen.verb == "WATCH" for seen in world.api.requests), "it watches")
    with world.proxy.fault(Answer(500), "PATCH") as refused:
        world.api.put(a_dataset_manifest("lost"))
        await world.until(lambda: refused.fired >= 3, "it has tried for as long as it is patient")
        await world.until(lambda: "throttl" in log.read_text().lower(), "it gives up")
    world.api.put(a_dataset_manifest("seen"))
    await world.until(lambda: world.api.read("Dataset", "seen")["status"].get("handled"), "it works again")
    await world.settled(2)
    assert process.returncode is None
    assert "handled lost" in log.read_text()
    assert "handled" not in world.api.read("Dataset", "lost")["status"], "kopf has mended it: see docs/adr/0001"
