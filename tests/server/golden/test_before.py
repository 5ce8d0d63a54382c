"""A data directory of an earlier version opens; its resources and samples are answered the same.

`data_of_3454c20.zip` was copied while that version's server ran, after its last write: blocks, a
log with samples that no block has, a database with a log of its own, sealed secrets, a resource of
every kind, a firing alert and an objective. `answers_of_3454c20.json` holds what it answered then.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.app import create_app
from novaql.server.clock import SteppedClock
from novaql.server.settings import Settings
from tests.support.servers.http_server import serving

HERE = Path(__file__).parent
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]{10,}")
TOLD: dict[str, Any] = json.loads((HERE / "answers_of_3454c20.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    data = tmp_path_factory.mktemp("before")
    with zipfile.ZipFile(HERE / "data_of_3454c20.zip") as packed:
        packed.extractall(data)
    settings = Settings(
        data=data,
        rate_per_minute=0,
        rate_per_day=0,
        slo_cache_ttl_s=0,
        evaluations_spread=False,
        job_threads=0,
    )
    app = create_app(settings, clock=SteppedClock(datetime.fromisoformat(TOLD["now"])))
    headers = {"Authorization": f"Bearer {TOLD['token']}"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


@pytest.mark.parametrize("path", sorted(TOLD["answers"]))
def test_it_answers_the_same(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    is_json = "json" in answer.headers["content-type"]
    expected = _without_secrets(TOLD["answers"][path])
    found = answer.json() if is_json else answer.text
    assert _rounded(_without_new_fields(found, expected)) == _rounded(expected)


def _rounded(answer: Any) -> Any:
    """With numbers of 14 digits: the last ones of a sum depend on its order."""
    match answer:
        case dict():
            return {name: _rounded(value) for name, value in answer.items()}
        case list():
            return [_rounded(value) for value in answer]
        case str() if _NUMBER.fullmatch(answer):
            return f"{float(answer):.14g}"
    return answer


def _without_new_fields(answer: Any, then: Any) -> Any:
    """An answer with only the fields of resources that there were then."""
    match answer, then:
        case {"id": _}, {"id": _}:
            return {name: value for name, value in answer.items() if name in then}
        case dict(), dict():
            return {
                name: _without_new_fields(value, then.get(name)) for name, value in answer.items()
            }
        case list(), list():
            return [_without_new_fields(*pair) for pair in zip_longest(answer, then)]
    return answer


def _without_secrets(answer: Any) -> Any:
    """An answer of then as it is now: of a webhook's URL only scheme and host are shown."""
    if isinstance(answer, dict):
        if str(answer.get("id", "")).startswith("wh_"):
            return {**answer, "url": "https://192.0.43.8/…"}
        if isinstance(answer.get("data"), list):
            return {**answer, "data": [_without_secrets(row) for row in answer["data"]]}
    return answer


def test_secrets_are_unsealed(client: httpx.Client) -> None:
    """The signing key of a webhook was sealed by the earlier version's master key."""
    (webhook,) = client.get("/v1/webhooks").json()["data"]
    rotated = client.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", json={})
    assert rotated.status_code == 200, rotated.text


def test_it_goes_on(client: httpx.Client) -> None:
    """What the earlier version wrote can be written on."""
    (incident,) = client.get("/v1/incidents").json()["data"]
    told = client.post(f"/v1/incidents/{incident['id']}/ack")
    assert told.status_code == 200, told.text
    lines = b'# TYPE up gauge\nup{job="api",instance="a:0"} 1 1774958640\n# EOF\n'
    headers = {"Content-Type": "application/openmetrics-text; version=1.0.0"}
    written = client.post("/v1/ingest", content=lines, headers=headers)
    assert written.json()["samples"] == 1, written.text
    query = {"query": 'up{instance="a:0"}[2h]', "time": "1774958640"}
    (series,) = client.get("/api/v1/query", params=query).json()["data"]["result"]
    assert len(series["values"]) > 50
    assert series["values"][-1] == [1774958640, "1"]
