"""The paths of 2019, at the root, for programs that still speak as the client of that year did.

What they say is mapped onto today's objects: a data set of 2019 is the Dataset with that display name in the person's
home namespace (homes.py), a sample is one of its working set (samples.py), and an address of data is only a name for
bytes (urls.py, data.py).
"""

from __future__ import annotations

from webui.api.platform import data, datasets, listing, login, samples
from webui.routes import Route

ROUTES: tuple[Route, ...] = (
    *login.ROUTES,
    *datasets.ROUTES,
    *listing.ROUTES,
    *samples.ROUTES,
    *data.ROUTES,
)
