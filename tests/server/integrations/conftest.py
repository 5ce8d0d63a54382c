"""A server that can connect the fake provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers.integration_rig import IntegrationRig, integration_rig


@pytest.fixture
def rig() -> Iterator[IntegrationRig]:
    with integration_rig() as made:
        yield made
