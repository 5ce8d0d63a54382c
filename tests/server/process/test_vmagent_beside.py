"""A real vmagent writes into the server, by Prometheus's protocol and by VictoriaMetrics'."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.peers.exposer import exposing
from tests.support.programs.prometheus_programs import free_port
from tests.support.programs.victoria_program import victoria_program
from tests.support.servers import patiently
from tests.support.servers.http_server import server_process

pytestmark = pytest.mark.slow

BODY = b'# TYPE up_since gauge\nup_since{path="/a"} 1700000000.25\ncounted_total 3\n'


@pytest.mark.parametrize(
    "protocol", ["-remoteWrite.forceVMProto", "-remoteWrite.forcePromProto", ""]
)
def test_what_vmagent_scrapes_arrives(protocol: str, tmp_path: Path) -> None:
    program = victoria_program("vmagent")
    with server_process(tmp_path / "data") as ours, exposing() as target:
        target.body = BODY
        config = tmp_path / "scrape.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n"
            f"  - {{job_name: self, static_configs: [{{targets: ['{target.address}']}}]}}\n"
        )
        port = free_port()
        command = [
            program,
            f"-promscrape.config={config}",
            f"-remoteWrite.url={ours.url}/api/v1/write",
            f"-remoteWrite.bearerToken={ours.token}",
            f"-remoteWrite.tmpDataPath={tmp_path}/agent",
            "-remoteWrite.flushInterval=500ms",
            f"-httpListenAddr=127.0.0.1:{port}",
            *([protocol] if protocol else []),
        ]
        headers = {"Authorization": f"Bearer {ours.token}"}
        with (tmp_path / "log").open("w") as log:
            agent = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                found: list[dict[str, object]] = []
                end = time.monotonic() + 120
                while not found and time.monotonic() < end:
                    assert agent.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.3)
                    answer = patiently.get(
                        f"{ours.url}/api/v1/query", params={"query": "up_since"}, headers=headers
                    )
                    found = answer.json()["data"]["result"]
                metrics = patiently.get(f"http://127.0.0.1:{port}/metrics").text
            finally:
                agent.terminate()
                agent.wait()
    assert [one["metric"] for one in found] == [
        {"__name__": "up_since", "instance": target.address, "job": "self", "path": "/a"}
    ]
    value = found[0]["value"]
    assert isinstance(value, list)
    assert value[1] == "1700000000.25"
    sent = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("vmagent_remotewrite_requests_total")
    }
    assert sum(count for name, count in sent.items() if 'status_code="2' in name) >= 1
    assert [name for name, count in sent.items() if count and 'status_code="2' not in name] == []
