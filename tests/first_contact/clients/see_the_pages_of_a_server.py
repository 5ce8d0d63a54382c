"""A server has a console, the interactive documentation of its API, and its own metrics."""

import os

import httpx

with httpx.Client(base_url=os.environ["NOVA_URL"], timeout=60) as server:
    assert "<title>NovaQL" in server.get("/").text
    documentation = server.get("/docs").text
    assert "swagger" in documentation.lower()
    assert "https://" not in documentation  # it needs no other server
    assert server.get("/readyz").json() == {"status": "ok"}
    assert "# TYPE" in server.get("/metrics").text
    assert server.get("/v1/openapi.json").json()["openapi"] == "3.1.0"
