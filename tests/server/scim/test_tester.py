"""The checks of scim2-tester, on both mounts and both databases.

Two of the four pairs by default; all of them: `SCIM_PAIRS=all pytest tests/server/scim`.
"""

from __future__ import annotations

import os
from collections import Counter

import httpx2
import pytest

from tests.server.scim.conftest import Idp

pytestmark = pytest.mark.slow

ALL = os.environ.get("SCIM_PAIRS") == "all"
USUAL = {("sqlite", "/scim/v2"), ("postgresql", "/v1/scim/v2")}


@pytest.mark.parametrize("base", ["/scim/v2", "/v1/scim/v2"])
def test_every_check_passes(idp: Idp, base: str) -> None:
    # Not at the top: their models would cost each process that collects tests five seconds.
    from scim2_client.engines.httpx2 import SyncSCIMClient  # noqa: PLC0415
    from scim2_tester import Status, check_server  # noqa: PLC0415

    good = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}
    kind = idp.server.context.database.url.get_backend_name()
    if not ALL and (kind, base) not in USUAL:
        pytest.skip("one mount for each database; set SCIM_PAIRS=all for every pair")
    headers = {"Authorization": f"Bearer {idp.token}"}
    url = f"{str(idp.server.client.base_url).rstrip('/')}{base}"
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as client:
        results = check_server(SyncSCIMClient(client))
    bad = [f"{r.status}: {r.title}: {r.reason}" for r in results if r.status not in good]

    assert bad == []
    assert Counter(result.status in good for result in results)[True] >= 135
