"""Live events of training runs, beside those of data sets."""

from __future__ import annotations

from tests.fakes.access import AccessServer, Rule
from tests.runs import run_uid
from tests.web.a_full_run import FULL, SUMMARY
from tests.web.conftest import VIEWERS, StartSite
from tests.web.events import listening, ready
from tests.web.mirrored import Mirrored
from tests.web.site import Site


async def test_events_of_both_kinds(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put_run(state="failed", message="exit <b>1", **FULL)
        event = (await events.next("change")).data
        assert event["object"].pop("changedAt")
        assert event == {
            "kind": "TrainingRun",
            "op": "upsert",
            "uid": run_uid("train"),
            "namespace": "lab",
            "name": "train",
            "object": SUMMARY,
        }
        mirrored.put()
        assert (await events.next("change")).data["kind"] == "Dataset"
        mirrored.remove_run()
        event = (await events.next("change")).data
        assert (event["kind"], event["op"], event["name"], event["object"]) == ("TrainingRun", "delete", "train", None)


async def test_events_only_of_what_one_may_see(start_site: StartSite, access: AccessServer, mirrored: Mirrored) -> None:
    site = await start_site()
    access.rules[:] = [Rule(VIEWERS, resources=("datasets",)), Rule(VIEWERS, "open", resources=("trainingruns",))]
    browser = await site.logged_in()
    mirrored.put("lab", "first")
    mirrored.put_run("before", "open")
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put_run("hidden", "lab")
        mirrored.put_run("shown", "open")
        mirrored.put("lab", "last", reason="Last")
        seen = [event.data["name"] for event in await events.until("last", "Last")]
        assert [name for name in seen if name not in ("first", "before")] == ["shown", "last"]
        known = events.last_id
    mirrored.put_run("hidden", "lab", reason="Again")
    mirrored.put_run("shown", "open", reason="Again")
    async with listening(browser, known) as again:
        assert [event.data["name"] for event in await again.until("shown", "Again")] == ["shown"]
