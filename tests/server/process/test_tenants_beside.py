"""A real Prometheus for each of two tenants writes at once; promtool reads as each of them."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.programs.prometheus_programs import program, running_prometheus
from tests.support.servers import patiently
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import server_process

pytestmark = pytest.mark.slow

_CONFIG = """
global: {{scrape_interval: 1s, external_labels: {{whose: {name}}}}}
scrape_configs:
  - job_name: {name}
    static_configs: [{{targets: ["127.0.0.1:{{own_port}}"]}}]
remote_write:
  - url: {url}/prometheus/api/v1/write
    authorization: {{credentials: {token}}}
    queue_config: {{batch_send_deadline: 1s}}
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_two_tenants_at_once(tmp_path: Path, workers: str) -> None:
    data = tmp_path / "data"
    with server_process(data, "--workers", workers) as server, ExitStack() as stack:
        made = novaql("admin", "tenant", "beta", "--data", str(data))
        tokens = {"alpha": str(server.token), "beta": made.stdout.strip()}
        for name, token in tokens.items():
            config = _CONFIG.format(name=name, url=server.url, token=token)
            stack.enter_context(running_prometheus(tmp_path / name, config))
        for name, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{server.url}/prometheus/api/v1"
            wanted = {"query": f'count_over_time(up{{job="{name}"}}[5m])'}
            end, count = time.monotonic() + 90, 0.0
            while count < 3 and time.monotonic() < end:
                time.sleep(0.5)
                found = httpx.get(f"{url}/query", params=wanted, headers=headers, timeout=30)
                result = found.json()["data"]["result"]
                count = float(result[0]["value"][1]) if result else 0.0
            assert count >= 3
            jobs = patiently.get(f"{url}/label/job/values", headers=headers).json()["data"]
            assert jobs == [name]

            http = tmp_path / f"{name}.yml"
            http.write_text(f"authorization: {{credentials: {token}}}\n")
            at = f"{server.url}/prometheus"
            for query in ('{__name__="up"}', 'up{whose=~".+"}', "count by (job) (up)"):
                told = subprocess.run(
                    [
                        *(program("promtool"), "query", "instant", f"--http.config.file={http}"),
                        *(at, query),
                    ],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                assert f'job="{name}"' in told
                assert not any(other in told for other in tokens if other != name)
