"""A server is data for NovaQL in another process: it asks for samples, and evaluates the query."""

import os

import httpx

import novaql

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]
headers = {"Authorization": f"Bearer {token}"}
page = b'near{room="attic"} 1\nnear{room="cellar"} 2\n'
httpx.post(f"{url}/api/v1/import/prometheus", content=page, headers=headers).raise_for_status()

# NOVA_TOKEN is sent where a server asks for a token of NovaQL.
assert novaql.query("sum(near)", url).item() == 3

with novaql.open(url, token=token) as server:
    assert server.label_values("room", match="near") == ["attic", "cellar"]
