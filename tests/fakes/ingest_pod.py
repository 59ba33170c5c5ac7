"""`python tests/fakes/ingest_pod.py JSON`: the ingest pod's own program, with its files elsewhere than in a pod."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from blueno.ingest.__main__ import run
from blueno.ingest.config import IngestConfig
from blueno.resources.ingest import IngestOptions

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    told = json.loads(sys.argv[1])
    options = IngestOptions.from_json(told.pop("options"))
    paths = {key: Path(told.pop(key)) for key in list(told) if key not in ("data_server", "report_url")}
    sys.exit(run(IngestConfig(options=options, idle_seconds=0.5, source_pauses=(0.1,), **told, **paths)))
