"""Who may, and an editor."""

from __future__ import annotations

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.web.conftest import ADMINS, VIEWERS
from tests.web.site import Browser, Site
from tests.web.uploads.sending import EDITORS


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write."""
    return AccessServer(rules=[Rule(VIEWERS), Rule(ADMINS), Rule(EDITORS), Rule(EDITORS, verbs=("update", "patch"))])


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await site.logged_in("ed@example.org", "editor")
