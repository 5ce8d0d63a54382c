"""Ask a server with httpx: a query as JSON, and as a pandas frame."""

import io
import os

import httpx
import pyarrow as pa

server = httpx.Client(
    base_url=os.environ["NOVA_URL"], headers={"Authorization": f"Bearer {os.environ['NOVA_TOKEN']}"}
)

page = 'asked_celsius{room="attic"} 17.5\nasked_celsius{room="cellar"} 9\n'
stored = server.post("/v1/ingest", content=page, headers={"Content-Type": "text/plain"})
assert stored.json()["samples"] == 2

answer = server.post("/v1/novaql", json={"query": "max by (room) (asked_celsius)"})
values = {each["metric"]["room"]: each["value"][1] for each in answer.json()["result"]}
assert values == {"attic": 17.5, "cellar": 9}

query = {"query": "asked_celsius", "format": "arrow"}
answer = server.post("/v1/novaql", json=query)
frame = pa.ipc.open_stream(io.BytesIO(answer.content)).read_pandas()
assert sorted(frame["value"]) == [9, 17.5]

wrong = server.post("/v1/novaql", json={"query": "max(asked_celsius"})
assert wrong.status_code == 422
assert wrong.json()["error"]["message"] == '"(" is not closed, add ")"'
