"""Generate a Python client from the server's OpenAPI document, and use it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]

document = httpx.get(f"{url}/v1/openapi.json", timeout=60)
Path("openapi.json").write_bytes(document.content)
# Without a formatter of code:
Path("config.yaml").write_text("post_hooks: []\n")
generate = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
generate += ["--path", "openapi.json", "--config", "config.yaml", "--output-path", "nova_client"]
subprocess.run(generate, check=True)
sys.path.insert(0, os.getcwd())

from nova_client import AuthenticatedClient  # noqa: E402
from nova_client.api.incidents import create_incident, list_incidents  # noqa: E402
from nova_client.api.query import query  # noqa: E402
from nova_client.models import CreateIncident, NovaqlRequest  # noqa: E402

with AuthenticatedClient(url, token=token) as client:
    answer = query.sync(client=client, body=NovaqlRequest("1 + 1"))
    assert answer.result[1] == 2

    cold = {"title": "the attic is cold", "severity": "sev3", "services": []}
    opened = create_incident.sync(client=client, body=CreateIncident.from_dict(cold))
    assert opened.status == "triggered"
    assert opened.id in [incident.id for incident in list_incidents.sync(client=client).data]
