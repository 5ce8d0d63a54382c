"""A site, a listener that no flow may reach, and a browser or a reason to skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from novaql.server.probes.browser import available
from tests.support.servers import browser_site
from tests.support.servers.browser_site import Inside, Site


@pytest.fixture(scope="session")
def browser() -> None:
    """Skip where no browser can run."""
    if (reason := available()) is not None:
        pytest.skip(f"{reason} (Debian: apt-get install chromium bubblewrap)")


@pytest.fixture
def site() -> Iterator[Site]:
    with browser_site.site() as made:
        yield made


@pytest.fixture
def inside() -> Iterator[Inside]:
    with browser_site.inside() as made:
        yield made
